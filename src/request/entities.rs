//! Requests as components.

use super::events::{TextureGenerated, TextureNotGenerated};
use super::generator::TextureGenerator;
use super::store::{TextureState, TextureStore};
use crate::sampling::Recipe;
use bevy::prelude::*;

/// Asks for a texture. In the same frame the entity gets [`GeneratedTexture`] with the handle, and [`TextureProgress`];
/// later it is the target of [`TextureGenerated`] or [`TextureNotGenerated`].
///
/// Removing it or despawning the entity cancels the request, unless the texture has other users. Inserting it again
/// with another recipe asks for another texture.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[reflect(Component)]
pub struct GenerateTexture {
    /// What to generate.
    pub recipe: Recipe,
    /// Higher is sooner; equal priorities in the order of requests. Any value, default 0.
    pub priority: i32,
}

impl GenerateTexture {
    /// A request with priority 0.
    pub fn new(recipe: Recipe) -> Self {
        Self { recipe, priority: 0 }
    }

    /// The same with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }
}

/// The texture of an entity with [`GenerateTexture`]: usable at once, filled in place. Inserted by the plugin.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[reflect(Component)]
pub struct GeneratedTexture(pub Handle<Image>);

/// How far the texture of an entity with [`GenerateTexture`] is. Inserted by the plugin.
#[derive(Component, Clone, Debug, Default, PartialEq, Reflect)]
#[reflect(Component, Default)]
pub struct TextureProgress {
    /// The state of the texture.
    pub state: TextureState,
}

/// Answers a new request component.
pub fn answer_request(
    event: On<Insert, GenerateTexture>,
    requests: Query<&GenerateTexture>,
    mut generator: TextureGenerator,
    mut commands: Commands,
) {
    let Ok(request) = requests.get(event.entity) else { return };
    let handle = generator.generate_with_priority(request.recipe.clone(), request.priority);
    commands.entity(event.entity).try_insert((GeneratedTexture(handle), TextureProgress::default()));
}

/// Drops the handle with the request.
pub fn withdraw_request(event: On<Remove, GenerateTexture>, mut commands: Commands) {
    if let Ok(mut entity) = commands.get_entity(event.entity) {
        entity.try_remove::<(GeneratedTexture, TextureProgress)>();
    }
}

/// Copies states to the entities that asked, and tells them of the end.
pub fn update_entities(
    mut store: ResMut<TextureStore>,
    mut requests: Query<(Entity, &GeneratedTexture, &mut TextureProgress)>,
    mut commands: Commands,
) {
    store.news = false;
    for (entity, texture, mut progress) in &mut requests {
        if progress.state.is_finished() {
            continue;
        }
        let Some(found) = store.entries.get(&texture.0.id()) else { continue };
        progress.set_if_neq(TextureProgress { state: found.state.clone() });
        match &found.state {
            TextureState::Ready(_) => {
                commands.trigger(TextureGenerated { entity, image: texture.0.clone(), source: found.source });
            }
            TextureState::Failed(error) => commands.trigger(TextureNotGenerated { entity, error: error.clone() }),
            TextureState::Waiting | TextureState::Generating(_) => {}
        }
    }
}
