//! Do edits, variations and blends change what they should, and nothing else?
#![cfg(feature = "eval")]

#[path = "../common/mod.rs"]
mod common;
mod looks;

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
