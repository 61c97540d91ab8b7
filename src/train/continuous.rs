//! Third stage, second network: the continuous model and its flow head.

use super::TrainError;
use super::ahead::Ahead;
use super::batches::{Batch, Source, Split};
use super::head_loss::{HeadLoss, energy_score};
use super::kmeans::neighbours;
use super::latents::Latents;
use super::learner::Learner;
use super::local_start::start_local_branch;
use super::options::RATE;
use super::pace::Pace;
use super::params::{AdamW, ParamSet, learning_rate};
use super::rng::Rng;
use super::run::Session;
use super::samples::write_samples;
use super::shares::{SHARES, Shares};
use super::stage::{Stage, Task};
use super::texture_loss::TextureLoss;
use super::tokenizer::Mean;
use crate::model::time_features;
use std::time::Instant;

/// Name of the stage in metrics and files.
pub const STAGE: &str = "continuous";
/// Its parameters.
pub const PREFIXES: &[&str] = &["mar.", "head."];
/// Times and noises per position and step: the head is cheap beside the trunk.
pub const DRAWS: usize = 2;
/// Share of the items of which no latent is known.
pub const ALL_UNKNOWN: f32 = 0.5;
/// Nearest first codes among which a slightly wrong token is chosen.
const NEAR: usize = 4;
/// Batches of a validation.
const CHECK_BATCHES: u64 = 8;
/// Embeddings of the tokens. When a trained model goes on at a low rate, codes that are new to it would hardly move: the
/// table then learns at up to so many times that rate, but not above that of a new model.
const TOKEN_TABLE: &str = "mar.tokens";
const TABLE_RATE: f32 = 8.0;
/// Seconds between grids of generated textures.
const SAMPLE_SECONDS: f64 = 400.0;
/// Inputs and targets of one step.
pub struct Problem {
    tokens: Vec<u32>,
    context: Vec<f32>,
    /// Rows that flow: those whose latents are to be generated, or all for a joint head.
    flowing: Vec<u32>,
    /// For each draw and flowing row: the point on the way, its time's description, the velocity there.
    points: Vec<f32>,
    times: Vec<f32>,
    velocities: Vec<f32>,
}

/// What stays the same over all steps.
pub struct Setting<'a> {
    session: &'a Session,
    source: Source<'a>,
    near: Vec<u32>,
    weights: Vec<f32>,
}

impl<'a> Setting<'a> {
    /// Prepares the stage.
    pub fn new(session: &'a Session, latents: &'a Latents) -> Self {
        let width = session.model.config.tokenizer.latent_width;
        let scale = session.weights.get(session.model.codebook.importance);
        let codes = session.model.config.codes();
        let centres: Vec<f32> = session
            .weights
            .get(session.model.codebook.centres)
            .chunks_exact(width)
            .take(codes.first)
            .flat_map(|row| row.iter().zip(scale).map(|(value, weight)| value * weight.sqrt()))
            .collect();
        // Relative latents are scaled by what shows, so all channels count alike.
        let weights = vec![1.0 / width as f32; width];
        Self { session, source: Source::new(session, latents), near: neighbours(&centres, width, NEAR), weights }
    }

    /// Hides latents and spoils tokens of a batch; `true_inputs` leaves tokens and known latents as they are.
    pub fn problem(&self, batch: &Batch, rng: &mut Rng, true_inputs: bool) -> Problem {
        let config = &self.session.model.config;
        let (width, wide) = (config.tokenizer.latent_width, config.context_width());
        let positions = batch.grid.positions();
        let joint = self.session.model.head.is_joint();
        let mut problem = Problem {
            tokens: batch.tokens.clone(),
            context: vec![0.0; batch.grid.rows() * wide],
            flowing: Vec::new(),
            points: Vec::new(),
            times: Vec::new(),
            velocities: Vec::new(),
        };
        for item in 0..batch.grid.items {
            let share = if rng.chance(ALL_UNKNOWN) { 1.0 } else { (std::f32::consts::FRAC_PI_2 * rng.unit()).cos() };
            let count = ((share * positions as f32).ceil() as usize).clamp(1, positions);
            let noise = if true_inputs { 0.0 } else { rng.range(0.0, self.session.options.corruption.context_noise) };
            for (place, position) in rng.permutation(positions).into_iter().enumerate() {
                let row = item * positions + position;
                if place < count {
                    if !joint {
                        problem.flowing.push(row as u32);
                    }
                    continue;
                }
                let target = &mut problem.context[row * wide..row * wide + width + 1];
                for (value, known) in target.iter_mut().zip(&batch.relative[row * width..(row + 1) * width]) {
                    *value = known + noise * rng.normal();
                }
                target[width] = 1.0;
            }
            if !true_inputs {
                self.spoil(&mut problem.tokens[item * positions..(item + 1) * positions], rng);
            }
        }
        if joint {
            problem.flowing = (0..batch.grid.rows() as u32).collect();
        }
        for _ in 0..DRAWS {
            let mut time = 0.0;
            for (index, row) in problem.flowing.iter().enumerate() {
                // Positions that are sampled together are equally far on their way.
                if !joint || index % positions == 0 {
                    time = self.session.options.head_loss.time(rng);
                }
                problem.times.extend(time_features(time));
                for value in &batch.relative[*row as usize * width..(*row as usize + 1) * width] {
                    let noise = rng.normal();
                    problem.points.push((1.0 - time) * noise + time * value);
                    problem.velocities.push(value - noise);
                }
            }
        }
        problem
    }

