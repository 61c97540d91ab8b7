// sample_tokens: the first largest of logit + temperature * gumbel(seed, key, token), for each position of a round.
//
//   logits    (rows, columns), columns being first codes, then second ones if tokens have two; with guidance
//             (2 * rows, columns): with the condition, then without
//   indices   positions (rows), from `start`
//   keys      what the random numbers of all positions are drawn with, from `key_start`
//   items     the textures of the batch, of `positions` positions each
//   tokens    the token grid, written at these positions
//
// Where tokens have two codes, each is chosen so among its own columns: token = first * second_codes + second.
// One workgroup per row; each thread scores every REDUCE_THREADS-th column.

struct Params {
    rows: u32,
    first_codes: u32,
    second_codes: u32,
    start: u32,
    guided: u32,
    key_start: u32,
    positions: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> items: array<Item>;
@group(0) @binding(5) var<storage, read_write> tokens: array<u32>;

// The code that a row chooses among `count` columns from `start` on.
fn choose(thread: u32, row: u32, position: u32, columns: u32, start: u32, count: u32) -> u32 {
    let key = keys[params.key_start + position];
    let item = items[position / params.positions];
    var best = 0u;
    var best_score = -3.4e38;
    for (var code = thread; code < count; code += REDUCE_THREADS) {
        let column = start + code;
        let at = row * columns + column;
        var logit = logits[at];
        if params.guided != 0u {
            let other = logits[at + params.rows * columns];
            logit = other + item.guidance * (logit - other);
        }
        let score = logit + item.token_temperature * gumbel(random_words(item.token_seed, STREAM_TOKEN, key, column).x);
        // A thread meets its codes in rising order, so of equal scores the first one stays.
        if score > best_score {
            best = code;
            best_score = score;
        }
    }
    return min(workgroup_best(thread, best_score, best), count - 1u);
}

@compute @workgroup_size(REDUCE_THREADS)
fn sample_tokens(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row = group.x;
    let position = indices[params.start + row];
    var columns = params.first_codes;
    if params.second_codes > 1u {
        columns += params.second_codes;
    }
    var token = choose(thread, row, position, columns, 0u, params.first_codes);
    if params.second_codes > 1u {
        // What the first choice was made with is used again.
        workgroupBarrier();
        let second = choose(thread, row, position, columns, params.first_codes, params.second_codes);
        token = token * params.second_codes + second;
    }
    if thread == 0u {
        tokens[position] = token;
    }
}
