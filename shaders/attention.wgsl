// attention: softmax(q k^T * scale + bias) v over the keys in sight; shapes in lib/sight.wgsl. Variant of eight lanes.
//
// Workgroup (8 columns by LANE_QUERIES rows of the grid, head, segment and item); each lane owns the queries of one
// column. Keys are visited once, STEP_KEYS at a time along a row of the grid: lanes load eight columns of a key and
// broadcast them. The running maximum, sum and weighted values are rescaled when a step raises the maximum (online
// softmax, arXiv 1805.02867).

@compute @workgroup_size(LANES)
fn attention(@builtin(subgroup_invocation_id) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let blocks = (params.width + QUERY_BLOCK - 1u) / QUERY_BLOCK;
    let first = vec2(group.x % blocks * QUERY_BLOCK, group.x / blocks * LANE_QUERIES);
    let query_x = min(first.x + lane, params.width - 1u);
    let query_y$q = min(first.y + $qu, params.height - 1u);
    let head = group.y;
    let segment = group.z % params.segments;
    let positions = params.width * params.height;
    let sequence = (group.z - segment) * positions;
    let query$q = sequence + segment * positions + query_y$q * params.width + query_x;
    let stride = 3u * params.channels;
    let head_at = head * HEAD_WIDTH;
    let q$q_$b_low = params.scale * load4(query$q * stride + head_at + 8u * $bu);
    let q$q_$b_high = params.scale * load4(query$q * stride + head_at + 8u * $bu + 4u);
    var o$q_$b_low = vec4<f32>();
    var o$q_$b_high = vec4<f32>();
    var largest$q = HIDDEN;
    var total$q = 0.0;
    let rows = span(first.y, LANE_QUERIES, params.height, params.wrap_y);
    let columns = span(first.x, QUERY_BLOCK, params.width, params.wrap_x);
    for (var key_segment = 0u; key_segment < params.segments; key_segment += 1u) {
        let bias_at = bias_start(head, segment, key_segment);
        for (var row = 0u; row < rows.y; row += 1u) {
            let key_y = (rows.x + row) % params.height;
            let down$q = offset(query_y$q, key_y, params.height, params.wrap_y);
            let line = sequence + key_segment * positions + key_y * params.width;
            for (var column = 0u; column < columns.y; column += STEP_KEYS) {
                let turned$i = columns.x + min(column + $iu, columns.y - 1u);
                let key_x$i = select(turned$i, turned$i - params.width, turned$i >= params.width);
                let right$i = offset(query_x, key_x$i, params.width, params.wrap_x);
                let seen$q_$i = column + $iu < columns.y && in_sight(down$q, right$i);
                let key$i = (line + key_x$i) * stride + params.channels + head_at + lane;
                var s$q_$i = bias[bias_at + bias_column(down$q, right$i)];
                let k$i_$b = query_key_value[key$i + 8u * $bu];
                s$q_$i += dot8(k$i_$b, q$q_$b_low, q$q_$b_high);
                s$q_$i = select(HIDDEN, s$q_$i, seen$q_$i);
                var raised$q = largest$q;
                raised$q = max(raised$q, s$q_$i);
                let rescale$q = exp(largest$q - raised$q);
                largest$q = raised$q;
                total$q *= rescale$q;
                o$q_$b_low *= rescale$q;
                o$q_$b_high *= rescale$q;
                // Where nothing was in sight yet, the difference of two hidden scores is 0, not minus infinity.
                let share$q_$i = select(0.0, exp(s$q_$i - largest$q), seen$q_$i);
                total$q += share$q_$i;
                let v$i_$b = query_key_value[key$i + params.channels + 8u * $bu];
                o$q_$b_low += share$q_$i * low4(v$i_$b);
                o$q_$b_high += share$q_$i * high4(v$i_$b);
            }
        }
    }
    let inside$q = first.x + lane < params.width && first.y + $qu < params.height;
    let at$q = query$q * params.channels + head_at;
    if inside$q { store4(at$q + 8u * $bu, o$q_$b_low / total$q); store4(at$q + 8u * $bu + 4u, o$q_$b_high / total$q); }
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
