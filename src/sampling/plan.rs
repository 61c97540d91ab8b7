//! A generation as data: complete before the first operation runs, since no step depends on a result.

use super::flow::FLOW_GAIN;
use super::pass::{PassShape, cells_differ, passes};
use super::recipe::{Recipe, RecipeError};
use super::rng::seed_of_class;
use super::structure::Stitched;
use crate::model::{Grid, Model};
use std::ops::Range;

/// One element of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Stage 1: samples the tokens at some positions.
    TokenRound {
        /// Number of the pass.
        pass: u32,
        /// Number of the round.
        round: u32,
        /// Part of the token order.
        positions: Range<u32>,
    },
    /// Stage 2: samples the latents at some positions.
    LatentRound {
        /// Number of the pass.
        pass: u32,
        /// Number of the round.
        round: u32,
        /// Part of the latent order.
        positions: Range<u32>,
    },
    /// Forgets the tokens and latents that a pass will sample.
    Reopen {
        /// Number of the pass.
        pass: u32,
    },
    /// Latents to pixels.
    Decode,
}

/// The part of a plan that decides which operations run: textures with equal shapes share a recording, and can run as
/// one batch. All counts and ranges are those of the whole batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanShape {
    /// The grid of tokens, one item for each texture of the batch.
    pub grid: Grid,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Steps of the flow per latent round.
    pub flow_steps: u32,
    /// Whether the flow starts around the centres of the tokens, see [`super::flow::START`]; false for a model that is
    /// run without tokens.
    pub starts_at_tokens: bool,
    /// Bits of [`Recipe::token_guidance`].
    pub token_guidance: u32,
    /// Bits of the factor on sampled latents, see [`super::flow::FLOW_GAIN`].
    pub flow_gain: u32,
    /// Whether stage 1 runs with and without the condition.
    pub guided: bool,
    /// The passes that steps name.
    pub passes: Vec<PassShape>,
    /// Rows of the condition: the first, the empty one, then those of blends and edits, each for all textures of the
    /// batch.
    pub condition_rows: usize,
    /// Rows of the style: one for each texture of the batch, or one for each position.
    pub style_rows: usize,
}

/// Row of the condition that is all zeros.
pub(super) const EMPTY_ROW: u32 = 1;

/// The part of a plan that is data for the operations.
#[derive(Clone, Debug, PartialEq)]
pub struct JobInputs {
    /// Rows for the network: the condition, all zeros for guidance, then others; `(condition_rows, condition_width)`.
    pub condition: Vec<f32>,
    /// Style rows in latent units, `(style_rows, 2D)`.
    pub style: Vec<f32>,
    /// Tokens at the start, the mask token where stage 1 samples.
    pub tokens: Vec<u32>,
    /// Context of the continuous model at the start, `(T, context_width)`; nothing is known without it.
    pub context: Option<Vec<f32>>,
    /// Order in which stage 1 takes positions, pass after pass.
    pub token_order: Vec<u32>,
    /// Order in which stage 2 takes positions, pass after pass.
    pub latent_order: Vec<u32>,
    /// Index lists of the passes, see [`PassShape`].
    pub lists: Vec<u32>,
    /// What random numbers are drawn with in place of the position: one for each position, pass after pass.
    pub keys: Vec<u32>,
    /// One for each texture of a batch, see [`Plan::batch`].
    pub items: Vec<ItemInputs>,
}

/// Seeds and numbers of one texture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemInputs {
    /// Seed of the tokens.
    pub token_seed: u64,
    /// Seed of the latents.
    pub latent_seed: u64,
    /// See [`Recipe::guidance`].
    pub guidance: f32,
    /// See [`Recipe::token_temperature`].
    pub token_temperature: f32,
    /// See [`Recipe::latent_temperature`].
    pub latent_temperature: f32,
}

/// Both generation orders.
#[derive(Default)]
pub(super) struct LatentOrders {
    pub tokens: Vec<u32>,
    pub latents: Vec<u32>,
}

/// Tokens and latents of a finished texture: what an edit starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentState {
    /// Token grid, row-major.
    pub tokens: Vec<u32>,
    /// Context of the continuous model, `(T, context_width)`: the latent, relative to the style, then 1 if it is known.
    pub context: Vec<f32>,
}

/// The whole generation of one texture, or of a batch of textures.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which operations run.
    pub shape: PlanShape,
    /// On which data.
    pub inputs: JobInputs,
}

impl PlanShape {
    /// One pass over all of `grid` with these steps: for counting parts of a generation.
    pub fn of_whole_grid(grid: Grid, steps: Vec<Step>, flow_steps: u32) -> Self {
        let all = 0..grid.positions() as u32;
        let pass = PassShape {
            grid,
            window: 0..0,
            conditions: 0..0,
            tokens: all.clone(),
            token_places: 0..0,
            latents: all,
            latent_places: 0..0,
            given_tokens: 0..0,
            no_tokens: 0..0,
        };
        Self {
            grid,
            steps,
            flow_steps,
            starts_at_tokens: true,
            token_guidance: 1f32.to_bits(),
            flow_gain: FLOW_GAIN.to_bits(),
            guided: false,
            passes: vec![pass],
            condition_rows: 2,
            style_rows: 1,
        }
    }

