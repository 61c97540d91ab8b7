// conv3x3: y = activation(x * W + b) + residual; shapes in lib/product.wgsl. Variant of eight lanes.
//
// Term k of the sum is channel k % inputs of neighbour k / inputs, and neighbours are counted row by row. A workgroup
// computes 16 channels (group.x) of 8 pixels of one row of a grid (group.y).

@compute @workgroup_size(LANES)
fn conv3x3(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let blocks = (params.width + 7u) / 8u;
    let first = (group.y % blocks) * 8u;
    // Row of pixels, counted over all grids.
    let line = group.y / blocks;
    let top = line / params.height * params.height;
    let inside = i32(line - top);
    let pixel$i = i32(min(first + $iu, params.width - 1u)) - 1;
    var at = block_start(group.x, lane);
    var tap = lane / params.inputs;
    var channel = lane % params.inputs;
    for (var k = 0u; k < params.terms; k += 8u) {
        // Taps past the ninth only meet weights of zero.
        let known = min(tap, 8u);
        // A third of a number up to 8.
        let down = (known * 11u) >> 5u;
        let right = i32(known - 3u * down);
        let source = (top + resolve(inside + i32(down) - 1, params.height, params.wrap_y)) * params.width;
        add_terms(
            at,
            x[(source + resolve(pixel$i + right, params.width, params.wrap_x)) * params.inputs + channel],
        );
        at += 4u * LANES;
        // There are at least eight channels, so eight terms further is at most one tap further.
        channel += 8u;
        let next = channel >= params.inputs;
        channel = select(channel, channel - params.inputs, next);
        tap = select(tap, tap + 1u, next);
    }
    let column = first_column(group.x, lane);
    let bias = bias_pair(column);
    // Pixels past the end of the line must not be stored over the next line.
    let row$i = select(params.rows, line * params.width + first + $iu, first + $iu < params.width);
    store_pair(row$i, column, sum$i + bias);
}
