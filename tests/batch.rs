//! Is a texture of a batch the texture that it is alone? Every bit of it, on every executor.

#![cfg(feature = "native")]

mod common;

use bevy_discon::model::config::HeadMixing;
use bevy_discon::model::{Fusion, Model, ModelConfig};
use bevy_discon::native;
use bevy_discon::reference::{self, GeneratedTexture};
use bevy_discon::sampling::{
    BatchError, Blend, MAX_BATCH_POSITIONS, Plan, Recipe, Tiling, TokenMask, continue_plan, plan,
};

const CLASSES: [&str; 2] = ["brick", "moss"];

fn model(fusion: Fusion, mixing: Option<HeadMixing>) -> Model {
    let mut config = ModelConfig { fusion, ..ModelConfig::tiny(&CLASSES) };
    config.head.mixing = mixing.unwrap_or(config.head.mixing);
    if matches!(config.head.mixing, HeadMixing::Alone) {
        config.head.local = None;
    }
    let mut model = Model::new(&config, None, 1).expect("the tiny preset is valid");
    common::randomise(&mut model);
    let classes = model.discon.styles.classes;
    for (index, class) in model.weights.get_mut(classes).iter_mut().enumerate() {
        *class = (index % CLASSES.len()) as f32;
    }
    Model::new(&config, Some(model.weights), 0).expect("the tiny preset is valid")
}

/// Recipes that differ in all that textures of a batch may differ in.
fn recipes(base: &Recipe, count: usize) -> Vec<Recipe> {
    let recipe = |index: usize| {
        let guided = base.guidance > 1.0;
        let seed = 0x0123_4567_89ab_cdef_u64.wrapping_mul(index as u64 + 1);
        Recipe {
            class: CLASSES[index % 2].into(),
            style: (index % 3 == 1).then_some(index as u32 % 2),
            detail_seed: (index == 2).then_some(77),
            guidance: if guided { base.guidance + 0.5 * index as f32 } else { base.guidance },
            token_temperature: 0.9 - 0.1 * index as f32,
            latent_temperature: 1.0 - 0.1 * index as f32,
            ..base.clone()
        }
        .with_seed(seed)
    };
    (0..count).map(recipe).collect()
}

fn base(width: u32, height: u32) -> Recipe {
    let recipe = Recipe::new("brick").with_size(width, height);
    Recipe { token_rounds: 3, latent_rounds: 2, flow_steps: 3, ..recipe }
}

fn other_class(recipe: &Recipe) -> &'static str {
    if recipe.class == CLASSES[0] { CLASSES[1] } else { CLASSES[0] }
}

/// A model, and plans of one shape.
struct Case {
    name: &'static str,
    model: Model,
    plans: Vec<Plan>,
}

fn cases() -> Vec<Case> {
    let joint = || model(Fusion::InPlace, None);
    let case = |name, model: Model, recipes: Vec<Recipe>| {
        let plans = recipes.iter().map(|recipe| plan(&model, recipe).expect("the recipe is valid")).collect();
        Case { name, model, plans }
    };
    let with_rounds = |latent_rounds| Recipe { latent_rounds, ..base(80, 64) };
    let edited: Vec<Recipe> = recipes(&Recipe { guidance: 1.5, ..base(256, 80) }, 3)
        .into_iter()
        .zip([0, 3, 5])
        .map(|(recipe, at)| {
            // Windows of one size at different places, the last across the border.
            let cells = (at..at + 3).map(|x| 2 * 16 + 6 + x).chain([3 * 16 + 7 + at]).collect();
            let class = other_class(&recipe);
            recipe.with_edit_of(class, TokenMask { cells }, u64::from(at) + 9)
        })
        .collect();
    let blended = recipes(&base(64, 96), 2).into_iter().zip([64, 191]).map(|(recipe, share)| {
        let cells = recipe.token_grid().0 * recipe.token_grid().1;
        let shares = (0..cells).map(|cell| if cell % 3 == 0 { share } else { 0 }).collect();
        let blend = Blend { class: other_class(&recipe).into(), shares };
        recipe.with_blend(blend)
    });
    vec![
        case("two", joint(), recipes(&base(96, 64), 2)),
        case("three, guided", joint(), recipes(&Recipe { guidance: 1.5, ..base(80, 64) }, 3)),
        case("five cut-outs", joint(), recipes(&Recipe { tiling: Tiling::None, ..base(64, 80) }, 5)),
        case("one round of latents, no guidance", joint(), {
            recipes(&Recipe { token_guidance: 1.0, ..with_rounds(1) }, 3)
        }),
        case("edits", joint(), edited),
        case("blends", joint(), blended.collect()),
        case("prefix", model(Fusion::Prefix, None), recipes(&Recipe { guidance: 2.0, ..base(64, 64) }, 2)),
        case("alone", model(Fusion::InPlace, Some(HeadMixing::Alone)), recipes(&with_rounds(2), 3)),
    ]
}

