// Sum and best score over a workgroup that is one subgroup.

fn workgroup_sum(thread: u32, value: f32) -> f32 {
    return subgroupAdd(value);
}

// The largest score and the smallest token that has it.
fn workgroup_best(thread: u32, score: f32, token: u32) -> u32 {
    let best = subgroupMax(score);
    return subgroupMin(select(0xffffffffu, token, score == best));
}
