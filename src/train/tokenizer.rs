//! First stage: encoder and decoder.

use super::TrainError;
use super::discriminator::{Critic, CriticStep};
use super::images::Flip;
use super::losses::{absolute_loss, picture_loss, unit_loss};
use super::ops::TrainOps;
use super::pace::Pace;
use super::params::{AdamW, ParamSet, learning_rate};
use super::pca;
use super::picture_check::{check, check_crops};
use super::rng::Rng;
use super::run::Session;
use super::workers::{gradients, mean_gradients, values};
use crate::model::{Discon, Grid, Ops, TOKEN_PIXELS, Wrap};
use burn::tensor::Tensor;
use std::sync::{Mutex, PoisonError};

/// Name of the stage in metrics and files.
pub const STAGE: &str = "tokenizer";
/// Its parameters.
pub const PREFIXES: &[&str] = &["tokenizer.encoder.", "tokenizer.decoder."];
/// Name of the discriminator's checkpoint.
const CRITIC: &str = "discriminator";
/// Side of a training crop.
const CROP: usize = 64;
/// Crops per step.
const BATCH: usize = 16;
/// Random patches for the principal components.
const PATCHES: usize = 120_000;
/// Share of the time after which the encoder rests and only the decoder learns, also from a discriminator.
const FREEZE_AT: f64 = 0.75;
/// Largest standard deviation of the noise on latents, in units of a whitened channel.
const LATENT_NOISE: f32 = 0.25;
/// Highest learning rate.
const PEAK_RATE: f32 = 5e-4;
/// Weight of [`unit_loss`].
const UNIT_WEIGHT: f32 = 0.002;

/// Parameters of this stage, from its checkpoint or from principal components.
///
/// # Errors
/// A damaged checkpoint.
pub fn open(session: &mut Session) -> Result<ParamSet, TrainError> {
    let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
    if !set.load(&session.checkpoint(STAGE))? {
        eprintln!("tokenizer: principal components of {PATCHES} patches");
        let width = session.model.config.tokenizer.latent_width;
        let pca = pca::principal_components(&session.data, &session.workers, PATCHES, width, session.options.seed);
        pca::initialise(&pca, &session.model, &mut session.weights);
        set = ParamSet::new(&session.table, &session.weights, PREFIXES);
    }
    for parameter in &mut set.parameters {
        parameter.rate = rate_of(&parameter.name);
    }
    Ok(set)
}

/// Factor on the learning rate. The linear path starts right, and a step of the last layers moves every pixel:
/// at the full rate the noise of single steps is as large as the error that is left.
pub fn rate_of(name: &str) -> f32 {
    if name.contains("linear_path") {
        0.1
    } else if name.contains("decoder.out") || name.contains("decoder.refine.1") || name.contains("encoder.out") {
        0.25
    } else {
        1.0
    }
}

