// flow_step: y = x + weight * velocity + previous_weight * previous.
//
//   x, velocity, previous, y   any shape of `count` values; `previous` is the velocity one step before
//
// One thread per value.

struct Params {
    count: u32,
    weight: f32,
    previous_weight: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> velocity: array<f32>;
@group(0) @binding(3) var<storage, read> previous: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn flow_step(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    y[index] = x[index] + params.weight * velocity[index] + params.previous_weight * previous[index];
}
