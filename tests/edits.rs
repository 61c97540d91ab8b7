//! Do edits, variations and blends change what they should, and nothing else? Seams are measured with the bundled
//! model.
#![cfg(feature = "eval")]

mod common;

use bevy_discon::eval::metrics::Picture;
use bevy_discon::eval::picture;
use bevy_discon::exemplar::Exemplar;
use bevy_discon::model::{Fusion, Model, ModelConfig};
use bevy_discon::native::{self, generate_with_state};
use bevy_discon::reference::GeneratedTexture;
use bevy_discon::sampling::{Blend, Recipe, RecipeError, Tiling, TokenMask, continue_plan, count, plan};

fn tiny(fusion: Fusion) -> Model {
    let config = ModelConfig { fusion, layout_tokens: 8 * 16, ..ModelConfig::tiny(&["brick", "moss"]) };
    let mut model = Model::new(&config, None, 1).expect("the tiny preset is valid");
    common::randomise(&mut model);
    let classes = model.discon.styles.classes;
    for (index, class) in model.weights.get_mut(classes).iter_mut().enumerate() {
        *class = (index % 2) as f32;
    }
    let layouts = model.discon.layouts.clone().expect("there are layouts");
    *model.weights.get_mut(layouts.tokens) = (0..128).map(|at| (at * 37 % 64) as f32).collect();
    *model.weights.get_mut(layouts.shapes) = [4.0, 4.0, 1.0].repeat(8);
    *model.weights.get_mut(layouts.weights) = vec![1.0; 8];
    Model::new(&config, Some(model.weights), 0).expect("the tiny preset is valid")
}

fn bundled() -> Model {
    Model::load("assets/models/small".as_ref()).expect("the bundled model is sound")
}

fn recipe(width: u32, height: u32) -> Recipe {
    let recipe = Recipe::new("moss").with_size(width, height).with_seed(11);
    // Half of the tokens from a layout, so that both kinds are looked at.
    Recipe { token_rounds: 3, latent_rounds: 2, flow_steps: 2, layout_share: 0.5, ..recipe }
}

fn run(model: &Model, recipe: &Recipe) -> GeneratedTexture {
    native::generate(model, &plan(model, recipe).expect("the recipe is valid"))
}

/// Distance in pixels along the farther axis from a pixel to the nearest cell of a mask, across the borders of a torus.
fn distance(recipe: &Recipe, mask: &TokenMask, x: u32, y: u32) -> u32 {
    let along = |at: u32, cell: u32, length: u32| {
        let offset = (at + length - cell) % length;
        if offset < 16 { 0 } else { (offset - 15).min(length - offset) }
    };
    let columns = recipe.size.0 / 16;
    let of_cell = |cell: &u16| {
        let cell = u32::from(*cell);
        along(x, cell % columns * 16, recipe.size.0).max(along(y, cell / columns * 16, recipe.size.1))
    };
    mask.cells.iter().map(of_cell).min().unwrap_or(u32::MAX)
}

#[test]
fn an_edit_leaves_pixels_beyond_the_reach_and_tokens_outside_the_mask_as_they_were() {
    let model = tiny(Fusion::InPlace);
    let recipe = recipe(320, 256);
    // Across the corner where four borders meet.
    let mask = TokenMask::circle(&recipe, [0.0, 0.0], 20.0);
    assert_eq!(mask.cells.len(), 4, "one cell in each corner: {mask:?}");
    let before = run(&model, &recipe);
    let after = run(&model, &recipe.clone().with_edit(mask.clone(), 5));
    let reach = model.discon.decoder.reach() as u32;
    assert!(reach < 120, "the texture has pixels beyond {reach}");
    let (mut untouched, mut farthest) = (0, 0);
    for at in 0..recipe.size.0 * recipe.size.1 {
        let distance = distance(&recipe, &mask, at % recipe.size.0, at / recipe.size.0);
        let bytes = 3 * at as usize..3 * at as usize + 3;
        if before.pixels[bytes.clone()] != after.pixels[bytes] {
            farthest = farthest.max(distance);
        } else if distance > reach {
            untouched += 1;
        }
    }
    assert!(farthest <= reach, "a pixel {farthest} pixels away changed, the reach is {reach}");
    assert!(farthest > reach / 4, "the change spreads to its neighbourhood: {farthest} of {reach}");
    assert!(untouched > 1_000, "{untouched} pixels are beyond the reach");
    let changed = |cell: &usize| before.tokens[*cell] != after.tokens[*cell];
    let changed: Vec<usize> = (0..before.tokens.len()).filter(changed).collect();
    assert!(!changed.is_empty() && changed.iter().all(|cell| mask.cells.contains(&(*cell as u16))), "{changed:?}");
}

