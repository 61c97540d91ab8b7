//! Third stage, first network: the token prior by masked prediction.

use super::TrainError;
use super::batches::{Batch, Source, Split};
use super::learner::Learner;
use super::pace::Pace;
use super::pairs;
use super::params::{AdamW, ParamSet, learning_rate};
use super::rng::Rng;
use super::run::Session;
use super::stage::{Stage, Task};
use super::tokenizer::Mean;

/// Name of the stage in metrics and files.
pub const STAGE: &str = "prior";
/// Its parameters.
pub const PREFIXES: &[&str] = &["prior."];
/// Batches of a validation.
const CHECK_BATCHES: u64 = 12;

/// A batch with hidden tokens.
pub struct Masked {
    /// What the network sees.
    pub visible: Vec<u32>,
    /// Positions to be predicted, as rows of the batch.
    pub hidden: Vec<u32>,
    /// The tokens there.
    pub targets: Vec<u32>,
}

/// Hides tokens: the share follows the cosine law of masked samplers, so every stage of sampling is practised.
pub fn hide(batch: &Batch, mask: u32, codes: usize, rng: &mut Rng, noise: f32) -> Masked {
    let positions = batch.grid.positions();
    let mut masked = Masked { visible: batch.tokens.clone(), hidden: Vec::new(), targets: Vec::new() };
    for item in 0..batch.grid.items {
        let share = (std::f32::consts::FRAC_PI_2 * rng.unit()).cos();
        let count = ((share * positions as f32).ceil() as usize).clamp(1, positions);
        let order = rng.permutation(positions);
        let replace = noise * rng.range(0.5, 1.0);
        for (place, position) in order.into_iter().enumerate() {
            let row = item * positions + position;
            if place < count {
                masked.visible[row] = mask;
                masked.hidden.push(row as u32);
                masked.targets.push(batch.tokens[row]);
            } else if rng.chance(replace) {
                masked.visible[row] = rng.below(codes) as u32;
            }
        }
    }
    masked
}

/// The same with the session's masks.
fn hide_tokens(session: &Session, batch: &Batch, rng: &mut Rng, noise: f32) -> Masked {
    let config = &session.model.config;
    let mut masked = hide(batch, config.mask_token(), config.codes().tokens(), rng, noise);
    if let Some(codes) = session.options.token_pairs {
        pairs::mark(&mut masked, codes);
    }
    masked
}

/// Mean cross entropy at the hidden positions, and the share that is predicted right.
pub fn loss<L: Learner>(session: &Session, ops: &mut L, batch: &Batch, masked: &Masked) -> (L::Loss, f32) {
    let config = &session.model.config;
    let visible = ops.indices(&masked.visible);
    let condition = ops.constant(&batch.condition, [batch.grid.items, config.condition_width()]);
    let logits = session.model.prior.forward(ops, &visible, &condition, batch.grid, None);
    ops.cross_entropy(&logits, &masked.hidden, &masked.targets, config.codes())
}

/// The token prior's stage.
pub struct Prior;

impl Stage for Prior {
    fn train<L: Learner + Send>(task: Task, executor: impl Fn(bool) -> L) -> Result<(), TrainError> {
        let Task { session, latents, budget } = task;
        let source = Source::new(session, latents);
        let mut set = ParamSet::new(&session.table, &session.weights, PREFIXES);
        set.load(&session.checkpoint(STAGE))?;
        let mut ops = executor(true);
        let mut found = Vec::new();
        let mut pace = Pace::new(session, STAGE, budget, &set);
        let mut losses = Mean::default();
        while pace.goes_on(&set) {
            let mut rng = Rng::new(&[session.options.seed, 0x9710, set.step]);
            let batch = source.draw(&mut rng, set.step, Split::Training);
            let noise = session.options.corruption.prior_tokens;
            let masked = hide_tokens(session, &batch, &mut rng, noise);
            ops.reset();
            set.upload(&mut ops, |_| true);
            let (entropy, _) = loss(session, &mut ops, &batch, &masked);
            losses.add(ops.value(&entropy));
            let rate = learning_rate(set.step, set.seconds / budget, 1e-3, 2e-5);
            ops.gradients(&set, &entropy, &mut found);
            let norm = set.update(&found, rate, &AdamW::GENERATOR);
            pace.guard(norm)?;
            if pace.tick(&mut set, losses.value()) {
                let (entropy, right) = check(session, &source, &set, executor(false));
                let numbers = [
                    ("loss", losses.take()),
                    ("check_loss", entropy),
                    ("check_right", right),
                    ("rate", rate),
                    ("norm", norm),
                ];
                session.metrics.record(STAGE, set.step, set.seconds, &numbers)?;
                set.save(&session.checkpoint(STAGE))?;
                session.publish(&set)?;
                pace.restart();
            }
        }
        session.publish(&set)?;
        Ok(())
    }
}

/// Cross entropy and accuracy of the averages on fixed batches of validation pictures.
fn check<L: Learner>(session: &Session, source: &Source, set: &ParamSet, mut ops: L) -> (f32, f32) {
    set.upload_average(&mut ops);
    let (mut entropy, mut right) = (0.0, 0.0);
    for index in 0..CHECK_BATCHES {
        let mut rng = Rng::new(&[session.options.seed, 0x97c4, index]);
        let batch = source.draw(&mut rng, index, Split::Validation);
        let masked = hide_tokens(session, &batch, &mut rng, 0.0);
        ops.reset();
        let (loss, share) = loss(session, &mut ops, &batch, &masked);
        entropy += ops.value(&loss) / CHECK_BATCHES as f32;
        right += share / CHECK_BATCHES as f32;
    }
    (entropy, right)
}
