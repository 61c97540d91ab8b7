//! Are the loops right? Properties of recipes and plans; no adapter, no network.

use bevy_discon::model::{Discon, Model, ModelConfig};
use bevy_discon::sampling::{Blend, Edit, PlanShape, Recipe, RecipeError, Step, Tiling, TokenMask, count, plan};

fn model() -> Model {
    Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the tiny preset is valid")
}

#[test]
fn every_position_gets_one_token_and_one_latent_and_decoding_comes_last() {
    let model = model();
    for (width, height, rounds) in [(64, 64, 1), (64, 128, 3), (256, 256, 8), (80, 1024, 64)] {
        let mut recipe = Recipe::new("moss").with_size(width, height);
        (recipe.token_rounds, recipe.latent_rounds) = (rounds, rounds);
        let plan = plan(&model, &recipe).expect("the recipe is valid");
        let positions = (width / 16 * height / 16) as usize;
        let (mut tokens, mut latents) = (vec![0; positions], vec![0; positions]);
        for step in &plan.shape.steps {
            match step {
                Step::TokenRound { positions, .. } => {
                    assert!(latents.iter().all(|count| *count == 0), "all tokens come before the first latent");
                    for at in positions.clone() {
                        tokens[plan.inputs.token_order[at as usize] as usize] += 1;
                    }
                }
                Step::LatentRound { positions, .. } => {
                    for at in positions.clone() {
                        latents[plan.inputs.latent_order[at as usize] as usize] += 1;
                    }
                }
                Step::Reopen { .. } | Step::Decode => {}
            }
        }
        assert!(tokens.iter().all(|count| *count == 1) && latents.iter().all(|count| *count == 1));
        assert_eq!(plan.shape.steps.last(), Some(&Step::Decode));
        assert_eq!(plan.shape.steps.len() as u32, 2 * rounds.min(positions as u32) + 1);
    }
}

#[test]
fn given_tokens_replace_the_first_stage() {
    let model = model();
    let mut recipe = Recipe::new("brick").with_size(64, 64);
    recipe.tokens = Some((0..16).collect());
    let plan = plan(&model, &recipe).expect("the recipe is valid");
    assert!(!plan.shape.steps.iter().any(|step| matches!(step, Step::TokenRound { .. })));
    assert_eq!(plan.inputs.tokens, (0..16).collect::<Vec<u32>>());
}

#[test]
fn equal_recipes_have_equal_plans_and_the_detail_seed_changes_only_stage_two() {
    let model = model();
    let recipe = Recipe::new("brick").with_seed(u64::MAX);
    let first = plan(&model, &recipe).expect("the recipe is valid");
    assert_eq!(first, plan(&model, &recipe.clone()).expect("the recipe is valid"));
    let varied = Recipe { detail_seed: Some(3), ..recipe };
    let second = plan(&model, &varied).expect("the recipe is valid");
    assert_eq!(first.shape, second.shape);
    assert_eq!(
        (&first.inputs.token_order, &first.inputs.style, first.inputs.items[0].token_seed),
        (&second.inputs.token_order, &second.inputs.style, second.inputs.items[0].token_seed)
    );
    assert_ne!(first.inputs.items[0].latent_seed, second.inputs.items[0].latent_seed);
}

#[test]
fn a_recipe_survives_its_text_form() {
    let mut recipe = Recipe::new("brick").with_seed(7).with_size(128, 64);
    recipe.tiling = Tiling::X;
    recipe.tokens = Some(vec![5; 32]);
    assert_eq!(Recipe::from_ron(&recipe.to_ron(), "memory"), Ok(recipe));
    assert_eq!(Recipe::from_ron("(class: \"brick\")", "memory"), Ok(Recipe::new("brick")));
}

