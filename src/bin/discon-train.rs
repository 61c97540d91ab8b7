//! Trains a model from a folder of textures: `discon-train --data DIR --preset small --out DIR --minutes N`.

use bevy_discon::model::ModelConfig;
use bevy_discon::train::batches::SMALL_BATCH;
use bevy_discon::train::dataset::DataOptions;
use bevy_discon::train::device::TrainingDevice;
use bevy_discon::train::run::{DECODER_SHARE, Options, PRIOR_SHARE, RATE, run};
use bevy_discon::train::texture_loss::TextureLossOptions;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// The bundled size.
    Small,
    /// For tests.
    Tiny,
}

/// Trains a texture model from folders of pictures (CLASS/NAME.jpg). Can be stopped at any time and run again.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Folder with one subfolder of pictures per class.
    #[arg(long)]
    data: PathBuf,
    /// Folder for the model, its checkpoints and metrics.
    #[arg(long)]
    out: PathBuf,
    /// Sizes of the model.
    #[arg(long, value_enum, default_value = "small")]
    preset: Preset,
    /// Sizes of the model from a file instead; its classes and styles are replaced by those of the data.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Minutes of training over all runs into the same folder. With `--start`, 0 trains nothing: the weights get the styles and
    /// layouts of the data.
    #[arg(long, default_value_t = 120.0)]
    minutes: f64,
    /// Only these classes.
    #[arg(long, value_delimiter = ',')]
    classes: Vec<String>,
    /// Classes with fewer pictures are left out.
    #[arg(long, default_value_t = 8)]
    min_class_images: usize,
    /// Worker threads; as many as the machine has if 0.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Where decoder and generators are trained.
    #[arg(long, value_enum, default_value = "cpu")]
    device: TrainingDevice,
    /// Textures of 8x8 tokens in a step of the generators, a multiple of 16; a card wants 512 or more.
    #[arg(long, default_value_t = SMALL_BATCH.0)]
    batch: usize,
    /// How often each picture is encoded, with other shifts each time, every other time on its side; a card that sees every
    /// picture thousands of times wants 4. Each takes 2 KB of memory for each token of its pictures.
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// Start of all random streams.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the time for encoder and decoder.
    #[arg(long, default_value_t = 0.3)]
    tokenizer_share: f64,
    /// Share of the time in which the decoder learns crispness, after the codebook; none with `--start`.
    #[arg(long)]
    decoder_share: Option<f64>,
    /// Share of the remaining time for the token prior, which trains beside the continuous model; 0 leaves it as it is.
    #[arg(long, default_value_t = PRIOR_SHARE)]
    prior_share: f64,
    /// Highest learning rate of the continuous model; less for going on from a trained one.
    #[arg(long, default_value_t = RATE)]
    rate: f32,
    /// Weight of the texture loss that joins in late in the continuous model's training; 0 leaves it out.
    #[arg(long, default_value_t = TextureLossOptions::default().share)]
    texture_share: f32,
    /// Share of the continuous model's time after which it joins in.
    #[arg(long, default_value_t = TextureLossOptions::default().from)]
    texture_from: f64,
    /// Keep encoder and decoder of this model folder, and train the generators only.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Go on from this model folder's weights, on the same or on other pictures of the same classes; its encoder,
    /// decoder and codebook are kept.
    #[arg(long, conflicts_with = "tokenizer")]
    start: Option<PathBuf>,
}

impl Arguments {
    fn config(&self) -> Result<ModelConfig, String> {
        let Some(path) = &self.config else {
            return Ok(match self.preset {
                Preset::Small => ModelConfig::small(&["none"]),
                Preset::Tiny => ModelConfig::tiny(&["none"]),
            });
        };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        ron::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn options(self) -> Result<Options, String> {
        let is_allowed = self.minutes > 0.0 || (self.minutes == 0.0 && self.start.is_some());
        if !(is_allowed && self.minutes.is_finite()) {
            return Err(format!("`--minutes` is {}, expected a positive number, or 0 with `--start`", self.minutes));
        }
        let decoder_share = self.decoder_share.unwrap_or(if self.start.is_some() { 0.0 } else { DECODER_SHARE });
        for (option, found, low, high) in [
            ("tokenizer-share", self.tokenizer_share, 0.01, 0.99),
            ("decoder-share", decoder_share, 0.0, 0.9),
            ("prior-share", self.prior_share, 0.0, 1.0),
            ("texture-share", f64::from(self.texture_share), 0.0, 4.0),
            ("texture-from", self.texture_from, 0.0, 1.0),
        ] {
            if !(low..=high).contains(&found) {
                return Err(format!("`--{option}` is {found}, expected {low} to {high}"));
            }
        }
        if !(self.rate > 0.0 && self.rate <= 0.1) {
            return Err(format!("`--rate` is {}, expected more than 0 and at most 0.1", self.rate));
        }
        if self.batch == 0 || !self.batch.is_multiple_of(SMALL_BATCH.0) {
            return Err(format!("`--batch` is {}, expected a multiple of {}", self.batch, SMALL_BATCH.0));
        }
        if self.copies == 0 {
            return Err("`--copies` is 0, expected 1 or more".into());
        }
        let mut config = self.config()?;
        config.styles = 0;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if self.threads == 0 { cores } else { self.threads };
        let data =
            DataOptions { folder: self.data, classes: self.classes, min_class_images: self.min_class_images, threads };
        Ok(Options {
            seconds: self.minutes * 60.0,
            tokenizer_share: self.tokenizer_share,
            decoder_share,
            prior_share: self.prior_share,
            tokenizer: self.tokenizer,
            start: self.start,
            seed: self.seed,
            device: self.device,
            batch: self.batch,
            copies: self.copies,
            rate: self.rate,
            texture_loss: TextureLossOptions {
                share: self.texture_share,
                from: self.texture_from,
                ..TextureLossOptions::default()
            },
            ..Options::new(data, config, self.out)
        })
    }
}

fn main() -> ExitCode {
    let options = match Arguments::parse().options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
