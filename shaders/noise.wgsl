// noise: start of the flow, x = temperature * normal(seed, key of the position, channel).
//
//   indices   positions (rows), from `start`; not read if `in_order`: then row r is position r
//   keys      what the random numbers of all positions are drawn with, from `key_start`
//   items     the textures of the batch, of `positions` positions each
//   x         (rows, width)
//
// One thread per value.

struct Params {
    count: u32,
    width: u32,
    start: u32,
    in_order: u32,
    key_start: u32,
    positions: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read> items: array<Item>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(THREADS)
fn noise(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    var position = index / params.width;
    if params.in_order == 0u {
        position = indices[params.start + position];
    }
    let key = keys[params.key_start + position];
    let item = items[position / params.positions];
    x[index] = item.latent_temperature * normal(random_words(item.latent_seed, STREAM_LATENT, key, index % params.width));
}
