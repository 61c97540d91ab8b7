//! One generated texture on a cube.
//!
//! `cargo run --release --example minimal`

use bevy::prelude::*;
use bevy_discon::prelude::*;

fn main() {
    App::new().add_plugins((DefaultPlugins, DisconPlugin::default())).add_systems(Startup, setup).run();
}

fn setup(
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut commands: Commands,
) {
    // Usable at once: the material shows a neutral colour until the GPU has filled the texture.
    let texture = textures.generate(Recipe::new("brick").with_seed(7));
    commands.spawn((
        Mesh3d(meshes.add(Cuboid::from_length(2.0))),
        MeshMaterial3d(materials.add(StandardMaterial::from(texture))),
    ));
    commands.spawn((DirectionalLight::default(), Transform::from_xyz(2.0, 4.0, 3.0).looking_at(Vec3::ZERO, Vec3::Y)));
    commands.spawn((Camera3d::default(), Transform::from_xyz(2.0, 2.0, 3.0).looking_at(Vec3::ZERO, Vec3::Y)));
}
