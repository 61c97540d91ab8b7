//! The scene of the examples that show flat pictures.

use bevy::prelude::*;

/// Camera and a lamp in front of a wall of things at `z = 0`.
pub fn look_at_wall(mut commands: Commands) {
    commands.spawn((Camera3d::default(), Transform::from_xyz(0.0, 0.0, 6.0).looking_at(Vec3::ZERO, Vec3::Y)));
    commands.spawn((
        DirectionalLight { illuminance: 6_000.0, ..default() },
        Transform::from_xyz(-3.0, 3.0, 4.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
}
