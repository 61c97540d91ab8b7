//! A decoder for tokens alone: without it arms that have nothing else would be measured by a decoder that never saw
//! their latents.

use super::budget::NOMINAL_SPEED;
use crate::eval::progress_bar;
use crate::model::{Grid, Ops, TOKEN_PIXELS, Wrap};
use crate::sampling::{PlanShape, Step, count};
use crate::train::TrainError;
use crate::train::images::Flip;
use crate::train::latents::Latents;
use crate::train::losses::picture_loss;
use crate::train::ops::TrainOps;
use crate::train::params::{AdamW, ParamSet, learning_rate};
use crate::train::rng::Rng;
use crate::train::run::Session;
use crate::train::tokenizer::rate_of;
use crate::train::workers::gradients;

/// What is tuned.
const PREFIXES: &[&str] = &["tokenizer.decoder."];
/// Cut-outs per step and their side in tokens.
const BATCH: usize = 16;
const SIDE: usize = 4;
/// Share of an arm's training cost; it is not taken from the arm's own.
const SHARE: f64 = 0.2;
/// Highest and last learning rate.
const RATES: (f32, f32) = (2e-4, 1e-5);

/// Trains the session's decoder on latents of tokens, `value` giving the style-relative latent of one; returns the
/// averages by name. `seconds` are those of an arm, nominal.
///
/// # Errors
/// Training that diverges.
pub fn tune(
    session: &Session,
    latents: &Latents,
    value: impl Fn(u32) -> Vec<f32>,
    seconds: f64,
) -> Result<Vec<(String, Vec<f32>)>, TrainError> {
    let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
    set.parameters.iter_mut().for_each(|parameter| parameter.rate = rate_of(&parameter.name));
    let mut ops = TrainOps::new(session.device.clone().autodiff(), session.table.len());
    let steps = (SHARE * seconds * NOMINAL_SPEED / step_flops(session)).ceil() as u64;
    let ranges = latents.ranges(session.data.textures.len());
    let bar = progress_bar("decoder", steps);
    let mut bad = 0;
    for step in 0..steps {
        let mut rng = Rng::new(&[session.options.seed, 0x7e4e, step]);
        let (mut inputs, mut pixels) = (Vec::new(), Vec::new());
        for _ in 0..BATCH {
            cut(session, latents, &ranges, &value, &mut rng, &mut inputs, &mut pixels);
        }
        set.upload(&mut ops, |_| true);
        let grid = Grid { items: BATCH, height: SIDE, width: SIDE, wrap: Wrap::NONE };
        let width = session.model.config.tokenizer.latent_width;
        let inputs = ops.constant(&inputs, [grid.rows(), width]);
        let target = ops.constant(&pixels, [grid.finer(TOKEN_PIXELS).rows(), 3]);
        let found = session.model.decoder.forward(&mut ops, &inputs, grid);
        let loss = picture_loss(found - target, BATCH, SIDE * TOKEN_PIXELS);
        let rate = learning_rate(step, step as f64 / steps as f64, RATES.0, RATES.1);
        let norm = set.update(&gradients(&ops, &set, &loss), rate, &AdamW::TOKENIZER);
        bad = if norm.is_finite() { 0 } else { bad + 1 };
        if bad > 20 {
            return Err(TrainError::Diverged { stage: "decoder of tokens", count: bad });
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(set.parameters.into_iter().map(|parameter| (parameter.name, parameter.average)).collect())
}

fn step_flops(session: &Session) -> f64 {
    let grid = Grid { items: BATCH, height: SIDE, width: SIDE, wrap: Wrap::NONE };
    let shape = PlanShape::of_whole_grid(grid, vec![Step::Decode], 1);
    // The way back costs two products for each one forward.
    3.0 * count(&session.model, &session.table, &shape).iter().map(|(_, cost)| cost.flops as f64).sum::<f64>()
}

/// Adds one cut-out: latents of its tokens in the picture's style, and its pixels.
fn cut(
    session: &Session,
    latents: &Latents,
    ranges: &[std::ops::Range<usize>],
    value: &impl Fn(u32) -> Vec<f32>,
    rng: &mut Rng,
    inputs: &mut Vec<f32>,
    pixels: &mut Vec<f32>,
) {
    let texture = session.data.draw(rng);
    // All mirror images of one version follow each other, the picture itself first.
    let number = rng.below(ranges[texture].len() / Flip::ALL.len());
    let grid = &latents.grids[ranges[texture].start + number * Flip::ALL.len()];
    let Some(version) = session.data.textures[texture].versions.get(number) else { return };
    let free = grid.side - SIDE + 1;
    let (top, left) = (rng.below(free), rng.below(free));
    let (mean, deviation) = grid.style.split_at(grid.style.len() / 2);
    for y in top..top + SIDE {
        for x in left..left + SIDE {
            let relative = value(latents.tokens[grid.first + y * grid.side + x]);
            let style = mean.iter().zip(deviation);
            inputs.extend(relative.iter().zip(style).map(|(value, (mean, log))| value * log.exp() + mean));
        }
    }
    pixels.extend(version.crop((top * TOKEN_PIXELS, left * TOKEN_PIXELS), SIDE * TOKEN_PIXELS, Flip::default()));
}
