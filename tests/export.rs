//! Are exported textures what they claim to be, for other decoders than ours?
#![cfg(feature = "export")]

use bevy_discon::export::{FileFormat, FileKind, encode, file_name, write_set};
use bevy_discon::model::Wrap;
use bevy_discon::reference::maps::{Picture, derive, downsample, downsample_colour};
use bevy_discon::sampling::{MapKind, MapRules};

/// A picture with slopes, an edge and some grain, as textures have them.
fn pixels((width, height): (usize, usize)) -> Vec<u8> {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    places
        .flat_map(|(x, y)| {
            let mortar = if x % 32 < 3 || y % 16 < 2 { 0.4 } else { 1.0 };
            let grain = ((x * 31 + y * 17) % 23) as f32;
            let light = 90.0 + 60.0 * (x as f32 * 0.1).sin() + 30.0 * (y as f32 * 0.07).cos() + grain;
            [light * mortar, light * 0.7 * mortar, light * 0.55 * mortar].map(|value| value as u8)
        })
        .collect()
}

/// Peak signal-to-noise ratio in dB.
fn psnr(expected: &[u8], found: &[u8]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let squares = expected.iter().zip(found).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    10.0 * (255.0f64.powi(2) / (squares / expected.len() as f64)).log10()
}

/// RGB bytes of a level of BC7 blocks, by another decoder.
fn decode(blocks: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let (full_width, full_height) = (width.next_multiple_of(4), height.next_multiple_of(4));
    assert_eq!(blocks.len(), full_width * full_height, "a byte for each pixel");
    let mut rgba = vec![0; 4 * full_width * full_height];
    for (number, block) in blocks.chunks_exact(16).enumerate() {
        let (x, y) = (4 * (number % (full_width / 4)), 4 * (number / (full_width / 4)));
        bcdec_rs::bc7(block, &mut rgba[4 * (y * full_width + x)..], 4 * full_width);
    }
    let rows = rgba.chunks_exact(4 * full_width).take(height);
    rows.flat_map(|row| row[..4 * width].chunks_exact(4)).flat_map(|pixel| &pixel[..3]).copied().collect()
}

#[test]
fn ktx2_files_hold_all_levels_within_a_bound_of_noise_and_their_colour_space() {
    let size = (96, 64);
    let pixels = pixels(size);
    let picture = Picture { pixels: &pixels, size, wrap: Wrap { x: true, y: true } };
    let rules = MapRules::default();
    for (kind, bound) in [
        (FileKind::Colour, 38.0),
        (FileKind::Normal, 34.0),
        (FileKind::OcclusionRoughnessMetallic, 38.0),
        (FileKind::Height, 40.0),
    ] {
        let bytes = encode(picture, &rules, kind, FileFormat::Ktx2).expect("the picture is whole");
        let reader = ktx2::Reader::new(&bytes[..]).expect("the file is a container");
        let header = reader.header();
        let srgb = kind == FileKind::Colour;
        let format = if srgb { ktx2::Format::BC7_SRGB_BLOCK } else { ktx2::Format::BC7_UNORM_BLOCK };
        assert_eq!((header.format, header.pixel_width, header.pixel_height), (Some(format), 96, 64));
        let writer = reader.writer().map(|name| name.trim_end_matches('\0'));
        assert_eq!(writer, Some(concat!("bevy_discon ", env!("CARGO_PKG_VERSION"))));
        assert_eq!(reader.levels().len(), 7, "96x64 down to 1x1");
        let mut level = match kind.map() {
            None => pixels.clone(),
            Some(map) => derive(picture, map, &rules),
        };
        let mut size = size;
        for (number, found) in reader.levels().enumerate() {
            let noise = psnr(&level, &decode(found.data, size));
            println!("{kind:?}, level {number}, {}x{}: {noise:.1} dB", size.0, size.1);
            assert!(noise > bound, "{kind:?}, level {number}: {noise} dB");
            level = match kind.map() {
                None => downsample_colour(&level, size),
                Some(map) => downsample(&level, size, map),
            };
            size = ((size.0 / 2).max(1), (size.1 / 2).max(1));
        }
    }
}

