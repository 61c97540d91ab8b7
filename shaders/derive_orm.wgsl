// derive_orm: occlusion in red, roughness in green, metallic in blue.
//
//   picture   level 0 of the colours, as encoded
//   map       level 0 of the map
//
// One thread per pixel. It compares its height with 16 pixels on two rings: what lies below them is dark, what stands
// out is smooth.

@compute @workgroup_size(8, 8)
fn derive_orm(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height {
        return;
    }
    let at = vec2<i32>(id.xy);
    let own = height_at(at);
    var above = 0.0;
    var mean = 0.0;
    for (var ring = 1; ring <= 2; ring += 1) {
        let radius = ring * i32(params.radius);
        // The diagonal has about the same length.
        let diagonal = (radius * 181 + 128) / 256;
        for (var direction = 0; direction < 4; direction += 1) {
            var offset = vec2(radius, 0);
            if direction == 1 {
                offset = vec2(diagonal, diagonal);
            } else if direction == 2 {
                offset = vec2(0, radius);
            } else if direction == 3 {
                offset = vec2(-diagonal, diagonal);
            }
            for (var side = -1; side <= 1; side += 2) {
                let other = height_at(at + side * offset);
                above += max(other - own, 0.0) / 16.0;
                mean += other / 16.0;
            }
        }
    }
    let occlusion = 1.0 - params.occlusion * min(4.0 * above, 1.0);
    let roughness = params.roughness - 2.0 * params.wear * (own - mean);
    textureStore(map, at, as_bytes(vec3(occlusion, roughness, params.metallic)));
}
