//! The loop of a generation, written once for every executor.

use super::flow::FlowStep;
use super::latent_round::latent_round;
use super::pass::PassShape;
use super::plan::{PlanShape, Step};
use crate::model::{Codes, Discon, Grid, Ops};
use std::ops::Range;

/// Which list of positions a range belongs to: one of the two generation orders, or the lists of the passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Stage 1.
    Tokens,
    /// Stage 2.
    Latents,
    /// Neither: the index lists of the passes.
    Lists,
}

/// What an executor adds to [`Ops`] to sample: the state of one job and the random steps.
///
/// The state is the token grid, the context of the continuous model and the picture. Values of the job (orders,
/// condition, seeds, temperatures) are inputs, so that a recorded list of operations serves every job of equal shape.
pub trait SampleOps: Ops {
    /// The first `rows` rows of the condition: the texture's, the empty one, then those of blends and edits; each of
    /// them is as many rows as the batch has textures.
    fn condition(&mut self, rows: usize) -> Self::Tensor;
    /// The style in latent units, `(rows, 2D)`: one for each texture of the batch, or one for each position.
    fn style(&mut self, rows: usize) -> Self::Tensor;
    /// The token grids as they are now: `B * T` entries.
    fn token_grid(&mut self) -> Self::Indices;
    /// The context as it is now: `(B * T, context_width)`.
    fn context(&mut self) -> Self::Tensor;
    /// The tokens at `positions`, as they are now.
    fn tokens_at(&mut self, positions: &Self::Indices) -> Self::Indices;
    /// Forgets latents, with zeros in the context, and writes one of `tokens` for each of `positions`: the mask token
    /// where stage 1 will sample.
    fn reopen(&mut self, positions: &Self::Indices, tokens: &Self::Indices);
    /// Part of a list of positions; those of the second texture of a batch begin at `T`, and so on.
    fn positions(&mut self, stage: Stage, range: Range<u32>) -> Self::Indices;
    /// Samples a token for each of `positions` and writes it into the token grid.
    ///
    /// `logits` is `(N, K)`, or `(2N, K)` with guidance: `u + guidance * (c - u)` of the first (`c`) and second
    /// (`u`) half. The token is the first largest of `logit + token_temperature * gumbel`; the random numbers of a
    /// position are those of its key in `pass`. Where tokens have two codes, each is chosen so among its own columns.
    fn sample_tokens(
        &mut self,
        logits: &Self::Tensor,
        positions: &Self::Indices,
        codes: Codes,
        guided: bool,
        pass: u32,
    );
    /// Start noise of the flow at `positions`, or at all positions in row-major order, scaled by the latent
    /// temperature: `(N, D)`. The random numbers of a position are those of its key in `pass`.
    fn noise(&mut self, positions: Option<&Self::Indices>, pass: u32) -> Self::Tensor;
    /// What [`super::flow::start_spread`] says: `(1, 2D)`.
    fn start_spread(&mut self) -> Self::Tensor;
    /// `x + step.weight * velocity + step.previous_weight * previous`.
    ///
    /// Both velocities have the rows of `x`, or twice as many: those with tokens (`c`), then those without (`u`), which
    /// count as `c + (guidance - 1) * (c - u)`.
    fn flow_step(
        &mut self,
        x: &Self::Tensor,
        velocity: &Self::Tensor,
        previous: &Self::Tensor,
        step: FlowStep,
        guidance: f32,
    ) -> Self::Tensor;
    /// Writes `gain` times latents into the context at `positions`, clamped to [`LATENT_LIMIT`], and marks them as known.
    /// `rows` are the rows of `latents` that belong to the positions; without them, row after row.
    fn commit_latents(
        &mut self,
        positions: &Self::Indices,
        rows: Option<&Self::Indices>,
        latents: &Self::Tensor,
        gain: f32,
    );
    /// Excess steps of pixels `(B*H*W, 3)` at the borders of tokens, `(2*B*H*W/16, 3)`: see [`super::borders`].
    fn border_steps(&mut self, pixels: &Self::Tensor, grid: Grid) -> Self::Tensor;
    /// Pixels without these steps.
    fn smooth_borders(&mut self, pixels: &Self::Tensor, steps: &Self::Tensor, grid: Grid) -> Self::Tensor;
    /// Stores pixels `(B*H*W, 3)`, values -1..1, as the pictures: `(x + 1) / 2`, clamped, sRGB-encoded as trained.
    fn write_image(&mut self, pixels: &Self::Tensor, grid: Grid);
}

