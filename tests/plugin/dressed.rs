//! Meshes in `DisconLayers`: does a camera see each cell and each tile where the map says, and the neutral colour elsewhere?

use super::game::*;
use bevy::camera::{RenderTarget, ScalingMode};
use bevy::core_pipeline::CorePipelinePlugin;
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::light::LightPlugin;
use bevy::pbr::PbrPlugin;
use bevy::render::render_resource::{TextureFormat, TextureUsages};

/// Pixels of a cell in its own picture, and in that of the camera: its second level.
const SIDE: u32 = 128;
const SEEN: u32 = SIDE / 4;
/// Bytes by which a pixel may differ: drivers filter with fractions of eight bits.
const TOLERANCE: i32 = 3;

fn game() -> Option<Game> {
    Game::furnished(Path::new("assets"), |app| {
        app.add_plugins((LightPlugin, CorePipelinePlugin, PbrPlugin::default(), LayeredMaterialPlugin));
    })
}

fn small(seed: u64) -> Recipe {
    Recipe { token_rounds: 3, flow_steps: 2, ..recipe(seed).with_size(SIDE, SIDE) }
}

/// Shows colours as they are.
fn plain() -> StandardMaterial {
    StandardMaterial { unlit: true, ..default() }
}

/// A camera that sees so many units, and its picture of [`SEEN`] pixels per `cell` units.
fn camera(game: &mut Game, place: Transform, units: Vec2, cell: f32) -> (Handle<Image>, UVec2) {
    let pixels = (units / cell * SEEN as f32).as_uvec2();
    let mut picture = Image::new_target_texture(pixels.x, pixels.y, TextureFormat::Rgba8UnormSrgb, None);
    picture.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let picture = game.0.world_mut().resource_mut::<Assets<Image>>().add(picture);
    let scaling_mode = ScalingMode::Fixed { width: units.x, height: units.y };
    game.0.world_mut().spawn((
        Camera3d::default(),
        Projection::from(OrthographicProjection { scaling_mode, ..OrthographicProjection::default_3d() }),
        RenderTarget::Image(picture.clone().into()),
        Tonemapping::None,
        DebandDither::Disabled,
        Msaa::Off,
        place,
    ));
    (picture, pixels)
}

fn mesh(game: &mut Game, mesh: impl Into<Mesh>) -> Mesh3d {
    Mesh3d(game.0.world_mut().resource_mut::<Assets<Mesh>>().add(mesh.into()))
}

/// RGB of the part of a picture of `columns` cells in which a cell is.
fn part(picture: &[u8], columns: u32, [column, row]: [u32; 2]) -> Vec<u8> {
    let width = columns * SEEN;
    let line = |y: u32| 4 * ((row * SEEN + y) * width + column * SEEN) as usize;
    (0..SEEN).flat_map(|y| rgb(&picture[line(y)..][..4 * SEEN as usize])).collect()
}

/// Largest difference of two cells; without their border, where neighbours are mixed.
fn apart(seen: &[u8], expected: &[u8]) -> i32 {
    assert_eq!(seen.len(), expected.len());
    let inside = |at: &usize| {
        let (x, y) = (at / 3 % SEEN as usize, at / 3 / SEEN as usize);
        [x, y].iter().all(|at| (1..SEEN as usize - 1).contains(at))
    };
    (0..seen.len()).filter(inside).map(|at| i32::from(seen[at].abs_diff(expected[at]))).max().unwrap_or(0)
}

/// Draws until pipelines are compiled and everything is in the picture.
fn picture(game: &mut Game, image: &Handle<Image>, done: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let start = Instant::now();
    loop {
        game.frames(5);
        let pixels = game.picture(image);
        if done(&pixels) || start.elapsed() > PATIENCE / 2 {
            return pixels;
        }
    }
}