#[test]
fn going_on_from_kept_latents_gives_the_same_texture_for_the_cost_of_the_mask() {
    for (fusion, class) in [(Fusion::InPlace, None), (Fusion::Prefix, Some("brick"))] {
        let model = tiny(fusion);
        let mut first = recipe(512, 512);
        first.edits = recipe(512, 512).with_edit(TokenMask { cells: vec![40, 41] }, 3).edits;
        let mask = TokenMask::circle(&first, [0.5, 0.5], 40.0);
        let mut second = first.clone().with_edit(mask, 4);
        second.edits[1].class = class.map(Into::into);
        let (_, state) = generate_with_state(&model, &plan(&model, &first).expect("the recipe is valid"));
        let continued = continue_plan(&model, &second, 1, state).expect("the state fits");
        // No `assert_eq`: it would print both pictures.
        assert!(native::generate(&model, &continued) == run(&model, &second), "{fusion:?}");
    }
}

#[test]
fn the_cost_of_an_edit_falls_with_its_mask() {
    let model = bundled();
    let class = &model.discon.config.classes[0];
    let base = Recipe::new(class).with_size(512, 512);
    let cells = base.token_grid().0 * base.token_grid().1;
    let state = bevy_discon::sampling::LatentState {
        tokens: vec![0; cells],
        context: vec![0.0; cells * model.discon.config.context_width()],
    };
    let flops = |plan: &bevy_discon::sampling::Plan| {
        let costs = count(&model.discon, &model.table, &plan.shape);
        // All but the decoding, which is that of the whole texture.
        costs[..costs.len() - 1].iter().map(|(_, cost)| cost.flops).sum::<u64>() as f64
    };
    let whole = flops(&plan(&model, &base).expect("the recipe is valid"));
    let shares: Vec<f64> = [250.0, 120.0, 60.0, 20.0]
        .into_iter()
        .map(|radius| {
            let edited = base.clone().with_edit(TokenMask::circle(&base, [0.3, 0.9], radius), 1);
            flops(&continue_plan(&model, &edited, 0, state.clone()).expect("the state fits")) / whole
        })
        .collect();
    println!("share of the cost of both stages, for masks of radius 250, 120, 60 and 20 of 512 pixels: {shares:.3?}");
    assert!(shares.windows(2).all(|pair| pair[1] < 0.7 * pair[0]), "{shares:.3?}");
    assert!(shares[3] < 0.12, "{shares:.3?}");
}

#[test]
fn a_state_of_another_size_is_refused_with_the_size_it_should_have() {
    let model = tiny(Fusion::InPlace);
    let small = recipe(64, 64);
    let (_, state) = generate_with_state(&model, &plan(&model, &small).expect("the recipe is valid"));
    let edited = recipe(128, 64).with_edit(TokenMask { cells: vec![1] }, 0);
    let error = continue_plan(&model, &edited, 0, state).expect_err("16 tokens are not 32").to_string();
    assert!(error.contains("state (tokens)") && error.contains("16") && error.contains("32"), "{error}");
}

#[test]
fn variations_keep_the_tokens_and_other_layouts_keep_the_style() {
    let model = tiny(Fusion::InPlace);
    let recipe = recipe(128, 128);
    let (base, varied) = (run(&model, &recipe), run(&model, &recipe.variation(8)));
    assert_eq!(base.tokens, varied.tokens);
    assert!(base.pixels != varied.pixels);
    let planned = |recipe: &Recipe| plan(&model, recipe).expect("the recipe is valid").inputs;
    let other = recipe.relayout(12);
    assert_eq!(planned(&recipe).style, planned(&other).style, "the look stays");
    assert_eq!(planned(&other).style, planned(&other.relayout(13)).style, "and stays again");
    assert_ne!(planned(&recipe).style, planned(&recipe.clone().with_seed(12)).style);
    assert_ne!(base.tokens, run(&model, &other).tokens);
    let inline = Recipe { style_row: Some(planned(&recipe).style), ..other.clone() };
    assert!(run(&model, &inline) == run(&model, &other), "the style itself does what its seed does");
}

