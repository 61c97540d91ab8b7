//! Requests from systems.

use super::link::Outbox;
use super::model_source::DisconModel;
use super::store::{TextureState, TextureStore};
use crate::sampling::Recipe;
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;

/// Asks for textures from a system.
///
/// ```
/// # use bevy::prelude::*;
/// # use bevy_discon::prelude::*;
/// fn paint(mut generator: TextureGenerator, mut sprites: Query<&mut GeneratedTexture>) {
///     for mut texture in &mut sprites {
///         texture.0 = generator.generate(Recipe::new("brick").with_seed(7));
///     }
/// }
/// # bevy::ecs::system::assert_is_system(paint);
/// ```
#[derive(SystemParam)]
pub struct TextureGenerator<'w> {
    pub(super) store: ResMut<'w, TextureStore>,
    pub(super) images: ResMut<'w, Assets<Image>>,
    pub(super) outbox: ResMut<'w, Outbox>,
    pub(super) model: Res<'w, DisconModel>,
}

impl TextureGenerator<'_> {
    /// The texture of `recipe`: valid at once, in its neutral colour, and filled in place within the next frames.
    /// Equal recipes give the same texture.
    ///
    /// [`TextureReady`](super::TextureReady) or [`TextureFailed`](super::TextureFailed) follows. Dropping the last handle
    /// cancels the request. Costs some microseconds.
    pub fn generate(&mut self, recipe: Recipe) -> Handle<Image> {
        self.generate_with_priority(recipe, 0)
    }

    /// The same with a priority: higher is sooner, 0 is usual. The highest priority of equal recipes counts.
    pub fn generate_with_priority(&mut self, recipe: Recipe, priority: i32) -> Handle<Image> {
        self.store.request(recipe, priority, &mut self.images, &mut self.outbox)
    }

    /// How far a texture is; none for an image that does not come from the generator.
    pub fn progress(&self, image: impl Into<AssetId<Image>>) -> Option<&TextureState> {
        self.store.state(image)
    }

    /// Changes the priority of a texture that waits, for example by its distance to the camera.
    pub fn set_priority(&mut self, image: impl Into<AssetId<Image>>, priority: i32) {
        self.store.prioritise(image.into(), priority, &mut self.outbox);
    }

    /// Ends the work on a texture although handles exist; requests fail with
    /// [`GenerationError::Cancelled`](super::GenerationError::Cancelled). A later equal request starts again, in the same texture.
    pub fn cancel(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.cancel(image.into(), &mut self.outbox);
    }

    /// The model, for its classes.
    pub fn model(&self) -> &DisconModel {
        &self.model
    }
}
