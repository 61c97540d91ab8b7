//! Settings that a game may change at any time.

use bevy::prelude::*;
use std::path::PathBuf;

/// How many textures of equal shape run as one batch, with the pixels that each would have alone.
///
/// A batch does the dispatches of one texture on more rows. On a GPU that one texture does not fill, that is faster
/// than one after the other; the first texture of a batch is ready together with the last. A batch has a power of two
/// of textures, and buffers of its own that grow with their number. Edits that go on from kept latents, endless
/// surfaces and Wang tiles run alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
#[reflect(Default)]
pub enum BatchLimit {
    /// By the kind of adapter: up to 8 textures and 2048 positions of 16x16 pixels (8 textures of 256x256) on a
    /// graphics card, half as many positions on other GPUs, and one texture at a time on software rasterisers, where
    /// batches were measured to gain nothing. The limits of GPUs are estimates: `discon-bench batches` measures an
    /// adapter.
    #[default]
    Automatic,
    /// At most this many, on any adapter, and no more than 4096 positions. 1 runs one texture at a time.
    AtMost(u32),
}

/// Threads of the processor on which textures are made where no GPU can make them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
#[reflect(Default)]
pub enum ProcessorThreads {
    /// As many as Bevy has for long tasks, by default a quarter of the cores, from 1 to 4: the game keeps the others.
    #[default]
    Automatic,
    /// This many, at least 1: all cores for a server that does nothing else.
    Exactly(u32),
    /// The processor is not used: requests fail where no GPU can make them.
    Never,
}

/// How much the generator may take, and what it keeps. A resource: changes apply from the next frame on.
#[derive(Resource, Clone, Debug, PartialEq, Reflect)]
#[reflect(Resource, Default)]
pub struct DisconSettings {
    /// Time on the GPU that generation may take in each frame, in milliseconds.
    ///
    /// Higher values finish textures sooner and leave less of the frame to the game. How much work fits is measured
    /// while textures are generated; at least one dispatch runs each frame, so that every value makes progress.
    /// The value never changes a picture. Range 0.1..=1000.0, default 4.0.
    pub budget_ms: f32,
    /// Most work of one submission, in billions of floating-point operations.
    ///
    /// A bound for the time that the GPU cannot be taken away from the generator, also while nothing is measured yet.
    /// Smaller values cost some microseconds for each further submission. Range 0.01..=1000.0, default 4.0.
    pub max_gflop_per_submission: f32,
    /// Folder where finished textures are kept between runs of the program, made if it is missing.
    ///
    /// A hit costs a read, a PNG decode on a task thread and an upload instead of a generation. Storing costs one
    /// copy on the GPU and an asynchronous readback after the texture is ready. The key covers the recipe, the model
    /// and the version of the kernels, so folders can be shared and never have to be cleared. Several programs may
    /// use one folder. A picture that was made on the processor has the same key: it differs by rounding only.
    /// Default none; see [`DisconSettings::user_cache_folder`].
    pub disk_cache: Option<PathBuf>,
    /// Most bytes in that folder; the files that were used longest ago are deleted first.
    /// About 100 kB for a texture of 256x256. Default 256 MiB.
    pub disk_cache_bytes: u64,
    /// Bytes of GPU memory in finished textures that stay for the next equal request although no handle is left;
    /// those used longest ago go first. 0 keeps none. A texture of 256x256 has 350 kB. Default 64 MiB.
    pub memory_cache_bytes: u64,
    /// Bytes of GPU memory in tokens and latents of finished textures; those used longest ago go first. A recipe that
    /// only adds edits to one of them goes on from there, for a cost that falls with the mask; without them it is
    /// generated from the start, with the same picture. 0 keeps none. A texture of 256x256 has 130 kB. Default 8 MiB.
    pub kept_latent_bytes: u64,
    /// Shapes of textures (size, tiling, rounds) whose buffers stay on the GPU for the next texture of that shape;
    /// where batches run, those of two more stay. A batch counts as a shape for every number of textures.
    ///
    /// Each takes some MB (the `small` model at 256x256: 6 MB) and saves some tenths of a second on a task thread.
    /// Range 1..=64, default 2.
    pub kept_shapes: usize,
    /// Most bytes of GPU memory for the work: the weights, the buffers in which textures are made, and what is kept for
    /// edits and surfaces. The textures themselves do not count, nor do some kB of each texture that waits.
    ///
    /// When it is used up, or the device has no more, buffers and latents that are only kept are given up, and the next
    /// texture waits for the running one; what still finds no room fails with the reason and may be asked for again.
    /// Default: as much as there is.
    pub work_memory_bytes: u64,
    /// How many textures that wait together run as one batch. Never changes a picture. Default automatic.
    pub batch: BatchLimit,
    /// Whether textures show the picture of their discrete tokens first, and are refined in place.
    ///
    /// Every texture that waits gets its coarse picture before any is refined, whatever the priorities, so that a scene
    /// is covered early; the first finished texture comes later. Costs one more run of the decoder per texture, and its
    /// buffers. The finished picture is the same. A request can decide for itself:
    /// [`TextureDetail`](super::TextureDetail). Default true.
    pub coarse_first: bool,
    /// Stops all work for textures, on the GPU or the processor, until it is false again; nothing is lost, and textures
    /// from the disk cache still appear. Default false.
    pub paused: bool,
    /// Most unfinished textures; further requests fail with [`GenerationError::TooMany`](super::GenerationError).
    /// Images from recipe files are not refused, but count. Each takes the memory of its image. Default 1024.
    pub max_unfinished: usize,
    /// Threads of the processor on which textures are made where no GPU can: without a renderer, or on an adapter that
    /// cannot run the kernels. Needs the feature `native`; in browsers there is no such path.
    ///
    /// One texture at a time, on a task thread, by the same plan: same tokens, and pixels that differ from those of a
    /// GPU by rounding, 2 of 255 at most in tests. Takes effect with the next texture. Default automatic.
    pub processor_threads: ProcessorThreads,
    /// Colour of a texture until it is ready, and of one that failed: red, green and blue as in a picture (sRGB).
    /// Costs a copy on the GPU per texture. Default `[128, 128, 128]`.
    pub neutral: [u8; 3],
}

