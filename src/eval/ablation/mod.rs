//! The ablation: what tokens, latents and both are worth at equal cost, at tiny scale.
//!
//! All arms share encoder, decoder, latents and the order of data; each gets the same number of floating-point operations
//! for training and, within what whole rounds allow, for one texture. Arms are rows of [`arms::arms`]. Finished arms are kept,
//! so an interrupted run goes on where it was.

pub mod arms;
pub mod budget;
pub mod sampling;
pub mod shared;
pub mod table;
pub mod training;
pub mod tuning;

use super::measure::Numbers;
use super::report::{self, LEGEND};
use super::{EvalError, progress_bar, save_text};
use crate::train::run::tune_allocator;
use crate::train::workers::Workers;
use arms::{Arm, arms};
use budget::NOMINAL_SPEED;
use serde::{Deserialize, Serialize};
use shared::Shared;
use std::path::PathBuf;

/// What to compare.
#[derive(Clone, Debug)]
pub struct AblationRequest {
    /// Folder of `CLASS/picture` files.
    pub data: PathBuf,
    /// Folder to write.
    pub output: PathBuf,
    /// Cost of training an arm in minutes of nominal speed.
    pub minutes: f64,
    /// Trainings of each arm.
    pub seeds: u64,
    /// Minutes for encoder and decoder.
    pub tokenizer_minutes: f64,
    /// Textures per class for each measurement.
    pub count: usize,
    /// Only these classes, if any are named.
    pub classes: Vec<String>,
    /// Only these arms, if any are named.
    pub arms: Vec<String>,
    /// A model folder whose encoder and decoder are used instead of training some.
    pub tokenizer: Option<PathBuf>,
}

/// What of an arm was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Variant {
    /// Fully trained, at equal cost of a texture.
    Whole,
    /// After a share of the training.
    Part(f64),
    /// With a number of latent rounds.
    Rounds(u32),
    /// With a number of steps of the flow in each round.
    FlowSteps(u32),
    /// With the tokens of real pictures.
    TrueTokens,
    /// With the same tokens at random places.
    ShuffledTokens,
}

impl Variant {
    /// Name of its sheet of textures.
    pub fn file_stem(self) -> String {
        match self {
            Self::Whole => "whole".into(),
            Self::Part(part) => format!("part_{:.0}", 100.0 * part),
            Self::Rounds(rounds) => format!("rounds_{rounds}"),
            Self::FlowSteps(steps) => format!("flow_steps_{steps}"),
            Self::TrueTokens => "true_tokens".into(),
            Self::ShuffledTokens => "shuffled_tokens".into(),
        }
    }

    /// Place in the table.
    fn order(self) -> f64 {
        match self {
            Self::Whole => -3.0,
            Self::TrueTokens => -2.0,
            Self::ShuffledTokens => -1.0,
            Self::Part(part) => part,
            Self::Rounds(rounds) => 1.0 + f64::from(rounds),
            Self::FlowSteps(steps) => 1000.0 + f64::from(steps),
        }
    }
}

/// One set of textures, measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of the arm.
    pub arm: String,
    /// Seed of its training.
    pub seed: u64,
    /// What of it.
    pub variant: Variant,
    /// Rounds of both stages.
    pub rounds: [u32; 2],
    /// Numbers that the arm trained.
    pub parameters: usize,
    /// Cost of the training so far.
    pub training_gigaflops: f64,
    /// Cost of a texture without decoding.
    pub texture_gigaflops: f64,
    /// The measures.
    pub numbers: Numbers,
}

