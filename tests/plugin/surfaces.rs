//! Endless surfaces and Wang tiles in a game: do cells depend on their coordinates alone, do layers go round, does the
//! map find them?

use super::common;
use super::game::*;
use bevy::platform::collections::HashMap;
use bevy_discon::gpu::GpuExecutor;
use bevy_discon::surface::{Surface, WangTiles};
use std::collections::BTreeMap;

/// Pixels of a cell along each axis.
const SIDE: u32 = 128;

fn surface() -> EndlessSurface {
    let recipe = Recipe { token_rounds: 3, flow_steps: 2, ..recipe(77).with_size(SIDE, SIDE) };
    EndlessSurface { cell: 2.0, radius: 1, spare_layers: 3, ..EndlessSurface::new(recipe) }
}

/// A surface on the ground and a viewer above one of its cells.
fn open(game: &mut Game, surface: EndlessSurface, cell: [i32; 2]) -> (Entity, Entity) {
    let world = game.0.world_mut();
    let viewer = world.spawn(above(cell)).id();
    let surface = world.spawn(EndlessSurface { viewer: Some(viewer), ..surface }).id();
    world.flush();
    (surface, viewer)
}

fn above(cell: [i32; 2]) -> Transform {
    Transform::from_xyz(2.0 * cell[0] as f32 + 0.9, 5.0, 2.0 * cell[1] as f32 + 1.2)
}

/// Farther than cells are numbered.
const NOWHERE: f32 = 1e12;

fn walk(game: &mut Game, (surface, viewer): (Entity, Entity), cell: [i32; 2]) {
    game.0.world_mut().entity_mut(viewer).insert(above(cell));
    game.until("the viewer is seen", |game| cells(game, surface).viewer == IVec2::from(cell));
    game.until("all cells are made", |game| {
        assert_eq!(cells(game, surface).error, None);
        cells(game, surface).missing() == 0
    });
}

fn cells(game: &Game, surface: Entity) -> &SurfaceCells {
    game.0.world().get::<SurfaceCells>(surface).expect("the textures are there in the same frame")
}

/// RGB of every cell that a layer shows.
fn pictures(game: &mut Game, surface: Entity) -> BTreeMap<[i32; 2], Vec<u8>> {
    let image = cells(game, surface).cells.clone();
    let layers: HashMap<IVec2, u32> = cells(game, surface).layers.clone();
    let picture = |(cell, layer): (IVec2, u32)| {
        (cell.to_array(), rgb(&game.layer(&image, layer, 0).expect("the texture exists")))
    };
    layers.into_iter().map(picture).collect()
}

/// The map finds every cell in sight and nothing else.
fn check_map(game: &mut Game, surface: Entity) {
    let found = cells(game, surface).clone();
    let bytes = game.layer(&found.map, 0, 0).expect("the map exists");
    let texels: Vec<[u16; 4]> = bytemuck::pod_collect_to_vec(&bytes);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let cell = found.viewer + IVec2::new(dx, dy);
            let [x, y] = [cell.x, cell.y].map(|at| at.rem_euclid(3) as usize);
            let layer = found.layer(cell).expect("it is in sight") as u16;
            assert_eq!(texels[3 * y + x], [layer + 1, cell.x as u16, cell.y as u16, 0], "{cell}");
        }
    }
}

#[test]
fn cells_are_those_of_the_executor_in_every_order_of_visits_and_layers_go_round() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let opened = open(&mut game, surface(), [0, 0]);
    let mut seen: BTreeMap<[i32; 2], Vec<u8>> = BTreeMap::new();
    for cell in [[0, 0], [2, 0], [2, -3], [0, 0]] {
        walk(&mut game, opened, cell);
        check_map(&mut game, opened.0);
        let pictures = pictures(&mut game, opened.0);
        assert!(pictures.len() <= 12, "{} cells in 12 layers", pictures.len());
        for (cell, picture) in pictures {
            let known = seen.entry(cell).or_insert_with(|| picture.clone());
            assert!(*known == picture, "{cell:?} is another when it is made again");
        }
    }
    assert!(seen.len() > 20, "layers were used again: {} cells", seen.len());
    drop(game);
    // Another walk: other pieces are there first.
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let opened = open(&mut game, surface(), [3, -2]);
    walk(&mut game, opened, [1, -1]);
    let again = pictures(&mut game, opened.0);
    let both: Vec<_> = again.iter().filter_map(|(cell, picture)| Some((cell, picture, seen.get(cell)?))).collect();
    assert!(both.len() >= 6, "{} cells were seen on both walks", both.len());
    assert!(both.iter().all(|(_, a, b)| a == b), "a cell depends on the walk");
    drop(game);
    // And without Bevy.
    let Some(mut gpu) = common::gpu() else { return };
    let model = model();
    let mut alone = Surface::on(GpuExecutor::new(&mut gpu), &model, &surface().recipe).expect("the recipe is sound");
    for (cell, picture) in seen.iter().step_by(7) {
        let expected = alone.cell(&model, cell[0], cell[1]).expect("the device works");
        assert!(expected.pixels == *picture, "{cell:?} differs from that of the executor");
    }
}

