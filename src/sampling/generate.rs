//! The loop of a generation, written once for every executor.

use super::plan::{PlanShape, Step};
use crate::model::{Discon, Grid, Ops, time_features};
use std::ops::Range;

/// Which of the two generation orders a range belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Stage 1.
    Tokens,
    /// Stage 2.
    Latents,
}

/// What an executor adds to [`Ops`] to sample: the state of one job and the random steps.
///
/// The state is the token grid, the context of the continuous model and the picture. Values of the job
/// (orders, condition, seeds, temperatures) are inputs, so that a recorded list of operations serves every job of equal shape.
pub trait SampleOps: Ops {
    /// The condition; with `guided` a second, empty row below it.
    fn condition(&mut self, guided: bool) -> Self::Tensor;
    /// The style in latent units, `(1, 2D)`.
    fn style(&mut self) -> Self::Tensor;
    /// The token grid as it is now: `T` entries.
    fn token_grid(&mut self) -> Self::Indices;
    /// The context as it is now: `(T, context_width)`.
    fn context(&mut self) -> Self::Tensor;
    /// Part of a generation order.
    fn positions(&mut self, stage: Stage, range: Range<u32>) -> Self::Indices;
    /// Samples a token for each of `positions` and writes it into the token grid.
    ///
    /// `logits` is `(N, K)`, or `(2N, K)` with guidance: `u + guidance * (c - u)` of the first (`c`) and second
    /// (`u`) half. The token is the first largest of `logit + token_temperature * gumbel`.
    fn sample_tokens(&mut self, logits: &Self::Tensor, positions: &Self::Indices, guided: bool);
    /// Start noise of the flow at `positions`, or at all positions in row-major order, scaled by the latent
    /// temperature: `(N, D)`.
    fn noise(&mut self, positions: Option<&Self::Indices>) -> Self::Tensor;
    /// `x + dt * velocity`.
    fn euler_step(&mut self, x: &Self::Tensor, velocity: &Self::Tensor, dt: f32) -> Self::Tensor;
    /// Writes latents into the context at `positions`, clamped to [`LATENT_LIMIT`], and marks them as known.
    fn commit_latents(&mut self, positions: &Self::Indices, latents: &Self::Tensor);
    /// Stores pixels `(H*W, 3)`, values -1..1, as the picture: `(x + 1) / 2`, clamped, sRGB-encoded as trained.
    fn write_image(&mut self, pixels: &Self::Tensor, grid: Grid);
}

/// Style-relative latents beyond this are cut: a bound against drift out of the distribution. The channel that shows most
/// has a deviation of about 4, see [`crate::model::style`].
pub const LATENT_LIMIT: f32 = 20.0;

/// Runs one step of a plan.
pub fn run_step<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, step: &Step) {
    match step {
        Step::TokenRound { positions, .. } => token_round(ops, model, shape, positions.clone()),
        Step::LatentRound { positions, .. } => latent_round(ops, model, shape, positions.clone()),
        Step::Decode => {
            let context = ops.context();
            decode(ops, model, shape.grid, &context);
        }
    }
}

fn token_round<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, range: Range<u32>) {
    let grid = Grid { items: if shape.guided { 2 } else { 1 }, ..shape.grid };
    let tokens = ops.token_grid();
    let condition = ops.condition(shape.guided);
    let positions = ops.positions(Stage::Tokens, range);
    let logits = model.prior.forward(ops, &tokens, &condition, grid, Some(&positions));
    ops.sample_tokens(&logits, &positions, shape.guided);
}

fn latent_round<O: SampleOps>(ops: &mut O, model: &Discon, shape: &PlanShape, range: Range<u32>) {
    let tokens = ops.token_grid();
    let context = ops.context();
    let condition = ops.condition(false);
    let positions = ops.positions(Stage::Latents, range);
    // A joint head flows the whole grid, since positions see each other on the way; the round keeps its part.
    let flowing = if model.head.is_joint() { None } else { Some(&positions) };
    let condition = model.mar.forward(ops, &tokens, &context, &condition, shape.grid, flowing);
    let condition = model.head.condition(ops, &condition);
    let mut x = ops.noise(flowing);
    let dt = 1.0 / shape.flow_steps as f32;
    for step in 0..shape.flow_steps {
        let features = time_features(step as f32 * dt);
        let time = ops.constant(&features, [1, features.len()]);
        let velocity = model.head.velocity(ops, &x, &time, &condition, shape.grid);
        x = ops.euler_step(&x, &velocity, dt);
    }
    if flowing.is_none() {
        x = ops.gather(&x, &positions, 1);
    }
    ops.commit_latents(&positions, &x);
}

/// Style-relative latents `(T, D or wider)` to the picture.
pub fn decode<O: SampleOps>(ops: &mut O, model: &Discon, grid: Grid, latents: &O::Tensor) {
    let style = ops.style();
    let latents = ops.denormalise(latents, &style);
    ops.tap("latents", &latents);
    let pixels = model.decoder.forward(ops, &latents, grid);
    ops.write_image(&pixels, grid.finer(crate::model::TOKEN_PIXELS));
}

/// Decodes the tokens alone: the coarse picture.
pub fn decode_coarse<O: SampleOps>(ops: &mut O, model: &Discon, grid: Grid) {
    let tokens = ops.token_grid();
    let latents = ops.embed(model.codebook.centres, &tokens);
    decode(ops, model, grid, &latents);
}