/// Trains and measures all arms with all seeds; returns the table as Markdown.
///
/// # Errors
/// Options, data or files that cannot be used, or training that fails.
pub fn run(request: &AblationRequest) -> Result<String, EvalError> {
    let arms = chosen(request)?;
    tune_allocator();
    let workers = Workers::new(std::thread::available_parallelism().map_or(1, usize::from));
    let shared = Shared::prepare(request, &arms, &workers)?;
    let jobs: Vec<(&Arm, u64)> = (1..=request.seeds).flat_map(|seed| arms.iter().map(move |arm| (arm, seed))).collect();
    let bar = progress_bar("arms", jobs.len() as u64);
    // One arm per core, each on one thread.
    let parts = workers.in_turn(jobs.len(), |index| {
        let (arm, seed) = jobs[index];
        let found = training::train_and_measure(request, &shared, arm, seed)?;
        eprintln!("arm {} with seed {seed} is done", arm.name);
        bar.inc(1);
        Ok::<_, EvalError>(found)
    })?;
    bar.finish_and_clear();
    let found = parts.concat();
    table::plots(&arms, &found, &request.output)?;
    let text = markdown(request, &arms, &found, &shared.reference.measure_validation(&workers));
    save_text(&text, &request.output.join("ablation.md"))?;
    let all = ron::ser::to_string_pretty(&found, ron::ser::PrettyConfig::default())
        .map_err(|error| EvalError::write(&request.output, error))?;
    save_text(&all, &request.output.join("ablation.ron"))?;
    Ok(text)
}

fn chosen(request: &AblationRequest) -> Result<Vec<Arm>, EvalError> {
    for (option, value) in [("--minutes-per-arm", request.minutes), ("--tokenizer-minutes", request.tokenizer_minutes)]
    {
        if !(value > 0.0 && value.is_finite()) {
            return Err(EvalError::Option { option, found: value.to_string(), expected: "a positive number".into() });
        }
    }
    for (option, value) in [("--seeds", request.seeds), ("--count", request.count as u64)] {
        if value == 0 {
            return Err(EvalError::Option { option, found: "0".into(), expected: "1 or more".into() });
        }
    }
    let all = arms();
    if let Some(unknown) = request.arms.iter().find(|name| all.iter().all(|arm| arm.name != name.as_str())) {
        let known: Vec<&str> = all.iter().map(|arm| arm.name).collect();
        let expected = format!("one or more of {}", known.join(", "));
        return Err(EvalError::Option { option: "--arms", found: unknown.clone(), expected });
    }
    let wanted = |arm: &Arm| request.arms.is_empty() || request.arms.iter().any(|name| name == arm.name);
    Ok(all.into_iter().filter(wanted).collect())
}

fn markdown(request: &AblationRequest, arms: &[Arm], found: &[Measurement], validation: &Numbers) -> String {
    let mut text = format!(
        "# Ablation at tiny scale\n\nEach arm: {:.0} GFLOP of training ({} nominal minutes), {} seed(s), textures of 128x128 pixels, {} per class, no \
         guidance, temperatures 1. Mean ± deviation over seeds. This tests the idea on textures; it is no replication of the \
         paper.\n\n",
        60.0 * request.minutes * NOMINAL_SPEED / 1e9,
        request.minutes,
        request.seeds,
        request.count
    );
    for arm in arms {
        text.push_str(&format!("- **{}**: {}\n", arm.name, arm.what));
    }
    text.push_str(
        "\nD and D+ are decoded by a decoder that was tuned on latents of their tokens, at a cost that is not counted. D+ samples \
         two tokens side by side for each position: one of K codes, and one of K codes for what the first leaves. Rounds: tokens \
         + latents; GFLOP: one texture without decoding.\n\n",
    );
    text.push_str(&table::table(arms, found));
    text.push_str("\nPictures that were kept out of training, measured alike:\n\n");
    text.push_str(&report::head("set", &[]));
    text.push_str(&report::row("validation pictures", validation, &[]));
    text.push_str(&format!("\n{LEGEND}\n"));
    text.push_str(&format!("![Quality against latent rounds]({})\n\n", table::ROUNDS_PLOT));
    text.push_str(&format!("![Quality against training cost]({})\n", table::TRAINING_PLOT));
    text
}
