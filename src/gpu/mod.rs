//! The network as WGSL dispatches on plain wgpu: one path for the Bevy plugin, the tools and the tests.
//!
//! Life of a texture:
//!
//! 1. [`Pipelines::compile`] and [`GpuWeights::upload`], once per model and device.
//! 2. [`Recording::new`] runs the loop of `sampling` on a [`Recorder`], which notes one [`Dispatch`] per
//!    operation; what can end a product is joined to it. A recording needs no device, and all textures of one [`PlanShape`] share it. The shape of a
//!    batch ([`Plan::batch`](crate::sampling::Plan::batch)) records as many dispatches, on more rows.
//! 3. [`JobSlot::new`] makes the buffers and bind groups of one running texture.
//! 4. [`JobSlot::start`] uploads the inputs of a texture; [`JobSlot::encode`] writes any range of dispatches into a
//!    compute pass, so a frame takes as many as its budget allows.
//! 5. [`ImageTarget`] writes the finished picture and its mip levels into a texture.
//! 6. [`MapTarget`] derives normals, roughness or height from it, where a game asks for them.
//! 7. [`GpuPages`] keep tokens and latents for later jobs: neighbours in an endless surface, edits.
//!
//! [`Gpu`] does all of it for programs without Bevy.
//!
//! [`PlanShape`]: crate::sampling::PlanShape

mod arena;
mod arranged;
mod binder;
mod buffers;
mod error;
mod fuse;
mod headless;
mod image_target;
mod job;
mod kernel;
mod library;
mod maps;
mod ops;
mod pages;
mod pipelines;
mod product;
mod reading;
mod recorder;
mod recording;
mod sample_ops;
mod warm_up;
mod weights;

pub use arranged::GpuExecutor;
pub use error::GpuError;
pub(crate) use error::checked;
#[cfg(feature = "bench")]
pub(crate) use headless::FLOPS_PER_SUBMISSION;
pub use headless::Gpu;
pub use image_target::{ImagePlace, ImageTarget, MipChain};
pub use job::JobSlot;
pub use kernel::{Binding, Kernel, KernelKey, KernelVariant};
pub use maps::MapTarget;
pub use pages::GpuPages;
pub use pipelines::Pipelines;
pub use recorder::Recorder;
pub use recording::{BufferRef, Dispatch, GpuIndices, GpuTensor, Recording, StateBuffer, Tap};
pub use weights::GpuWeights;
