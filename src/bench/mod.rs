//! Benchmarks: each measures one thing in one run and answers with Markdown tables.
//!
//! | benchmark | measures |
//! |---|---|
//! | [`kernels`] | every kernel at the shapes of a texture, both variants, beside the `gemm` crate and the peak of the processor |
//! | [`texture`] | one texture and eight, on the GPU path and on the processor; caches; an estimate for hardware |
//! | `frames` | what generation, and preparing for it, does to the frames of a game, and what the idle plugin costs |
//! | [`batches`] | textures in one batch against one after the other |
//! | [`scale`] | cost against size, rounds and number of textures |
//! | [`peers`] | the same network through burn |
//!
//! Without the feature `material`, and so without Bevy, everything but games is measured.
//!
//! What is compared runs alternately, because neighbours on the same machine change its speed from minute to minute.
//! Numbers are medians with the span of the middle half. Seconds of the processor count all threads, a software
//! rasteriser's included.

pub mod allocations;
pub mod batches;
mod beds;
pub mod clock;
pub mod estimate;
#[cfg(feature = "material")]
pub mod frames;
#[cfg(feature = "material")]
mod game;
#[cfg(feature = "material")]
mod headless;
#[cfg(feature = "material")]
mod hits;
#[cfg(feature = "material")]
mod idle;
#[cfg(feature = "material")]
mod in_a_game;
pub mod kernels;
#[cfg(feature = "material")]
mod other_work;
mod peak;
mod peer_ops;
pub mod peers;
#[cfg(feature = "material")]
mod queue;
pub mod scale;
#[cfg(feature = "material")]
mod scene;
pub mod setting;
mod shapes;
pub mod statistics;
pub mod table;
pub mod texture;
#[cfg(feature = "material")]
mod worlds;

use crate::gpu::GpuError;
use crate::model::{Model, WeightsError};
use crate::sampling::{Recipe, RecipeError};
use std::path::PathBuf;
use std::sync::Arc;

/// What every benchmark is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model that runs.
    pub model: Arc<Model>,
    /// Its name in the output.
    pub model_name: String,
    /// Fewer repeats and smaller sizes: to see that a benchmark works, not for numbers.
    pub quick: bool,
}

impl Options {
    /// A default texture of the model's first class.
    pub fn recipe(&self, seed: u64) -> Recipe {
        Recipe::new(self.model.discon.config.classes[0].clone()).with_seed(seed)
    }

    /// One of two numbers.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Why a benchmark gave no numbers.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The model could not be loaded.
    #[error(transparent)]
    Model(#[from] WeightsError),
    /// The adapter cannot run it.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// A recipe that the model cannot follow.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A file or folder cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A game did not get what it waited for.
    #[error("waited {seconds} s for {what}; the plugin said: {said}")]
    Patience {
        /// How long.
        seconds: u64,
        /// For what.
        what: String,
        /// Failures that the plugin has reported.
        said: String,
    },
    /// A plan without a step that is to be measured.
    #[error("the plan has no {step}, so nothing would be measured")]
    Missing {
        /// The step.
        step: &'static str,
    },
    /// Two executors that must agree do not.
    #[error("{what} differ by {found} where at most {allowed} is rounding: this would compare different computations")]
    Differ {
        /// Of what.
        what: String,
        /// Largest difference.
        found: f32,
        /// Largest difference that is allowed.
        allowed: f32,
    },
}
