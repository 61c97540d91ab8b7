//! What two stages can do with one recipe: other detail on the same layout, another layout with the same look, a place
//! made anew, and a passage to another material.
//!
//! ```text
//! cargo run --release --example edit_and_blend -- [--screenshot FILE]
//! ```
//!
//! Upper row: the texture, a variation of its detail, another layout with its look. Lower row: a disc of it made anew,
//! a disc of another material, a blend into another material. All six are recipes like any other. Space makes the disc
//! anew once more, with another seed.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

const CLASS: &str = "brick";
const OTHER: &str = "grass";

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
    Recipe::new(CLASS).with_seed(7)
}

fn with_disc(seed: u64) -> Recipe {
    base().with_edit(TokenMask::circle(&base(), [0.5, 0.5], 70.0), seed)
}

fn hang(
    mut textures: TextureGenerator,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    let disc = TokenMask::circle(&base(), [0.5, 0.5], 70.0);
    // Periodic along u, so that the texture still tiles.
    let ramp = Blend::from_uv(&base(), OTHER, |u, _| 0.5 - 0.7 * (std::f32::consts::TAU * u).cos());
    let recipes = [
        base(),
        base().variation(1),
        base().relayout(5),
        with_disc(1),
        base().with_edit_of(OTHER, disc, 1),
        base().with_blend(ramp),
    ];
    let mesh = meshes.add(Rectangle::from_length(2.25));
    for (index, recipe) in recipes.into_iter().enumerate() {
        let texture = textures.generate(recipe);
        let material = MeshMaterial3d(materials.add(wall::picture(texture)));
        let place = Vec3::new(2.4 * (index % 3) as f32 - 2.4, if index < 3 { 1.2 } else { -1.2 }, 0.0);
        let mut wall = commands.spawn((Mesh3d(mesh.clone()), material, Transform::from_translation(place)));
        if index == 3 {
            wall.insert(Edited(1));
        }
    }
}

fn edit_again(
    keys: Res<ButtonInput<KeyCode>>,
    mut walls: Query<(&mut Edited, &MeshMaterial3d<StandardMaterial>)>,
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    if !keys.just_pressed(KeyCode::Space) {
        return;
    }
    for (mut edited, material) in &mut walls {
        edited.0 += 1;
        let texture = textures.generate(with_disc(edited.0));
        if let Some(mut material) = materials.get_mut(&material.0) {
            material.base_color_texture = Some(texture);
        }
    }
}