/// Style-relative latents beyond this are cut: a bound against drift out of the distribution. The channel that shows
/// most has a deviation of about 4, see [`crate::model::style`].
pub const LATENT_LIMIT: f32 = 20.0;

/// Runs one step of a plan.
pub fn run_step<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, step: &Step) {
    match step {
        Step::TokenRound { pass, positions, .. } => token_round(ops, model, shape, *pass, positions.clone()),
        Step::LatentRound { pass, positions, .. } => latent_round(ops, model, shape, *pass, positions.clone()),
        Step::Reopen { pass } => {
            let pass = &shape.passes[*pass as usize];
            let positions = ops.positions(Stage::Latents, pass.latents.clone());
            let tokens = ops.positions(Stage::Lists, pass.given_tokens.clone());
            ops.reopen(&positions, &tokens);
        }
        Step::Decode => {
            let context = ops.context();
            decode(ops, model, shape, &context);
        }
    }
}

/// Condition of the places of a pass: one row for all, or one for each; with `guided` the empty one below it.
pub(super) fn condition<O: SampleOps>(ops: &mut O, shape: &PlanShape, pass: &PassShape, guided: bool) -> O::Tensor {
    if pass.conditions.is_empty() {
        let kinds = if guided { 2 } else { 1 };
        return ops.condition(kinds * pass.grid.items);
    }
    let rows = ops.condition(shape.condition_rows);
    let start = pass.conditions.start;
    let end = if guided { pass.conditions.end } else { start + pass.grid.rows() as u32 };
    let places = ops.positions(Stage::Lists, start..end);
    ops.gather(&rows, &places, 1)
}

/// Token grid of the places of a pass, and the list of their positions if they are not all.
pub(super) fn window<O: SampleOps>(ops: &mut O, pass: &PassShape) -> (O::Indices, Option<O::Indices>) {
    if pass.window.is_empty() {
        return (ops.token_grid(), None);
    }
    let window = ops.positions(Stage::Lists, pass.window.clone());
    (ops.tokens_at(&window), Some(window))
}

/// A part of an order as positions of the texture and as places of the window.
pub(super) fn round_positions<O: SampleOps>(
    ops: &mut O,
    stage: Stage,
    pass: &PassShape,
    range: Range<u32>,
) -> (O::Indices, O::Indices) {
    let (order, places) = match stage {
        Stage::Tokens | Stage::Lists => (&pass.tokens, &pass.token_places),
        Stage::Latents => (&pass.latents, &pass.latent_places),
    };
    let positions = ops.positions(stage, range.clone());
    if pass.window.is_empty() {
        return (positions.clone(), positions);
    }
    let place = |at: u32| places.start + at - order.start;
    let places = ops.positions(Stage::Lists, place(range.start)..place(range.end));
    (positions, places)
}

fn token_round<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, pass_number: u32, range: Range<u32>) {
    let pass = &shape.passes[pass_number as usize];
    let kinds = if shape.guided { 2 } else { 1 };
    let grid = Grid { items: kinds * pass.grid.items, ..pass.grid };
    let (tokens, _) = window(ops, pass);
    let condition = condition(ops, shape, pass, shape.guided);
    let (positions, places) = round_positions(ops, Stage::Tokens, pass, range);
    let logits = model.prior.forward(ops, &tokens, &condition, grid, Some(&places));
    ops.sample_tokens(&logits, &positions, model.config.codes(), shape.guided, pass_number);
}

/// Style-relative latents `(T, D or wider)` to the picture.
pub fn decode<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, latents: &O::Tensor) {
    let style = ops.style(shape.style_rows);
    let latents = ops.denormalise(latents, &style);
    ops.tap("latents", &latents);
    let pixels = model.decoder.forward(ops, &latents, shape.grid);
    let grid = shape.grid.finer(crate::model::TOKEN_PIXELS);
    let steps = ops.border_steps(&pixels, grid);
    let pixels = ops.smooth_borders(&pixels, &steps, grid);
    ops.tap("picture", &pixels);
    ops.write_image(&pixels, grid);
}

/// Decodes the tokens alone: the coarse picture.
pub fn decode_coarse<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape) {
    let tokens = ops.token_grid();
    let latents = ops.embed(model.codebook.centres, &tokens, model.config.codes());
    decode(ops, model, shape, &latents);
}
