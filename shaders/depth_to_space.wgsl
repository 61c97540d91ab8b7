// depth_to_space: each position becomes factor x factor finer ones.
//
//   x   (items * height * width, factor^2 * channels), columns ordered (dy, dx, channel)
//   y   (items * factor * height * factor * width, channels)
//
// One thread per value of y. A row of `factor` blocks of channels lies together in both, so only its start is computed.

struct Params {
    count: u32,
    // Width of the coarse grid.
    width: u32,
    factor: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn depth_to_space(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let run = params.factor * params.channels;
    let within = index % run;
    let coarse_x = index / run % params.width;
    let fine_line = index / run / params.width;
    let coarse = fine_line / params.factor * params.width + coarse_x;
    y[index] = x[(coarse * params.factor + fine_line % params.factor) * run + within];
}
