// modulated_norm: y = x / sqrt(mean(x^2) + epsilon) * (1 + scale) + shift, per row.
//
//   x, y         (rows, width)
//   modulation   (rows, modulation_width); shift and scale stand at columns shift_at and scale_at
//
// One workgroup per row; each thread takes every REDUCE_THREADS-th column.

struct Params {
    rows: u32,
    width: u32,
    modulation_width: u32,
    shift_at: u32,
    scale_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> modulation: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(REDUCE_THREADS)
fn modulated_norm(
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
    let norm = inverseSqrt(workgroup_sum(thread, squares) / f32(params.width) + EPSILON);
    let start_of_modulation = row * params.modulation_width;
    for (var column = thread; column < params.width; column += REDUCE_THREADS) {
        let scale = 1.0 + modulation[start_of_modulation + params.scale_at + column];
        y[start + column] = x[start + column] * norm * scale + modulation[start_of_modulation + params.shift_at + column];
    }
}