    /// The operations that `recipe` asks for of a model with or without layouts. The recipe must be valid.
    pub fn new(recipe: &Recipe, has_layouts: bool) -> Self {
        let is_given = recipe.tokens.is_some();
        Self::from_edit(recipe, None, |edit| has_layouts && recipe.layout_share > 0.0 && (edit.is_some() || !is_given))
    }

    fn from_edit(recipe: &Recipe, first: Option<usize>, has_layout: impl Fn(Option<usize>) -> bool) -> Self {
        let grid = grid_of(recipe);
        let (passes, steps) = passes(recipe, grid, first, has_layout);
        Self {
            grid,
            steps,
            flow_steps: recipe.flow_steps,
            starts_at_tokens: true,
            token_guidance: recipe.token_guidance.to_bits(),
            flow_gain: FLOW_GAIN.to_bits(),
            guided: (recipe.guidance - 1.0).abs() > 1e-6,
            passes: passes.into_iter().map(|pass| pass.shape).collect(),
            condition_rows: 2 + super::mixture::further_rows(recipe, grid),
            style_rows: if cells_differ(recipe, recipe.edits.len()) { grid.positions() } else { 1 },
        }
    }
}

fn grid_of(recipe: &Recipe) -> Grid {
    let (width, height) = recipe.token_grid();
    Grid { items: 1, height, width, wrap: recipe.tiling.wrap() }
}

/// Plans the texture of `recipe`.
///
/// # Errors
/// The field of the recipe that the model cannot follow.
pub fn plan(model: &Model, recipe: &Recipe) -> Result<Plan, RecipeError> {
    recipe.validate(model)?;
    Ok(plan_from(model, recipe, None))
}

/// Plans the edits of `recipe` from number `done` on, for a texture that has those before it: only they cost, and the
/// decoding of the picture. The result equals that of the whole plan.
///
/// # Errors
/// The field of the recipe that the model cannot follow, or a state of another size.
pub fn continue_plan(model: &Model, recipe: &Recipe, done: usize, state: LatentState) -> Result<Plan, RecipeError> {
    recipe.validate(model)?;
    let config = &model.discon.config;
    let positions = grid_of(recipe).positions();
    let counts = [
        ("state (tokens)", state.tokens.len(), positions),
        ("state (context)", state.context.len(), positions * config.context_width()),
    ];
    if let Some((field, found, expected)) = counts.into_iter().find(|(_, found, expected)| found != expected) {
        let expected = format!("{expected} values for a texture of {}x{}", recipe.size.0, recipe.size.1);
        return Err(RecipeError::OutOfRange { field, found: found.to_string(), expected });
    }
    if let Some(token) = state.tokens.iter().find(|token| **token >= config.mask_token()) {
        let expected = format!("below {}, the size of the codebook", config.mask_token());
        return Err(RecipeError::OutOfRange { field: "state (tokens)", found: token.to_string(), expected });
    }
    let mut plan = plan_edits(model, recipe, done)?;
    plan.inputs.tokens = state.tokens;
    plan.inputs.context = Some(state.context);
    Ok(plan)
}

/// The same for a state that an executor copies from where it keeps it: tokens and context of the plan are unknown.
///
/// # Errors
/// The field of the recipe that the model cannot follow.
pub fn plan_edits(model: &Model, recipe: &Recipe, done: usize) -> Result<Plan, RecipeError> {
    recipe.validate(model)?;
    let mut plan = plan_from(model, recipe, Some(done.min(recipe.edits.len())));
    plan.inputs.tokens = vec![model.discon.config.mask_token(); plan.shape.grid.positions()];
    Ok(plan)
}

/// A plan of a valid recipe.
fn plan_from(model: &Model, recipe: &Recipe, first: Option<usize>) -> Plan {
    let config = &model.discon.config;
    let grid = grid_of(recipe);
    let mixture = super::mixture::Mixture::new(model, recipe, grid);
    let stitched = Stitched::new(model, recipe, grid, &mixture);
    let shape = PlanShape::from_edit(recipe, first, |edit| stitched.of(edit).is_some());
    let latent_seed = recipe.detail_seed.unwrap_or(recipe.seed);
    let (mut orders, mut lists, mut keys) = (LatentOrders::default(), Vec::new(), Vec::new());
    let mut rows = mixture.first_rows.clone();
    let mut skipped = first.unwrap_or(0);
    recipe.edits[..skipped].iter().enumerate().for_each(|(index, edit)| mixture.apply(index, edit, &mut rows));
    for pass in passes(recipe, shape.grid, first, |edit| stitched.of(edit).is_some()).0 {
        let tokens = stitched.of(pass.edit.map(|_| skipped));
        if let Some(edit) = pass.edit {
            mixture.apply(skipped, edit, &mut rows);
            skipped += 1;
        }
        pass.append([recipe.seed, latent_seed], &rows, tokens, config.mask_token(), &mut orders, &mut lists);
        keys.extend(pass.keys());
    }
    let inputs = JobInputs {
        style: mixture.styles(&rows, shape.style_rows),
        condition: mixture.conditions(model),
        tokens: stitched.start(config.mask_token()),
        context: None,
        token_order: orders.tokens,
        latent_order: orders.latents,
        lists,
        keys,
        items: vec![ItemInputs {
            token_seed: seed_of_class(recipe.seed, &recipe.class),
            latent_seed: seed_of_class(latent_seed, &recipe.class),
            guidance: recipe.guidance,
            token_temperature: recipe.token_temperature,
            latent_temperature: recipe.latent_temperature,
        }],
    };
    Plan { shape, inputs }
}