    /// Replaces some tokens by random or by similar ones: the prior's tokens are not all right either.
    fn spoil(&self, tokens: &mut [u32], rng: &mut Rng) {
        let (config, corruption) = (&self.session.model.config, &self.session.options.corruption);
        if rng.chance(corruption.no_tokens) {
            tokens.fill(config.mask_token());
            return;
        }
        let most = if rng.chance(1.0 - corruption.any_tokens) { corruption.few_tokens } else { 1.0 };
        let share = rng.range(0.0, most);
        let own = tokens.to_vec();
        for token in tokens {
            if rng.chance(share) {
                *token = match rng.below(4) {
                    // A token of the same picture at another place is what the prior gets wrong most often.
                    0 | 1 => own[rng.below(own.len())],
                    2 => self.near_token(*token, rng),
                    _ => rng.below(config.codes().tokens()) as u32,
                };
            }
        }
    }

    /// A token that is nearly the same: with another second code, or with a first code nearby.
    fn near_token(&self, token: u32, rng: &mut Rng) -> u32 {
        let codes = self.session.model.config.codes();
        let [first, second] = codes.split(token);
        if codes.second > 1 && rng.chance(0.5) {
            return codes.join(first, rng.below(codes.second) as u32);
        }
        codes.join(self.near[first as usize * NEAR + rng.below(NEAR)], second)
    }

    /// What [`HeadLoss`] says: the weighted mean square error of the velocity, or the energy score.
    pub fn loss<L: Learner>(&self, ops: &mut L, batch: &Batch, problem: &Problem) -> L::Loss {
        let (session, config) = (self.session, &self.session.model.config);
        let width = config.tokenizer.latent_width;
        let tokens = ops.indices(&problem.tokens);
        let context = ops.constant(&problem.context, [batch.grid.rows(), config.context_width()]);
        let condition = ops.constant(&batch.condition, [batch.grid.items, config.condition_width()]);
        let states = session.model.mar.forward(ops, &tokens, &context, &condition, batch.grid, None);
        let flowing = ops.indices(&problem.flowing);
        let states = if session.model.head.is_joint() { states } else { ops.gather(&states, &flowing, 1) };
        let condition = session.model.head.condition(ops, &states);
        // Draw by draw: the modulation of all draws at once would be the largest tensor by far.
        let rows = problem.flowing.len();
        let part = |values: &[f32], draw: usize| values[draw * values.len() / DRAWS..][..values.len() / DRAWS].to_vec();
        let [first, second] = [0, 1].map(|draw| {
            let (points, times) = (part(&problem.points, draw), part(&problem.times, draw));
            let points = ops.constant(&points, [rows, width]);
            let times = ops.constant(&times, [rows, times.len() / rows]);
            session.model.head.velocity(ops, &points, &times, &condition, batch.grid)
        });
        match session.options.head_loss {
            HeadLoss::Flow => {
                let found = ops.join_segments(&first, &second, 1);
                ops.weighted_square_error(&found, &problem.velocities, &self.weights)
            }
            HeadLoss::Energy => {
                let (to_first, to_second) = problem.velocities.split_at(problem.velocities.len() / DRAWS);
                energy_score(ops, [&first, &second], [to_first, to_second])
            }
        }
    }

