//! One arm with one seed: trained in parts, measured after each.

use super::arms::Arm;
use super::budget::{NOMINAL_SPEED, Sizes, shares};
use super::sampling::{Draw, Tokens};
use super::shared::Shared;
use super::{AblationRequest, Measurement, Variant};
use crate::eval::measure::{SIDE, Set};
use crate::eval::metrics::Picture;
use crate::eval::sheet::contact_sheet;
use crate::eval::{EvalError, save_picture, save_text};
use crate::model::Model;
use crate::train::continuous::{self, Continuous};
use crate::train::params::ParamSet;
use crate::train::prior::{self, Prior};
use crate::train::run::Session;
use crate::train::stage::{self, Task};
use std::path::Path;

/// Shares of the training after which arms for the plot over training cost are measured, besides the end.
const PARTS: [f64; 2] = [0.25, 0.5];
/// Latent rounds of the plot over rounds.
const ROUNDS: [u32; 5] = [1, 2, 4, 8, 16];

/// Steps of the flow of the rows over them.
const FLOW_STEPS: [u32; 5] = [1, 2, 4, 8, 16];

/// An arm in training.
struct Run<'a> {
    request: &'a AblationRequest,
    shared: &'a Shared,
    arm: &'a Arm,
    seed: u64,
    session: Session,
    rounds: [u32; 2],
    /// An earlier run has trained more than was asked for last.
    is_past: bool,
}

/// Trains and measures; an arm that was finished before is read from its folder.
///
/// # Errors
/// Training that fails, or files that cannot be used.
pub fn train_and_measure(
    request: &AblationRequest,
    shared: &Shared,
    arm: &Arm,
    seed: u64,
) -> Result<Vec<Measurement>, EvalError> {
    let folder = request.output.join(format!("arms/{}-{seed}", arm.name));
    let path = folder.join("measured.ron");
    let key = format!("{} {} {} {:?}", request.minutes, request.count, shared.data.textures.len(), arm);
    if let Some(found) = read(&path, &key) {
        return Ok(found);
    }
    let session = shared.session(arm, seed, &folder)?;
    let rounds = Sizes { model: &session.model, table: &session.table }.rounds(arm, shared.texture_flops()?);
    let mut run = Run { request, shared, arm, seed, session, rounds, is_past: false };
    let found = run.all()?;
    let text = ron::ser::to_string_pretty(&(key, &found), ron::ser::PrettyConfig::default())
        .map_err(|error| EvalError::write(&path, error))?;
    save_text(&text, &path)?;
    Ok(found)
}

fn read(path: &Path, key: &str) -> Option<Vec<Measurement>> {
    let text = std::fs::read_to_string(path).ok()?;
    let (found, measured): (String, Vec<Measurement>) = ron::from_str(&text).ok()?;
    (found == key).then_some(measured)
}

