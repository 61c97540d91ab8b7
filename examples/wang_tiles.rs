//! Sixteen Wang tiles cover a wall without visible repetition: the same ground once as one repeated texture, once as a
//! field of tiles.
//!
//! ```text
//! cargo run --release --features material --example wang_tiles -- [CLASS] [--screenshot FILE]
//! ```
//!
//! Left: one seamless texture, repeated. Right: a set of tiles that fit wherever their edges have equal colours, laid
//! by the index map of a random field.

mod common;

use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::math::Affine2;
use bevy::prelude::*;
use bevy_discon::prelude::*;

/// Tiles along each axis of a half of the picture.
const TILES: f32 = 5.0;
/// Width of a half in units of the world.
const HALF: f32 = 3.9;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), LayeredMaterialPlugin, common::HurryPlugin))
        .add_systems(Startup, set_up)
        .add_systems(Update, save_picture)
        .run()
}

fn set_up(
    mut textures: TextureGenerator,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    let class = common::first_argument().unwrap_or_else(|| "rock".into());
    let recipe = Recipe::new(class).with_seed(9).with_size(128, 128);
    let mesh = meshes.add(Rectangle::from_length(HALF));
    let repeated = StandardMaterial {
        base_color_texture: Some(textures.generate(recipe.clone())),
        unlit: true,
        uv_transform: Affine2::from_scale(Vec2::splat(TILES)),
        ..default()
    };
    let place = Transform::from_xyz(-HALF / 2.0 - 0.05, 0.0, 0.0);
    commands.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(materials.add(repeated)), place));
    commands.spawn((
        Mesh3d(mesh),
        Transform::from_xyz(HALF / 2.0 + 0.05, 0.0, 0.0),
        WangTileSet { field: (16, 16), field_seed: 1, ..WangTileSet::new(recipe) },
        DisconLayers::tiles(SurfacePlane::Xy, Vec2::splat(HALF / TILES))
            .with_base(StandardMaterial { unlit: true, ..default() }),
    ));
    // Both halves in sight, in their own colours.
    let look = Transform::from_xyz(0.0, 0.0, 5.45).looking_at(Vec3::ZERO, Vec3::Y);
    commands.spawn((Camera3d::default(), Tonemapping::None, look));
}

fn save_picture(
    tiles: Single<&WangTextures>,
    store: Res<TextureStore>,
    mut settling: ResMut<common::Settling>,
    mut commands: Commands,
) {
    if let Some(error) = &tiles.error {
        error!("no further tiles: {error}");
    }
    let complete = tiles.is_complete() && store.unfinished() == 0;
    settling.save_when(complete || tiles.error.is_some(), &mut commands);
}