#[cfg(feature = "render")]
#[test]
fn bevy_loads_the_files_as_what_they_are() {
    use bevy::asset::RenderAssetUsages;
    use bevy::image::{CompressedImageFormats, Image, ImageSampler, ImageType};
    use bevy::render::render_resource::TextureFormat;
    let size = (64, 80);
    let pixels = pixels(size);
    let picture = Picture { pixels: &pixels, size, wrap: Wrap { x: true, y: false } };
    for (kind, format) in
        [(FileKind::Colour, TextureFormat::Bc7RgbaUnormSrgb), (FileKind::Normal, TextureFormat::Bc7RgbaUnorm)]
    {
        let bytes = encode(picture, &MapRules::default(), kind, FileFormat::Ktx2).expect("the picture is whole");
        let extension = ImageType::Extension("ktx2");
        let (formats, usages) = (CompressedImageFormats::BC, RenderAssetUsages::default());
        let srgb = kind == FileKind::Colour;
        let image = Image::from_buffer(&bytes, extension, formats, srgb, ImageSampler::Default, usages)
            .expect("Bevy reads the file");
        assert_eq!((image.width(), image.height(), image.texture_descriptor.mip_level_count), (64, 80, 7));
        assert_eq!(image.texture_descriptor.format, format);
        let data = image.data.expect("the levels are there");
        let base = derive_or_copy(picture, kind);
        assert!(psnr(&base, &decode(&data[..64 * 80], size)) > 34.0, "level 0 is first in Bevy's layout");
    }
}

#[cfg(feature = "render")]
fn derive_or_copy(picture: Picture<'_>, kind: FileKind) -> Vec<u8> {
    kind.map().map_or(picture.pixels.to_vec(), |map| derive(picture, map, &MapRules::default()))
}

#[test]
fn a_set_of_png_files_has_the_channels_of_gltf() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let size = (64, 64);
    let pixels = pixels(size);
    let picture = Picture { pixels: &pixels, size, wrap: Wrap { x: true, y: true } };
    let rules = MapRules { metallic: 1.0, ..MapRules::default() };
    let files = write_set(&folder.path().join("new"), "wall", picture, &rules, FileFormat::Png).expect("it is written");
    let names: Vec<String> =
        files.iter().map(|file| file.file_name().unwrap_or_default().to_string_lossy().into()).collect();
    assert_eq!(names, ["wall.png", "wall_normal.png", "wall_orm.png", "wall_height.png"]);
    let read = |name: &str| image::open(folder.path().join("new").join(name)).expect("it is a picture").into_rgb8();
    assert_eq!(read("wall.png").into_raw(), pixels);
    let orm = read("wall_orm.png");
    assert!(orm.pixels().all(|pixel| pixel.0[2] == 255), "metallic in blue");
    assert_eq!(orm.into_raw(), derive(picture, MapKind::OcclusionRoughnessMetallic, &rules));
    let up = read("wall_normal.png").pixels().map(|pixel| u32::from(pixel.0[2])).sum::<u32>() / 4096;
    assert!(up > 150, "directions point out of the surface: {up}");
}

#[test]
fn what_cannot_be_exported_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wrap = Wrap { x: true, y: true };
    let broken = Picture { pixels: &[0; 10], size: (64, 64), wrap };
    let reason = encode(broken, &MapRules::default(), FileKind::Colour, FileFormat::Ktx2).expect_err("it is not whole");
    assert!(reason.to_string().contains("10 bytes, expected 12288"), "{reason}");
    let pixels = pixels((64, 64));
    let picture = Picture { pixels: &pixels, size: (64, 64), wrap };
    std::fs::write(folder.path().join("file"), "").expect("the folder can be written");
    let reason = write_set(&folder.path().join("file"), "wall", picture, &MapRules::default(), FileFormat::Png)
        .expect_err("a file is no folder");
    assert!(reason.to_string().contains("wall.png: "), "{reason}");
    assert_eq!(file_name("a/b", FileKind::OcclusionRoughnessMetallic, FileFormat::Ktx2), "a/b_orm.ktx2");
}