#[cfg(feature = "gpu")]
#[test]
fn edits_and_blends_are_the_same_on_the_gpu() -> Result<(), RecipeError> {
    let Some(mut gpu) = common::gpu() else { return Ok(()) };
    for (fusion, tiling, guidance) in [(Fusion::InPlace, Tiling::Both, 1.5), (Fusion::Prefix, Tiling::X, 1.0)] {
        let model = tiny(fusion);
        let base = Recipe { tiling, guidance, ..recipe(256, 192) };
        let mask = TokenMask::circle(&base, [0.02, 0.5], 30.0);
        let blend = Blend::from_uv(&base, "brick", |u, v| u * v);
        for recipe in [
            base.clone().with_edit(mask.clone(), 3),
            base.clone().with_edit_of("brick", mask.clone(), 3).with_edit(mask.clone(), 4),
            base.clone().with_blend(blend).with_edit_of("moss", mask.clone(), 3),
        ] {
            let (expected, state) = generate_with_state(&model, &plan(&model, &recipe)?);
            let further = recipe.clone().with_edit(TokenMask::circle(&base, [0.6, 0.1], 20.0), 6);
            let end = run(&model, &further);
            for variant in common::variants(&gpu) {
                gpu.set_variant(variant);
                let label = format!("{variant:?} {fusion:?} {} edits", recipe.edits.len());
                let found = gpu.generate(&model, &plan(&model, &recipe)?).expect("the device works");
                assert_close(&label, &expected, &found);
                let kept = gpu.state().expect("the device works");
                assert_eq!(kept.tokens, state.tokens, "{label}");
                let continued = continue_plan(&model, &further, recipe.edits.len(), kept)?;
                let whole = gpu.generate(&model, &plan(&model, &further)?).expect("the device works");
                assert!(gpu.generate(&model, &continued).expect("the device works") == whole, "{label}, continued");
                assert_close(&label, &end, &whole);
            }
        }
    }
    Ok(())
}

#[cfg(feature = "gpu")]
fn assert_close(label: &str, expected: &GeneratedTexture, found: &GeneratedTexture) {
    assert_eq!(found.tokens, expected.tokens, "{label}: tokens");
    let worst = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max();
    // One for the rounding to bytes and one for the difference of the values.
    assert!(worst <= Some(2), "{label}: pixels differ by {worst:?}");
}

/// Mean difference of neighbours across the border of a rectangle of cells, over that across all other borders of
/// cells.
fn border_ratio(image: &Picture, cells: [std::ops::Range<usize>; 2]) -> f64 {
    let [columns, rows] = cells;
    let value = |x: usize, y: usize| &image.values[3 * (y * image.width + x)..][..3];
    let step = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
    let (mut border, mut others) = ((0.0, 0.0), (0.0, 0.0));
    for y in 0..image.height {
        for x in (16..image.width).step_by(16) {
            let on = rows.contains(&(y / 16)) && (x / 16 == columns.start || x / 16 == columns.end);
            let sum = if on { &mut border } else { &mut others };
            *sum = (sum.0 + step(value(x - 1, y), value(x, y)), sum.1 + 1.0);
        }
    }
    for y in (16..image.height).step_by(16) {
        for x in 0..image.width {
            let on = columns.contains(&(x / 16)) && (y / 16 == rows.start || y / 16 == rows.end);
            let sum = if on { &mut border } else { &mut others };
            *sum = (sum.0 + step(value(x, y - 1), value(x, y)), sum.1 + 1.0);
        }
    }
    border.0 / border.1 / (others.0 / others.1)
}

