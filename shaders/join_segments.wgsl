// join_segments: two segments joined per item, `first` in front.
//
//   first, second   (items * rows, width)
//   y               (items * 2 * rows, width)
//
// One thread per value; `part` is rows * width.

struct Params {
    count: u32,
    part: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn join_segments(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let item = index / (2u * params.part);
    let within = index % (2u * params.part);
    if within < params.part {
        y[index] = first[item * params.part + within];
    } else {
        y[index] = second[item * params.part + within - params.part];
    }
}
