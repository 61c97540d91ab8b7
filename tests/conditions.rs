//! Are tokens conditions, not decoration? With the bundled model: other tokens change the structure; other
//! noise in stage 2 keeps the structure and changes the detail.
#![cfg(feature = "eval")]

use bevy_discon::eval::metrics::{Picture, correlation};
use bevy_discon::eval::picture;
use bevy_discon::model::Model;
use bevy_discon::native;
use bevy_discon::sampling::rng::{Stream, below};
use bevy_discon::sampling::{Recipe, plan};

/// What is left of a picture without its 16x16 block means.
fn detail(image: &Picture) -> Vec<f32> {
    let blocks = image.blocks();
    let luminance = image.values.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]);
    luminance
        .enumerate()
        .map(|(i, value)| value - blocks[i / image.width / 16 * (image.width / 16) + i % image.width / 16])
        .collect()
}

#[test]
fn tokens_carry_structure_and_noise_carries_detail() {
    let model = Model::load("assets/models/small".as_ref()).expect("the bundled model is sound");
    let run = |recipe: &Recipe| native::generate(&model, &plan(&model, recipe).expect("the recipe is valid"));
    let (mut kept, mut shuffled, mut detail_kept, mut cases) = (0.0, 0.0, 0.0, 0.0);
    for class in ["brick", "stone_wall", "rock", "tiles"] {
        if !model.discon.config.classes.iter().any(|name| name == class) {
            continue;
        }
        let recipe = Recipe::new(class).with_seed(3).with_size(256, 256);
        let base = run(&recipe);
        let varied = run(&Recipe { detail_seed: Some(99), ..recipe.clone() });
        assert_eq!(base.tokens, varied.tokens, "the detail seed leaves the tokens alone");
        let mut order = base.tokens.clone();
        for i in (1..order.len()).rev() {
            order.swap(i, below(5, Stream::Order, i as u32, i as u32 + 1) as usize);
        }
        let tokens = order.iter().map(|token| *token as u16).collect();
        let other = run(&Recipe { tokens: Some(tokens), ..recipe });
        let (base, varied, other) = (picture(&base), picture(&varied), picture(&other));
        kept += correlation(&base.blocks(), &varied.blocks());
        shuffled += correlation(&base.blocks(), &other.blocks());
        detail_kept += correlation(&detail(&base), &detail(&varied));
        cases += 1.0;
    }
    let (kept, shuffled, detail_kept) = (kept / cases, shuffled / cases, detail_kept / cases);
    println!("block means: {kept:.2} with other noise, {shuffled:.2} with shuffled tokens; detail {detail_kept:.2}");
    assert!(kept > 0.6, "other noise keeps the structure: {kept}");
    // The noise is the same here, and a joint head makes some of the layout of it.
    assert!(shuffled < kept - 0.25, "shuffled tokens change it: {shuffled} against {kept}");
    assert!(detail_kept < 0.9, "other noise changes the detail: {detail_kept}");
}
