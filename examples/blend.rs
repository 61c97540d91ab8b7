//! One texture that passes from a material to another.
//!
//! ```text
//! cargo run --release --example blend -- [--screenshot FILE]
//! ```
//!
//! Left and right: the two materials. Middle: the left one with a share of the right one in each token, which rises and
//! falls from one side to the other, so that the texture still tiles.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;
use std::f32::consts::TAU;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (hang, wall::look_at_wall))
        .run()
}

fn hang(mut textures: TextureGenerator, mut wall: wall::Wall) {
    let (stones, grass) = (Recipe::new("stone_wall").with_seed(8), Recipe::new("grass").with_seed(3));
    // What lies outside 0..=1 is cut: stones alone at the sides, grass alone in the middle.
    let share = Blend::from_uv(&stones, "grass", |u, _| 0.5 - 0.7 * (TAU * u).cos());
    let blended = stones.clone().with_blend(share);
    for (x, recipe) in [(-2.95, stones), (0.0, blended), (2.95, grass)] {
        wall.hang(textures.generate(recipe), 2.8, [x, 0.0]);
    }
}
