//! How far a texture is.

use super::events::{GenerationError, TextureSource};
use bevy::prelude::*;

/// How far a texture is.
#[derive(Clone, Debug, Default, PartialEq, Reflect)]
pub enum TextureState {
    /// It waits for the model, for the disk or for other textures.
    #[default]
    Waiting,
    /// The part of its work that is submitted, 0 to 1.
    Generating(f32),
    /// It has its coarse picture and stays with it until it is refined.
    Coarse,
    /// It has its picture.
    Ready(TextureSource),
    /// It keeps its neutral colour, or the picture that it had.
    Failed(GenerationError),
}

impl TextureState {
    /// True when nothing more will happen by itself.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Failed(_) | Self::Coarse)
    }

    /// From 0 to 1; a failed texture has 1, as one that stays coarse.
    pub fn fraction(&self) -> f32 {
        match self {
            Self::Waiting => 0.0,
            Self::Generating(fraction) => *fraction,
            Self::Ready(_) | Self::Failed(_) | Self::Coarse => 1.0,
        }
    }
}