#[test]
fn levels_of_a_layer_are_means_and_other_layers_stay_as_they_are() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let opened = open(&mut game, surface(), [0, 0]);
    walk(&mut game, opened, [0, 0]);
    let found = cells(&game, opened.0).clone();
    for layer in [0, 8] {
        let finest = game.layer(&found.cells, layer, 0).expect("the texture exists");
        let last = game.layer(&found.cells, layer, 7).expect("there are levels down to one texel");
        assert_eq!(last.len(), 4);
        for channel in 0..3 {
            let difference = (linear_mean(&last, channel) - linear_mean(&finest, channel)).abs();
            // Each of seven levels rounds to bytes.
            assert!(difference < 0.004 * 7.0, "layer {layer}, channel {channel}: {difference}");
        }
    }
    // A spare layer was never written.
    let spare = game.layer(&found.cells, 11, 0).expect("the texture exists");
    assert!(spare.iter().all(|byte| *byte == 0));
}

#[test]
fn textures_of_higher_priority_overtake_a_surface_and_its_end_frees_everything() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.5)) else { return };
    // The buffers of this shape are there for the next one.
    let first = game.generate(recipe(0));
    game.until("the first texture is ready", |game| game.is_ready(&first));
    let (entity, _) = open(&mut game, surface(), [0, 0]);
    game.until("the surface has begun", |game| !cells(game, entity).layers.is_empty());
    let image = game.generate(recipe(1));
    game.until("the texture is ready", |game| game.is_ready(&image));
    // Priority 0 against minus the distance.
    assert!(cells(&game, entity).missing() > 0, "the texture need not wait for the surface");
    let ids = [cells(&game, entity).cells.id(), cells(&game, entity).map.id()];
    game.0.world_mut().despawn(entity);
    game.frames(5);
    let images = game.0.sub_app(RenderApp).world().resource::<RenderAssets<GpuImage>>();
    assert!(ids.iter().all(|id| images.get(*id).is_none()), "memory on the GPU is free");
    let next = game.generate(recipe(2));
    game.until("others go on", |game| game.is_ready(&next));
}

#[test]
fn a_viewer_beyond_all_cells_sees_none_and_comes_back() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let opened = open(&mut game, surface(), [0, 0]);
    for (at, cell) in [(NOWHERE, i32::MAX), (-NOWHERE, i32::MIN)] {
        game.0.world_mut().entity_mut(opened.1).insert(Transform::from_xyz(at, 5.0, at));
        game.until("the viewer is seen", |game| cells(game, opened.0).viewer == IVec2::splat(cell));
        game.frames(5);
        assert!(cells(&game, opened.0).missing() > 0, "there is nothing so far away");
        assert_eq!(cells(&game, opened.0).error, None);
    }
    walk(&mut game, opened, [1, 1]);
    check_map(&mut game, opened.0);
}

#[test]
fn impossible_surfaces_say_why() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    for (recipe, expected) in [
        (recipe(1), ["width", "at least 128"]),
        (recipe(1).with_size(128, 100), ["height", "multiple of 16"]),
        (Recipe::new("cheese").with_size(128, 128), ["cheese", "brick"]),
    ] {
        let (entity, _) = open(&mut game, EndlessSurface { recipe, ..surface() }, [0, 0]);
        game.until("it fails", |game| cells(game, entity).error.is_some());
        let error = cells(&game, entity).error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    }
    drop(game);
    let wgpu = WgpuSettings { backends: None, ..default() };
    let mut game = Game::with(wgpu, ModelSource::Loaded(model()), DisconSettings::default());
    let (entity, _) = open(&mut game, surface(), [0, 0]);
    game.until("it fails", |game| cells(game, entity).error.is_some());
    let error = cells(&game, entity).error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("on the GPU alone") && error.contains("no renderer"), "{error}");
}

