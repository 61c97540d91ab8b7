// embed: what a table says of tokens, y[r] = table[tokens[r] / second] + table[entries - second + tokens[r] % second];
// the first row alone where tokens have one code (second = 1).
//
//   table     (entries, width) in halves, two per u32
//   tokens    (rows), from `start`
//   y         (rows, width)
//
// One thread per pair of values; `count` is rows * width / 2. Rows past the table are cut.

struct Params {
    count: u32,
    pairs: u32,
    start: u32,
    entries: u32,
    second: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn pair_of(entry: u32, column: u32) -> vec2<f32> {
    return unpack2x16float(table[min(entry, params.entries - 1u) * params.pairs + column]);
}

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
    let token = tokens[params.start + index / params.pairs];
    let column = index % params.pairs;
    var pair = pair_of(token / params.second, column);
    if params.second > 1u {
        pair += pair_of(params.entries - params.second + token % params.second, column);
    }
    y[2u * index] = pair.x;
    y[2u * index + 1u] = pair.y;
}
