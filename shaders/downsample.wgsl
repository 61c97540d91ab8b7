// downsample: one mip level from the level above it, averaged in linear light.
//
//   finer     the finer level, sRGB-encoded
//   coarser   the coarser level, half as large, rounded down
//
// One thread per pixel of the target. It averages the area that the pixel covers, which is 2x2 pixels for even sizes
// and reaches into a third one for odd sizes, so that nothing shifts.

struct Params {
    width: u32,
    height: u32,
}

// Size of the target.
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var finer: texture_2d<f32>;
@group(0) @binding(2) var coarser: texture_storage_2d<rgba8unorm, write>;

@compute @workgroup_size(8, 8)
fn downsample(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.width || at.y >= params.height {
        return;
    }
    let size = textureDimensions(finer);
    let scale = vec2<f32>(size) / vec2(f32(params.width), f32(params.height));
    let low = vec2<f32>(at.xy) * scale;
    let high = low + scale;
    var sum = vec4(0.0);
    for (var y = u32(low.y); y < min(u32(ceil(high.y)), size.y); y += 1u) {
        let share_y = min(high.y, f32(y + 1u)) - max(low.y, f32(y));
        for (var x = u32(low.x); x < min(u32(ceil(high.x)), size.x); x += 1u) {
            let share = share_y * (min(high.x, f32(x + 1u)) - max(low.x, f32(x)));
            let colour = textureLoad(finer, vec2(x, y), 0);
            sum += share * vec4(decode(colour.rgb), colour.a);
        }
    }
    let mean = sum / (scale.x * scale.y);
    let colour = vec4(encode(mean.rgb), mean.a);
    textureStore(coarser, at.xy, floor(colour * 255.0 + 0.5) / 255.0);
}

// The transfer functions of IEC 61966-2-1.
fn decode(encoded: vec3<f32>) -> vec3<f32> {
    return select(pow((encoded + 0.055) / 1.055, vec3(2.4)), encoded / 12.92, encoded <= vec3(0.04045));
}

fn encode(linear: vec3<f32>) -> vec3<f32> {
    let bounded = clamp(linear, vec3(0.0), vec3(1.0));
    return select(1.055 * pow(bounded, vec3(1.0 / 2.4)) - 0.055, bounded * 12.92, bounded <= vec3(0.0031308));
}
