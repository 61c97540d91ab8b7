// tokens_at: y = tokens[indices], the tokens of a window.
//
//   tokens    the token grid
//   indices   positions (count), from `start`
//   y         (count)
//
// One thread per token.

struct Params {
    count: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(THREADS)
fn tokens_at(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    y[index] = tokens[indices[params.start + index]];
}
