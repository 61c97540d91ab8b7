//! Learned, seamless textures for Bevy, generated on the GPU while the game runs.

pub mod model;
