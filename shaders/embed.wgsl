// embed: rows of a table, y[r] = table[indices[r]].
//
//   table     (entries, width) in halves, two per u32
//   indices   (rows), from `start`
//   y         (rows, width)
//
// One thread per pair of values; `count` is rows * width / 2. Indices past the table are cut.

struct Params {
    count: u32,
    pairs: u32,
    start: u32,
    entries: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn embed(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let entry = min(indices[params.start + index / params.pairs], params.entries - 1u);
    let pair = unpack2x16float(table[entry * params.pairs + index % params.pairs]);
    y[2u * index] = pair.x;
    y[2u * index + 1u] = pair.y;
}
