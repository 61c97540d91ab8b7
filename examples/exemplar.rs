//! A picture as an example: it becomes tokens and a style, and then variations of it are generated.
//!
//! ```text
//! cargo run --release --example exemplar -- [PICTURE.png] [--screenshot FILE]
//! ```
//!
//! The path of the picture begins in the folder `assets`; without one it is a photograph of a rocky ground. Upper row:
//! the picture, the same after encoding and decoding, and a variation that keeps its layout. Lower row: textures of
//! the same look.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

/// "Rocky Terrain" of Poly Haven (CC0).
const PICTURE: &str = "exemplars/rocky_terrain.png";

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (ask, wall::look_at_wall))
        .add_observer(show)
        .add_observer(explain)
        .run()
}

fn ask(server: Res<AssetServer>, mut wall: wall::Wall) {
    let picture = server.load(common::first_argument().unwrap_or_else(|| PICTURE.into()));
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
