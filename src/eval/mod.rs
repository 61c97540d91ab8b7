//! Measuring a model: textures of every class, sheets of pictures, tables, and the ablation of its parts.
//!
//! No measure needs a pretrained network; see [`descriptor`] for what takes its place.

pub mod ablation;
pub mod classifier;
pub mod coverage;
pub mod curves;
pub mod descriptor;
pub mod evaluation;
pub mod features;
pub mod generate;
pub mod kid;
pub mod measure;
pub mod metrics;
pub mod nearest;
pub mod outliers;
pub mod parts;
pub mod plot;
pub mod real;
pub mod report;
pub mod sheet;
pub mod tokenizers;
pub mod wasserstein;

use self::metrics::Picture;
use crate::exemplar::ExemplarError;
use crate::model::{ConfigError, WeightsError};
use crate::reference::GeneratedTexture;
use crate::sampling::RecipeError;
use crate::train::TrainError;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Why a model cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file or folder cannot be written.
    #[error("{path}: {message}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// A table of a run cannot be read.
    #[error("{path}: {message}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// An option that cannot be used.
    #[error("`{option}` is {found}, expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] WeightsError),
    /// No model can be built from a configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model cannot follow a recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A training picture cannot be read as tokens.
    #[error(transparent)]
    Exemplar(#[from] ExemplarError),
    /// The data cannot be read, or an arm of the ablation cannot be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// A generated texture as a picture.
pub fn picture(texture: &GeneratedTexture) -> Picture {
    Picture::from_bytes(texture.width as usize, texture.height as usize, &texture.pixels)
}

impl EvalError {
    /// A failed write.
    pub fn write(path: &Path, message: impl ToString) -> Self {
        Self::Write { path: path.into(), message: message.to_string() }
    }
}

/// A progress bar with the time that is left; silent where the output is not a terminal.
pub fn progress_bar(what: &str, length: u64) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(length) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{prefix:14} {wide_bar} {pos}/{len}, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_string());
    bar
}

/// Reads pictures behind a progress bar; `load` is told whom to tell of how many of how many are read.
fn with_progress<T>(
    load: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> Result<T, TrainError>,
) -> Result<T, EvalError> {
    let bar = progress_bar("pictures", 0);
    let found = load(&|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(found)
}

/// Writes a picture in the format of its extension, and creates the folder.
///
/// # Errors
/// If the file cannot be written.
pub fn save_picture(picture: &image::RgbImage, path: &Path) -> Result<(), EvalError> {
    create_parent(path)?;
    picture.save(path).map_err(|error| EvalError::write(path, error))
}

/// Writes pictures as `FOLDER/NUMBER.png`, for other tools.
///
/// # Errors
/// If a file cannot be written.
pub fn save_numbered(pictures: &[Picture], folder: &Path) -> Result<(), EvalError> {
    let mut numbered = pictures.iter().enumerate();
    numbered.try_for_each(|(number, picture)| save_picture(&picture.to_image(), &folder.join(format!("{number}.png"))))
}

/// Writes a text file, and creates the folder.
///
/// # Errors
/// If the file cannot be written.
pub fn save_text(text: &str, path: &Path) -> Result<(), EvalError> {
    create_parent(path)?;
    std::fs::write(path, text).map_err(|error| EvalError::write(path, error))
}

fn create_parent(path: &Path) -> Result<(), EvalError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| EvalError::write(parent, error))
}
