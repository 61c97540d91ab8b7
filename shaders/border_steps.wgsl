// border_steps: excess steps of a picture at the borders of tokens, see src/sampling/borders.rs.
//
//   pixels   (items * height * width, 3)
//   steps    (2 * items * height * width / TOKEN_PIXELS, 3): those of upright borders, each on the left side of a token, row
//            by row; then those of level ones, each above a token
//
// One thread per row of steps.

struct Params {
    count: u32,
    // Steps of upright borders.
    upright: u32,
    // Size of a picture.
    width: u32,
    height: u32,
    wrap_x: u32,
    wrap_y: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> steps: array<f32>;

// Mean of the pixels along a border. `across` and `base` are positions across the borders and along them.
fn averaged(level: bool, first: u32, across: i32, base: i32) -> vec3<f32> {
    var sum = vec3(0.0);
    for (var offset = -i32(ALONG); offset <= i32(ALONG); offset++) {
        let at = select(vec2(across, base + offset), vec2(base + offset, across), level);
        let x = resolve(at.x, params.width, params.wrap_x);
        let y = resolve(at.y, params.height, params.wrap_y);
        let row = 3u * ((first + y) * params.width + x);
        let weight = f32(i32(ALONG) + 1 - abs(offset)) / f32((ALONG + 1u) * (ALONG + 1u));
        sum += weight * vec3(pixels[row], pixels[row + 1u], pixels[row + 2u]);
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn border_steps(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let level = index >= params.upright;
    let number = select(index, index - params.upright, level);
    // Of upright borders a token and a line of all pictures, of level ones a column and a line of tokens of all pictures.
    let row = select(params.width / TOKEN_PIXELS, params.width, level);
    let column = number % row;
    let line = number / row;
    let lines = select(params.height, params.height / TOKEN_PIXELS, level);
    let token = select(column, line % lines, level);
    let base = i32(select(line % lines, column, level));
    let first = line / lines * params.height;
    if token == 0u && select(params.wrap_x, params.wrap_y, level) == 0u {
        steps[3u * index] = 0.0;
        steps[3u * index + 1u] = 0.0;
        steps[3u * index + 2u] = 0.0;
        return;
    }
    let border = i32(token * TOKEN_PIXELS);
    let last = i32(INSIDE_LAST);
    var natural = vec3(0.0);
    var found = vec3(0.0);
    var before = averaged(level, first, border - last - 2, base);
    var step_0 = vec3(0.0);
    var step_1 = vec3(0.0);
    for (var across = -last - 1; across <= last + 1; across++) {
        let next = averaged(level, first, border + across, base);
        let step_2 = next - before;
        before = next;
        let turn = step_1 - 0.5 * (step_0 + step_2);
        let middle = abs(across - 1);
        if across == 1 {
            found = turn;
        } else if middle >= i32(INSIDE_FIRST) && middle <= last {
            natural += turn * turn / f32(2u * (INSIDE_LAST - INSIDE_FIRST + 1u));
        }
        step_0 = step_1;
        step_1 = step_2;
    }
    let size = sqrt(dot(found, found) / 3.0) / EDGE;
    let kept = 1.0 / (1.0 + size * size * size * size);
    let share = NATURAL * sqrt(natural) / max(abs(found), vec3(1e-6));
    let excess = kept * found * max(1.0 - share, vec3(0.0));
    steps[3u * index] = excess.x;
    steps[3u * index + 1u] = excess.y;
    steps[3u * index + 2u] = excess.z;
}
