//! A scene with a steady load: lit cubes that turn, drawn into an image.

use bevy::camera::RenderTarget;
use bevy::core_pipeline::CorePipelinePlugin;
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::light::LightPlugin;
use bevy::pbr::PbrPlugin;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;

/// Width and height of the picture: small, since a software rasteriser draws it.
pub const PICTURE: (u32, u32) = (320, 180);
/// Cubes along each side of the field.
const SIDE: usize = 12;

#[derive(Component)]
struct Turning(f32);

/// Adds the scene to an app with a renderer.
pub fn add(app: &mut App) {
    add_renderer(app);
    app.add_systems(Startup, furnish).add_systems(Update, turn);
}

/// Adds what draws it, and nothing to draw.
pub fn add_renderer(app: &mut App) {
    app.add_plugins((LightPlugin, CorePipelinePlugin, PbrPlugin::default()));
}

fn furnish(
    mut commands: Commands,
    mut images: ResMut<Assets<Image>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let picture = images.add(Image::new_target_texture(PICTURE.0, PICTURE.1, TextureFormat::Rgba8UnormSrgb, None));
    commands.spawn((
        Camera3d::default(),
        RenderTarget::Image(picture.into()),
        // The others need look-up tables.
        Tonemapping::None,
        Msaa::Off,
        Transform::from_xyz(0.0, 9.0, 12.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    commands.spawn((DirectionalLight::default(), Transform::from_xyz(2.0, 5.0, 3.0).looking_at(Vec3::ZERO, Vec3::Y)));
    let cube = meshes.add(Cuboid::default());
    for at in 0..SIDE * SIDE {
        let (x, z) = ((at % SIDE) as f32 - 0.5 * SIDE as f32, (at / SIDE) as f32 - 0.5 * SIDE as f32);
        let colour = Color::srgb(0.3 + 0.05 * (at % 13) as f32, 0.5, 0.9 - 0.05 * (at % 11) as f32);
        commands.spawn((
            Mesh3d(cube.clone()),
            MeshMaterial3d(materials.add(StandardMaterial::from(colour))),
            Transform::from_xyz(1.3 * x, 0.0, 1.3 * z),
            Turning(0.01 * (1 + at % 7) as f32),
        ));
    }
}

fn turn(mut cubes: Query<(&Turning, &mut Transform)>) {
    for (turning, mut transform) in &mut cubes {
        transform.rotate_y(turning.0);
    }
}
