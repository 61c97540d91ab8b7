// denormalise: y = x * exp(style[.., D + channel]) + style[.., channel], from style-relative to absolute latents.
//
//   x       (rows, x_width), x_width >= D; the columns past D are dropped
//   style   (rows / repeats, 2 D)
//   y       (rows, D)
//
// One thread per value of y.

struct Params {
    count: u32,
    width: u32,
    x_width: u32,
    repeats: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> style: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn denormalise(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / params.width;
    let channel = index % params.width;
    let mean = row / params.repeats * 2u * params.width + channel;
    y[index] = x[row * params.x_width + channel] * exp(style[mean + params.width]) + style[mean];
}
