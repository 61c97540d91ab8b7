//! Does an endless surface depend on its coordinates alone, and fit at the borders of cells? Is an example picture found
//! again in its recipe?
#![cfg(feature = "eval")]

mod common;

use bevy_discon::eval::metrics::{Picture, correlation};
use bevy_discon::eval::picture;
use bevy_discon::exemplar::Exemplar;
#[cfg(feature = "gpu")]
use bevy_discon::gpu::GpuExecutor;
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::native;
use bevy_discon::reference::{CpuPages, GeneratedTexture};
use bevy_discon::sampling::{Recipe, RunArrangement, Tiling, TokenMask, WangSet, Work, continue_plan, plan};
use bevy_discon::surface::{Surface, WANG_TILES, WangTiles};

fn tiny() -> Model {
    let config = ModelConfig::tiny(&["brick", "moss"]);
    let mut model = Model::new(&config, None, 1).expect("the tiny preset is valid");
    common::randomise(&mut model);
    model
}

fn bundled() -> Model {
    Model::load("assets/models/small".as_ref()).expect("the bundled model is sound")
}

fn recipe(class: &str) -> Recipe {
    Recipe::new(class).with_size(128, 128).with_seed(21)
}

#[test]
fn cells_are_the_same_in_every_order_of_visits_and_differ_from_each_other() {
    let model = tiny();
    let recipe = Recipe { token_rounds: 3, latent_rounds: 2, flow_steps: 2, ..recipe("brick") };
    let cells = [(0, 0), (1, 0), (-1, 0), (0, 1), (-2, -3)];
    let surface = || Surface::new(&model, &recipe).expect("the recipe is valid");
    let (mut forwards, mut backwards) = (surface(), surface());
    let mut first: Vec<_> = cells.iter().map(|(x, y)| forwards.cell(&model, *x, *y)).collect();
    let second = cells.iter().rev().map(|(x, y)| backwards.cell(&model, *x, *y));
    first.reverse();
    for ((cell, a), b) in cells.iter().rev().zip(&first).zip(second) {
        assert!(*a == b && a.is_ok(), "{cell:?} is another when it is visited in another order");
    }
    // Alone, without anything that was made before.
    assert!(surface().cell(&model, -2, -3) == first[0]);
    assert!(first[0] != first[1] && first[1] != first[2]);
    assert!(surface().cell(&model, i32::MIN, 0).is_err_and(|error| error.to_string().contains("column")));
    let error = Surface::new(&model, &recipe.clone().with_size(64, 128)).expect_err("too narrow").to_string();
    assert!(error.contains("width") && error.contains("64") && error.contains("128"), "{error}");
}

/// Mean difference of the columns left and right of the middle, over that at all other borders of tokens.
fn middle_ratio(image: &Picture) -> f64 {
    let step = |x: usize| -> f64 {
        let value = |y: usize, x: usize, c: usize| image.values[3 * (y * image.width + x) + c];
        (0..3 * image.height).map(|i| f64::from((value(i / 3, x - 1, i % 3) - value(i / 3, x, i % 3)).abs())).sum()
    };
    let others: Vec<f64> = (16..image.width).step_by(16).filter(|x| *x != image.width / 2).map(step).collect();
    step(image.width / 2) * others.len() as f64 / others.iter().sum::<f64>()
}

fn beside(left: &Picture, right: &Picture) -> Picture {
    let rows = left.values.chunks_exact(3 * left.width).zip(right.values.chunks_exact(3 * right.width));
    let values = rows.flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
    Picture { width: left.width + right.width, height: left.height, values }
}

/// Rows and columns exchanged: what lies below lies beside.
fn turned(picture: &Picture) -> Picture {
    let pixel = |x: usize, y: usize| &picture.values[3 * (y * picture.width + x)..][..3];
    let places = (0..picture.width).flat_map(|x| (0..picture.height).map(move |y| (x, y)));
    let values = places.flat_map(|(x, y)| pixel(x, y)).copied().collect();
    Picture { width: picture.height, height: picture.width, values }
}

#[test]
fn cells_of_a_surface_fit_while_other_textures_do_not() {
    let model = bundled();
    let (mut fit, mut apart) = (0.0, 0.0);
    let classes = ["brick", "rock"];
    for class in classes {
        let recipe = recipe(class);
        let mut surface = Surface::new(&model, &recipe).expect("the recipe is valid");
        let mut cell = |x, y| picture(&surface.cell(&model, x, y).expect("the model is the same"));
        let [cell, right, below] = [cell(2, -4), cell(3, -4), cell(2, -3)];
        fit += middle_ratio(&beside(&cell, &right)) / 2.0;
        fit += middle_ratio(&beside(&turned(&cell), &turned(&below))) / 2.0;
        let other = |seed| {
            let recipe = Recipe { tiling: Tiling::None, ..recipe.relayout(seed) };
            picture(&native::generate(&model, &plan(&model, &recipe).expect("the recipe is valid")))
        };
        apart += middle_ratio(&beside(&other(1), &other(2)));
    }
    let (fit, apart) = (fit / classes.len() as f64, apart / classes.len() as f64);
    println!("across the border of two cells, over other borders of tokens: {fit:.2}; two textures: {apart:.2}");
    assert!(fit < 1.15, "cells continue each other: {fit}");
    assert!(apart > 1.4 * fit, "the measure sees a border: {apart}");
}

