//! A picture as an example: it becomes tokens and a style, and then variations of it are generated.
//!
//! ```text
//! cargo run --release --example exemplar -- [PICTURE.png] [--screenshot FILE]
//! ```
//!
//! The path of the picture begins in the folder `assets`; without one the example paints pebbles. Upper row: the
//! picture, the same after encoding and decoding, and a variation that keeps its layout. Lower row: textures of the
//! same look.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::asset::RenderAssetUsages;
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy_discon::prelude::*;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (ask, wall::look_at_wall))
        .add_observer(show)
        .add_observer(explain)
        .run()
}

fn ask(server: Res<AssetServer>, mut images: ResMut<Assets<Image>>, mut wall: wall::Wall) {
    let picture = common::first_argument().map_or_else(|| images.add(pebbles()), |path| server.load(path));
    wall.hang(picture.clone(), 2.25, wall::place(0)).insert(EncodePicture::new(picture));
}

fn show(
    event: On<Insert, EncodedPicture>,
    encoded: Query<&EncodedPicture>,
    mut textures: TextureGenerator,
    mut wall: wall::Wall,
) -> Result {
    let EncodedPicture { recipe, reconstruction, psnr, coarse_psnr } = encoded.get(event.entity)?;
    info!("class {}: {psnr:.1} dB after encoding and decoding, {coarse_psnr:.1} dB from tokens alone", recipe.class);
    let generated = [recipe.variation(1), recipe.relayout(1), recipe.relayout(2), recipe.relayout(3)];
    let generated = generated.map(|recipe| textures.generate(recipe));
    for (index, picture) in (1..).zip([reconstruction.clone()].into_iter().chain(generated)) {
        wall.hang(picture, 2.25, wall::place(index));
    }
    Ok(())
}

fn explain(event: On<Insert, PictureNotEncoded>, failed: Query<&PictureNotEncoded>, mut exit: MessageWriter<AppExit>) {
    if let Ok(PictureNotEncoded(reason)) = failed.get(event.entity) {
        error!("{reason}");
        exit.write(AppExit::error());
    }
}

/// Pebbles in mortar: a tiling picture that the model has never seen.
fn pebbles() -> Image {
    const SIDE: u32 = 256;
    const CELLS: i32 = 9;
    let random = |x: i32, y: i32, salt: u32| {
        let (x, y) = (x.rem_euclid(CELLS) as u32, y.rem_euclid(CELLS) as u32);
        let bits = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b) ^ salt.wrapping_mul(0xc2b2_ae35);
        let bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
        ((bits ^ (bits >> 12)).wrapping_mul(0x297a_2d39) >> 8) as f32 / 16_777_216.0
    };
    let pixel = |at: u32| {
        let point = Vec2::new((at % SIDE) as f32, (at / SIDE) as f32) * CELLS as f32 / SIDE as f32;
        let cell = point.floor().as_ivec2();
        let around = (-1..=1).flat_map(|y| (-1..=1).map(move |x| cell + IVec2::new(x, y)));
        let centre =
            |cell: IVec2| cell.as_vec2() + Vec2::new(random(cell.x, cell.y, 1), random(cell.x, cell.y, 2)) * 0.7 + 0.15;
        let mut stones: Vec<(f32, IVec2)> = around.map(|cell| (point.distance(centre(cell)), cell)).collect();
        stones.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (near, far) = (stones[0], stones[1]);
        let height = ((far.0 - near.0) * 3.0).min(1.0);
        let hue = random(near.1.x, near.1.y, 3);
        let light = point - centre(near.1);
        let shade = 0.35 + 0.5 * height - 0.25 * (light.x + light.y);
        let colour = Vec3::new(0.62 + 0.2 * hue, 0.55 + 0.08 * hue, 0.5 - 0.12 * hue) * shade;
        let colour = Vec3::new(0.22, 0.2, 0.17).lerp(colour, (height * 2.5).min(1.0));
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0) as u8;
        [byte(colour.x), byte(colour.y), byte(colour.z), 255]
    };
    let size = Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 };
    let pixels = (0..SIDE * SIDE).flat_map(pixel).collect();
    let format = TextureFormat::Rgba8UnormSrgb;
    Image::new(size, TextureDimension::D2, pixels, format, RenderAssetUsages::default())
}
