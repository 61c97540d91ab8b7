// Sum and best score over a workgroup, by halving.

var<workgroup> partial: array<f32, REDUCE_THREADS>;
var<workgroup> partial_token: array<u32, REDUCE_THREADS>;

fn workgroup_sum(thread: u32, value: f32) -> f32 {
    partial[thread] = value;
    workgroupBarrier();
    for (var half = REDUCE_THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            partial[thread] += partial[thread + half];
        }
        workgroupBarrier();
    }
    return partial[0];
}

// The largest score and the smallest token that has it.
fn workgroup_best(thread: u32, score: f32, token: u32) -> u32 {
    partial[thread] = score;
    partial_token[thread] = token;
    workgroupBarrier();
    for (var half = REDUCE_THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            let other = partial[thread + half];
            let other_token = partial_token[thread + half];
            if other > partial[thread] || (other == partial[thread] && other_token < partial_token[thread]) {
                partial[thread] = other;
                partial_token[thread] = other_token;
            }
        }
        workgroupBarrier();
    }
    return partial_token[0];
}
