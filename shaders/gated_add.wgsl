// gated_add: sum = x + gate * y, element by element.
//
//   x, y, sum    (rows, width)
//   modulation   (rows, modulation_width); the gate stands at column gate_at
//
// One thread per value.

struct Params {
    count: u32,
    width: u32,
    modulation_width: u32,
    gate_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> modulation: array<f32>;
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(THREADS)
fn gated_add(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / params.width;
    let gate = modulation[row * params.modulation_width + params.gate_at + index % params.width];
    sum[index] = x[index] + gate * y[index];
}
