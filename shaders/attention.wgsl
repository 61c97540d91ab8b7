// attention: softmax(q k^T * scale + bias) v over the keys in sight; shapes in lib/sight.wgsl. Variant of eight lanes.
//
// Workgroup (8 queries of one row of the grid, head, segment and item); each lane owns one query. Keys are visited once, STEP_KEYS
// at a time along a row of the grid: lanes load eight columns of a key and broadcast them. The running maximum, sum and
// weighted values are rescaled when a step raises the maximum (online softmax, arXiv 1805.02867).

@compute @workgroup_size(LANES)
fn attention(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let blocks = (params.width + QUERY_BLOCK - 1u) / QUERY_BLOCK;
    let first = group.x % blocks * QUERY_BLOCK;
    let query_y = group.x / blocks;
    let query_x = min(first + lane, params.width - 1u);
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
    let rows = span(query_y, 1u, params.height, params.wrap_y);
    let columns = span(first, QUERY_BLOCK, params.width, params.wrap_x);
    for (var key_segment = 0u; key_segment < params.segments; key_segment += 1u) {
        let bias_at = bias_start(head, segment, key_segment);
        for (var row = 0u; row < rows.y; row += 1u) {
            let key_y = (rows.x + row) % params.height;
            let down = offset(query_y, key_y, params.height, params.wrap_y);
            let line = sequence + key_segment * positions + key_y * params.width;
            for (var column = 0u; column < columns.y; column += STEP_KEYS) {
                let turned$i = columns.x + min(column + $iu, columns.y - 1u);
                let key_x$i = select(turned$i, turned$i - params.width, turned$i >= params.width);
                let right$i = offset(query_x, key_x$i, params.width, params.wrap_x);
                let seen$i = column + $iu < columns.y && in_sight(down, right$i);
                let key$i = (line + key_x$i) * stride + params.channels + head_at + lane;
                var s$i = bias[bias_at + bias_column(down, right$i)];
                s$i += dot8(query_key_value[key$i + 8u * $bu], q$b_low, q$b_high);
                s$i = select(HIDDEN, s$i, seen$i);
                var raised = largest;
                raised = max(raised, s$i);
                let rescale = exp(largest - raised);
                largest = raised;
                total *= rescale;
                o$b_low *= rescale;
                o$b_high *= rescale;
                // Where nothing was in sight yet, the difference of two hidden scores is 0, not minus infinity.
                let share$i = select(0.0, exp(s$i - largest), seen$i);
                total += share$i;
                let value$i = key$i + params.channels;
                {   let v = query_key_value[value$i + 8u * $bu]; o$b_low += share$i * low4(v); o$b_high += share$i * high4(v); }
            }
        }
    }
    if first + lane < params.width {
        let at = query * params.channels + head_at;
        store4(at + 8u * $bu, o$b_low / total);
        store4(at + 8u * $bu + 4u, o$b_high / total);
    }
}

// Eight columns of a key, one in each lane, times eight columns of each lane's query.
fn dot8(k: f32, low: vec4<f32>, high: vec4<f32>) -> f32 {
    return dot(low4(k), low) + dot(high4(k), high);
}

fn low4(v: f32) -> vec4<f32> {
    return vec4(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}

fn high4(v: f32) -> vec4<f32> {
    return vec4(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u));
}
