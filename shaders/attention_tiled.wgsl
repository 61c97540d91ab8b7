// attention: softmax(q k^T * scale + bias) v over the keys in sight; shapes in lib/sight.wgsl. Variant of tiles in
// workgroup memory.
//
// Workgroup (8x8 queries of the grid, head, segment and item); each thread owns one query. TILE_KEYS keys and values at a time pass
// through workgroup memory. The running maximum, sum and weighted values are rescaled when a key raises the maximum (online
// softmax, arXiv 1805.02867).

const QUADS: u32 = HEAD_WIDTH / 4u;

var<workgroup> keys: array<vec4<f32>, TILE_KEYS * QUADS>;
var<workgroup> values: array<vec4<f32>, TILE_KEYS * QUADS>;

@compute @workgroup_size(THREADS)
fn attention_tiled(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let blocks = (params.width + QUERY_BLOCK - 1u) / QUERY_BLOCK;
    let first = vec2(group.x % blocks, group.x / blocks) * QUERY_BLOCK;
    let place = first + vec2(thread % QUERY_BLOCK, thread / QUERY_BLOCK);
    let query_x = min(place.x, params.width - 1u);
    let query_y = min(place.y, params.height - 1u);
    let head = group.y;
    let segment = group.z % params.segments;
    let positions = params.width * params.height;
    let sequence = (group.z - segment) * positions;
    let query = sequence + segment * positions + query_y * params.width + query_x;
    let stride = 3u * params.channels;
    let head_at = head * HEAD_WIDTH;
    let query_at = query * stride + head_at;
    let q$b_low = params.scale * load4(query_at + 8u * $bu);
    let q$b_high = params.scale * load4(query_at + 8u * $bu + 4u);
    var o$b_low = vec4<f32>();
    var o$b_high = vec4<f32>();
    var largest = HIDDEN;
    var total = 0.0;
    let rows = span(first.y, QUERY_BLOCK, params.height, params.wrap_y);
    let columns = span(first.x, QUERY_BLOCK, params.width, params.wrap_x);
    let count = rows.y * columns.y;
    for (var key_segment = 0u; key_segment < params.segments; key_segment += 1u) {
        let bias_at = bias_start(head, segment, key_segment);
        for (var start = 0u; start < count; start += TILE_KEYS) {
            workgroupBarrier();
            for (var part = thread; part < TILE_KEYS * QUADS; part += THREADS) {
                let key = key_place(min(start + part / QUADS, count - 1u), rows, columns);
                let key_row = sequence + key_segment * positions + key.y * params.width + key.x;
                let at = key_row * stride + params.channels + head_at + part % QUADS * 4u;
                keys[part] = load4(at);
                values[part] = load4(at + params.channels);
            }
            workgroupBarrier();
            for (var index = 0u; index < min(TILE_KEYS, count - start); index += 1u) {
                let key = key_place(start + index, rows, columns);
                let down = offset(query_y, key.y, params.height, params.wrap_y);
                let right = offset(query_x, key.x, params.width, params.wrap_x);
                if !in_sight(down, right) {
                    continue;
                }
                var score = bias[bias_at + bias_column(down, right)];
                score += dot(q$b_low, keys[index * QUADS + 2u * $bu]) + dot(q$b_high, keys[index * QUADS + 2u * $bu + 1u]);
                if score > largest {
                    let rescale = exp(largest - score);
                    largest = score;
                    total *= rescale;
                    o$b_low *= rescale;
                    o$b_high *= rescale;
                }
                let share = exp(score - largest);
                total += share;
                o$b_low += share * values[index * QUADS + 2u * $bu];
                o$b_high += share * values[index * QUADS + 2u * $bu + 1u];
            }
        }
    }
    if place.x < params.width && place.y < params.height {
        let at = query * params.channels + head_at;
        store4(at + 8u * $bu, o$b_low / total);
        store4(at + 8u * $bu + 4u, o$b_high / total);
    }
}

// Place of the key with a number counted over the block's span.
fn key_place(index: u32, rows: vec2<u32>, columns: vec2<u32>) -> vec2<u32> {
    return vec2((columns.x + index % columns.y) % params.width, (rows.x + index / columns.y) % params.height);
}
