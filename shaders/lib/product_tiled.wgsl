// 32 rows by 32 columns per workgroup of 64 threads, 4x4 per thread; sixteen terms at a time pass through workgroup memory.

// [term][quad of rows] and [term][quad of columns].
var<workgroup> tile_x: array<vec4<f32>, TILE_TERMS * TILE / 4u>;
var<workgroup> tile_weight: array<vec4<f32>, TILE_TERMS * TILE / 4u>;
// This thread's rows, four columns each.
var<private> sum0: vec4<f32>;
var<private> sum1: vec4<f32>;
var<private> sum2: vec4<f32>;
var<private> sum3: vec4<f32>;

// Unpacks four columns of two terms; there are 64 such parts in a tile.
fn load_weights(group_x: u32, first_term: u32, thread: u32) {
    let term_pair = thread / 8u;
    let quad = thread % 8u;
    let block = group_x * (TILE / BLOCK_COLUMNS) + quad / 4u;
    let pairs = params.terms / 2u;
    let pair = first_term / 2u + term_pair;
    var left = vec2(0u);
    var right = vec2(0u);
    if block * BLOCK_COLUMNS < params.outputs && pair < pairs {
        let at = (block * pairs + pair) * LANES + quad % 4u * 2u;
        left = weight[at];
        right = weight[at + 1u];
    }
    let a = unpack2x16float(left.x);
    let b = unpack2x16float(left.y);
    let c = unpack2x16float(right.x);
    let d = unpack2x16float(right.y);
    tile_weight[2u * term_pair * (TILE / 4u) + quad] = vec4(a.x, b.x, c.x, d.x);
    tile_weight[(2u * term_pair + 1u) * (TILE / 4u) + quad] = vec4(a.y, b.y, c.y, d.y);
}

fn add_tile(thread: u32) {
    let rows = thread / 8u;
    let columns = thread % 8u;
    for (var k = 0u; k < TILE_TERMS; k += 1u) {
        let a = tile_x[k * (TILE / 4u) + rows];
        let w = tile_weight[k * (TILE / 4u) + columns];
        sum0 += a.x * w;
        sum1 += a.y * w;
        sum2 += a.z * w;
        sum3 += a.w * w;
    }
}

fn store_tile(group: vec3<u32>, thread: u32) {
    let row = group.y * TILE + thread / 8u * 4u;
    let column = group.x * TILE + thread % 8u * 4u;
    let bias = vec4(bias_of(column), bias_of(column + 1u), bias_of(column + 2u), bias_of(column + 3u));
    store_quad(row, column, sum0 + bias);
    store_quad(row + 1u, column, sum1 + bias);
    store_quad(row + 2u, column, sum2 + bias);
    store_quad(row + 3u, column, sum3 + bias);
}

fn store_quad(row: u32, column: u32, sum: vec4<f32>) {
    store(row, column, sum.x);
    store(row, column + 1u, sum.y);
    store(row, column + 2u, sum.z);
    store(row, column + 3u, sum.w);
}