#[test]
fn wang_tiles_fit_wherever_their_edges_have_one_colour() {
    let map = WangTiles::index_map(9, 7, 3);
    let tile = |x: usize, y: usize| map[y % 7 * 9 + x % 9];
    for (x, y) in (0..7).flat_map(|y| (0..9).map(move |x| (x, y))) {
        assert_eq!(tile(x, y) >> 1 & 1, tile(x, y + 1) & 1, "lower and upper edge at {x}, {y}");
        assert_eq!(tile(x, y) >> 3 & 1, tile(x + 1, y) >> 2 & 1, "right and left edge at {x}, {y}");
    }
    assert!((0..WANG_TILES as u8).all(|number| WangTiles::index_map(64, 64, 1).contains(&number)));
    assert_ne!(map, WangTiles::index_map(9, 7, 4));

    let model = bundled();
    // Few rounds: sixteen tiles, and borders matter here. Rock goes on in many ways, whereas a layout of bricks may leave but
    // one for both colours of an edge.
    let recipe = Recipe { latent_rounds: 2, flow_steps: 4, ..recipe("rock") };
    let set = WangTiles::new(&model, &recipe).expect("the recipe is valid");
    assert_eq!(set.tiles.len(), WANG_TILES);
    assert!((1..WANG_TILES).all(|number| set.tiles[number] != set.tiles[0]));
    // Equal colours are equal tokens on both sides of the border, other colours are others.
    let column = |number: usize, column: usize| -> Vec<u32> {
        set.tiles[number].tokens.iter().skip(column).step_by(8).copied().collect()
    };
    let tiles = tiles_with_margins(&model, &recipe);
    let (mut fit, mut unfit) = ((0.0, 0.0), (0.0, 0.0));
    for (left, right) in (0..WANG_TILES).flat_map(|left| (0..WANG_TILES).map(move |right| (left, right))) {
        let same_edge = left >> 2 & 1 == right >> 2 & 1;
        assert_eq!(column(left, 0) == column(right, 0), same_edge, "left edges of tiles {left} and {right}");
        let same_edge = left >> 3 & 1 == right >> 3 & 1;
        assert_eq!(column(left, 7) == column(right, 7), same_edge, "right edges of tiles {left} and {right}");
        let sum = if left >> 3 & 1 == right >> 2 & 1 { &mut fit } else { &mut unfit };
        *sum = (sum.0 + disagreement(&tiles[left], &tiles[right]), sum.1 + 1.0);
        let (above, below) = (left, right);
        let sum = if above >> 1 & 1 == below & 1 { &mut fit } else { &mut unfit };
        *sum = (sum.0 + disagreement(&turned(&tiles[above]), &turned(&tiles[below])), sum.1 + 1.0);
    }
    let (fit, unfit) = (fit.0 / fit.1, unfit.0 / unfit.1);
    println!("what a tile goes on with against what its neighbour shows: {fit:.6}; where colours differ: {unfit:.6}");
    assert!(fit < 0.5 * unfit, "tiles continue each other: {fit} against {unfit}");
}

/// Tiles with 16 pixels at each side of what they go on with.
fn tiles_with_margins(model: &Model, recipe: &Recipe) -> Vec<Picture> {
    let mut set = WangSet::new(model, recipe).expect("the recipe is valid");
    let mut pages = CpuPages::new(native::LOOPS);
    let Ok(()) = pages.reserve(model, set.page_count(), set.page_positions());
    let mut tiles = Vec::new();
    while let Some((work, mut arrangement)) = set.next(model) {
        match work {
            Work::Piece(_) => {
                let Ok(()) = pages.make(model, arrangement);
            }
            Work::Picture(_) => {
                arrangement.halo -= 1;
                let Ok(texture) = pages.show(model, arrangement);
                tiles.push(picture(&texture));
            }
        }
        set.made();
    }
    tiles
}

/// Mean difference between the first eight columns that the left tile goes on with and those of the right tile.
fn disagreement(left: &Picture, right: &Picture) -> f64 {
    let value = |tile: &Picture, x: usize, y: usize, c: usize| tile.values[3 * (y * tile.width + x) + c];
    let mut sum = 0.0;
    for y in 16..144 {
        for x in 0..8 {
            let differences = (0..3).map(|c| (value(left, 144 + x, y, c) - value(right, 16 + x, y, c)).abs());
            sum += f64::from(differences.sum::<f32>());
        }
    }
    sum / f64::from(128 * 8 * 3)
}