#[test]
fn a_wall_shows_the_tile_of_the_map_in_each_place() {
    let Some(mut game) = game() else { return };
    let field = UVec2::new(4, 3);
    let (units, centre) = (field.as_vec2(), field.as_vec2() * Vec2::new(0.5, -0.5));
    let (image, _) = camera(&mut game, Transform::from_translation(centre.extend(5.0)), units, 1.0);
    let wall = mesh(&mut game, Rectangle::from_size(units));
    let request = WangTileSet { field: field.into(), field_seed: 5, ..WangTileSet::new(small(21)) };
    let set = game.0.world_mut().spawn(request).id();
    let look = DisconLayers { of: Some(set), ..DisconLayers::tiles(SurfacePlane::Xy, Vec2::ONE).with_base(plain()) };
    // Elsewhere than the request's entity, which is where the first tile begins.
    game.0.world_mut().spawn((wall, look, Transform::from_translation(centre.extend(0.0))));
    game.0.world_mut().flush();
    let textures = |game: &Game| game.0.world().get::<WangTextures>(set).expect("they are there at once").clone();
    game.until("the set is complete", |game| {
        assert_eq!(textures(game).error, None);
        textures(game).is_complete()
    });
    let found = textures(&game);
    let tiles: Vec<Vec<u8>> =
        (0..16).map(|layer| rgb(&game.layer(&found.tiles, layer, 2).expect("the texture exists"))).collect();
    let map = game.layer(&found.map, 0, 0).expect("the map exists");
    let differences = |picture: &[u8]| -> Vec<i32> {
        let places = (0..field.y).flat_map(|row| (0..field.x).map(move |column| [column, row]));
        places.zip(&map).map(|(at, tile)| apart(&part(picture, field.x, at), &tiles[usize::from(*tile)])).collect()
    };
    let shown = |picture: &[u8]| differences(picture).iter().all(|difference| *difference <= TOLERANCE);
    let picture = picture(&mut game, &image, shown);
    assert!(shown(&picture), "largest differences of the tiles in bytes: {:?}", differences(&picture));
    let other = (1..16).map(|tile| apart(&tiles[0], &tiles[tile])).min().unwrap_or(0);
    assert!(other > 10 * TOLERANCE, "tiles can be told apart: {other}");
}

#[test]
fn a_ground_shows_cells_where_they_lie_and_the_neutral_colour_beyond() {
    let Some(mut game) = game() else { return };
    // Cells -2 to 2 along both axes, of which the viewer has those from -1 to 1.
    let (units, cell) = (Vec2::splat(10.0), 2.0);
    let place = Transform::from_xyz(1.0, 9.0, 1.0).looking_at(Vec3::new(1.0, 0.0, 1.0), Vec3::NEG_Z);
    let (image, _) = camera(&mut game, place, units, cell);
    let ground = mesh(&mut game, Plane3d::default().mesh().size(units.x, units.y));
    let viewer = game.0.world_mut().spawn(Transform::from_xyz(1.0, 5.0, 1.0)).id();
    let surface = EndlessSurface { cell, radius: 1, viewer: Some(viewer), ..EndlessSurface::new(small(77)) };
    let look = DisconLayers { neutral: Color::srgb_u8(200, 40, 90), ..DisconLayers::default().with_base(plain()) };
    let request = game.0.world_mut().spawn(surface).id();
    let look = DisconLayers { of: Some(request), ..look };
    game.0.world_mut().spawn((ground, look, Transform::from_xyz(1.0, 0.0, 1.0)));
    game.0.world_mut().flush();
    let cells = |game: &Game| game.0.world().get::<SurfaceCells>(request).expect("they are there at once").clone();
    game.until("all cells are made", |game| {
        assert_eq!(cells(game).error, None);
        cells(game).missing() == 0 && cells(game).layers.len() == 9
    });
    let found = cells(&game);
    let neutral: Vec<u8> = [200, 40, 90].repeat((SEEN * SEEN) as usize);
    let expected: Vec<([u32; 2], Vec<u8>)> = (0..25)
        .map(|at| {
            let at = [at % 5, at / 5];
            let layer = found.layer(IVec2::from(at.map(|at| at as i32 - 2)));
            let picture = layer.map(|layer| rgb(&game.layer(&found.cells, layer, 2).expect("the texture exists")));
            (at, picture.unwrap_or_else(|| neutral.clone()))
        })
        .collect();
    assert_eq!(expected.iter().filter(|(_, picture)| *picture == neutral).count(), 16, "those out of sight");
    let differences = |picture: &[u8]| -> Vec<i32> {
        expected.iter().map(|(at, expected)| apart(&part(picture, 5, *at), expected)).collect()
    };
    let shown = |picture: &[u8]| differences(picture).iter().all(|difference| *difference <= TOLERANCE);
    let picture = picture(&mut game, &image, shown);
    assert!(shown(&picture), "largest differences of the cells in bytes: {:?}", differences(&picture));
}
