// derive_normal: the direction of the surface, from Sobel slopes of the height.
//
//   picture   level 0 of the colours, as encoded
//   map       level 0 of the map: 0.5 + 0.5 * n in tangent space, x right, y up, z out
//
// One thread per pixel. Slopes are in units of the picture's width, so that a larger picture has the same relief.

@compute @workgroup_size(8, 8)
fn derive_normal(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height {
        return;
    }
    let at = vec2<i32>(id.xy);
    var right = 0.0;
    var down = 0.0;
    for (var y = -1; y <= 1; y += 1) {
        for (var x = -1; x <= 1; x += 1) {
            let height = height_at(at + vec2(x, y));
            right += f32(x * (2 - abs(y))) * height;
            down += f32(y * (2 - abs(x))) * height;
        }
    }
    let scale = abs(params.relief) * f32(params.width) / 8.0;
    let normal = normalize(vec3(-right * scale, down * scale, 1.0));
    textureStore(map, at, as_bytes(0.5 + 0.5 * normal));
}
