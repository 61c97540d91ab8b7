//! Learned, seamless textures for Bevy, generated on the GPU while the game runs.

#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod model;
#[cfg(feature = "native")]
pub mod native;
pub mod reference;
pub mod sampling;
#[cfg(feature = "train")]
pub mod train;
