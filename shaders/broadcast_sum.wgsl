// broadcast_sum: row r of the sum is x[r % x_rows] + y[r / y_repeats].
//
//   x     (x_rows, width)
//   y     (rows / y_repeats, width)
//   sum   (rows, width)
//
// One thread per value.

struct Params {
    count: u32,
    width: u32,
    x_rows: u32,
    y_repeats: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(THREADS)
fn broadcast_sum(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / params.width;
    let column = index % params.width;
    sum[index] = x[row % params.x_rows * params.width + column] + y[row / params.y_repeats * params.width + column];
}
