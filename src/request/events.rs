//! What the plugin says about requests.

use crate::sampling::Recipe;
use bevy::prelude::*;
use std::path::PathBuf;

/// Where the picture of a texture came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Reflect)]
pub enum TextureSource {
    /// It was generated now.
    Generated,
    /// An equal recipe had been finished before.
    Memory,
    /// It was read from the disk cache.
    Disk,
}

/// Why there is no picture. The texture keeps its neutral colour.
#[derive(Clone, Debug, PartialEq, Eq, Reflect, thiserror::Error)]
pub enum GenerationError {
    /// The model cannot follow the recipe.
    #[error("{0}")]
    Recipe(String),
    /// The recipe is not on the list of [`DisconPlugin::curated`](crate::plugin::DisconPlugin::curated).
    #[error("{0}")]
    NotCurated(String),
    /// There is no model.
    #[error("{0}")]
    Model(String),
    /// The program has no renderer, so nothing can be generated on a GPU; and the processor is not used, see
    /// [`DisconSettings::processor_threads`](super::DisconSettings::processor_threads).
    #[error("there is no renderer (`RenderPlugin` is missing or has no backend)")]
    NoRenderer,
    /// Endless surfaces and Wang tiles are made on the GPU alone, and none can: the reason.
    #[error("textures with layers are made on the GPU alone, and it cannot be used: {0}")]
    NeedsGpu(String),
    /// The graphics device cannot run the model, or has no memory for the texture: asked for again, it is tried again.
    #[error("{0}")]
    Gpu(String),
    /// As many requests were unfinished as [`DisconSettings::max_unfinished`](super::DisconSettings::max_unfinished)
    /// allows. Ask again later.
    #[error("{limit} textures are unfinished already, the limit of `DisconSettings::max_unfinished`: ask again later")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It was cancelled by [`TextureGenerator::cancel`](super::TextureGenerator::cancel).
    #[error("the request was cancelled")]
    Cancelled,
}

/// The disk cache could not be written, for example because the disk is full. The texture has its picture; the next run
/// of the program generates it again.
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct DiskCacheFailed {
    /// The folder of the cache.
    pub folder: PathBuf,
    /// What the system said.
    pub reason: String,
}

/// A texture has its picture, in all mip levels. Sent once per request, also for equal ones.
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct TextureReady {
    /// The texture.
    pub image: AssetId<Image>,
    /// What was asked for.
    pub recipe: Recipe,
    /// Where the picture came from.
    pub source: TextureSource,
}

/// A texture shows its coarse picture, that of the discrete tokens alone, in all mip levels. [`TextureReady`] follows,
/// unless the request stops at [`TextureDetail::Coarse`](super::TextureDetail::Coarse).
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct TextureCoarse {
    /// The texture.
    pub image: AssetId<Image>,
    /// What was asked for.
    pub recipe: Recipe,
}

/// The tokens of a texture whose request asked for them.
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct TextureTokens {
    /// The texture.
    pub image: AssetId<Image>,
    /// What was asked for, with the tokens: the same structure on every device, without stage 1.
    pub recipe: Recipe,
}

/// The tokens of a texture could not be read, though somebody asked for them; its picture is not concerned. Asked for again, they
/// are tried again. A texture whose last handle is dropped ends without a message.
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct TextureTokensFailed {
    /// The texture.
    pub image: AssetId<Image>,
    /// The reason; that of the texture if it failed itself.
    pub error: GenerationError,
}

/// A texture stays without picture. Sent once per request, also for equal ones. A request whose last handle is dropped
/// ends without a message.
#[derive(Message, Clone, Debug, PartialEq, Reflect)]
pub struct TextureFailed {
    /// The texture.
    pub image: AssetId<Image>,
    /// What was asked for.
    pub recipe: Recipe,
    /// The reason.
    pub error: GenerationError,
}

/// The texture of an entity with [`GenerateTexture`](super::GenerateTexture) has its picture.
#[derive(EntityEvent, Clone, Debug, Reflect)]
pub struct TextureGenerated {
    /// The entity that asked.
    pub entity: Entity,
    /// Its texture: the handle in [`GeneratedTexture`](super::GeneratedTexture).
    pub image: Handle<Image>,
    /// Where the picture came from.
    pub source: TextureSource,
}

/// The texture of an entity with [`GenerateTexture`](super::GenerateTexture) stays without picture.
#[derive(EntityEvent, Clone, Debug, Reflect)]
pub struct TextureNotGenerated {
    /// The entity that asked.
    pub entity: Entity,
    /// The reason.
    pub error: GenerationError,
}