#[test]
fn an_edit_has_no_seam_while_a_pasted_piece_has_one() {
    let model = bundled();
    let (mut edited, mut pasted, mut cases) = (0.0, 0.0, 0.0);
    let cells = [3..8, 4..9];
    for class in ["brick", "rock", "wood_planks", "stone_wall"] {
        if !model.discon.config.classes.iter().any(|name| name == class) {
            continue;
        }
        let recipe = Recipe::new(class).with_seed(2).with_size(192, 192);
        let inside =
            |u: f32, v: f32| cells[0].contains(&((u * 12.0) as usize)) && cells[1].contains(&((v * 12.0) as usize));
        let mask = TokenMask::from_uv(&recipe, inside);
        assert_eq!(mask.cells.len(), 25);
        let after = picture(&run(&model, &recipe.clone().with_edit(mask, 77)));
        // The same place of another texture with the same look.
        let (mut paste, other) = (picture(&run(&model, &recipe)), picture(&run(&model, &recipe.relayout(77))));
        for y in 16 * cells[1].start..16 * cells[1].end {
            let row = 3 * (y * 192 + 16 * cells[0].start)..3 * (y * 192 + 16 * cells[0].end);
            paste.values[row.clone()].copy_from_slice(&other.values[row]);
        }
        edited += border_ratio(&after, cells.clone());
        pasted += border_ratio(&paste, cells.clone());
        cases += 1.0;
    }
    let (edited, pasted) = (edited / cases, pasted / cases);
    println!("across the border of the mask, over other borders of cells: edited {edited:.2}, pasted {pasted:.2}");
    assert!(edited < 1.2, "an edit continues what is around it: {edited}");
    assert!(pasted > edited + 0.08, "the measure sees a seam: {pasted} against {edited}");
}

#[test]
fn a_blend_passes_from_one_material_to_the_other() {
    let model = bundled();
    let classes = &model.discon.config.classes;
    let (first, second) = (&classes[0], &classes[classes.len() / 2]);
    // Colours vary within a texture, so several are measured.
    let seeds = [4, 5, 6];
    let mut shares = [0.0; 5];
    for seed in seeds {
        let recipe = Recipe::new(first).with_seed(seed).with_size(256, 64);
        let blended = recipe
            .clone()
            .with_blend(Blend::from_uv(&recipe, second, |u, _| 0.5 - 0.7 * (std::f32::consts::TAU * u).cos()));
        let other = Recipe { class: second.into(), ..recipe.clone() };
        let [plain, other, mixed] = [&recipe, &other, &blended].map(|recipe| picture(&run(&model, recipe)));
        let (plain, other) = (colour(&plain, 0..256), colour(&other, 0..256));
        for (share, columns) in shares.iter_mut().zip([0..32, 48..80, 112..144, 176..208, 224..256]) {
            let found = colour(&mixed, columns);
            *share += apart(found, plain) / (apart(found, plain) + apart(found, other)) / seeds.len() as f32;
        }
    }
    println!("distance from {first} on the way to {second}: {shares:.2?}");
    assert!(shares[0] < 0.35 && shares[4] < 0.35 && shares[2] > 0.65, "{shares:.2?}");
    assert!((0.2..0.8).contains(&shares[1]) && (0.2..0.8).contains(&shares[3]), "{shares:.2?}");
}

#[test]
fn a_blend_has_no_seam_while_two_halves_side_by_side_have_one() {
    let model = bundled();
    let (mut blended, mut halves) = (0.0, 0.0);
    let cells = [4..12, 0..8];
    let pairs = [("rock", "grass"), ("brick", "plaster"), ("wood", "metal"), ("sand", "stone_wall")];
    for (first, second) in pairs {
        let recipe = Recipe::new(first).with_seed(3).with_size(256, 128);
        let weights = Blend::from_uv(&recipe, second, |u, _| 0.5 - 0.7 * (std::f32::consts::TAU * u).cos());
        let mixed = picture(&run(&model, &recipe.clone().with_blend(weights)));
        let [mut plain, other] =
            [first, second].map(|class| picture(&run(&model, &Recipe { class: class.into(), ..recipe.clone() })));
        for y in 0..128 {
            let row = 3 * (y * 256 + 16 * cells[0].start)..3 * (y * 256 + 16 * cells[0].end);
            plain.values[row.clone()].copy_from_slice(&other.values[row]);
        }
        blended += border_ratio(&mixed, cells.clone()) / pairs.len() as f64;
        halves += border_ratio(&plain, cells.clone()) / pairs.len() as f64;
    }
    println!(
        "across the line between two materials, over other borders of cells: blended {blended:.2}, side by side {halves:.2}"
    );
    assert!(blended < 1.5, "the materials pass into each other: {blended}");
    assert!(halves > blended + 0.5, "the measure sees a seam: {halves} against {blended}");
}

