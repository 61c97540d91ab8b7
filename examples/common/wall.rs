//! The scene of the examples that show flat pictures.

#![allow(dead_code, reason = "each example uses its own part")]

use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;

/// Camera in front of a wall of things at `z = 0`, 8.8 by 5 units of it in sight.
pub fn look_at_wall(mut commands: Commands) {
    // Colours as they are.
    let look = Transform::from_xyz(0.0, 0.0, 6.0).looking_at(Vec3::ZERO, Vec3::Y);
    commands.spawn((Camera3d::default(), Tonemapping::None, look));
}

/// Hangs pictures on the wall.
#[derive(SystemParam)]
pub struct Wall<'w, 's> {
    meshes: ResMut<'w, Assets<Mesh>>,
    materials: ResMut<'w, Assets<StandardMaterial>>,
    commands: Commands<'w, 's>,
}

impl Wall<'_, '_> {
    /// Shows a texture as it is, without light: `side` units wide, its middle at a place.
    pub fn hang(&mut self, texture: Handle<Image>, side: f32, [x, y]: [f32; 2]) -> EntityCommands<'_> {
        let material = StandardMaterial { base_color_texture: Some(texture), unlit: true, ..default() };
        let mesh = Mesh3d(self.meshes.add(Rectangle::from_length(side)));
        self.commands.spawn((mesh, MeshMaterial3d(self.materials.add(material)), Transform::from_xyz(x, y, 0.0)))
    }
}

/// The places of six pictures 2.25 units wide, row by row.
pub fn place(index: u8) -> [f32; 2] {
    [2.4 * f32::from(index % 3) - 2.4, 1.2 - 2.4 * f32::from(index / 3)]
}
