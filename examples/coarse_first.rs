//! An early picture, refined later: what the discrete tokens show, and what the continuous stage adds.
//!
//! ```text
//! cargo run --release --example coarse_first -- [--screenshot FILE]
//! ```
//!
//! The upper row stops at the picture of the tokens; the lower row has the same recipes up to the decoder's last detail
//! and shows its coarse pictures first. Space refines the upper row too.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

const CLASSES: [&str; 4] = ["brick", "stone_wall", "wood_planks", "rust"];

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (hang, wall::look_at_wall))
        .add_systems(Update, (refine, report))
        .run()
}

/// A wall of the upper row.
#[derive(Component)]
struct Upper;

fn hang(mut textures: TextureGenerator, mut wall: wall::Wall) {
    for (x, class) in [-3.12, -1.04, 1.04, 3.12].into_iter().zip(CLASSES) {
        // Equal recipes would share one texture; another detail seed gives it another, with the same tokens.
        let lower = Recipe::new(class).with_seed(4);
        let upper = Recipe { detail_seed: Some(1), ..lower.clone() };
        let upper = textures.request(GenerateTexture::new(upper).with_detail(TextureDetail::Coarse));
        let lower = textures.generate(lower);
        wall.hang(upper.clone(), 2.0, [x, 1.04]).insert((Upper, GeneratedTexture(upper)));
        wall.hang(lower, 2.0, [x, -1.04]);
    }
}

fn refine(
    keys: Res<ButtonInput<KeyCode>>,
    walls: Query<&GeneratedTexture, With<Upper>>,
    mut textures: TextureGenerator,
) {
    if keys.just_pressed(KeyCode::Space) {
        walls.iter().for_each(|texture| textures.refine(&texture.0));
    }
}

fn report(time: Res<Time>, mut coarse: MessageReader<TextureCoarse>, mut ready: MessageReader<TextureReady>) {
    for coarse in coarse.read() {
        info!("{:.1} s: {} has its coarse picture", time.elapsed_secs(), coarse.recipe.class);
    }
    for ready in ready.read() {
        info!("{:.1} s: {} is refined", time.elapsed_secs(), ready.recipe.class);
    }
}
