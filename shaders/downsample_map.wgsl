// downsample_map: one mip level of a map from the level above it: means of numbers, not of light.
//
//   finer     the finer level
//   coarser   the coarser level, half as large, rounded down
//
// One thread per pixel of the target; it averages the area that the pixel covers, as `downsample` does. Means of
// directions are shorter than 1, so those of a map of normals are made as long again.

struct Params {
    width: u32,
    height: u32,
    // 1 for a map of normals.
    normals: u32,
}

// Size of the target.
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var finer: texture_2d<f32>;
@group(0) @binding(2) var coarser: texture_storage_2d<rgba8unorm, write>;

@compute @workgroup_size(8, 8)
fn downsample_map(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.width || at.y >= params.height {
        return;
    }
    let size = textureDimensions(finer);
    let scale = vec2<f32>(size) / vec2(f32(params.width), f32(params.height));
    let low = vec2<f32>(at.xy) * scale;
    let high = low + scale;
    var sum = vec3(0.0);
    for (var y = u32(low.y); y < min(u32(ceil(high.y)), size.y); y += 1u) {
        let share_y = min(high.y, f32(y + 1u)) - max(low.y, f32(y));
        for (var x = u32(low.x); x < min(u32(ceil(high.x)), size.x); x += 1u) {
            let share = share_y * (min(high.x, f32(x + 1u)) - max(low.x, f32(x)));
            sum += share * textureLoad(finer, vec2(x, y), 0).rgb;
        }
    }
    var mean = sum / (scale.x * scale.y);
    if params.normals == 1u {
        let direction = 2.0 * mean - 1.0;
        mean = 0.5 + 0.5 * direction / max(length(direction), 1e-6);
    }
    textureStore(coarser, at.xy, vec4(floor(clamp(mean, vec3(0.0), vec3(1.0)) * 255.0 + 0.5) / 255.0, 1.0));
}
