// The colours of a texture array on a surface: a cell or tile in each layer, found in a map.
//
//   place    column and row of the surface, with fractions: linear in the position in the world
//   map      which layer shows which cell, (column mod width, row mod height)
//   layers   their pictures
//
// Filtering goes on across the border of two layers: within half a texel of a border both of its sides are mixed as
// neighbouring texels of one picture would be.

#import bevy_pbr::{pbr_fragment::pbr_input_from_standard_material, pbr_functions::alpha_discard}
#ifdef PREPASS_PIPELINE
#import bevy_pbr::{prepass_io::{VertexOutput, FragmentOutput}, pbr_deferred_functions::deferred_output}
#else
#import bevy_pbr::{
    forward_io::{VertexOutput, FragmentOutput},
    pbr_functions::{apply_pbr_lighting, main_pass_post_lighting_processing},
    pbr_types::STANDARD_MATERIAL_FLAGS_UNLIT_BIT,
}
#endif

struct LayerSettings {
    // Of a position in the world, by a product with (x, y, z, 1).
    column: vec4<f32>,
    row: vec4<f32>,
    // What is shown where no layer is.
    neutral: vec4<f32>,
    // 1: texels of the map are (1 + layer, low bits of the column, low bits of the row); 0: they are the layer.
    streamed: u32,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(100) var<uniform> settings: LayerSettings;
@group(#{MATERIAL_BIND_GROUP}) @binding(101) var layers: texture_2d_array<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(102) var layer_sampler: sampler;
@group(#{MATERIAL_BIND_GROUP}) @binding(103) var map: texture_2d<u32>;

// The rest of a division by size, at least 0. Drivers give anything for `%` of a negative number: SPIR-V for Vulkan
// leaves it undefined.
fn floor_mod(at: vec2<i32>, size: vec2<i32>) -> vec2<i32> {
    let negative = at < vec2(0);
    let rest = vec2<i32>(vec2<u32>(select(at, -1 - at, negative)) % vec2<u32>(size));
    return select(rest, size - 1 - rest, negative);
}

// The layer of a cell, or -1.
fn layer_of(cell: vec2<i32>) -> i32 {
    let size = vec2<i32>(textureDimensions(map));
    let texel = textureLoad(map, floor_mod(cell, size), 0);
    if settings.streamed == 0u {
        return i32(texel.r);
    }
    let low = vec2<u32>(cell) & vec2(0xffffu);
    return select(-1, i32(texel.r) - 1, all(low == texel.gb));
}

fn colour_at(place: vec2<f32>) -> vec4<f32> {
    let along_x = dpdx(place);
    let along_y = dpdy(place);
    let cell = vec2<i32>(floor(place));
    let within = place - floor(place);
    // Width of a texel of the level that is seen, in cells; at most half a cell, so that only nearest neighbours count.
    let footprint = max(abs(along_x), abs(along_y));
    let texel = clamp(footprint, 1.0 / vec2<f32>(textureDimensions(layers)), vec2(0.5));
    // Towards which neighbour, and how much of it.
    let towards = select(vec2<i32>(-1), vec2<i32>(1), within > vec2(0.5));
    let share = max(vec2(0.5) - min(within, vec2(1.0) - within) / texel, vec2(0.0));
    var sum = vec4(0.0);
    for (var corner = 0; corner < 4; corner++) {
        let offset = vec2<i32>(corner & 1, corner >> 1u);
        let parts = select(vec2(1.0) - share, share, offset == vec2<i32>(1));
        let weight = parts.x * parts.y;
        let layer = layer_of(cell + offset * towards);
        if weight > 0.0 && layer >= 0 {
            // The nearest place of the neighbour: its border.
            let inside = clamp(within - vec2<f32>(offset * towards), vec2(0.0), vec2(1.0));
            sum += weight * vec4(textureSampleGrad(layers, layer_sampler, inside, layer, along_x, along_y).rgb, 1.0);
        }
    }
    if layer_of(cell) < 0 {
        return settings.neutral;
    }
    return vec4(sum.rgb / sum.a, 1.0);
}

@fragment
fn fragment(in: VertexOutput, @builtin(front_facing) is_front: bool) -> FragmentOutput {
    var pbr = pbr_input_from_standard_material(in, is_front);
    let place = vec2(dot(settings.column, in.world_position), dot(settings.row, in.world_position));
    pbr.material.base_color *= colour_at(place);
    pbr.material.base_color = alpha_discard(pbr.material, pbr.material.base_color);
#ifdef PREPASS_PIPELINE
    return deferred_output(in, pbr);
#else
    var out: FragmentOutput;
    if (pbr.material.flags & STANDARD_MATERIAL_FLAGS_UNLIT_BIT) == 0u {
        out.color = apply_pbr_lighting(pbr);
    } else {
        out.color = pbr.material.base_color;
    }
    out.color = main_pass_post_lighting_processing(pbr, out.color);
    return out;
#endif
}
