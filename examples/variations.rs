//! Variations of one texture: other detail on the same layout, and other layouts with the same look.
//!
//! ```text
//! cargo run --release --example variations -- [--screenshot FILE]
//! ```
//!
//! Upper row: the texture and two variations, which keep its tokens and make the detail anew. Lower row: three layouts,
//! which keep its style and make everything else anew. Space shows the next ones.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (hang, wall::look_at_wall))
        .add_systems(Update, show_next)
        .run()
}

/// A picture: its place on the wall, row by row, and how often it has changed.
#[derive(Component)]
struct Shown(u8, u64);

fn recipe(Shown(index, changes): &Shown) -> Recipe {
    let base = Recipe::new("brick").with_seed(7);
    match index {
        0 => base,
        1 | 2 => base.variation(u64::from(*index) + 2 * changes),
        // Seeds of the first look, chosen by eye as one does for a scene.
        _ => base.relayout([4, 5, 8][usize::from(*index) - 3] + 10 * changes),
    }
}

fn hang(mut textures: TextureGenerator, mut wall: wall::Wall) {
    for index in 0..6 {
        let shown = Shown(index, 0);
        wall.hang(textures.generate(recipe(&shown)), 2.25, wall::place(index)).insert(shown);
    }
}

fn show_next(
    keys: Res<ButtonInput<KeyCode>>,
    mut walls: Query<(&mut Shown, &MeshMaterial3d<StandardMaterial>)>,
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    if !keys.just_pressed(KeyCode::Space) {
        return;
    }
    for (mut shown, material) in &mut walls {
        shown.1 += 1;
        if let Some(mut material) = materials.get_mut(&material.0) {
            material.base_color_texture = Some(textures.generate(recipe(&shown)));
        }
    }
}
