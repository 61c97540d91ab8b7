//! The scene of the examples that show flat pictures.

use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::prelude::*;

/// Camera in front of a wall of things at `z = 0`, 8.8 by 5 units of it in sight.
pub fn look_at_wall(mut commands: Commands) {
    // Colours as they are.
    let look = Transform::from_xyz(0.0, 0.0, 6.0).looking_at(Vec3::ZERO, Vec3::Y);
    commands.spawn((Camera3d::default(), Tonemapping::None, look));
}

/// Shows a texture as it is, without light.
pub fn picture(texture: Handle<Image>) -> StandardMaterial {
    StandardMaterial { base_color_texture: Some(texture), unlit: true, ..default() }
}
