// flow_step: y = x + weight * velocity + previous_weight * previous.
//
//   x, y                 any shape of `count` values
//   velocity, previous   the same, `previous` of one step before; where guided, twice as many: c with tokens, then u without,
//                        which count as c + excess * (c - u)
//
// One thread per value.

struct Params {
    count: u32,
    weight: f32,
    previous_weight: f32,
    // Guidance minus 1.
    excess: f32,
    guided: u32,
    previous_guided: u32,
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
    var now = velocity[index];
    if params.guided != 0u {
        now += params.excess * (now - velocity[params.count + index]);
    }
    var before = previous[index];
    if params.previous_guided != 0u {
        before += params.excess * (before - previous[params.count + index]);
    }
    y[index] = x[index] + params.weight * now + params.previous_weight * before;
}
