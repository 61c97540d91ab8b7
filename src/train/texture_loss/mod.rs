//! The texture loss: a late part of the continuous model's training.
//!
//! The last step of a short flow leaps over a third of the way and lands at a mean of what is possible there, which is
//! smoother than any texture. Here that step is taken on sampled textures, and the patches of what it gives must come
//! as often as in the real texture whose style and layout they have; the flow's own loss goes on beside it. The gradient
//! comes through the whole decoder, which rests.

mod bands;
mod pool;

pub(super) use bands::Bands;
pub(super) use pool::SIDE;

use super::TrainError;
use super::latents::Latents;
use super::learner::Learner;
use super::params::{ParamSet, norm};
use super::rng::Rng;
use super::run::Session;
use super::shares::{SHARES, Shares};
use super::workers::mean_gradients;
use crate::model::{Discon, Grid, Model, ParamTable, TOKEN_PIXELS, WEIGHTS_FILE, Wrap, time_features};
use crate::sampling::{FLOW_GAIN, FlowStep, Recipe, START, flow_steps};
use pool::{Pool, Windows};

/// Strength of the texture loss, and on how many textures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextureLossOptions {
    /// Norm of its gradient over that of the flow's loss; 0 leaves it out.
    pub share: f32,
    /// Share of the continuous model's time after which it joins in.
    pub from: f64,
    /// Textures that are sampled for it once; each is seen many times, but rolled and with a head that changes.
    pub textures: usize,
}

impl Default for TextureLossOptions {
    fn default() -> Self {
        Self { share: 0.5, from: 0.5, textures: 512 }
    }
}

/// Name of the folder with the model whose textures are sampled.
const SAMPLED_MODEL: &str = "sampled_model";
/// Textures in a part of a step of 16 textures.
const ITEMS: usize = 6;
/// Most textures in a part: they are sorted on the processor.
const MAX_ITEMS: usize = 48;
/// Tokens at each border of a window that are not compared: what is decoded there lacks the neighbours of the whole.
const MARGIN: usize = 1;
/// Side in pixels of what is compared.
pub(super) const INNER: usize = (SIDE - 2 * MARGIN) * TOKEN_PIXELS;

/// Textures in a part of a step.
pub(super) fn items(session: &Session) -> usize {
    (ITEMS * session.options.scale()).min(MAX_ITEMS)
}

/// The sampled textures of a run.
pub struct TextureLoss<'a> {
    session: &'a Session,
    pool: Pool<'a>,
    items: usize,
    bands: Bands,
    step: FlowStep,
}

/// Gradients of the texture loss.
pub struct Push {
    gradients: Vec<Vec<f32>>,
    /// Mean square distance of patches, in variances of the real ones.
    pub distance: f32,
}

/// The parameters of a model and, behind them, those that the loss needs: one executor holds both.
pub fn with_bands(table: &ParamTable) -> ParamTable {
    let mut table = table.clone();
    Bands::declare(&mut table);
    table
}

impl<'a> TextureLoss<'a> {
    /// Whether a run has it: the head must flow all positions together, and textures need layouts.
    pub fn is_wanted(session: &Session) -> bool {
        let options = &session.options.texture_loss;
        let possible = session.model.head.is_joint() && session.model.layouts.is_some();
        options.share > 0.0 && options.textures > 0 && possible
    }

    /// Starts or goes on: samples the pool from the model as it was when the part began.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn open<L: Learner + Send>(
        session: &'a Session,
        latents: &'a Latents,
        set: &ParamSet,
        shares: &mut Shares<L>,
    ) -> Result<Self, TrainError> {
        let folder = session.folder().join(SAMPLED_MODEL);
        // The weights are the last file that is written.
        if !folder.join(WEIGHTS_FILE).exists() {
            session.publish(set)?.save(&folder)?;
        }
        let model = Model::load(&folder)?;
        eprintln!("texture loss: {} textures", session.options.texture_loss.textures);
        let pool = Pool::sample(&model, session.options.texture_loss.textures, session, latents)
            .map_err(|error| TrainError::format(&folder, error))?;
        let bands = Bands::declare(&mut session.table.clone());
        shares.each(|_, ops| {
            for (id, spec) in session.table.iter().filter(|(_, spec)| spec.name.starts_with("tokenizer.decoder.")) {
                ops.set(id, session.weights.get(id), spec.shape, false);
            }
        });
        let recipe = Recipe::new(session.model.config.classes[0].clone());
        let steps = flow_steps(recipe.flow_steps, START);
        let step = steps.last().copied().unwrap_or(FlowStep { time: 0.0, weight: 1.0, previous_weight: 0.0 });
        Ok(Self { session, pool, items: items(session), bands, step })
    }

    /// Gradients for the parameters of `set`.
    pub fn step<L: Learner + Send>(&self, set: &ParamSet, shares: &mut Shares<L>) -> Push {
        let found = shares.each(|share, ops| self.part(set, share, ops));
        let distance = found.iter().map(|(_, distance)| distance / SHARES as f32).sum();
        Push { gradients: mean_gradients(found.into_iter().map(|(gradients, _)| gradients).collect()), distance }
    }

    /// Adds the gradients of the flow's loss to those of a push, which are brought to their share of it step by step: a
    /// push that suddenly grows must not move more.
    pub fn blend<'b>(&self, push: &'b mut Push, flow: &[Vec<f32>]) -> &'b [Vec<f32>] {
        let share = self.session.options.texture_loss.share;
        let scale = share * norm(flow) / norm(&push.gradients).max(1e-12);
        for (sum, flow) in push.gradients.iter_mut().zip(flow) {
            if sum.is_empty() {
                sum.clone_from(flow);
                continue;
            }
            sum.iter_mut().for_each(|value| *value *= scale);
            sum.iter_mut().zip(flow).for_each(|(sum, flow)| *sum += flow);
        }
        &push.gradients
    }

    fn part<L: Learner>(&self, set: &ParamSet, share: usize, ops: &mut L) -> (Vec<Vec<f32>>, f32) {
        let mut rng = Rng::new(&[self.session.options.seed, 0x7e47, set.step, share as u64]);
        let windows = self.pool.draw(&self.session.data, &mut rng, self.items);
        ops.reset();
        set.upload(ops, |_| true);
        self.bands.draw(ops, &mut rng);
        let grid = Pool::grid(self.items);
        let latents = last_step(ops, &self.session.model, self.step, &windows, grid);
        let found = picture(ops, &self.session.model, &latents, grid);
        let real = ops.constant(&windows.real, [windows.real.len() / 3, 3]);
        let (loss, distance) = self.bands.distance(ops, &found, &real, compared(grid));
        let mut gradients = Vec::new();
        ops.gradients(set, &loss, &mut gradients);
        (gradients, distance)
    }
}

