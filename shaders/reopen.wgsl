// reopen: forgets latents at some positions, with zeros in the context, and writes a given token for each.
//
//   indices   positions (count / context_width), from `start`; all different
//   given     as many tokens, from `given_start`
//   tokens    the token grid
//   context   (positions, context_width)
//
// One thread per value of the context; the first of each row writes the token.

struct Params {
    count: u32,
    context_width: u32,
    start: u32,
    given_start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> given: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(4) var<storage, read_write> context: array<f32>;

@compute @workgroup_size(THREADS)
fn reopen(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let row = index / params.context_width;
    let position = indices[params.start + row];
    let column = index % params.context_width;
    context[position * params.context_width + column] = 0.0;
    if column == 0u {
        tokens[position] = given[params.given_start + row];
    }
}