#[test]
fn a_wrong_recipe_names_the_field_what_came_and_what_is_allowed() {
    let model = model();
    let message = |change: fn(&mut Recipe)| {
        let mut recipe = Recipe::new("brick");
        change(&mut recipe);
        plan(&model, &recipe).expect_err("the recipe is wrong").to_string()
    };
    for (change, parts) in [
        ((|r| r.class = "cheese".into()) as fn(&mut Recipe), ["\"cheese\"", "brick, moss"]),
        (|r| r.size = (65, 64), ["size.0 (width)", "65"]),
        (|r| r.size = (64, 4096), ["size.1 (height)", "64 to 1024"]),
        (|r| r.guidance = f32::NAN, ["guidance", "1 to 8"]),
        (|r| r.token_temperature = -1.0, ["token_temperature", "0 to 2"]),
        (|r| r.latent_temperature = f32::INFINITY, ["latent_temperature", "inf"]),
        (|r| r.token_rounds = 0, ["token_rounds", "1 to 64"]),
        (|r| r.flow_steps = 65, ["flow_steps", "65"]),
        (|r| r.style = Some(8), ["style", "below 8"]),
        (|r| r.tokens = Some(vec![0; 3]), ["tokens (count)", "256 for a texture of 256x256"]),
        (|r| r.tokens = Some(vec![64; 256]), ["tokens", "below 64"]),
        (|r| *r = r.clone().with_edit(TokenMask { cells: vec![] }, 0), ["edits.mask", "at least one"]),
        (|r| *r = r.clone().with_edit(TokenMask { cells: vec![3, 3] }, 0), ["edits.mask", "ascending"]),
        (|r| *r = r.clone().with_edit(TokenMask { cells: vec![256] }, 0), ["edits.mask", "below 256"]),
        (|r| *r = r.clone().with_edit_of("cheese", TokenMask { cells: vec![1] }, 0), ["\"cheese\"", "brick, moss"]),
        (
            |r| r.edits = vec![Edit { mask: TokenMask { cells: vec![1] }, seed: 0, class: None }; 17],
            ["edits", "at most 16"],
        ),
        (|r| r.blends = vec![Blend { class: "moss".into(), shares: vec![0; 9] }], ["blends.shares (count)", "256"]),
        (
            |r| r.blends = vec![Blend { class: "moss".into(), shares: vec![128; 256] }; 2],
            ["blends.shares", "at most 255"],
        ),
        (|r| r.style_row = Some(vec![0.0; 3]), ["style_row (count)", "32, the style width"]),
        (|r| r.style_row = Some(vec![f32::NAN; 32]), ["style_row", "-64 to 64"]),
    ] {
        let message = message(change);
        assert!(parts.iter().all(|part| message.contains(part)), "{message} should say {parts:?}");
    }
    let syntax = Recipe::from_ron("(class: \"brick\", colour: 3)", "wall.discon.ron").expect_err("unknown field");
    assert!(matches!(&syntax, RecipeError::Syntax { .. }));
    assert!(syntax.to_string().starts_with("wall.discon.ron: 1:"), "{syntax}");
}

#[test]
fn counted_work_equals_the_formula_written_out() {
    // A transformer of width C and depth L over T positions that all see each other costs
    // L (24 T C^2 + 4 T^2 C); the paper preset doubles T in stage 2 by its prefix.
    let mut recipe = Recipe::new("imagenet_0");
    (recipe.guidance, recipe.token_guidance) = (1.0, 1.0);
    (recipe.token_rounds, recipe.latent_rounds) = (1, 1);
    recipe.tiling = Tiling::None;
    let config = ModelConfig::paper();
    let (model, table) = Discon::declare(&config).expect("the preset is valid");
    let shape = PlanShape::new(&recipe, false);
    let costs = count(&model, &table, &shape);
    let trunk = |depth: f64, width: f64, positions: f64| {
        depth * (24.0 * positions * width * width + 4.0 * positions * positions * width)
    };
    let condition = 2.0 * config.condition_width() as f64;
    let stage_1 = trunk(24.0, 1024.0, 256.0) + (condition + 2.0 * 256.0 * 1024.0) * 1024.0;
    assert_eq!(costs[0].1.flops as f64, stage_1);
    let modulation = (3.0 * 8.0 + 2.0) * 1280.0;
    let head = 256.0 * (2.0 * 8.0 * 1280.0 * 1280.0 + 2.0 * 32.0 * 1280.0) * 2.0 + 2.0 * 32.0 * modulation;
    let stage_2 = trunk(32.0, 1024.0, 512.0)
        + (condition + 2.0 * 256.0 * config.context_width() as f64) * 1024.0
        + 2.0 * 256.0 * 1024.0 * modulation
        + f64::from(recipe.flow_steps) * head;
    assert_eq!(costs[1].1.flops as f64, stage_2);
}