impl Run<'_> {
    fn all(&mut self) -> Result<Vec<Measurement>, EvalError> {
        let mut found = Vec::new();
        let parts: &[f64] = if self.arm.over_training { &PARTS } else { &[] };
        for part in parts {
            let model = self.train(*part)?;
            // An arm that is measured anew has no weights of that time any more.
            if !self.is_past {
                found.push(self.measure(&model, Variant::Part(*part), Tokens::Sampled)?);
            }
        }
        let model = self.train(1.0)?;
        found.push(self.measure(&model, Variant::Whole, Tokens::Sampled)?);
        let rounds: &[u32] = if self.arm.over_rounds { &ROUNDS } else { &[] };
        for rounds in rounds {
            found.push(self.measure(&model, Variant::Rounds(*rounds), Tokens::Sampled)?);
        }
        let steps: &[u32] = if self.arm.over_flow_steps { &FLOW_STEPS } else { &[] };
        for steps in steps {
            found.push(self.measure(&model, Variant::FlowSteps(*steps), Tokens::Sampled)?);
        }
        if self.arm.bounds {
            found.push(self.measure(&model, Variant::TrueTokens, Tokens::True)?);
            found.push(self.measure(&model, Variant::ShuffledTokens, Tokens::Shuffled)?);
        }
        Ok(found)
    }

    /// Goes on until a share of the budget is used.
    fn train(&mut self, share: f64) -> Result<Model, EvalError> {
        self.is_past = false;
        let budget = 60.0 * self.request.minutes;
        let [of_prior, of_continuous] = shares(self.arm.kind);
        let latents = &self.shared.book(self.arm)?.latents;
        if self.arm.has_tokens() {
            let flops = self.sizes().prior_step(self.arm.kind);
            self.limit(flops, budget * of_prior, share, prior::STAGE, prior::PREFIXES)?;
            stage::train::<Prior>(Task { session: &self.session, latents, budget: budget * of_prior })?;
        }
        if self.arm.has_latents() {
            let flops = self.sizes().continuous_step(self.arm.kind);
            self.limit(flops, budget * of_continuous, share, continuous::STAGE, continuous::PREFIXES)?;
            stage::train::<Continuous>(Task { session: &self.session, latents, budget: budget * of_continuous })?;
        }
        let mut model = Model::load(&self.session.options.out)?;
        for (name, values) in self.decoder()? {
            if let Some(id) = model.table.find(name) {
                model.weights.get_mut(id).clone_from(values);
            }
        }
        Ok(model)
    }

    /// The decoder of tokens for arms that have nothing else.
    fn decoder(&self) -> Result<&[(String, Vec<f32>)], EvalError> {
        let book = self.shared.book(self.arm)?;
        Ok(if self.arm.has_latents() { &[] } else { &book.decoder })
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes { model: &self.session.model, table: &self.session.table }
    }

    /// Makes the next stage count its steps by their cost, and end at a share of them.
    fn limit(&mut self, flops: f64, seconds: f64, share: f64, stage: &str, prefixes: &[&str]) -> Result<(), EvalError> {
        let per_step = flops / NOMINAL_SPEED;
        self.session.options.seconds_per_step = Some(per_step);
        let mut set = ParamSet::new(&self.session.table, &self.session.weights, prefixes);
        set.load(&self.session.checkpoint(stage))?;
        let end = (share * seconds / per_step).round() as u64;
        self.is_past |= share < 1.0 && set.step > end;
        self.session.options.stop_after = (share < 1.0).then(|| end.saturating_sub(set.step));
        Ok(())
    }

    fn measure(&self, model: &Model, variant: Variant, tokens: Tokens) -> Result<Measurement, EvalError> {
        let rounds = if let Variant::Rounds(latents) = variant { [self.rounds[0], latents] } else { self.rounds };
        let flow_steps = if let Variant::FlowSteps(steps) = variant { steps } else { self.arm.flow_steps() };
        let book = self.shared.book(self.arm)?;
        let draw = Draw {
            arm: self.arm,
            model,
            book,
            data: &self.shared.data,
            rounds,
            flow_steps,
            count: self.request.count,
            seed: self.seed,
        };
        let samples = match tokens {
            Tokens::Sampled => draw.textures()?,
            _ => draw.with_real_tokens(tokens)?,
        };
        let set = self.shared.reference.set(&self.session.workers, samples);
        self.save_sheet(variant, &set)?;
        let share = if let Variant::Part(part) = variant { part } else { 1.0 };
        let rounds = if tokens == Tokens::Sampled { rounds } else { [0, rounds[1]] };
        Ok(Measurement {
            arm: self.arm.name.into(),
            seed: self.seed,
            variant,
            rounds,
            parameters: self.parameters(),
            training_gigaflops: share * 60.0 * self.request.minutes * NOMINAL_SPEED / 1e9,
            texture_gigaflops: self.sizes().texture(self.arm, rounds, flow_steps) / 1e9,
            numbers: self.shared.reference.measure(&set, None),
        })
    }

    /// The first textures of every class, a row per class.
    fn save_sheet(&self, variant: Variant, set: &Set) -> Result<(), EvalError> {
        const COLUMNS: usize = 6;
        let rows: Vec<(String, Vec<Picture>)> = self
            .shared
            .data
            .classes
            .iter()
            .enumerate()
            .map(|(class, name)| (name.clone(), set.textures(class).into_iter().take(COLUMNS).collect()))
            .collect();
        let path = self.session.options.out.join(format!("{}.png", variant.file_stem()));
        save_picture(&contact_sheet(&rows, SIDE as u32), &path)
    }

    /// Trained by the arm itself.
    fn parameters(&self) -> usize {
        let own = |name: &str| {
            (self.arm.has_tokens() && prior::PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
                || (self.arm.has_latents() && continuous::PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        };
        self.session.table.iter().filter(|(_, spec)| own(&spec.name)).map(|(_, spec)| spec.len()).sum()
    }
}
