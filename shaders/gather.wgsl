// gather: rows `indices` of each of several equal groups of rows.
//
//   x         (items * x_rows, width)
//   indices   (y_rows), from `start`; below x_rows
//   y         (items * y_rows, width)
//
// One thread per value.

struct Params {
    count: u32,
    width: u32,
    x_rows: u32,
    y_rows: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn gather(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / params.width;
    let source = indices[params.start + row % params.y_rows];
    y[index] = x[(row / params.y_rows * params.x_rows + source) * params.width + index % params.width];
}
