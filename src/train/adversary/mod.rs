//! The late adversarial part of the continuous model's training.
//!
//! The last step of a short flow leaps over a third of the way and lands at a mean of what is possible there, which is smoother than
//! any texture. A critic that tells sampled textures from real ones teaches that step to land on one that is possible
//! (adversarial diffusion distillation, arXiv 2311.17042, here for the last step alone and with the flow's own loss beside it).
//! Pictures are those of the tokenizer's linear path: nearly what the decoder makes, at a hundredth of the cost.

mod critic;
mod pool;

pub use critic::with_critic;

use super::TrainError;
use super::latents::Latents;
use super::learner::Learner;
use super::params::ParamSet;
use super::rng::Rng;
use super::run::Session;
use super::shares::{SHARES, Shares};
use super::workers::mean_gradients;
use crate::model::{Activation, Grid, Model, ParamId, TOKEN_PIXELS, time_features};
use crate::sampling::{FlowStep, GAIN, Recipe, START, flow_steps};
use critic::{Critic, Judged, Pixels};
use pool::{Pool, SIDE, Windows};

/// Strength of the adversarial part, and on how many textures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adversarial {
    /// Norm of its gradient over that of the flow's loss; 0 leaves it out.
    pub share: f32,
    /// Share of the continuous model's time after which it joins in.
    pub from: f64,
    /// Textures that are sampled for it once; each is seen many times, but rolled and with a head that changes.
    pub textures: usize,
}

impl Default for Adversarial {
    fn default() -> Self {
        Self { share: 0.5, from: 0.5, textures: 512 }
    }
}

/// Name of the critic's checkpoint, and of the folder with the model whose textures are sampled.
const CRITIC: &str = "critic";
const SAMPLED_MODEL: &str = "sampled_model";
/// Textures of each kind in a part of a step.
const ITEMS: usize = 6;
/// Tokens at each border of a window that the critic does not see: beyond it a real window has other neighbours.
const MARGIN: usize = 1;
/// Share of the old balance that stays in a step.
const BALANCE_DECAY: f32 = 0.95;

/// Critic, pool and balance of a run.
pub struct Adversary<'a> {
    session: &'a Session,
    pool: Pool<'a>,
    critic: Critic,
    step: FlowStep,
    /// Moving ratio of the norms of both gradients.
    balance: f32,
}

/// What one part of a step found.
struct Found {
    generator: Vec<Vec<f32>>,
    critic: Vec<Vec<f32>>,
    /// Mean scores of sampled and of real pictures.
    scores: [f32; 2],
}

/// Gradients for the generator, and what the critic thought.
pub struct Push {
    gradients: Vec<Vec<f32>>,
    /// Mean scores of sampled and of real pictures: 0 and 0 if it sees no difference, about -1 and 1 if it is sure.
    pub scores: [f32; 2],
}

impl<'a> Adversary<'a> {
    /// Whether a run has an adversarial part: the head must flow all positions together, and textures need layouts.
    pub fn is_wanted(session: &Session) -> bool {
        let options = &session.options.adversarial;
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
        if !folder.join("config.ron").exists() {
            session.publish(set)?.save(&folder)?;
        }
        let model = Model::load(&folder)?;
        eprintln!("adversary: {} textures", session.options.adversarial.textures);
        let pool = Pool::sample(&model, session.options.adversarial.textures, session, latents)
            .map_err(|error| TrainError::format(&folder, error))?;
        let classes = session.model.config.classes.len();
        let critic = Critic::open(&session.table, classes, session.options.seed, &session.checkpoint(CRITIC))?;
        let linear = &session.model.decoder.linear_path.linear;
        let fixed: Vec<ParamId> =
            [linear.weight, session.model.codebook.centres].into_iter().chain(linear.bias).collect();
        shares.each(|_, ops| {
            for id in &fixed {
                ops.set(*id, session.weights.get(*id), session.table.spec(*id).shape, false);
            }
        });
        let recipe = Recipe::new(session.model.config.classes[0].clone());
        let steps = flow_steps(recipe.flow_steps, START);
        let step = steps.last().copied().unwrap_or(FlowStep { time: 0.0, weight: 1.0, previous_weight: 0.0 });
        let balance = critic.set.note("balance").unwrap_or(0.0) as f32;
        Ok(Self { session, pool, critic, step, balance })
    }

