//! After the tokens: the decoder learns to draw textures as crisp as the pictures.
//!
//! A decoder that is right pixel by pixel leaves out what latents do not say, and that is fine detail. Here, with latents
//! fixed, the patches of what it draws must come as often as those of the picture ([`super::texture_loss`]), while a
//! square error holds it to the picture.

use super::TrainError;
use super::ahead::Ahead;
use super::latents::Latents;
use super::learner::Learner;
use super::pace::Pace;
use super::params::{AdamW, ParamSet, learning_rate};
use super::picture_check::{check, check_crops};
use super::rng::Rng;
use super::run::Session;
use super::shares::Shares;
use super::stage::{Stage, Task};
use super::texture_loss::{Bands, INNER, SIDE, compared, inner, items, picture};
use super::token_grids::pixels_of;
use super::tokenizer::{Mean, rate_of};
use crate::model::{Grid, Wrap};
use std::sync::{Mutex, PoisonError};

/// Name of the stage in metrics and files.
pub const STAGE: &str = "decoder";
/// Its parameters.
pub const PREFIXES: &[&str] = &["tokenizer.decoder."];
/// Highest learning rate.
const PEAK_RATE: f32 = 3e-4;
/// Weight of the square error of pixels beside the distance of patches.
const ANCHOR: f32 = 20.0;
/// Largest deviation of the noise on latents, in deviations of a channel: generated ones are not right either.
const LATENT_NOISE: f32 = 0.15;

/// Windows of real textures.
struct Windows {
    /// Style-relative latents, `(items * T, D)`.
    relative: Vec<f32>,
    /// `(items, 2D)`.
    styles: Vec<f32>,
    /// Pixels that are compared.
    pixels: Vec<f32>,
}

/// The stage.
pub struct Decoder;

impl Stage for Decoder {
    fn train<L: Learner + Send>(task: Task, executor: impl Fn(bool) -> L) -> Result<(), TrainError> {
        let Task { session, latents, budget } = task;
        let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
        set.load(&session.checkpoint(STAGE))?;
        for parameter in &mut set.parameters {
            parameter.rate = rate_of(&parameter.name);
        }
        let ranges = latents.ranges(session.data.textures.len());
        let items = items(session);
        let inputs = |step: u64, share: usize| {
            draw(session, latents, &ranges, &mut Rng::new(&[session.options.seed, 0xdec0, step, share as u64]), items)
        };
        let threads = session.options.device.threads_ahead(session.options.threads);
        let shares = Shares::new(|| executor(true));
        Ahead::run(threads, set.step, inputs, |ahead| steps(session, budget, &mut set, shares, ahead, items))
    }
}

fn steps<L: Learner + Send>(
    session: &Session,
    budget: f64,
    set: &mut ParamSet,
    mut shares: Shares<L>,
    ahead: &Ahead<Windows>,
    items: usize,
) -> Result<(), TrainError> {
    let bands = Bands::declare(&mut session.table.clone());
    let crops = check_crops(session);
    let mut pace = Pace::new(session, STAGE, budget, set);
    // What the loss is computed from; its own value is that of a plane with the same slope.
    let distances = Mutex::new(Mean::default());
    let record = |set: &ParamSet, more: &[(&'static str, f32)]| {
        let mut numbers = check(session, set, &crops)?;
        numbers.extend(more);
        session.metrics.record(STAGE, set.step, set.seconds, &numbers)
    };
    if set.step == 0 {
        record(set, &[])?;
    }
    while pace.goes_on(set) {
        let (_, gradients) = shares.step(set, |share, ops| {
            let mut rng = Rng::new(&[session.options.seed, 0xbad5, set.step, share as u64]);
            bands.draw(ops, &mut rng);
            let (loss, distance) = loss(session, ops, &bands, &ahead.take(set.step, share), items);
            distances.lock().unwrap_or_else(PoisonError::into_inner).add(distance);
            loss
        });
        let rate = learning_rate(set.step, set.seconds / budget, PEAK_RATE, 1e-5);
        let norm = set.update(gradients, rate, &AdamW::TOKENIZER);
        pace.guard(norm)?;
        let mut distances = distances.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.tick(set, distances.value()) {
            record(set, &[("texture_distance", distances.take()), ("rate", rate), ("norm", norm)])?;
            set.save(&session.checkpoint(STAGE))?;
            session.publish(set)?;
            pace.restart();
        }
    }
    Ok(())
}

/// Draws windows of training pictures.
fn draw(
    session: &Session,
    latents: &Latents,
    ranges: &[std::ops::Range<usize>],
    rng: &mut Rng,
    items: usize,
) -> Windows {
    let scale = session.weights.get(session.model.styles.scale);
    let mut windows = Windows { relative: Vec::new(), styles: Vec::new(), pixels: Vec::new() };
    for _ in 0..items {
        let range = ranges[session.data.draw(rng)].clone();
        let grid = &latents.grids[range.start + rng.below(range.len())];
        let free = if grid.wraps { grid.side } else { grid.side - SIDE + 1 };
        let (top, left) = (rng.below(free), rng.below(free));
        let noise = if rng.chance(0.5) { rng.range(0.0, LATENT_NOISE) } else { 0.0 };
        for at in 0..SIDE * SIDE {
            let (y, x) = ((top + at / SIDE) % grid.side, (left + at % SIDE) % grid.side);
            let row = &latents.rows(grid, scale.len())[(y * grid.side + x) * scale.len()..][..scale.len()];
            windows.relative.extend(row.iter().zip(scale).map(|(value, scale)| value + noise * scale * rng.normal()));
        }
        windows.styles.extend(&grid.style);
        windows.pixels.extend(pixels_of(&session.data, grid, inner(top, left), INNER));
    }
    windows
}

/// Distance of patches and square error of pixels, and the distance itself.
fn loss<L: Learner>(session: &Session, ops: &mut L, bands: &Bands, windows: &Windows, items: usize) -> (L::Loss, f32) {
    let grid = Grid { items, height: SIDE, width: SIDE, wrap: Wrap::NONE };
    let relative = ops.constant(&windows.relative, [grid.rows(), windows.relative.len() / grid.rows()]);
    let styles = ops.constant(&windows.styles, [items, windows.styles.len() / items]);
    let latents = ops.denormalise(&relative, &styles);
    let found = picture(ops, &session.model, &latents, grid);
    let real = ops.constant(&windows.pixels, [windows.pixels.len() / 3, 3]);
    let (loss, distance) = bands.distance(ops, &found, &real, compared(grid));
    let anchor = ops.weighted_square_error(&found, &windows.pixels, &[ANCHOR / 3.0; 3]);
    (ops.add(&loss, &anchor), distance)
}

/// Takes the finished decoder into the session's weights; false if its time is not used up yet.
///
/// # Errors
/// A damaged checkpoint.
pub fn adopt(session: &mut Session, budget: f64) -> Result<bool, TrainError> {
    let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
    set.load(&session.checkpoint(STAGE))?;
    set.export(&mut session.weights);
    Ok(set.seconds >= budget)
}
