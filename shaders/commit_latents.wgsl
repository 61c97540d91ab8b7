// commit_latents: writes latents into rows of the context, clamped, and marks them as known.
//
//   latents   (rows, width)
//   indices   positions (rows), from `start`; all different
//   context   (positions, context_width); column `width` is the mark
//
// One thread per latent value and one more per row for the mark; `count` is rows * (width + 1).

struct Params {
    count: u32,
    width: u32,
    context_width: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latents: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> context: array<f32>;

@compute @workgroup_size(THREADS)
fn commit_latents(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / (params.width + 1u);
    let column = index % (params.width + 1u);
    var value = 1.0;
    if column < params.width {
        value = clamp(latents[row * params.width + column], -LATENT_LIMIT, LATENT_LIMIT);
    }
    context[indices[params.start + row] * params.context_width + column] = value;
}