/// Trains until the stage's share of the time is used; the averages end up in the session's weights.
/// Returns false if the run was asked to end earlier.
///
/// # Errors
/// Files that cannot be written, or training that diverges.
pub fn train(session: &mut Session, budget: f64) -> Result<bool, TrainError> {
    let mut set = open(session)?;
    let crops = check_crops(session);
    if set.step == 0 {
        let start = check(session, &set, &crops)?;
        set.notes.insert("pca_psnr".into(), start[0].1.to_string());
        session.metrics.record(STAGE, 0, 0.0, &start)?;
    }
    let mut pace = Pace::new(session, STAGE, budget, &set);
    let (mut losses, mut critic_losses) = (Mean::default(), Mean::default());
    let mut critic = None;
    // One executor per worker, so that index tables are made once.
    let executors: Vec<Mutex<TrainOps>> = (0..session.workers.count())
        .map(|_| Mutex::new(TrainOps::new(session.device.clone().autodiff(), session.table.len())))
        .collect();
    while pace.goes_on(&set) {
        let progress = set.seconds / budget;
        let frozen = progress >= FREEZE_AT;
        if frozen && set.note("frozen").is_none() {
            freeze_encoder(&mut set);
        }
        if frozen && critic.is_none() && session.options.tokenizer_recipe.adversarial {
            critic = Some(Critic::open(&session.checkpoint(CRITIC), session.options.seed)?);
        }
        let parts = session.workers.run(|worker| {
            let mut ops = executors[worker].lock().unwrap_or_else(PoisonError::into_inner);
            worker_step(session, &set, &mut ops, worker, critic.as_ref())
        });
        let (loss, parts, steps) = parts.into_iter().fold((0.0, Vec::new(), Vec::new()), |mut sum, part| {
            sum.0 += part.shown;
            sum.1.push(part.gradients);
            sum.2.extend(part.critic);
            sum
        });
        losses.add(loss / session.workers.count() as f32);
        if let Some(critic) = &mut critic {
            critic_losses.add(critic.update(steps));
        }
        let rate = learning_rate(set.step, progress, PEAK_RATE, 2e-5);
        let norm = set.update(&mean_gradients(parts), rate, &AdamW::TOKENIZER);
        if !session.options.tokenizer_recipe.lapped {
            keep_to_own_patch(&session.model, &mut set);
        }
        pace.guard(norm)?;
        if pace.tick(&mut set, losses.value()) {
            let mut numbers = check(session, &set, &crops)?;
            numbers.push(("loss", losses.take()));
            numbers.push(("rate", rate));
            if let Some(critic) = &critic {
                numbers.push(("discriminator_loss", critic_losses.take()));
                critic.save(&session.checkpoint(CRITIC))?;
            }
            session.metrics.record(STAGE, set.step, set.seconds, &numbers)?;
            save(session, &set)?;
            pace.restart();
        }
    }
    save(session, &set)?;
    Ok(set.seconds >= budget)
}

/// Writes the checkpoint and the model as it is now.
fn save(session: &mut Session, set: &ParamSet) -> Result<(), TrainError> {
    set.save(&session.checkpoint(STAGE))?;
    set.export(&mut session.weights);
    session.export()
}

/// A running mean of losses since the last report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    /// Adds one value.
    pub fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1;
    }

    /// The mean so far.
    pub fn value(&self) -> f32 {
        (self.sum / f64::from(self.count.max(1))) as f32
    }

    /// The mean, which then starts anew.
    pub fn take(&mut self) -> f32 {
        let value = self.value();
        *self = Self::default();
        value
    }
}

fn freeze_encoder(set: &mut ParamSet) {
    // What is exported is the average, so that is the encoder the decoder must fit.
    for parameter in set.parameters.iter_mut().filter(|parameter| parameter.name.contains(".encoder.")) {
        parameter.value.clone_from(&parameter.average);
    }
    set.notes.insert("frozen".into(), "1".into());
}

/// Takes the neighbours of a latent from the decoder's linear path.
fn keep_to_own_patch(model: &Discon, set: &mut ParamSet) {
    const MIDDLE: usize = 4;
    let conv = &model.decoder.linear_path;
    let Some(weight) = set.parameters.iter_mut().find(|parameter| parameter.id == conv.linear.weight) else { return };
    let tap = conv.inputs * conv.outputs;
    for values in [&mut weight.value, &mut weight.average] {
        values[..MIDDLE * tap].fill(0.0);
        values[(MIDDLE + 1) * tap..].fill(0.0);
    }
}

/// What one worker found in one step.
struct WorkerStep {
    /// The picture loss.
    shown: f32,
    /// Gradients of encoder and decoder.
    gradients: Vec<Vec<f32>>,
    /// The discriminator's part, once there is one.
    critic: Option<CriticStep>,
}

