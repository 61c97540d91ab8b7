//! An endless ground: a camera flies over cells that are made where it looks, and are the same when it comes back.
//!
//! ```text
//! cargo run --release --features material --example endless_surface -- [CLASS] [--screenshot FILE]
//! ```
//!
//! Arrow keys steer; without them the camera flies in a circle. Cells are made around the spot that it looks at. With
//! `--screenshot` it stands still, waits until everything in sight was made, saves a picture and exits; that picture
//! has fewer and smaller cells: some minutes of work for a software renderer.

mod common;

use bevy::prelude::*;
use bevy_discon::prelude::*;

/// Units of the world that a cell is wide.
const CELL: f32 = 3.0;
/// Height of the camera, and how far before it the spot lies that it looks at.
const HEIGHT: f32 = 3.0;
const AHEAD: f32 = 3.5;

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), LayeredMaterialPlugin, common::HurryPlugin))
        .insert_resource(ClearColor(Color::srgb(0.55, 0.65, 0.75)))
        .add_systems(Startup, set_up)
        .add_systems(Update, (fly, report, save_picture))
        .run()
}

fn set_up(mut meshes: ResMut<Assets<Mesh>>, mut commands: Commands) {
    let mut radius = 3;
    let class = common::first_argument().unwrap_or_else(|| "rock".into());
    let mut recipe = Recipe::new(class).with_seed(9).with_size(256, 256);
    if common::screenshot_file().is_some() {
        recipe = recipe.with_size(192, 192);
        radius = 1;
    }
    // Over the middle of a column of cells.
    let camera = Transform::from_xyz(0.5 * CELL, HEIGHT, 0.0).looking_at(Vec3::new(0.5 * CELL, 0.0, -AHEAD), Vec3::Y);
    let spot = commands.spawn(Transform::from_xyz(0.0, 0.0, -HEIGHT.hypot(AHEAD))).id();
    let ground = EndlessSurface { cell: CELL, radius, viewer: Some(spot), ..EndlessSurface::new(recipe) };
    let ground = commands.spawn(ground).id();
    // So far everything is made, wherever in its cell the spot lies.
    let seen = AHEAD + radius as f32 * CELL;
    // One plane is enough: it follows the camera, and the cells on it stay where they are in the world.
    let plane = meshes.add(Plane3d::default().mesh().size(10.0 * CELL, 10.0 * CELL));
    commands.spawn((Plane, Mesh3d(plane), DisconLayers::of(ground)));
    let mut camera = commands.spawn((
        Camera3d::default(),
        camera,
        DistanceFog {
            color: Color::srgb(0.55, 0.65, 0.75),
            falloff: FogFalloff::Linear { start: 0.7 * seen, end: seen },
            ..default()
        },
    ));
    camera.add_child(spot);
    commands.spawn((
        DirectionalLight { illuminance: 10_000.0, ..default() },
        Transform::from_xyz(-4.0, 6.0, 3.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
}

/// What the ground is seen on.
#[derive(Component)]
struct Plane;

fn fly(
    time: Res<Time>,
    keys: Res<ButtonInput<KeyCode>>,
    mut camera: Single<&mut Transform, With<Camera3d>>,
    mut plane: Single<&mut Transform, (With<Plane>, Without<Camera3d>)>,
    mut steered: Local<bool>,
) {
    let held = |key: KeyCode| f32::from(u8::from(keys.pressed(key)));
    let turn = held(KeyCode::ArrowLeft) - held(KeyCode::ArrowRight);
    let speed = held(KeyCode::ArrowUp) - held(KeyCode::ArrowDown);
    *steered |= turn != 0.0 || speed != 0.0;
    let seconds = time.delta_secs().min(0.1);
    let (turn, speed) = match (common::screenshot_file().is_some(), *steered) {
        (true, _) => (0.0, 0.0),
        (false, true) => (turn, 5.0 * speed),
        (false, false) => (0.05, 2.0),
    };
    camera.rotate_y(seconds * turn);
    let mut ahead = camera.forward().as_vec3();
    ahead.y = 0.0;
    camera.translation += seconds * speed * ahead.normalize_or_zero();
    plane.translation = camera.translation.with_y(0.0);
}

fn report(cells: Single<&SurfaceCells, Changed<SurfaceCells>>, mut last: Local<usize>) {
    if let Some(error) = &cells.error {
        error!("no further cells: {error}");
    }
    if cells.layers.len() / 5 != *last / 5 {
        *last = cells.layers.len();
        info!("{} cells in layers, {} missing around {}", cells.layers.len(), cells.missing(), cells.viewer);
    }
}

fn save_picture(cells: Single<&SurfaceCells>, mut settling: ResMut<common::Settling>, mut commands: Commands) {
    settling.save_when(cells.missing() == 0 || cells.error.is_some(), &mut commands);
}