#[test]
fn the_bundled_size_stays_within_sixty_gigaflop() {
    let bundled = Model::load("assets/models/small".as_ref()).expect("the bundled model is sound").discon.config;
    for (name, config) in [("preset", ModelConfig::small(&["brick"])), ("bundled", bundled)] {
        let (model, table) = Discon::declare(&config).expect("the sizes are valid");
        let costs = count(&model, &table, &PlanShape::new(&Recipe::new("brick"), true));
        let total: u64 = costs.iter().map(|(_, cost)| cost.flops).sum();
        let operations: u64 = costs.iter().map(|(_, cost)| cost.operations).sum();
        println!("{name}: {total} FLOP in {operations} operations");
        assert!((20e9..60e9).contains(&(total as f64)), "{name}: {total}");
    }
}

/// A model whose layouts show where a token came from: each has tokens of its own.
fn model_with_layouts() -> Model {
    let config = ModelConfig { layout_tokens: 8 * 8, ..ModelConfig::tiny(&["brick", "moss"]) };
    let mut model = Model::new(&config, None, 1).expect("the tiny preset is valid");
    let (styles, layouts) = (model.discon.styles.clone(), model.discon.layouts.clone().expect("there are layouts"));
    *model.weights.get_mut(layouts.tokens) = (0..64).map(|token| token as f32).collect();
    *model.weights.get_mut(layouts.shapes) = [2.0, 4.0, 1.0].repeat(8);
    *model.weights.get_mut(styles.classes) = vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    model
}

#[test]
fn a_layout_gives_all_tokens_but_those_that_the_prior_samples() {
    let model = model_with_layouts();
    let mask = model.discon.config.mask_token();
    for (share, open) in [(0.0, 256), (0.25, 192), (0.9, 26), (1.0, 0)] {
        let recipe = Recipe { layout_share: share, ..Recipe::new("moss") };
        let plan = plan(&model, &recipe).expect("the recipe is valid");
        let masked = plan.inputs.tokens.iter().filter(|token| **token == mask).count();
        assert_eq!((masked, plan.inputs.token_order.len()), (open, open), "share {share}");
        assert!(plan.inputs.token_order.iter().all(|position| plan.inputs.tokens[*position as usize] == mask));
        // Moss has the last four layouts.
        assert!(plan.inputs.tokens.iter().all(|token| (32..=mask).contains(token)), "share {share}");
        let rounds = plan.shape.steps.iter().filter(|step| matches!(step, Step::TokenRound { .. })).count();
        assert_eq!(rounds == 0, open == 0, "share {share}");
    }
    let of_row = Recipe { layout: Some(6), layout_share: 1.0, ..Recipe::new("moss") };
    let tokens = plan(&model, &of_row).expect("the recipe is valid").inputs.tokens;
    assert!(tokens.iter().all(|token| (48..56).contains(token)));
    let other = plan(&model, &of_row.clone().with_seed(1)).expect("the recipe is valid").inputs.tokens;
    assert_ne!(tokens, other, "another seed is another quilt");
    let message = plan(&model, &Recipe { layout: Some(8), ..of_row }).expect_err("there are eight rows").to_string();
    assert!(message.contains("layout") && message.contains("below 8"), "{message}");
}

#[test]
fn edits_and_blends_have_the_layouts_of_their_classes() {
    let model = model_with_layouts();
    let whole = Recipe { layout_share: 1.0, ..Recipe::new("brick") };
    let blended = whole.clone().with_blend(Blend::from_uv(&whole, "moss", |u, _| if u < 0.5 { 1.0 } else { 0.0 }));
    let tokens = plan(&model, &blended).expect("the recipe is valid").inputs.tokens;
    assert!((0..256).all(|at| (tokens[at] >= 32) == (at % 16 < 8)));
    let mask = TokenMask::from_uv(&whole, |u, v| u > 0.5 && v > 0.75);
    let count = mask.cells.len();
    let edited = plan(&model, &whole.clone().with_edit_of("moss", mask, 3)).expect("the recipe is valid");
    let pass = &edited.shape.passes[1];
    let given = &edited.inputs.lists[pass.given_tokens.start as usize..pass.given_tokens.end as usize];
    assert_eq!((given.len(), pass.tokens.len()), (count, 0));
    assert!(given.iter().all(|token| (32..64).contains(token)), "{given:?}");
}