#[test]
fn wang_tiles_are_those_of_the_executor_in_the_layers_that_the_map_names() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let request = WangTileSet { field: (9, 7), field_seed: 3, ..WangTileSet::new(surface().recipe) };
    let entity = game.0.world_mut().spawn(request.clone()).id();
    game.0.world_mut().flush();
    let textures = |game: &Game| game.0.world().get::<WangTextures>(entity).expect("they are there at once").clone();
    game.until("the set is complete", |game| {
        assert_eq!(textures(game).error, None);
        textures(game).is_complete()
    });
    let found = textures(&game);
    let layers: Vec<Vec<u8>> =
        (0..16).map(|layer| rgb(&game.layer(&found.tiles, layer, 0).expect("the texture exists"))).collect();
    let world = game.0.sub_app(RenderApp).world();
    let map = world.resource::<RenderAssets<GpuImage>>().get(&found.map).expect("the map exists").texture.clone();
    assert_eq!((map.width(), map.height(), map.format()), (9, 7, wgpu::TextureFormat::R8Uint));
    assert_eq!(game.layer(&found.map, 0, 0), Some(WangTiles::index_map(9, 7, 3)));
    drop(game);
    let Some(mut gpu) = common::gpu() else { return };
    let set = WangTiles::on(&mut GpuExecutor::new(&mut gpu), &model(), &request.recipe).expect("the recipe is sound");
    assert!(layers.iter().zip(&set.tiles).all(|(layer, tile)| *layer == tile.pixels));
}

/// Bytes of every tile, and of the field.
fn tiles(game: &mut Game, set: Entity) -> (Vec<Vec<u8>>, Vec<u8>) {
    let found = game.0.world().get::<WangTextures>(set).expect("they are there at once").clone();
    let tile = |layer| game.layer(&found.tiles, layer, 0).expect("the texture exists");
    ((0..16).map(tile).collect(), game.layer(&found.map, 0, 0).expect("the map exists"))
}

#[test]
fn after_a_device_was_lost_every_cell_in_sight_and_every_tile_is_made_again() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let opened = open(&mut game, surface(), [0, 0]);
    walk(&mut game, opened, [0, 0]);
    walk(&mut game, opened, [1, 0]);
    let request = WangTileSet { field: (9, 7), field_seed: 3, ..WangTileSet::new(surface().recipe) };
    let set = game.0.world_mut().spawn(request).id();
    let textures = |game: &Game| game.0.world().get::<WangTextures>(set).expect("they are there at once").clone();
    game.until("the set is complete", |game| textures(game).is_complete());
    let (before, tiles_before) = (pictures(&mut game, opened.0), tiles(&mut game, set));
    assert_eq!(before.len(), 12, "those in sight and those that were");
    // The first time everything is there, the second time half of it is on its way and something new has just come.
    let mut late = None;
    for round in 0..2 {
        if round == 1 {
            game.until("some cells are there", |game| cells(game, opened.0).layers.len() > 2);
            let recipe = Recipe { seed: 78, ..surface().recipe };
            late = Some(open(&mut game, EndlessSurface { recipe, ..surface() }, [0, 0]));
        }
        game.replace_device();
        assert!(cells(&game, opened.0).missing() > 0, "what was lost is not shown");
        assert!(!textures(&game).is_complete());
    }
    let late = late.expect("it was opened in the second round").0;
    game.until("all cells are made", |game| {
        [opened.0, late].iter().all(|surface| {
            assert_eq!(cells(game, *surface).error, None);
            cells(game, *surface).missing() == 0
        })
    });
    game.until("the set is complete", |game| {
        assert_eq!(textures(game).error, None);
        textures(game).is_complete()
    });
    let after = pictures(&mut game, opened.0);
    assert_eq!(after.len(), 9, "those in sight");
    assert!(after.iter().all(|(cell, picture)| before.get(cell) == Some(picture)), "a cell is another one");
    assert!(tiles(&mut game, set) == tiles_before, "the tiles or their field are other ones");
    for surface in [opened.0, late] {
        check_map(&mut game, surface);
    }
    // Layers go round as before, and others are not held up.
    walk(&mut game, opened, [2, 0]);
    check_map(&mut game, opened.0);
    let image = game.generate(recipe(9));
    game.until("a texture is ready", |game| game.is_ready(&image));
}
