//! Priorities that follow the camera.

use super::entities::GeneratedTexture;
use super::link::Outbox;
use super::store::TextureStore;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;

/// Gives the texture of an entity a priority by the distance to the nearest camera, as long as it is unfinished:
/// `near - per_unit * distance`. Of several entities with one texture the highest counts.
///
/// The entity needs a [`GlobalTransform`]; put it beside [`GenerateTexture`](super::GenerateTexture).
#[derive(Component, Clone, Copy, Debug, PartialEq, Reflect)]
#[reflect(Component, Default)]
pub struct PriorityByDistance {
    /// Priority at distance 0. Any number, default 0.
    pub near: f32,
    /// How much each world unit of distance takes away. Any number, default 1.
    pub per_unit: f32,
}

impl Default for PriorityByDistance {
    fn default() -> Self {
        Self { near: 0.0, per_unit: 1.0 }
    }
}

/// Changes smaller than this part of a priority are not worth a new order.
const NOTICEABLE: f32 = 0.02;

/// Sets priorities by distance.
pub(super) fn prioritise_by_distance(
    entities: Query<(&PriorityByDistance, &GeneratedTexture, &GlobalTransform)>,
    cameras: Query<(&Camera, &GlobalTransform)>,
    mut store: ResMut<TextureStore>,
    mut outbox: ResMut<Outbox>,
) {
    let eyes: Vec<Vec3> =
        cameras.iter().filter(|(camera, _)| camera.is_active).map(|(_, place)| place.translation()).collect();
    if eyes.is_empty() {
        return;
    }
    let mut priorities: HashMap<AssetId<Image>, f32> = HashMap::default();
    for (rule, texture, place) in &entities {
        let distance = eyes.iter().map(|eye| eye.distance(place.translation())).fold(f32::INFINITY, f32::min);
        let priority = rule.near - rule.per_unit * distance;
        let highest = priorities.entry(texture.0.id()).or_insert(priority);
        *highest = highest.max(priority);
    }
    for (image, priority) in priorities {
        let Some(entry) = store.entries.get(&image) else { continue };
        let known = entry.priority;
        if (priority - known).abs() > NOTICEABLE * known.abs().max(priority.abs()) {
            store.prioritise(image, priority, &mut outbox);
        }
    }
}