    /// One step of the critic, and the gradients that it gives to the parameters of `set`.
    pub fn step<L: Learner + Send>(&mut self, set: &ParamSet, shares: &mut Shares<L>) -> Push {
        let this = &*self;
        let found = shares.each(|share, ops| this.part(set, share, ops));
        let mut scores = [0.0; 2];
        let (mut generator, mut critic) = (Vec::new(), Vec::new());
        for part in found {
            (0..2).for_each(|kind| scores[kind] += part.scores[kind] / SHARES as f32);
            generator.push(part.generator);
            critic.push(part.critic);
        }
        self.critic.update(&mean_gradients(critic));
        Push { gradients: mean_gradients(generator), scores }
    }

    /// Adds the gradients of the flow's loss to those of a push, which are brought to their share of it.
    pub fn blend<'b>(&mut self, push: &'b mut Push, flow: &[Vec<f32>]) -> &'b [Vec<f32>] {
        let ratio = norm(flow) / norm(&push.gradients).max(1e-12);
        let keep = if self.balance > 0.0 { BALANCE_DECAY } else { 0.0 };
        self.balance = keep * self.balance + (1.0 - keep) * ratio;
        let scale = self.session.options.adversarial.share * self.balance;
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

    /// Writes the critic.
    ///
    /// # Errors
    /// The file that could not be written.
    pub fn save(&mut self) -> Result<(), TrainError> {
        self.critic.set.notes.insert("balance".into(), self.balance.to_string());
        self.critic.set.save(&self.session.checkpoint(CRITIC))
    }

    fn part<L: Learner>(&self, set: &ParamSet, share: usize, ops: &mut L) -> Found {
        let mut rng = Rng::new(&[self.session.options.seed, 0xadf0, set.step, share as u64]);
        let sampled = self.pool.draw(&mut rng, ITEMS);
        let real = self.pool.real(&mut rng, &sampled.classes);
        ops.reset();
        set.upload(ops, |_| true);
        self.critic.set.upload(ops, |_| false);
        let classes = ops.indices(&sampled.classes);
        let grid = Pool::grid(ITEMS);
        let latents = self.last_step(ops, &sampled, grid);
        let pixels = self.picture(ops, &latents, grid);
        let of_tokens = self.tokens(ops, &sampled, grid);
        let judged = Judged { pixels: &pixels, of_tokens: &of_tokens };
        let scores = self.critic.scores(ops, &judged, &classes, seen(grid));
        let [rows, columns] = ops.shape(&scores);
        let loss = ops.inner_product(&scores, &vec![-1.0 / (rows * columns) as f32; rows * columns]);
        let sampled_pixels = Pixels { pixels: ops.read(&pixels), of_tokens: ops.read(&of_tokens) };
        let mut generator = Vec::new();
        ops.gradients(set, &loss, &mut generator);
        ops.reset();
        let real_pixels = self.real_pixels(ops, &real, grid);
        let (critic, scores) =
            self.critic.gradients(ops, [&sampled_pixels, &real_pixels], &sampled.classes, seen(grid), &mut rng);
        Found { generator, critic, scores }
    }

    /// Absolute latents after the last step of the flow: `(items * T, D)`.
    fn last_step<L: Learner>(&self, ops: &mut L, from: &Windows, grid: Grid) -> L::Tensor {
        let (model, config) = (&self.session.model, &self.session.model.config);
        let (width, rows) = (config.tokenizer.latent_width, grid.rows());
        let tokens = ops.indices(&from.tokens);
        let context = ops.constant(&vec![0.0; rows * config.context_width()], [rows, config.context_width()]);
        let condition = ops.constant(&from.condition, [grid.items, config.condition_width()]);
        let states = model.mar.forward(ops, &tokens, &context, &condition, grid, None);
        let states = model.head.condition(ops, &states);
        let points = ops.constant(&from.points, [rows, width]);
        let features = time_features(self.step.time);
        let time = ops.constant(&features, [1, features.len()]);
        let velocity = model.head.velocity(ops, &points, &time, &states, grid);
        // latent = GAIN (point + weight velocity + previous_weight previous): a constant part, and one that learns.
        let mut styles = from.styles.clone();
        let mut start = Vec::with_capacity(rows * width);
        for (item, style) in styles.chunks_exact_mut(2 * width).enumerate() {
            let part = item * grid.positions() * width..(item + 1) * grid.positions() * width;
            let (means, deviations) = style.split_at_mut(width);
            for (at, (point, previous)) in from.points[part.clone()].iter().zip(&from.previous[part]).enumerate() {
                let moved = GAIN * (point + self.step.previous_weight * previous);
                start.push(moved * deviations[at % width].exp() + means[at % width]);
            }
            means.fill(0.0);
            deviations.iter_mut().for_each(|value| *value += (GAIN * self.step.weight).ln());
        }
        let styles = ops.constant(&styles, [grid.items, 2 * width]);
        let moved = ops.denormalise(&velocity, &styles);
        let start = ops.constant(&start, [rows, width]);
        ops.broadcast_sum(&start, &moved, rows)
    }

    /// Pixels that the critic sees of absolute latents, by the decoder's linear path.
    fn picture<L: Learner>(&self, ops: &mut L, latents: &L::Tensor, grid: Grid) -> L::Tensor {
        let patches = ops.conv3x3(latents, &self.session.model.decoder.linear_path, grid, Activation::None, None);
        let pixels = ops.depth_to_space(&patches, grid, TOKEN_PIXELS);
        let side = SIDE * TOKEN_PIXELS;
        let inner = MARGIN * TOKEN_PIXELS..side - MARGIN * TOKEN_PIXELS;
        let places: Vec<u32> = inner.clone().flat_map(|y| inner.clone().map(move |x| (y * side + x) as u32)).collect();
        let places = ops.indices(&places);
        ops.gather(&pixels, &places, grid.items)
    }

    /// The same of the tokens alone.
    fn tokens<L: Learner>(&self, ops: &mut L, windows: &Windows, grid: Grid) -> L::Tensor {
        let tokens = ops.indices(&windows.tokens);
        let centres = ops.embed(self.session.model.codebook.centres, &tokens);
        let styles = ops.constant(&windows.styles, [grid.items, windows.styles.len() / grid.items]);
        let latents = ops.denormalise(&centres, &styles);
        self.picture(ops, &latents, grid)
    }

    /// Pixels of real windows, and those of their tokens alone.
    fn real_pixels<L: Learner>(&self, ops: &mut L, real: &Windows, grid: Grid) -> Pixels {
        let width = real.points.len() / grid.rows();
        let relative = ops.constant(&real.points, [grid.rows(), width]);
        let styles = ops.constant(&real.styles, [grid.items, 2 * width]);
        let latents = ops.denormalise(&relative, &styles);
        let pixels = self.picture(ops, &latents, grid);
        let of_tokens = self.tokens(ops, real, grid);
        Pixels { pixels: ops.read(&pixels), of_tokens: ops.read(&of_tokens) }
    }
}

/// The grid of pixels that the critic sees; what lies beyond is not known to it.
fn seen(grid: Grid) -> Grid {
    let side = (SIDE - 2 * MARGIN) * TOKEN_PIXELS;
    Grid { items: grid.items, height: side, width: side, wrap: crate::model::Wrap::NONE }
}

fn norm(gradients: &[Vec<f32>]) -> f32 {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    gradients.iter().flatten().map(square).sum::<f64>().sqrt() as f32
}
