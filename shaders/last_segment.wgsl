// last_segment: the last of two segments of every item.
//
//   x   (items * 2 * rows, width)
//   y   (items * rows, width)
//
// One thread per value of y; `part` is rows * width.

struct Params {
    count: u32,
    part: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn last_segment(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let item = index / params.part;
    y[index] = x[(2u * item + 1u) * params.part + index % params.part];
}