/// The pixels of absolute latents that are compared.
pub(super) fn picture<L: Learner>(ops: &mut L, model: &Discon, latents: &L::Tensor, grid: Grid) -> L::Tensor {
    let pixels = model.decoder.forward(ops, latents, grid);
    let (top, left) = inner(0, 0);
    let side = SIDE * TOKEN_PIXELS;
    let places = (0..INNER * INNER).map(|at| ((top + at / INNER) * side + left + at % INNER) as u32);
    let places = ops.indices(&places.collect::<Vec<_>>());
    ops.gather(&pixels, &places, grid.items)
}

/// Corner in pixels of what is compared of a window, from its corner in tokens.
pub(super) fn inner(top: usize, left: usize) -> (usize, usize) {
    ((top + MARGIN) * TOKEN_PIXELS, (left + MARGIN) * TOKEN_PIXELS)
}

/// Absolute latents after the last step of the flow: `(items * T, D)`.
fn last_step<L: Learner>(ops: &mut L, model: &Discon, step: FlowStep, from: &Windows, grid: Grid) -> L::Tensor {
    let config = &model.config;
    let (width, rows) = (config.tokenizer.latent_width, grid.rows());
    let tokens = ops.indices(&from.tokens);
    let context = ops.constant(&vec![0.0; rows * config.context_width()], [rows, config.context_width()]);
    let condition = ops.constant(&from.condition, [grid.items, config.condition_width()]);
    let states = model.mar.forward(ops, &tokens, &context, &condition, grid, None);
    let states = model.head.condition(ops, &states);
    let points = ops.constant(&from.points, [rows, width]);
    let features = time_features(step.time);
    let time = ops.constant(&features, [1, features.len()]);
    let velocity = model.head.velocity(ops, &points, &time, &states, grid);
    // latent = FLOW_GAIN (point + previous_weight previous) + FLOW_GAIN weight velocity: a part that is known, and one
    // that learns, which takes its factor from a style of its own.
    let known = from.points.iter().zip(&from.previous);
    let known: Vec<f32> =
        known.map(|(point, previous)| FLOW_GAIN * (point + step.previous_weight * previous)).collect();
    let of_velocity = |(at, value): (usize, &f32)| {
        let is_mean = at % (2 * width) < width;
        if is_mean { 0.0 } else { value + (FLOW_GAIN * step.weight).ln() }
    };
    let of_velocity: Vec<f32> = from.styles.iter().enumerate().map(of_velocity).collect();
    let known = ops.constant(&known, [rows, width]);
    let [styles, of_velocity] =
        [&from.styles, &of_velocity].map(|styles| ops.constant(styles, [grid.items, 2 * width]));
    let known = ops.denormalise(&known, &styles);
    let moved = ops.denormalise(&velocity, &of_velocity);
    ops.broadcast_sum(&known, &moved, rows)
}

/// The grid of pixels that are compared.
pub(super) fn compared(grid: Grid) -> Grid {
    Grid { items: grid.items, height: INNER, width: INNER, wrap: Wrap::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;
    use crate::sampling::plan;
    use crate::train::tape::{Products, TapeOps};
    use std::path::Path;

    #[test]
    fn the_last_step_gives_what_sampling_gives() {
        let model = Model::load(Path::new("assets/models/tiny")).expect("the model beside the code");
        let recipe = pool::recipe(&model, 2, 0, 11);
        let plan = plan(&model, &recipe).expect("the recipe is valid");
        let (_, state) = native::generate_with_state(&model, &plan);
        let windows = pool::before_the_last_step(&model, &recipe).expect("the recipe is valid");
        let mut ops = TapeOps::new(model.table.len(), false, Products::exact());
        for (id, spec) in model.table.iter() {
            ops.set(id, model.weights.get(id), spec.shape, false);
        }
        let step = *flow_steps(recipe.flow_steps, START).last().expect("a flow has steps");
        let latents = last_step(&mut ops, &model.discon, step, &windows, Pool::grid(1));
        let width = model.discon.config.tokenizer.latent_width;
        let (means, deviations) = windows.styles.split_at(width);
        let wide = model.discon.config.context_width();
        for (row, (found, expected)) in
            ops.values(&latents).chunks_exact(width).zip(state.context.chunks_exact(wide)).enumerate()
        {
            for channel in 0..width {
                let found = (found[channel] - means[channel]) / deviations[channel].exp();
                let off = (found - expected[channel]).abs();
                assert!(
                    off < 1e-3 * (1.0 + found.abs()),
                    "row {row}, channel {channel}: {found}, {}",
                    expected[channel]
                );
            }
        }
    }
}
