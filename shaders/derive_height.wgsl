// derive_height: the height of each pixel, smoothed over 3x3 pixels with weights 1 2 1.
//
//   picture   level 0 of the colours, as encoded
//   map       level 0 of the map: height in red, green and blue
//
// One thread per pixel.

@compute @workgroup_size(8, 8)
fn derive_height(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height {
        return;
    }
    let at = vec2<i32>(id.xy);
    var sum = 0.0;
    for (var y = -1; y <= 1; y += 1) {
        for (var x = -1; x <= 1; x += 1) {
            sum += f32((2 - abs(x)) * (2 - abs(y))) * height_at(at + vec2(x, y));
        }
    }
    textureStore(map, at, as_bytes(vec3(sum / 16.0)));
}
