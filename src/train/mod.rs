//! The trainer: from a folder of textures to `model.safetensors` and `config.ron`.

pub mod ahead;
pub mod bank;
pub mod batches;
pub mod codebook;
pub mod continuous;
pub mod corruption;
pub mod dataset;
pub mod decoder;
pub mod device;
pub mod discriminator;
pub mod files;
pub mod head_loss;
pub mod images;
pub mod kmeans;
pub mod latent_file;
pub mod latents;
mod layout_tables;
pub mod learner;
pub mod local_start;
pub mod losses;
pub mod metrics;
pub mod ops;
pub mod options;
mod other_model;
pub mod pace;
pub mod pairs;
pub mod params;
pub mod pca;
pub mod picture_check;
pub mod prior;
pub mod rng;
pub mod run;
pub mod samples;
mod shares;
pub mod stage;
pub mod tape;
pub mod texture_loss;
pub mod token_grids;
pub mod tokenizer;
pub mod tokenizer_recipe;
#[cfg(feature = "train-torch")]
pub mod torch;
mod wide;
pub mod workers;

use crate::model::{ConfigError, WeightsError};
use std::path::{Path, PathBuf};

/// Why training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another trainer works in the folder.
    #[error("{folder} is in use by another trainer; wait for it or choose another --out")]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is not a picture.
    #[error("{path}: {message}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The data folder cannot be trained on.
    #[error("{folder}: found {found}, expected {expected}")]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A file of the run is damaged.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        message: String,
    },
    /// A checkpoint belongs to another model.
    #[error("{path}: `{name}` is {found}, expected {expected}; was the folder made with other options?")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape of this run.
        expected: String,
    },
    /// An option that cannot be used.
    #[error("`{option}` is {found}, expected {expected}")]
    Option {
        /// The option.
        option: String,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// Training stopped making sense.
    #[error("{stage}: the gradient was not finite for {count} steps in a row; try a lower learning rate")]
    Diverged {
        /// The stage.
        stage: &'static str,
        /// Steps.
        count: u32,
    },
    /// An impossible configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model could not be written or read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl TrainError {
    /// A failed file operation.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// A damaged file.
    pub fn format(path: &Path, message: impl ToString) -> Self {
        Self::Format { path: path.into(), message: message.to_string() }
    }
}
