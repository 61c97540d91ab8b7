//! Maps of a material: the kernels against their CPU twin, at awkward sizes and borders.

use super::{Bench, WRAPS, common::numbers};
use bevy_discon::gpu::{Gpu, MapTarget, Pipelines};
use bevy_discon::model::Wrap;
use bevy_discon::reference::maps::{Picture, derive, downsample};
use bevy_discon::sampling::{MapKind, MapRules};

const KINDS: [MapKind; 3] = [MapKind::Normal, MapKind::OcclusionRoughnessMetallic, MapKind::Height];
/// One pixel, a row, sizes around a workgroup of 8x8, and odd ones; none needs to be a legal texture of a recipe.
const SIZES: [(usize, usize); 6] = [(1, 1), (5, 1), (7, 8), (9, 17), (64, 48), (129, 3)];
/// Odd in every field, and upside down.
const RULES: [MapRules; 2] = [
    MapRules { relief: 0.07, occlusion: 0.9, roughness: 0.6, wear: 0.8, metallic: 0.35 },
    MapRules { relief: -0.013, occlusion: 0.2, roughness: 0.9, wear: 0.1, metallic: 0.0 },
];

/// Blobs of a few pixels, so that neighbours differ and are no noise.
fn picture(width: usize, height: usize) -> Vec<u8> {
    let noise = numbers(width as u32, 3 * width * height);
    let wave = |at: usize, period: f32| (at as f32 / period).sin();
    let value = |(at, noise): (usize, &f32)| {
        let (x, y) = (at / 3 % width, at / 3 / width);
        (128.0 + 70.0 * wave(x, 3.1) + 40.0 * wave(y, 2.3 + (at % 3) as f32) + 15.0 * noise) as u8
    };
    noise.iter().enumerate().map(value).collect()
}

fn upload(gpu: &Gpu, pixels: &[u8], (width, height): (usize, usize)) -> wgpu::Texture {
    let texture = gpu.texture(width as u32, height as u32);
    let rgba: Vec<u8> = pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    gpu.queue().write_texture(
        texture.as_image_copy(),
        &rgba,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width as u32), rows_per_image: None },
        wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
    );
    texture
}

/// All levels of a map that the GPU derives.
fn on_gpu(gpu: &Gpu, pipelines: &Pipelines, picture: Picture<'_>, kind: MapKind, rules: &MapRules) -> Vec<Vec<u8>> {
    let (width, height) = picture.size;
    let source = upload(gpu, picture.pixels, picture.size);
    let map = gpu.texture(width as u32, height as u32);
    let target = MapTarget::new(gpu.device(), pipelines, &source, &map, kind, rules, picture.wrap).expect("they fit");
    gpu.submit(|pass| target.encode(pass));
    (0..map.mip_level_count()).map(|level| gpu.read_level(&map, level).expect("the device works")).collect()
}

/// The kernel that writes a level of a map.
fn kernel(kind: MapKind, level: usize) -> &'static str {
    match (kind, level) {
        (MapKind::Normal, 0) => "derive_normal",
        (MapKind::OcclusionRoughnessMetallic, 0) => "derive_orm",
        (MapKind::Height, 0) => "derive_height",
        _ => "downsample_map",
    }
}

#[test]
fn derived_maps_and_their_mip_levels_are_those_of_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for pipelines in &bench.pipelines {
        for (size, kind) in SIZES.iter().flat_map(|size| KINDS.map(|kind| (*size, kind))) {
            for (wrap, rules) in WRAPS.iter().flat_map(|wrap| RULES.map(|rules| (*wrap, rules))) {
                let pixels = picture(size.0, size.1);
                let source = Picture { pixels: &pixels, size, wrap };
                let levels = on_gpu(&bench.gpu, pipelines, source, kind, &rules);
                let mut expected = derive(source, kind, &rules);
                let (mut width, mut height) = size;
                for (level, found) in levels.iter().enumerate() {
                    if level > 0 {
                        expected = downsample(&levels[level - 1], (width, height), kind);
                        (width, height) = ((width / 2).max(1), (height / 2).max(1));
                    }
                    let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                    // Roots and quotients of a driver may cross the border between two bytes.
                    let name = kernel(kind, level);
                    assert!(worst <= Some(1), "{name}, level {level} of {size:?}, {wrap:?}: off by {worst:?}");
                    assert_eq!(found.len(), 3 * width * height);
                }
            }
        }
    }
}

#[test]
fn a_shifted_picture_that_tiles_has_the_shifted_map_and_one_that_does_not_differs_at_its_borders_alone() {
    let Some(bench) = Bench::get() else { return };
    let (width, height) = (64, 48);
    let pixels = picture(width, height);
    let (dx, dy) = (23, 31);
    let shift = |pixels: &[u8]| -> Vec<u8> {
        let from = |at: usize| (at / width + dy) % height * width + (at % width + dx) % width;
        (0..width * height).flat_map(|at| pixels[3 * from(at)..3 * from(at) + 3].to_vec()).collect()
    };
    let shifted = shift(&pixels);
    for kind in KINDS {
        let map = |pixels: &[u8], wrap| {
            let source = Picture { pixels, size: (width, height), wrap };
            on_gpu(&bench.gpu, &bench.pipelines[0], source, kind, &RULES[0]).swap_remove(0)
        };
        let whole = map(&pixels, Wrap::BOTH);
        assert_eq!(map(&shifted, Wrap::BOTH), shift(&whole), "{kind:?}: no seam anywhere");
        let cut = map(&pixels, Wrap::NONE);
        assert_ne!(cut, whole, "{kind:?}: the borders see something else");
        let radius = 2 * MapRules::radius(width as u32) as usize + 1;
        for (at, (a, b)) in cut.chunks_exact(3).zip(whole.chunks_exact(3)).enumerate() {
            let (x, y) = (at % width, at / width);
            let inner = (radius..width - radius).contains(&x) && (radius..height - radius).contains(&y);
            assert!(!inner || a == b, "{kind:?}: pixel {x}, {y} is far from the borders");
        }
    }
}

#[test]
fn a_flat_picture_has_neutral_maps_and_a_bump_faces_away_from_its_top() {
    let rules = RULES[0];
    let flat = [90; 3 * 8 * 8];
    let source = Picture { pixels: &flat, size: (8, 8), wrap: Wrap::BOTH };
    for kind in [MapKind::Normal, MapKind::OcclusionRoughnessMetallic] {
        assert_eq!(derive(source, kind, &rules)[..3], rules.neutral(kind)[..3], "{kind:?}");
    }
    let mut bump = vec![0; 3 * 9 * 9];
    bump[3 * (4 * 9 + 4)..3 * (4 * 9 + 4) + 3].fill(255);
    let normals = derive(Picture { pixels: &bump, size: (9, 9), wrap: Wrap::BOTH }, MapKind::Normal, &rules);
    let at = |x: usize, y: usize| &normals[3 * (y * 9 + x)..3 * (y * 9 + x) + 3];
    assert!(at(5, 4)[0] > 140 && at(3, 4)[0] < 115, "right of the top it faces right");
    assert!(at(4, 3)[1] > 140 && at(4, 5)[1] < 115, "above the top it faces up");
    for normal in downsample(&normals, (9, 9), MapKind::Normal).chunks_exact(3) {
        let length = normal.iter().map(|byte| (f32::from(*byte) / 127.5 - 1.0).powi(2)).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 0.02, "{normal:?} has length {length}");
    }
}
