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

/// A wall: its place in the picture, row by row, and how often it has changed.
#[derive(Component)]
struct Wall(u64, u64);

fn recipe(Wall(index, changes): &Wall) -> Recipe {
    let base = Recipe::new("brick").with_seed(7);
    match index {
        0 => base,
        1 | 2 => base.variation(index + 2 * changes),
        // Seeds of the first look, chosen by eye as one does for a scene.
        _ => base.relayout([4, 5, 8][*index as usize - 3] + 10 * changes),
    }
}

fn hang(
    mut textures: TextureGenerator,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    let mesh = meshes.add(Rectangle::from_length(2.25));
    for index in 0..6 {
        let wall = Wall(index, 0);
        let texture = textures.generate(recipe(&wall));
        let material = MeshMaterial3d(materials.add(wall::picture(texture)));
        let place = Transform::from_xyz(2.4 * (index % 3) as f32 - 2.4, if index < 3 { 1.2 } else { -1.2 }, 0.0);
        commands.spawn((wall, Mesh3d(mesh.clone()), material, place));
    }
}

fn show_next(
    keys: Res<ButtonInput<KeyCode>>,
    mut walls: Query<(&mut Wall, &MeshMaterial3d<StandardMaterial>)>,
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    if !keys.just_pressed(KeyCode::Space) {
        return;
    }
    for (mut wall, material) in &mut walls {
        wall.1 += 1;
        if let Some(mut material) = materials.get_mut(&material.0) {
            material.base_color_texture = Some(textures.generate(recipe(&wall)));
        }
    }
}
