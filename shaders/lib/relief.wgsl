// The picture as a relief: light is high. Used by the kernels that derive maps.

struct Params {
    width: u32,
    height: u32,
    // 1 where the borders along an axis fit together.
    wrap_x: u32,
    wrap_y: u32,
    // See `MapRules`; radius in pixels.
    relief: f32,
    occlusion: f32,
    roughness: f32,
    wear: f32,
    metallic: f32,
    radius: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var map: texture_storage_2d<rgba8unorm, write>;

// The rest of a division by size, at least 0. Drivers give anything for `%` of a negative number: SPIR-V for Vulkan
// leaves it undefined.
fn floor_mod(at: vec2<i32>, size: vec2<i32>) -> vec2<i32> {
    let negative = at < vec2(0);
    let rest = vec2<i32>(vec2<u32>(select(at, -1 - at, negative)) % vec2<u32>(size));
    return select(rest, size - 1 - rest, negative);
}

// Pixel that stands for one outside of the picture: on the opposite side, or the nearest.
fn inside(at: vec2<i32>) -> vec2<i32> {
    let size = vec2<i32>(i32(params.width), i32(params.height));
    let around = floor_mod(at, size);
    let nearest = clamp(at, vec2(0), size - 1);
    return select(nearest, around, vec2(params.wrap_x, params.wrap_y) == vec2(1u));
}

fn height_at(at: vec2<i32>) -> f32 {
    let colour = textureLoad(picture, inside(at), 0).rgb;
    let light = dot(colour, vec3(0.2126, 0.7152, 0.0722));
    return select(light, 1.0 - light, params.relief < 0.0);
}

// Rounded here, since drivers may round the store differently.
fn as_bytes(value: vec3<f32>) -> vec4<f32> {
    return vec4(floor(clamp(value, vec3(0.0), vec3(1.0)) * 255.0 + 0.5) / 255.0, 1.0);
}
