// smooth_borders: pixels without the excess steps at the borders of tokens: half of each to both sides, falling to nothing
// over SMOOTHED_PIXELS.
//
//   pixels   (items * height * width, 3)
//   steps    see border_steps.wgsl
//   y        (items * height * width, 3)
//
// One thread per pixel.

struct Params {
    count: u32,
    // Steps of upright borders.
    upright: u32,
    // Size of a picture.
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read> steps: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// The token before which the border nearest to a pixel lies.
fn nearest_token(at: u32, length: u32) -> u32 {
    return (at + TOKEN_PIXELS - SMOOTHED_PIXELS) / TOKEN_PIXELS % (length / TOKEN_PIXELS);
}

// The share of its step that the pixel gets.
fn share_of(at: u32) -> f32 {
    let within = at % TOKEN_PIXELS;
    let after = within < SMOOTHED_PIXELS;
    let distance = f32(select(TOKEN_PIXELS - 1u - within, within, after));
    let share = 0.5 * (1.0 - (distance + 0.5) / f32(SMOOTHED_PIXELS));
    return select(share, -share, after);
}

@compute @workgroup_size(THREADS)
fn smooth_borders(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = thread_index(group, groups, local);
    if index >= params.count {
        return;
    }
    let at_x = index % params.width;
    let line = index / params.width;
    let at_y = line % params.height;
    let tokens = params.width / TOKEN_PIXELS;
    let lines = params.height / TOKEN_PIXELS;
    let left = 3u * (line * tokens + nearest_token(at_x, params.width));
    let token_line = line / params.height * lines + nearest_token(at_y, params.height);
    let above = 3u * (params.upright + token_line * params.width + at_x);
    let across = share_of(at_x);
    let down = share_of(at_y);
    for (var channel = 0u; channel < 3u; channel++) {
        y[3u * index + channel] =
            pixels[3u * index + channel] + (across * steps[left + channel] + down * steps[above + channel]);
    }
}
