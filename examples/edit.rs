//! A place of a texture is made anew, so that it fits what is around it; everything else stays.
//!
//! ```text
//! cargo run --release --example edit -- [--screenshot FILE]
//! ```
//!
//! Left: the texture. Middle: a disc of it made anew. Right: the disc of another material, as damage or a repair would be.
//! Space makes the disc in the middle anew once more.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (hang, wall::look_at_wall))
        .add_systems(Update, edit_again)
        .run()
}

/// The wall whose disc is made anew, and with which seed.
#[derive(Component)]
struct Edited(u64);

fn base() -> Recipe {
    Recipe::new("brick").with_seed(7)
}

/// A disc in the middle: tokens within 70 pixels.
fn disc() -> TokenMask {
    TokenMask::circle(&base(), [0.5, 0.5], 70.0)
}

fn hang(mut textures: TextureGenerator, mut wall: wall::Wall) {
    let mut hang = |recipe: Recipe, x: f32| wall.hang(textures.generate(recipe), 2.8, [x, 0.0]).id();
    hang(base(), -2.95);
    hang(base().with_edit_of("grass", disc(), 1), 2.95);
    let edited = textures.generate(base().with_edit(disc(), 1));
    wall.hang(edited, 2.8, [0.0, 0.0]).insert(Edited(1));
}

fn edit_again(
    keys: Res<ButtonInput<KeyCode>>,
    wall: Single<(&mut Edited, &MeshMaterial3d<StandardMaterial>)>,
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    if !keys.just_pressed(KeyCode::Space) {
        return;
    }
    let (mut edited, material) = wall.into_inner();
    edited.0 += 1;
    if let Some(mut material) = materials.get_mut(&material.0) {
        material.base_color_texture = Some(textures.generate(base().with_edit(disc(), edited.0)));
    }
}
