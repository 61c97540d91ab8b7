// sample_tokens: the first largest of logit + temperature * gumbel(seed, key, token), for each position of a round.
//
//   logits    (rows, codebook_size); with guidance (2 * rows, codebook_size): with the condition, then without
//   indices   positions (rows), from `start`
//   keys      what the random numbers of all positions are drawn with, from `key_start`
//   items     the textures of the batch, of `positions` positions each
//   tokens    the token grid, written at these positions
//
// One workgroup per row; each thread scores every REDUCE_THREADS-th token.

struct Params {
    rows: u32,
    codebook_size: u32,
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

@compute @workgroup_size(REDUCE_THREADS)
fn sample_tokens(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row = group.x;
    let position = indices[params.start + row];
    let key = keys[params.key_start + position];
    let item = items[position / params.positions];
    var best = 0u;
    var best_score = -3.4e38;
    for (var token = thread; token < params.codebook_size; token += REDUCE_THREADS) {
        let at = row * params.codebook_size + token;
        var logit = logits[at];
        if params.guided != 0u {
            let other = logits[at + params.rows * params.codebook_size];
            logit = other + item.guidance * (logit - other);
        }
        let score = logit + item.token_temperature * gumbel(random_words(item.token_seed, STREAM_TOKEN, key, token).x);
        // A thread meets its tokens in rising order, so of equal scores the first one stays.
        if score > best_score {
            best = token;
            best_score = score;
        }
    }
    let token = workgroup_best(thread, best_score, best);
    if thread == 0u {
        tokens[position] = min(token, params.codebook_size - 1u);
    }
}
