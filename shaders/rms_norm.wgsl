// rms_norm: y = x / sqrt(mean(x^2) + epsilon) * gain, per row.
//
//   x, y   (rows, width)
//   gain   (width)
//
// One workgroup per row; each thread takes every REDUCE_THREADS-th column.

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(REDUCE_THREADS)
fn rms_norm(
    @builtin(local_invocation_index) thread: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = workgroup_index(group, groups);
    if row >= params.rows {
        return;
    }
    let start = row * params.width;
    var squares = 0.0;
    for (var column = thread; column < params.width; column += REDUCE_THREADS) {
        let value = x[start + column];
        squares += value * value;
    }
    let scale = inverseSqrt(workgroup_sum(thread, squares) / f32(params.width) + EPSILON);
    for (var column = thread; column < params.width; column += REDUCE_THREADS) {
        y[start + column] = x[start + column] * scale * gain[column];
    }
}