fn assert_equal(name: &str, alone: &[GeneratedTexture], together: &[GeneratedTexture]) {
    assert_eq!(alone.len(), together.len(), "{name}: number of textures");
    for (index, (alone, together)) in alone.iter().zip(together).enumerate() {
        assert_eq!(alone.tokens, together.tokens, "{name}: tokens of texture {index}");
        let different = alone.pixels.iter().zip(&together.pixels).filter(|(a, b)| a != b).count();
        // No `assert_eq`: it would print both pictures.
        assert!(alone == together, "{name}: texture {index} differs in {different} bytes");
    }
    let first = &alone[0];
    assert!(alone[1..].iter().all(|other| other.pixels != first.pixels), "{name}: the textures differ from each other");
}

#[test]
fn batches_on_the_processor_have_the_pixels_of_their_textures() {
    for Case { name, model, plans } in cases() {
        let batch = Plan::batch(&plans).expect("the shapes are equal");
        let alone: Vec<_> = plans.iter().map(|plan| native::generate(&model, plan)).collect();
        assert_equal(&format!("{name}, native"), &alone, &native::generate_batch(&model, &batch));
        // The reference is slow.
        if plans[0].shape.grid.positions() <= 24 {
            let alone: Vec<_> = plans.iter().map(|plan| reference::generate(&model, plan)).collect();
            assert_equal(&format!("{name}, reference"), &alone, &reference::generate_batch(&model, &batch));
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn batches_on_the_gpu_have_the_pixels_of_their_textures_for_the_dispatches_of_one() {
    use bevy_discon::gpu::Recording;
    let Some(mut gpu) = common::gpu() else { return };
    for variant in common::variants(&gpu) {
        gpu.set_variant(variant);
        for Case { name, model, plans } in cases() {
            let batch = Plan::batch(&plans).expect("the shapes are equal");
            let mut generate = |plan: &Plan| gpu.generate(&model, plan).expect("the device works");
            let alone: Vec<_> = plans.iter().map(&mut generate).collect();
            let together = gpu.generate_batch(&model, &batch).expect("the device works");
            assert_equal(&format!("{name}, {variant:?}"), &alone, &together);
            let [one, all] = [&plans[0], &batch].map(|plan| Recording::new(&model, &plan.shape, variant).len());
            assert_eq!(one, all, "{name}: dispatches");
        }
    }
}

#[test]
fn batches_of_continued_textures_go_on_from_the_state_of_each() {
    let model = model(Fusion::InPlace, None);
    let firsts = recipes(&base(192, 192), 2);
    let edited: Vec<Recipe> = firsts
        .iter()
        .zip([2, 4])
        .map(|(recipe, at)| recipe.clone().with_edit(TokenMask { cells: vec![12 * at + at] }, 4))
        .collect();
    let continued: Vec<Plan> = firsts
        .iter()
        .zip(&edited)
        .map(|(first, edited)| {
            let (_, state) = native::generate_with_state(&model, &plan(&model, first).expect("the recipe is valid"));
            continue_plan(&model, edited, 0, state).expect("the state fits")
        })
        .collect();
    let whole: Vec<_> =
        edited.iter().map(|recipe| native::generate(&model, &plan(&model, recipe).expect("valid"))).collect();
    let batch = Plan::batch(&continued).expect("the shapes are equal");
    assert_equal("continued", &whole, &native::generate_batch(&model, &batch));
}

#[test]
fn plans_that_cannot_run_together_are_refused_with_the_reason() {
    let model = model(Fusion::InPlace, None);
    let planned = |recipe: &Recipe| plan(&model, recipe).expect("the recipe is valid");
    let small = planned(&base(64, 64));
    assert_eq!(Plan::batch([]), Err(BatchError::Empty));
    let cut_out = planned(&Recipe { tiling: Tiling::None, ..base(64, 64) });
    assert_eq!(Plan::batch([&small, &cut_out]), Err(BatchError::Shape { index: 1 }));
    let pair = Plan::batch([&small, &small]).expect("the shapes are equal");
    assert_eq!(Plan::batch([&pair]), Err(BatchError::Shape { index: 0 }));
    assert_eq!(Plan::batch([&small]).as_ref(), Ok(&small), "a single texture is a batch of one");
    let large = planned(&base(512, 512));
    assert_eq!(large.shape.largest_batch() * large.shape.grid.positions(), MAX_BATCH_POSITIONS);
    let found = 5 * large.shape.grid.positions();
    assert_eq!(Plan::batch([&large; 5]), Err(BatchError::TooLarge { found }));
    assert!(Plan::batch([&large; 4]).is_ok());
    for (error, words) in [
        (BatchError::Empty, "at least one"),
        (BatchError::Shape { index: 3 }, "plan 3"),
        (BatchError::TooLarge { found }, "at most 4096"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}