#[test]
fn another_layout_has_the_colours_of_the_texture_and_another_seed_has_not() {
    let model = bundled();
    let (mut same, mut others, mut shapes) = (0.0, 0.0, 0.0);
    let classes = ["brick", "fabric", "lava", "rock", "tiles", "wood_planks"];
    for class in classes {
        let recipe = Recipe::new(class).with_seed(1).with_size(128, 128);
        let [base, other, seed] = [recipe.clone(), recipe.relayout(9), recipe.clone().with_seed(9)]
            .map(|recipe| picture(&run(&model, &recipe)));
        same += apart(colour(&base, 0..128), colour(&other, 0..128)) / classes.len() as f32;
        others += apart(colour(&base, 0..128), colour(&seed, 0..128)) / classes.len() as f32;
        shapes += correlation(&blocks(&base), &blocks(&other)) / classes.len() as f32;
    }
    println!("mean colours apart: other layouts {same:.3}, other seeds {others:.3}; blocks correlate {shapes:.2}");
    assert!(3.0 * same < others, "{same} and {others}");
    assert!(shapes.abs() < 0.4, "the layout is another one: {shapes}");
}

#[test]
fn a_photograph_gives_variations_with_its_shapes_and_layouts_with_its_colours() {
    let model = bundled();
    let photograph = image::open("assets/exemplars/rocky_terrain.png").expect("the picture is there");
    let exemplar =
        Exemplar::from_picture(&model, &photograph, Some("rock"), Tiling::Both).expect("the picture is sound");
    println!("{:.1} dB after encoding and decoding, {:.1} dB from tokens", exemplar.psnr, exemplar.coarse_psnr);
    assert!(exemplar.psnr > 26.0 && exemplar.coarse_psnr > 16.0 && exemplar.psnr > exemplar.coarse_psnr + 4.0);
    let original = Picture::from_bytes(256, 256, photograph.to_rgb8().as_raw());
    let [varied, other] =
        [exemplar.recipe.variation(5), exemplar.recipe.relayout(5)].map(|recipe| picture(&run(&model, &recipe)));
    let [kept, moved] = [&varied, &other].map(|found| correlation(&blocks(&original), &blocks(found)));
    let colours = [&varied, &other].map(|found| apart(colour(&original, 0..256), colour(found, 0..256)));
    println!("blocks correlate: variation {kept:.2}, other layout {moved:.2}; colours apart {colours:.3?}");
    assert!(kept > 0.8 && moved.abs() < 0.4, "{kept}, {moved}");
    assert!(colours.iter().all(|apart| *apart < 0.05), "{colours:?}");
}

/// Mean brightness of each cell.
fn blocks(image: &Picture) -> Vec<f32> {
    let columns = image.width / 16;
    let mut sums = vec![0.0f32; columns * (image.height / 16)];
    for (at, pixel) in image.values.chunks_exact(3).enumerate() {
        sums[at / image.width / 16 * columns + at % image.width / 16] += pixel.iter().sum::<f32>() / 768.0;
    }
    sums
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |a: &[f32], mean_a: f32, b: &[f32], mean_b: f32| -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    product(a, mean_a, b, mean_b) / (product(a, mean_a, a, mean_a) * product(b, mean_b, b, mean_b)).sqrt().max(1e-9)
}

/// Mean colour of a stretch of columns.
fn colour(image: &Picture, columns: std::ops::Range<usize>) -> [f32; 3] {
    let mut sum = [0.0f32; 3];
    for (at, pixel) in image.values.chunks_exact(3).enumerate() {
        if columns.contains(&(at % image.width)) {
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
    }
    sum.map(|sum| sum / (columns.len() * image.height) as f32)
}

fn apart(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}