impl Default for DisconSettings {
    fn default() -> Self {
        Self {
            budget_ms: 4.0,
            max_gflop_per_submission: 4.0,
            disk_cache: None,
            disk_cache_bytes: 256 << 20,
            memory_cache_bytes: 64 << 20,
            kept_latent_bytes: 8 << 20,
            kept_shapes: 2,
            work_memory_bytes: u64::MAX,
            batch: BatchLimit::Automatic,
            coarse_first: true,
            paused: false,
            max_unfinished: 1024,
            processor_threads: ProcessorThreads::Automatic,
            neutral: [128; 3],
        }
    }
}

impl DisconSettings {
    /// The same with a disk cache in `folder`.
    #[must_use]
    pub fn with_disk_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.disk_cache = Some(folder.into());
        self
    }

    /// The same with another budget in milliseconds per frame.
    #[must_use]
    pub fn with_budget_ms(mut self, budget_ms: f32) -> Self {
        self.budget_ms = budget_ms;
        self
    }

    /// The folder in which programs of this user keep files that can be made again, and `name` in it; none if the
    /// system does not say.
    pub fn user_cache_folder(name: &str) -> Option<PathBuf> {
        let home = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = if cfg!(windows) {
            home("LOCALAPPDATA")?
        } else if cfg!(target_os = "macos") {
            home("HOME")?.join("Library/Caches")
        } else {
            home("XDG_CACHE_HOME").or_else(|| Some(home("HOME")?.join(".cache")))?
        };
        Some(folder.join(name))
    }

    /// Whether textures are made on the processor where no GPU can make them.
    pub(super) fn uses_processor(&self) -> bool {
        // Browsers have no threads for it, and a frame must not wait.
        cfg!(all(feature = "native", not(target_arch = "wasm32"))) && self.processor_threads != ProcessorThreads::Never
    }

    /// The settings within their ranges.
    #[must_use]
    pub fn clamped(&self) -> Self {
        let within = |value: f32, low: f32, high: f32, default: f32| {
            if value.is_finite() { value.clamp(low, high) } else { default }
        };
        let default = Self::default();
        Self {
            budget_ms: within(self.budget_ms, 0.1, 1000.0, default.budget_ms),
            max_gflop_per_submission: within(
                self.max_gflop_per_submission,
                0.01,
                1000.0,
                default.max_gflop_per_submission,
            ),
            kept_shapes: self.kept_shapes.clamp(1, 64),
            ..self.clone()
        }
    }
}