#[cfg(feature = "gpu")]
#[test]
fn cells_and_tiles_are_the_same_on_the_gpu() {
    let Some(mut gpu) = common::gpu() else { return };
    let model = tiny();
    let recipe = Recipe { token_rounds: 3, latent_rounds: 2, flow_steps: 2, ..recipe("brick") };
    let close = |label: &str, expected: &GeneratedTexture, found: &GeneratedTexture| {
        assert_eq!(found.tokens, expected.tokens, "{label}: tokens");
        let worst = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        // One for the rounding to bytes and one for the difference of the values.
        assert!(worst <= Some(2), "{label}: pixels differ by {worst:?}");
    };
    let mut on_cpu = Surface::new(&model, &recipe).expect("the recipe is valid");
    for variant in common::variants(&gpu) {
        gpu.set_variant(variant);
        let walk = [(0, 0), (1, 0), (-1, 3)];
        let mut visit = |cells: &mut dyn Iterator<Item = &(i32, i32)>| -> Vec<GeneratedTexture> {
            let mut surface = Surface::on(GpuExecutor::new(&mut gpu), &model, &recipe).expect("the recipe is valid");
            cells.map(|(x, y)| surface.cell(&model, *x, *y).expect("the device works")).collect()
        };
        let forwards = visit(&mut walk.iter());
        let mut backwards = visit(&mut walk.iter().rev());
        backwards.reverse();
        assert!(forwards == backwards, "{variant:?}: the order of visits counts");
        assert!(forwards[0] != forwards[1]);
        for ((x, y), found) in walk.iter().zip(&forwards) {
            let expected = on_cpu.cell(&model, *x, *y).expect("it is near");
            close(&format!("{variant:?} {x} {y}"), &expected, found);
        }
        let tiles = WangTiles::on(&mut GpuExecutor::new(&mut gpu), &model, &recipe).expect("the recipe is valid");
        let expected = WangTiles::new(&model, &recipe).expect("the recipe is valid");
        for (number, (expected, found)) in expected.tiles.iter().zip(&tiles.tiles).enumerate() {
            close(&format!("{variant:?} tile {number}"), expected, found);
        }
    }
}

#[test]
fn an_example_picture_is_found_again_in_its_recipe_and_its_variations() {
    let model = bundled();
    let run = |recipe: &Recipe| native::generate(&model, &plan(&model, recipe).expect("the recipe is valid"));
    let source = run(&recipe("brick"));
    let folder = tempfile::tempdir().expect("a folder for the picture");
    let path = folder.path().join("example.png");
    image::save_buffer(&path, &source.pixels, 128, 128, image::ColorType::Rgb8).expect("the folder can be written");
    let exemplar = Exemplar::open(&model, &path, None, Tiling::Both).expect("the picture is sound");
    println!("{}: {:.1} dB, tokens alone {:.1} dB", exemplar.recipe.class, exemplar.psnr, exemplar.coarse_psnr);
    assert!(exemplar.psnr > 24.0 && exemplar.psnr > exemplar.coarse_psnr + 2.0 && exemplar.coarse_psnr > 10.0);
    let base = picture(&source).blocks();
    let varied = picture(&run(&exemplar.recipe.variation(1))).blocks();
    let unlike = picture(&run(&exemplar.recipe.relayout(1))).blocks();
    let (kept, other) = (correlation(&base, &varied), correlation(&base, &unlike));
    println!("block means: {kept:.2} with other detail, {other:.2} with another layout");
    assert!(kept > 0.5 && kept > other + 0.25, "{kept} {other}");
    // The recipe is one like any other.
    let bytes = exemplar.recipe.to_bytes().expect("the recipe is sound");
    assert_eq!(Recipe::from_bytes(&bytes).as_ref(), Ok(&exemplar.recipe));
    // An edit of the picture itself leaves its other tokens alone.
    let mask = TokenMask { cells: vec![27, 28] };
    let edited = exemplar.recipe.clone().with_edit(mask.clone(), 2);
    let plan = continue_plan(&model, &edited, 0, exemplar.state.clone()).expect("the state fits");
    let tokens = native::generate(&model, &plan).tokens;
    assert!((0..64).all(|cell| mask.cells.contains(&(cell as u16)) || tokens[cell] == exemplar.state.tokens[cell]));
}

#[test]
fn files_that_are_no_example_are_refused_with_a_reason() {
    let model = tiny();
    let error = Exemplar::open(&model, "nowhere/no.png".as_ref(), None, Tiling::Both).expect_err("no file").to_string();
    assert!(error.contains("nowhere/no.png"), "{error}");
    let of = |size, bytes: usize, class| {
        Exemplar::encode(&model, &vec![0; bytes], size, class, Tiling::Both).expect_err("wrong").to_string()
    };
    assert!(of((64, 64), 5, None).contains("12288"));
    assert!(of((100, 64), 100 * 64 * 3, None).contains("multiple of 16"));
    assert!(of((64, 64), 64 * 64 * 3, Some("cheese")).contains("cheese"));
}
