// commit_latents: writes `gain` times latents into rows of the context, clamped, and marks them as known.
//
//   latents   (any rows, width)
//   indices   positions, from `start`; all different
//   rows      the row of `latents` for each of them, from `row_start`; not read if `in_order`: then one row after the other
//   context   (all positions, context_width); column `width` is the mark
//
// One thread per latent value and one more per position for the mark; `count` is number of positions * (width + 1).

struct Params {
    count: u32,
    width: u32,
    context_width: u32,
    start: u32,
    in_order: u32,
    row_start: u32,
    gain: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latents: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> context: array<f32>;

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
    let place = index / (params.width + 1u);
    let column = index % (params.width + 1u);
    var row = place;
    if params.in_order == 0u {
        row = rows[params.row_start + place];
    }
    var value = 1.0;
    if column < params.width {
        value = clamp(params.gain * latents[row * params.width + column], -LATENT_LIMIT, LATENT_LIMIT);
    }
    context[indices[params.start + place] * params.context_width + column] = value;
}
