// Eight rows by sixteen columns per workgroup of eight lanes; each lane owns two columns.
//
// In each step every lane loads one of eight terms of every row and broadcasts it to the others: on a rasteriser that
// runs a subgroup as one vector, a load costs as much as eight multiplications, a broadcast almost nothing.

var<private> sum$i: vec2<f32>;

// Adds eight terms: `v0` to `v7` are term `lane` of eight rows; `at` is this lane's pair of columns for the first two terms.
fn add_terms(at: u32,
    v$i: f32,
) {
    let pair_0 = weight[at];
    let pair_2 = weight[at + LANES];
    let pair_4 = weight[at + 2u * LANES];
    let pair_6 = weight[at + 3u * LANES];
    {
        let left = unpack2x16float(pair_0.x);
        let right = unpack2x16float(pair_0.y);
        let w0 = vec2(left.x, right.x);
        let w1 = vec2(left.y, right.y);
        sum$i += subgroupBroadcast(v$i, 0u) * w0;
        sum$i += subgroupBroadcast(v$i, 1u) * w1;
    }
    {
        let left = unpack2x16float(pair_2.x);
        let right = unpack2x16float(pair_2.y);
        let w0 = vec2(left.x, right.x);
        let w1 = vec2(left.y, right.y);
        sum$i += subgroupBroadcast(v$i, 2u) * w0;
        sum$i += subgroupBroadcast(v$i, 3u) * w1;
    }
    {
        let left = unpack2x16float(pair_4.x);
        let right = unpack2x16float(pair_4.y);
        let w0 = vec2(left.x, right.x);
        let w1 = vec2(left.y, right.y);
        sum$i += subgroupBroadcast(v$i, 4u) * w0;
        sum$i += subgroupBroadcast(v$i, 5u) * w1;
    }
    {
        let left = unpack2x16float(pair_6.x);
        let right = unpack2x16float(pair_6.y);
        let w0 = vec2(left.x, right.x);
        let w1 = vec2(left.y, right.y);
        sum$i += subgroupBroadcast(v$i, 6u) * w0;
        sum$i += subgroupBroadcast(v$i, 7u) * w1;
    }
}

// Index of this lane's pair of columns for the first two terms of a block of sixteen columns.
fn block_start(block: u32, lane: u32) -> u32 {
    return block * (params.terms / 2u) * LANES + lane;
}

// First of this lane's two columns.
fn first_column(block: u32, lane: u32) -> u32 {
    return block * BLOCK_COLUMNS + 2u * lane;
}

fn bias_pair(column: u32) -> vec2<f32> {
    return vec2(bias_of(column), bias_of(column + 1u));
}

fn store_pair(row: u32, column: u32, sum: vec2<f32>) {
    store(row, column, sum.x);
    store(row, column + 1u, sum.y);
}
