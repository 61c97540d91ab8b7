//! Requests as components.

use super::events::{TextureGenerated, TextureNotGenerated};
use super::generator::TextureGenerator;
use super::state::TextureState;
use super::store::TextureStore;
use crate::sampling::Recipe;
use bevy::prelude::*;

/// How far a texture is generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
pub enum TextureDetail {
    /// To the end. The coarse picture comes first if [`DisconSettings::coarse_first`](super::DisconSettings) says so.
    #[default]
    Full,
    /// To the end, without the coarse picture.
    Direct,
    /// To the coarse picture, that of the discrete tokens alone: about the cost of stage 1 and the decoder.
    /// [`TextureGenerator::refine`] goes on to the end.
    Coarse,
}

/// Asks for a texture: as a component of an entity, or given to [`TextureGenerator::request`].
///
/// In the same frame the entity gets [`GeneratedTexture`] with the handle, and [`TextureProgress`]; later it is the
/// target of [`TextureGenerated`] or [`TextureNotGenerated`].
///
/// Removing it or despawning the entity cancels the request, unless the texture has other users. Inserting it again
/// with another recipe asks for another texture.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[reflect(Component)]
pub struct GenerateTexture {
    /// What to generate.
    pub recipe: Recipe,
    /// Higher is sooner; equal priorities in the order of requests. Any number, default 0. It can be changed later:
    /// see [`TextureGenerator::set_priority`] and [`PriorityByDistance`](super::PriorityByDistance).
    #[reflect(default)]
    pub priority: f32,
    /// How far it goes. Default [`TextureDetail::Full`].
    #[reflect(default)]
    pub detail: TextureDetail,
    /// Whether the message [`TextureTokens`](super::TextureTokens) brings the tokens: an asynchronous copy of some
    /// hundred bytes. Default false.
    #[reflect(default)]
    pub read_tokens: bool,
}

impl GenerateTexture {
    /// A request with priority 0 for the full picture.
    pub fn new(recipe: Recipe) -> Self {
        Self { recipe, priority: 0.0, detail: TextureDetail::Full, read_tokens: false }
    }

    /// The same with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: f32) -> Self {
        self.priority = priority;
        self
    }

    /// The same to another detail.
    #[must_use]
    pub fn with_detail(mut self, detail: TextureDetail) -> Self {
        self.detail = detail;
        self
    }

    /// The same, giving back its tokens.
    #[must_use]
    pub fn with_tokens_read(mut self) -> Self {
        self.read_tokens = true;
        self
    }
}

impl From<Recipe> for GenerateTexture {
    fn from(recipe: Recipe) -> Self {
        Self::new(recipe)
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
    /// Whether it shows at least its coarse picture.
    pub coarse: bool,
}

/// Answers a new request component.
pub fn answer_request(
    event: On<Insert, GenerateTexture>,
    requests: Query<&GenerateTexture>,
    mut generator: TextureGenerator,
    mut commands: Commands,
) {
    let Ok(request) = requests.get(event.entity) else { return };
    let handle = generator.request(request.clone());
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
        let Some(found) = store.entries.get(&texture.0.id()) else { continue };
        let same = progress.state == *found.state();
        progress.set_if_neq(TextureProgress { state: found.state().clone(), coarse: found.coarse });
        if same {
            continue;
        }
        match found.state() {
            TextureState::Ready(_) => {
                commands.trigger(TextureGenerated { entity, image: texture.0.clone(), source: found.source });
            }
            TextureState::Failed(error) => commands.trigger(TextureNotGenerated { entity, error: error.clone() }),
            TextureState::Waiting | TextureState::Generating(_) | TextureState::Coarse => {}
        }
    }
}
