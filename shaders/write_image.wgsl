// write_image: pixels -1..1 to bytes, sRGB-encoded as trained.
//
//   pixels   (rows, row, 3)
//   image    level 0 of the texture: a rectangle of the pixels
//
// One thread per pixel of the image.

struct Params {
    // Size of the image.
    width: u32,
    height: u32,
    // Pixels in a row of the source, and where the rectangle begins.
    row: u32,
    left: u32,
    top: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var image: texture_storage_2d<rgba8unorm, write>;

@compute @workgroup_size(8, 8)
fn write_image(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.width || at.y >= params.height {
        return;
    }
    let start = ((params.top + at.y) * params.row + params.left + at.x) * 3u;
    let colour = vec3(pixels[start], pixels[start + 1u], pixels[start + 2u]);
    // Rounded here, since drivers may round the store differently.
    let bytes = floor(clamp(colour * 0.5 + 0.5, vec3(0.0), vec3(1.0)) * 255.0 + 0.5);
    textureStore(image, at.xy, vec4(bytes / 255.0, 1.0));
}
