// conv3x3: y = activation(x * W + b) + residual; shapes in lib/product.wgsl. Variant of tiles in workgroup memory.
//
// A product whose left side is gathered from the picture while it is loaded: term k is channel k % inputs of neighbour
// k / inputs. Workgroup (32 channels, 32 pixels); thread t loads term t % 16 of two quads of pixels.

@compute @workgroup_size(THREADS)
fn conv3x3_tiled(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let term = thread % TILE_TERMS;
    for (var k = 0u; k < params.terms; k += TILE_TERMS) {
        let tap = (k + term) / params.inputs;
        let channel = (k + term) % params.inputs;
        for (var quad = thread / TILE_TERMS; quad < TILE / 4u; quad += THREADS / TILE_TERMS) {
            let pixel = group.y * TILE + 4u * quad;
            tile_x[term * (TILE / 4u) + quad] = vec4(
                neighbour(pixel, tap, channel),
                neighbour(pixel + 1u, tap, channel),
                neighbour(pixel + 2u, tap, channel),
                neighbour(pixel + 3u, tap, channel),
            );
        }
        load_weights(group.x, k, thread);
        workgroupBarrier();
        add_tile(thread);
        workgroupBarrier();
    }
    store_tile(group, thread);
}

fn neighbour(pixel: u32, tap: u32, channel: u32) -> f32 {
    if pixel >= params.rows || tap >= 9u {
        return 0.0;
    }
    let line = pixel / params.width;
    let top = line / params.height * params.height;
    let down = i32(line - top) + i32(tap / 3u) - 1;
    let right = i32(pixel % params.width) + i32(tap % 3u) - 1;
    let source = (top + resolve(down, params.height, params.wrap_y)) * params.width
        + resolve(right, params.width, params.wrap_x);
    return x[source * params.inputs + channel];
}
