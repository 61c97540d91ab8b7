//! Learned, seamless textures for Bevy, generated on the GPU while the game runs.
//!
//! DisCon (arXiv 2507.01756) makes an image in two stages: a grid of discrete tokens is sampled first, and the
//! tokens are then conditions for a masked autoregressive model over continuous latents, which a decoder turns into
//! pixels. This crate holds that network for game textures, a trainer for it, and a Bevy plugin that runs it as WGSL.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_discon::prelude::*;
//!
//! fn main() {
//!     App::new().add_plugins((DefaultPlugins, DisconPlugin::default())).add_systems(Startup, ask).run();
//! }
//!
//! fn ask(
//!     mut textures: TextureGenerator,
//!     mut meshes: ResMut<Assets<Mesh>>,
//!     mut materials: ResMut<Assets<StandardMaterial>>,
//!     mut commands: Commands,
//! ) {
//!     let image: Handle<Image> = textures.generate(Recipe::new("brick").with_seed(7));
//!     // The material holds the handle; where the last one is dropped, the request ends.
//!     let material = materials.add(StandardMaterial::from(image));
//!     commands.spawn((Mesh3d(meshes.add(Cuboid::default())), MeshMaterial3d(material)));
//! }
//! ```
//!
//! # Walk of a request
//!
//! 1. `TextureGenerator::generate` or the component `GenerateTexture` allocates the final image and notes the recipe
//!    (`request`).
//! 2. When the model is known, [`sampling::plan()`] turns the recipe into a list of steps and their inputs. No step
//!    depends on a result, so the list is complete before anything runs.
//! 3. The render world (`render`) keeps one `gpu::Recording` per shape of plan: the dispatches of all steps. A system in
//!    Bevy's `RenderGraph` schedule encodes as many of them per frame as the budget allows.
//! 4. When the tokens are sampled, their picture alone is decoded into the texture that the game already uses, with mip
//!    levels; the last dispatches write the refined picture over it. A job that waits keeps its tokens.
//!    Where no GPU can do it, the processor runs the same plan on a task thread (`request`, `native`).
//! 5. A channel brings reports back to the main world, which sends messages and fills the caches.
//!
//! # Modules
//!
//! Arrows of imports point to the left; `tests/architecture.rs` checks them.
//!
//! ```text
//! model <- sampling <- reference <- native <- train, eval, surface, bake
//!                   |                     \-- exemplar
//!                   <- gpu <------- render       |
//!                   <- request <----/            |
//!                         ^  \-------------------/
//!                         \-------- editor
//! all of them <- bench
//! ```
//!
//! For machines without a usable GPU `request` imports `reference` and `native`, too.
//!
//! Five things are written once: names and shapes of parameters ([`model::ParamTable`]), the mathematics of the network
//! (`forward` over [`model::Ops`]), the loop of a generation ([`sampling::run_step`]), what a run takes from and leaves
//! to others ([`sampling::Arrangement`]) and the constants that Rust shares with WGSL (`gpu::kernel`).

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "cli")]
pub mod bake;
#[cfg(feature = "bench")]
pub mod bench;
pub mod cache;
#[cfg(feature = "editor")]
pub mod editor;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "native")]
pub mod exemplar;
#[cfg(feature = "export")]
pub mod export;
pub mod files;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(feature = "material")]
pub mod layered_material;
#[cfg(feature = "material")]
pub mod material;
pub mod model;
#[cfg(feature = "native")]
pub mod native;
#[cfg(feature = "render")]
pub mod plugin;
pub mod reference;
#[cfg(feature = "render")]
mod render;
#[cfg(feature = "render")]
pub mod request;
pub mod sampling;
#[cfg(feature = "native")]
pub mod surface;
#[cfg(feature = "train")]
pub mod train;

/// What a game needs.
#[cfg(feature = "render")]
pub mod prelude {
    #[cfg(feature = "material")]
    pub use crate::layered_material::{DisconLayers, LayeredMaterial, LayeredMaterialPlugin, TextureLayers};
    #[cfg(feature = "material")]
    pub use crate::material::DisconMaterial;
    pub use crate::plugin::DisconPlugin;
    pub use crate::request::{
        BatchLimit, DerivedMaps, DisconModel, DisconSettings, DisconSourcePlugin, DiskCacheFailed, EndlessSurface,
        GPU_MILLISECONDS, GenerateTexture, GeneratedTexture, GenerationError, KEPT_BYTES, ModelSource,
        PriorityByDistance, ProcessorThreads, SurfaceCells, SurfacePlane, TextureCoarse, TextureDetail, TextureFailed,
        TextureGenerated, TextureGenerator, TextureNotGenerated, TextureProgress, TextureReady, TextureSource,
        TextureState, TextureStatistics, TextureStore, TextureTokens, TextureTokensFailed, UNFINISHED_TEXTURES,
        WangTextures, WangTileSet,
    };
    #[cfg(feature = "native")]
    pub use crate::request::{EncodePicture, EncodedPicture, PictureNotEncoded};
    pub use crate::sampling::{Blend, CuratedList, Edit, MapKind, MapRules, Recipe, Tiling, TokenMask};
}
