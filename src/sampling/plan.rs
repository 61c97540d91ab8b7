//! A generation as data: complete before the first operation runs, since no step depends on a result.

use super::recipe::{Recipe, RecipeError};
use super::schedule::{choose_style, cosine_rounds, generation_order};
use crate::model::style::standardise;
use crate::model::{Grid, Model};
use std::ops::Range;

/// One element of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Stage 1: samples the tokens at some positions.
    TokenRound {
        /// Number of the round.
        round: u32,
        /// Part of the token order.
        positions: Range<u32>,
    },
    /// Stage 2: samples the latents at some positions.
    LatentRound {
        /// Number of the round.
        round: u32,
        /// Part of the latent order.
        positions: Range<u32>,
    },
    /// Latents to pixels.
    Decode,
}

/// The part of a plan that decides which operations run: textures with equal shapes share a recording.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanShape {
    /// The grid of tokens, one item.
    pub grid: Grid,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Euler steps of the flow per latent round.
    pub flow_steps: u32,
    /// Whether stage 1 runs with and without the condition.
    pub guided: bool,
}

/// The part of a plan that is data for the operations.
#[derive(Clone, Debug, PartialEq)]
pub struct JobInputs {
    /// Rows for the network: the condition, then all zeros for guidance; `(2, condition_width)`.
    pub condition: Vec<f32>,
    /// Style row in latent units, `(1, 2D)`.
    pub style: Vec<f32>,
    /// Tokens at the start, the mask token where stage 1 samples.
    pub tokens: Vec<u32>,
    /// Order in which stage 1 takes positions.
    pub token_order: Vec<u32>,
    /// Order in which stage 2 takes positions.
    pub latent_order: Vec<u32>,
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

/// The whole generation of one texture.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which operations run.
    pub shape: PlanShape,
    /// On which data.
    pub inputs: JobInputs,
}

impl PlanShape {
    /// The operations that `recipe` asks for; needs no model. The recipe must be valid.
    pub fn new(recipe: &Recipe) -> Self {
        let (width, height) = recipe.token_grid();
        let grid = Grid { items: 1, height, width, wrap: recipe.tiling.wrap() };
        let mut steps = Vec::new();
        if recipe.tokens.is_none() {
            let rounds = cosine_rounds(grid.positions(), recipe.token_rounds as usize);
            steps.extend((0..).zip(rounds).map(|(round, positions)| Step::TokenRound { round, positions }));
        }
        let rounds = cosine_rounds(grid.positions(), recipe.latent_rounds as usize);
        steps.extend((0..).zip(rounds).map(|(round, positions)| Step::LatentRound { round, positions }));
        steps.push(Step::Decode);
        let guided = (recipe.guidance - 1.0).abs() > 1e-6;
        Self { grid, steps, flow_steps: recipe.flow_steps, guided }
    }
}

/// Plans the texture of `recipe`.
///
/// # Errors
/// The field of the recipe that the model cannot follow.
pub fn plan(model: &Model, recipe: &Recipe) -> Result<Plan, RecipeError> {
    recipe.validate(model)?;
    let config = &model.discon.config;
    let shape = PlanShape::new(recipe);
    let Grid { width, height, .. } = shape.grid;
    let style = style_row(model, recipe);
    let class = config.classes.iter().position(|name| *name == recipe.class).unwrap_or(0);
    let latent_seed = recipe.detail_seed.unwrap_or(recipe.seed);
    let inputs = JobInputs {
        condition: condition_rows(model, class, &style),
        style,
        tokens: match &recipe.tokens {
            Some(tokens) => tokens.iter().map(|token| u32::from(*token)).collect(),
            None => vec![config.mask_token(); shape.grid.positions()],
        },
        token_order: generation_order(width, height, recipe.seed, 0),
        latent_order: generation_order(width, height, latent_seed, 1),
        token_seed: recipe.seed,
        latent_seed,
        guidance: recipe.guidance,
        token_temperature: recipe.token_temperature,
        latent_temperature: recipe.latent_temperature,
    };
    Ok(Plan { shape, inputs })
}

/// The condition of `class` with `style`, and the empty condition below it: `(2, condition_width)`.
pub fn condition_rows(model: &Model, class: usize, style: &[f32]) -> Vec<f32> {
    let config = &model.discon.config;
    let width = config.condition_width();
    let mut rows = vec![0.0; 2 * width];
    rows[class] = 1.0;
    let standard = model.weights.get(model.discon.styles.standard);
    let classes = config.classes.len();
    rows[classes..classes + style.len()].copy_from_slice(&standardise(style, standard));
    rows
}

/// The style that the recipe names, or that its seed chooses; zeros for a model without styles.
fn style_row(model: &Model, recipe: &Recipe) -> Vec<f32> {
    let config = &model.discon.config;
    let width = config.style_width();
    let bank = model.weights.get(model.discon.styles.rows);
    let row = |index: u32| &bank[index as usize * width..(index as usize + 1) * width];
    if let Some(style) = recipe.style {
        return row(style).to_vec();
    }
    let class = config.classes.iter().position(|name| *name == recipe.class).unwrap_or(0);
    let classes = model.weights.get(model.discon.styles.classes);
    let of_class: Vec<u32> =
        (0..config.styles as u32).filter(|index| classes[*index as usize] as usize == class).collect();
    match choose_style(&of_class, recipe.seed) {
        Some((first, second, share)) => row(first).iter().zip(row(second)).map(|(a, b)| a + share * (b - a)).collect(),
        None => vec![0.0; width],
    }
}
