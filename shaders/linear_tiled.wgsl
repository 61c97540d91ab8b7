// linear: y = activation(x W + b) + residual; shapes in lib/product.wgsl. Variant of tiles in workgroup memory.
//
// Workgroup (32 columns, 32 rows). Thread t loads term t % 16 of two quads of rows.

@compute @workgroup_size(THREADS)
fn linear_tiled(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let term = thread % TILE_TERMS;
    for (var k = 0u; k < params.terms; k += TILE_TERMS) {
        for (var quad = thread / TILE_TERMS; quad < TILE / 4u; quad += THREADS / TILE_TERMS) {
            let row = group.y * TILE + 4u * quad;
            tile_x[term * (TILE / 4u) + quad] =
                vec4(value(row, k + term), value(row + 1u, k + term), value(row + 2u, k + term), value(row + 3u, k + term));
        }
        load_weights(group.x, k, thread);
        workgroupBarrier();
        add_tile(thread);
        workgroupBarrier();
    }
    store_tile(group, thread);
}

fn value(row: u32, term: u32) -> f32 {
    if row >= params.rows || term >= params.inputs {
        return 0.0;
    }
    return x[row * params.inputs + term];
}
