//! What a training run is told.

use super::batches::SMALL_BATCH;
use super::corruption::Corruption;
use super::dataset::DataOptions;
use super::device::TrainingDevice;
use super::head_loss::HeadLoss;
use super::texture_loss::TextureLossOptions;
use super::tokenizer_recipe::TokenizerRecipe;
use crate::model::ModelConfig;
use std::path::PathBuf;

/// Default share of the time in which the decoder learns crispness.
pub const DECODER_SHARE: f64 = 0.06;
/// Default share of the generators' time for the token prior: its steps are cheaper and it stops gaining sooner.
pub const PRIOR_SHARE: f64 = 0.3;

/// Default of the continuous model's highest learning rate.
pub const RATE: f32 = 1e-3;

/// What to train.
#[derive(Clone, Debug)]
pub struct Options {
    /// The pictures.
    pub data: DataOptions,
    /// Sizes of the model; classes and styles are filled in from the data.
    pub config: ModelConfig,
    /// Folder for the model, its checkpoints and metrics.
    pub out: PathBuf,
    /// Seconds of training, over all runs into the same folder.
    pub seconds: f64,
    /// Share of the time for encoder and decoder.
    pub tokenizer_share: f64,
    /// Share of the remaining time for the token prior, which trains beside the continuous model; 0 leaves it as it is.
    pub prior_share: f64,
    /// Share of the time in which the decoder learns crispness, after the codebook.
    pub decoder_share: f64,
    /// A model folder whose encoder and decoder are kept instead of training new ones.
    pub tokenizer: Option<PathBuf>,
    /// A model folder whose weights the generators start from; its encoder, decoder and codebook are kept.
    pub start: Option<PathBuf>,
    /// Start of all random streams.
    pub seed: u64,
    /// Workers.
    pub threads: usize,
    /// Where the generators are trained.
    pub device: TrainingDevice,
    /// Textures of 8x8 tokens in a step of the generators; every sixth step has a quarter as many of 16x16. A multiple
    /// of [`SMALL_BATCH`]'s.
    pub batch: usize,
    /// How often each picture is encoded, each time with four mirror images that are shifted by less than a token, and every
    /// other time on its side; those that cannot be shifted, twice at most. A card learns few pictures by heart.
    pub copies: usize,
    /// Counts every step as this many seconds, so that runs can be compared exactly.
    pub seconds_per_step: Option<f64>,
    /// Ends the run after this many steps of a stage, as if it were killed at a checkpoint.
    pub stop_after: Option<u64>,
    /// What is done to the inputs of the generators.
    pub corruption: Corruption,
    /// Highest learning rate of the continuous model.
    pub rate: f32,
    /// A late part of the continuous model's training.
    pub texture_loss: TextureLossOptions,
    /// What the head of the continuous model learns.
    pub head_loss: HeadLoss,
    /// How encoder and decoder are trained.
    pub tokenizer_recipe: TokenizerRecipe,
    /// Codes of each of two tokens per position, see [`super::pairs`]; `None` for one token.
    pub token_pairs: Option<usize>,
}

impl Options {
    /// The defaults of `discon-train` for pictures, sizes and a folder, with two hours and one worker for each core.
    pub fn new(data: DataOptions, config: ModelConfig, out: PathBuf) -> Self {
        let threads = data.threads;
        Self {
            data,
            config,
            out,
            seconds: 7200.0,
            tokenizer_share: 0.3,
            prior_share: PRIOR_SHARE,
            decoder_share: DECODER_SHARE,
            tokenizer: None,
            start: None,
            seed: 1,
            threads,
            device: TrainingDevice::Cpu,
            batch: SMALL_BATCH.0,
            copies: 1,
            seconds_per_step: None,
            stop_after: None,
            corruption: Corruption::default(),
            rate: RATE,
            texture_loss: TextureLossOptions::default(),
            head_loss: HeadLoss::default(),
            tokenizer_recipe: TokenizerRecipe::default(),
            token_pairs: None,
        }
    }
    /// Factor on the number of textures in a step.
    pub fn scale(&self) -> usize {
        (self.batch / SMALL_BATCH.0).max(1)
    }
}