/// One half of a batch; with a discriminator the encoder rests.
fn worker_step(
    session: &Session,
    set: &ParamSet,
    ops: &mut TrainOps,
    worker: usize,
    critic: Option<&Critic>,
) -> WorkerStep {
    let count = (BATCH / session.workers.count()).max(1);
    let mut rng = Rng::new(&[session.options.seed, 0x70c, set.step, worker as u64]);
    let mut pixels = Vec::with_capacity(count * CROP * CROP * 3);
    for _ in 0..count {
        pixels.extend(random_crop(session, &mut rng, CROP));
    }
    let rests = set.note("frozen").is_some();
    set.upload(ops, |name| !(rests && name.contains(".encoder.")));
    let grid = Grid { items: count, height: CROP, width: CROP, wrap: Wrap::NONE };
    let target = ops.constant(&pixels, [grid.rows(), 3]);
    let latents = session.model.encoder.forward(ops, &target, grid);
    let noise = latent_noise(&session.model, set, &mut rng, count, grid.coarser(TOKEN_PIXELS).positions());
    let noise = ops.constant(&noise, latents.dims());
    let found = session.model.decoder.forward(ops, &(latents.clone() + noise), grid.coarser(TOKEN_PIXELS));
    let gradient_loss = session.options.tokenizer_recipe.gradient_loss;
    let picture = |decoded: Tensor<2>| {
        let error = decoded - target.clone();
        if gradient_loss { picture_loss(error, count, CROP) } else { absolute_loss(error) }
    };
    let shown = values(picture(found.clone()))[0];
    let (loss, critic) = match critic {
        None if rests => (picture(found), None),
        None => (picture(found) + unit_loss(&latents).mul_scalar(UNIT_WEIGHT), None),
        Some(critic) => {
            let (step, at_pixels) = critic.judge(ops.device(), &target, &found, grid, picture);
            ((found * at_pixels.autodiff()).sum(), Some(step))
        }
    };
    WorkerStep { shown, gradients: gradients(ops, set, &loss), critic }
}

fn random_crop(session: &Session, rng: &mut Rng, side: usize) -> Vec<f32> {
    let texture = &session.data.textures[session.data.draw(rng)];
    let version = &texture.versions[rng.below(texture.versions.len())];
    let free = version.side - side + 1;
    let at = (rng.below(free), rng.below(free));
    version.crop(at, side, Flip::ALL[rng.below(4)])
}

/// Noise for half of the items; a channel that shows more in the picture gets less.
fn latent_noise(model: &Discon, set: &ParamSet, rng: &mut Rng, items: usize, positions: usize) -> Vec<f32> {
    let width = model.config.tokenizer.latent_width;
    let importance = linear_importance(model, set);
    let mut sorted = importance.clone();
    sorted.sort_by(f32::total_cmp);
    let middle = sorted[width / 2];
    let mut noise = Vec::with_capacity(items * positions * width);
    for _ in 0..items {
        let scale = if rng.chance(0.5) { rng.range(0.0, LATENT_NOISE) } else { 0.0 };
        for _ in 0..positions {
            noise.extend(importance.iter().map(|value| {
                if scale == 0.0 { 0.0 } else { scale * rng.normal() * (middle / value.max(1e-6)).min(1.0) }
            }));
        }
    }
    noise
}

/// Root-mean-square change of a patch for one unit of each latent, on the decoder's linear path.
pub fn linear_importance(model: &Discon, set: &ParamSet) -> Vec<f32> {
    let width = model.config.tokenizer.latent_width;
    let id = model.decoder.linear_path.linear.weight;
    let Some(weight) = set.parameters.iter().find(|parameter| parameter.id == id) else {
        return vec![1.0; width];
    };
    let mut square = vec![0.0f32; width];
    let columns = weight.shape[1];
    for (row, values) in weight.value.chunks_exact(columns).enumerate() {
        square[row % width] += values.iter().map(|value| value * value).sum::<f32>();
    }
    square.iter().map(|value| (value / columns as f32).sqrt()).collect()
}
