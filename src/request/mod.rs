//! The main world's side of the plugin: who asked for which texture, how far it is, and which textures are kept.
//!
//! Life of a request:
//!
//! 1. [`GenerateTexture`] on an entity or [`TextureGenerator::generate`] allocates the final [`Image`] at once and notes
//!    an entry in the [`TextureStore`]. Equal recipes share one entry.
//! 2. When the model is known, `start_requests` checks the recipe and looks into the disk cache; a hit is sent to the
//!    render world as pixels, a miss as a plan. Looking and planning happen on task threads.
//!    Images that the asset server has loaded from recipes become entries of their own.
//!    Where no GPU can do it, `processor` takes the place of the render world.
//! 3. The render world reports over a channel; `collect_reports` turns reports into [`TextureProgress`],
//!    [`TextureCoarse`], [`TextureReady`], [`TextureFailed`] and the entity events, and asks for
//!    derived maps of new pictures.
//!
//! This module knows nothing of the GPU beyond the commands and reports in `link`.
//!
//! [`Image`]: bevy::image::Image

mod assets;
mod entities;
mod events;
#[cfg(feature = "native")]
mod exemplars;
mod generator;
mod lifecycle;
pub(crate) mod link;
mod maps;
mod model_source;
mod planning;
mod priority;
#[cfg(feature = "native")]
mod processor;
mod reports;
mod settings;
mod source;
mod state;
mod statistics;
mod store;
mod surface;
mod systems;
mod target;
mod types;

pub(crate) use assets::register as register_assets;
pub use assets::{RecipeImageLoader, RecipeLoader};
pub use entities::{GenerateTexture, GeneratedTexture, TextureDetail, TextureProgress};
pub use events::{
    DiskCacheFailed, GenerationError, TextureCoarse, TextureFailed, TextureGenerated, TextureNotGenerated,
    TextureReady, TextureSource, TextureTokens, TextureTokensFailed,
};
#[cfg(feature = "native")]
pub use exemplars::{EncodePicture, EncodedPicture, PictureNotEncoded};
pub use generator::TextureGenerator;
pub use maps::DerivedMaps;
pub use model_source::{DisconModel, ModelSource};
pub use priority::PriorityByDistance;
pub use settings::{BatchLimit, DisconSettings, ProcessorThreads};
pub use source::DisconSourcePlugin;
pub use state::TextureState;
pub use statistics::{Counts, GPU_MILLISECONDS, KEPT_BYTES, TextureStatistics, UNFINISHED_TEXTURES};
pub use store::TextureStore;
pub(crate) use surface::link as surface_link;
pub use surface::{EndlessSurface, SurfaceCells, SurfacePlane, WangTextures, WangTileSet};
pub use systems::DisconSchedule;
pub(crate) use systems::{build, connect, without_renderer};

pub use crate::sampling::recipe_file::RecipeFileError;
