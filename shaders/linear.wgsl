// linear: y = activation(x W + b) + residual; shapes in lib/product.wgsl. Variant of eight lanes.
//
// Workgroup (block of 16 columns, block of 8 rows). Rows past the end repeat the last one and are not stored, since a
// broadcast needs every lane.

@compute @workgroup_size(LANES)
fn linear(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let first = group.y * LANE_ROWS;
    let last = params.rows - 1u;
    let row$i = min(first + $iu, last) * params.inputs;
    var at = block_start(group.x, lane);
    for (var k = 0u; k < params.terms; k += 8u) {
        // Terms past the end meet weights of zero.
        let term = min(k + lane, params.inputs - 1u);
        add_terms(
            at,
            x[row$i + term],
        );
        at += 4u * LANES;
    }
    let column = first_column(group.x, lane);
    let bias = bias_pair(column);
    store_pair(first + $iu, column, sum$i + bias);
}
