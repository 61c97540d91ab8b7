//! Messages, and what reflection knows: scenes, inspectors and remote protocols find types by it.

use super::entities::{GenerateTexture, GeneratedTexture, TextureProgress};
use super::events::{
    DiskCacheFailed, TextureCoarse, TextureFailed, TextureGenerated, TextureNotGenerated, TextureReady, TextureTokens,
    TextureTokensFailed,
};
use super::maps::DerivedMaps;
use super::priority::PriorityByDistance;
use super::settings::DisconSettings;
use crate::sampling::{MapKind, MapRules, Recipe};
use bevy::prelude::*;

/// Adds messages and registers types. The types of fields come along; those of surfaces, exemplars and statistics stand
/// with their systems.
pub fn add(app: &mut App) {
    app.add_message::<TextureReady>()
        .add_message::<TextureFailed>()
        .add_message::<TextureCoarse>()
        .add_message::<TextureTokens>()
        .add_message::<TextureTokensFailed>()
        .add_message::<DiskCacheFailed>()
        .register_type::<DisconSettings>()
        // Also where there is no asset server, which would make it known.
        .register_type::<Recipe>()
        .register_type::<MapRules>()
        .register_type::<MapKind>()
        .register_type::<DerivedMaps>()
        .register_type::<GenerateTexture>()
        .register_type::<GeneratedTexture>()
        .register_type::<TextureProgress>()
        .register_type::<PriorityByDistance>()
        .register_type::<TextureGenerated>()
        .register_type::<TextureNotGenerated>()
        .register_type::<TextureCoarse>()
        .register_type::<TextureTokens>()
        .register_type::<TextureTokensFailed>()
        .register_type::<TextureReady>()
        .register_type::<TextureFailed>()
        .register_type::<DiskCacheFailed>();
}
