//! Textures with their latents, on all cores.

use super::metrics::Picture;
use super::outliers::LatentGrid;
use crate::model::style::{normalise, style_of};
use crate::model::{Grid, Model, Ops, TOKEN_PIXELS};
use crate::native::LOOPS;
use crate::reference::{CpuOps, CpuTensor};
use crate::sampling::generate::decode;
use crate::sampling::{Plan, Step, run_step};

/// A generated texture.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The texture.
    pub picture: Picture,
    /// What it was decoded from.
    pub latents: LatentGrid,
}

/// Which picture of a generation is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Tokens and latents.
    Refined,
    /// The tokens alone, looked up in the codebook.
    Coarse,
}

/// Runs a plan on the calling thread's pool.
pub fn generate(model: &Model, plan: &Plan, detail: Detail) -> Sample {
    let mut ops = CpuOps::for_job(model, plan).with_loops(LOOPS);
    if detail == Detail::Refined {
        for step in &plan.shape.steps {
            run_step(&mut ops, &model.discon, &plan.shape, step);
        }
        let rows = ops.context.chunks_exact(model.discon.config.context_width());
        let width = model.discon.config.tokenizer.latent_width;
        let values = rows.flat_map(|row| &row[..width]).copied().collect();
        return sample(&ops, plan.shape.grid, values, width);
    }
    sample_tokens(&mut ops, model, plan);
    let tokens = ops.tokens.clone();
    let latents = ops.embed(model.discon.codebook.centres, &tokens, model.discon.config.codes());
    decode_latents(&mut ops, model, plan, latents)
}

/// Takes stage 1 from a plan: its tokens stay what they are.
pub fn keep_tokens(plan: &mut Plan) {
    plan.shape.steps.retain(|step| !matches!(step, Step::TokenRound { .. }));
}

/// The same for a plan whose tokens are all to be sampled: they stay the mask token, and the continuous model is on its own.
pub fn without_tokens(plan: &mut Plan) {
    keep_tokens(plan);
    plan.shape.starts_at_tokens = false;
}

/// Runs stage 1 of a plan; the tokens are then those of `ops`.
pub fn sample_tokens(ops: &mut CpuOps, model: &Model, plan: &Plan) {
    for step in plan.shape.steps.iter().filter(|step| matches!(step, Step::TokenRound { .. })) {
        run_step(ops, &model.discon, &plan.shape, step);
    }
}

/// The texture of style-relative latents with the style of a plan.
pub fn decode_latents(ops: &mut CpuOps, model: &Model, plan: &Plan, latents: CpuTensor) -> Sample {
    decode(ops, &model.discon, &plan.shape, &latents);
    sample(ops, plan.shape.grid, latents.values.to_vec(), latents.shape[1])
}

fn sample(ops: &CpuOps, grid: Grid, values: Vec<f32>, width: usize) -> Sample {
    let pixels = grid.finer(TOKEN_PIXELS);
    let picture = Picture::from_bytes(pixels.width, pixels.height, &ops.picture);
    Sample { picture, latents: LatentGrid { grid, values, width } }
}

/// Latents of a picture whose sides are multiples of 16.
fn encode(ops: &mut CpuOps, model: &Model, image: &Picture, grid: Grid) -> CpuTensor {
    let pixels = CpuTensor::new(image.values.iter().map(|value| 2.0 * value - 1.0).collect(), 3);
    model.discon.encoder.forward(ops, &pixels, grid)
}

/// Style-relative latents of a picture.
pub fn relative_latents(model: &Model, image: &Picture, wrap: crate::model::Wrap) -> LatentGrid {
    let mut ops = CpuOps::new(model).with_loops(LOOPS);
    let grid = Grid { items: 1, height: image.height, width: image.width, wrap };
    let latents = encode(&mut ops, model, image, grid);
    let width = latents.shape[1];
    let style = style_of(&latents.values, model.weights.get(model.discon.styles.scale));
    LatentGrid { grid: grid.coarser(TOKEN_PIXELS), values: normalise(&latents.values, &style), width }
}

/// Encodes and decodes a picture, without wrapping.
pub fn reconstruct(model: &Model, image: &Picture) -> Picture {
    let mut ops = CpuOps::new(model).with_loops(LOOPS);
    let grid = Grid { items: 1, height: image.height, width: image.width, wrap: crate::model::Wrap::NONE };
    let latents = encode(&mut ops, model, image, grid);
    let decoded = model.discon.decoder.forward(&mut ops, &latents, grid.coarser(TOKEN_PIXELS));
    let values = decoded.values.iter().map(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)).collect();
    Picture { values, ..image.clone() }
}