    /// Loss of the averages on fixed batches of validation pictures.
    fn check<L: Learner>(&self, set: &ParamSet, mut ops: L) -> f32 {
        set.upload_average(&mut ops);
        let mut sum = 0.0;
        for index in 0..CHECK_BATCHES {
            let mut rng = Rng::new(&[self.session.options.seed, 0xc0c4, index]);
            let batch = self.source.draw(&mut rng, index, Split::Validation);
            let problem = self.problem(&batch, &mut rng, true);
            ops.reset();
            let loss = self.loss(&mut ops, &batch, &problem);
            sum += ops.value(&loss);
        }
        sum / CHECK_BATCHES as f32
    }
}

/// The continuous model's stage.
pub struct Continuous;

impl Stage for Continuous {
    fn train<L: Learner + Send>(task: Task, executor: impl Fn(bool) -> L) -> Result<(), TrainError> {
        let Task { session, latents, .. } = task;
        let setting = Setting::new(session, latents);
        let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
        let is_new = !set.load(&session.checkpoint(STAGE))?;
        if session.options.start.is_none() {
            if is_new {
                start_local_branch(session, latents, &mut set);
            }
        } else {
            let tables = set.parameters.iter_mut().filter(|parameter| parameter.name == TOKEN_TABLE);
            tables.for_each(|table| table.rate = (RATE / session.options.rate).clamp(1.0, TABLE_RATE));
        }
        let threads = session.options.device.threads_ahead(session.options.threads);
        let inputs = |step: u64, share: usize| {
            let mut rng = Rng::new(&[session.options.seed, 0xc097, step, share as u64]);
            let batch = setting.source.draw_share(&mut rng, step, Split::Training, SHARES);
            let problem = setting.problem(&batch, &mut rng, false);
            (batch, problem)
        };
        Ahead::run(threads, set.step, inputs, |ahead| steps(task, &setting, &mut set, executor, ahead))?;
        let model = session.publish(&set)?;
        write_samples(&model, &session.folder().join("samples.png"))
    }
}

/// All steps until the budget is used.
fn steps<L: Learner + Send>(
    task: Task,
    setting: &Setting,
    set: &mut ParamSet,
    executor: impl Fn(bool) -> L,
    ahead: &Ahead<(Batch, Problem)>,
) -> Result<(), TrainError> {
    let Task { session, latents, budget } = task;
    let mut shares = Shares::new(|| executor(true));
    let mut pace = Pace::new(session, STAGE, budget, set);
    let mut losses = Mean::default();
    let mut sampled = Instant::now();
    let mut texture_loss = None;
    let has_texture_loss = TextureLoss::is_wanted(session);
    while pace.goes_on(set) {
        let progress = set.seconds / budget;
        if texture_loss.is_none() && has_texture_loss && progress >= session.options.texture_loss.from {
            texture_loss = Some(TextureLoss::open(session, latents, set, &mut shares)?);
        }
        let mut push = texture_loss.as_ref().map(|loss| loss.step(set, &mut shares));
        let (error, gradients) = shares.step(set, |share, ops| {
            let (batch, problem) = ahead.take(set.step, share);
            setting.loss(ops, &batch, &problem)
        });
        losses.add(error);
        let gradients = match (&texture_loss, &mut push) {
            (Some(loss), Some(push)) => loss.blend(push, gradients),
            _ => gradients,
        };
        let rate = learning_rate(set.step, progress, session.options.rate, 2e-5);
        let norm = set.update(gradients, rate, &AdamW::GENERATOR);
        pace.guard(norm)?;
        if pace.tick(set, losses.value()) {
            let mut numbers = vec![
                ("loss", losses.take()),
                ("check_loss", setting.check(set, executor(false))),
                ("rate", rate),
                ("norm", norm),
            ];
            numbers.extend(push.map(|push| ("texture_distance", push.distance)));
            session.metrics.record(STAGE, set.step, set.seconds, &numbers)?;
            set.save(&session.checkpoint(STAGE))?;
            let model = session.publish(set)?;
            if sampled.elapsed().as_secs_f64() > SAMPLE_SECONDS {
                write_samples(&model, &session.folder().join("samples.png"))?;
                sampled = Instant::now();
            }
            pace.restart();
        }
    }
    Ok(())
}
