// Which keys a block of queries sees: the rules of `AttentionLayout` in src/model/ops.rs.
//
//   query_key_value   (items * segments * height * width, 3 * channels), columns [q | k | v]
//   bias              (heads * segments^2, (2 * window + 1)^2)
//   y                 (items * segments * height * width, channels)

struct Params {
    height: u32,
    width: u32,
    wrap_y: u32,
    wrap_x: u32,
    window: u32,
    segments: u32,
    heads: u32,
    channels: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query_key_value: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Stands for minus infinity: far below every score, but finite, so that differences stay numbers.
const HIDDEN: f32 = -1e30;

// First coordinate and number of keys along an axis that queries from..from + block can see.
fn span(start: u32, block: u32, length: u32, wraps: u32) -> vec2<u32> {
    if wraps != 0u {
        let count = block + 2u * params.window;
        if count >= length {
            return vec2(0u, length);
        }
        return vec2((start + length - params.window) % length, count);
    }
    let low = max(start, params.window) - params.window;
    return vec2(low, min(start + block + params.window, length) - low);
}

// Offset from a query to a key along an axis: the shortest way round where it wraps.
fn offset(query: u32, key: u32, length: u32, wraps: u32) -> i32 {
    let direct = i32(key) - i32(query);
    let half = i32(length / 2u);
    let turned = direct + half;
    let around = select(select(turned, turned + i32(length), turned < 0), turned - i32(length), turned >= i32(length));
    return select(direct, around - half, wraps != 0u);
}

fn in_sight(down: i32, right: i32) -> bool {
    return max(abs(down), abs(right)) <= i32(params.window);
}

// Column of the bias table; 0 for keys out of sight.
fn bias_column(down: i32, right: i32) -> u32 {
    let reach = i32(params.window);
    return u32(select(0, (down + reach) * (2 * reach + 1) + right + reach, in_sight(down, right)));
}

// Start of the bias row of a head and the segments of query and key.
fn bias_start(head: u32, query_segment: u32, key_segment: u32) -> u32 {
    let side = 2u * params.window + 1u;
    return ((head * params.segments + query_segment) * params.segments + key_segment) * side * side;
}

fn load4(at: u32) -> vec4<f32> {
    return vec4(query_key_value[at], query_key_value[at + 1u], query_key_value[at + 2u], query_key_value[at + 3u]);
}

fn store4(at: u32, value: vec4<f32>) {
    y[at] = value.x;
    y[at + 1u] = value.y;
    y[at + 2u] = value.z;
    y[at + 3u] = value.w;
}
