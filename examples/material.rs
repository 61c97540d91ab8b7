//! A material of one texture: normals, occlusion and roughness are derived from its colours on the GPU.
//!
//! ```text
//! cargo run --release --features material --example material -- [--screenshot FILE]
//! ```
//!
//! The left balls have the colours alone, the right ones the derived maps too. A lamp goes around them.

mod common;

use bevy::prelude::*;
use bevy_discon::prelude::*;
use std::f32::consts::PI;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .insert_resource(GlobalAmbientLight { brightness: 60.0, ..default() })
        .add_systems(Startup, set_up)
        .add_systems(Update, go_around)
        .run()
}

/// The lamp.
#[derive(Component)]
struct Lamp;

fn set_up(mut meshes: ResMut<Assets<Mesh>>, mut commands: Commands) -> Result {
    // Normal maps need tangents.
    let ball = meshes.add(Sphere::new(0.95).mesh().uv(64, 32).with_generated_tangents()?);
    let flat = MapRules { relief: 0.0, occlusion: 0.0, wear: 0.0, ..default() };
    for (y, class, rules) in [
        (1.05, "stone_wall", MapRules { relief: 0.03, ..default() }),
        (-1.05, "rust", MapRules { relief: 0.02, roughness: 0.6, metallic: 0.6, wear: 0.8, ..default() }),
    ] {
        for (x, rules) in
            [(-1.1, MapRules { roughness: rules.roughness, metallic: rules.metallic, ..flat }), (1.1, rules)]
        {
            commands.spawn((
                Mesh3d(ball.clone()),
                // Equal recipes share one texture; the maps differ.
                GenerateTexture::new(Recipe::new(class).with_seed(2)),
                DisconMaterial::new(rules).with_repeats(2.0, 1.0),
                Transform::from_xyz(x, y, 0.0).with_rotation(Quat::from_rotation_x(-PI / 2.0)),
            ));
        }
    }
    commands.spawn((Lamp, PointLight { intensity: 2_500_000.0, ..default() }, Transform::from_xyz(-4.0, 2.5, 4.0)));
    commands.spawn((Camera3d::default(), Transform::from_xyz(0.0, 0.0, 6.2).looking_at(Vec3::ZERO, Vec3::Y)));
    Ok(())
}

fn go_around(time: Res<Time>, mut lamp: Single<&mut Transform, With<Lamp>>) {
    let (sin, cos) = (PI * 0.9 + 0.4 * time.elapsed_secs()).sin_cos();
    lamp.translation = Vec3::new(4.0 * cos, 2.5, 4.0 + 1.5 * sin);
}
