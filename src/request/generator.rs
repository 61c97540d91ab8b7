//! Requests from systems.

use super::entities::GenerateTexture;
use super::link::Outbox;
use super::model_source::DisconModel;
use super::state::TextureState;
use super::store::TextureStore;
use crate::sampling::Recipe;
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;

/// Asks for textures from a system.
///
/// ```
/// # use bevy::prelude::*;
/// # use bevy_discon::prelude::*;
/// fn paint(mut generator: TextureGenerator, mut sprites: Query<&mut Sprite>) {
///     for mut sprite in &mut sprites {
///         // The sprite holds the handle: the request lives as long as somebody does.
///         sprite.image = generator.generate(Recipe::new("brick").with_seed(7));
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
        self.request(recipe)
    }

    /// The same with a priority: higher is sooner, 0 is usual. The highest priority of equal recipes counts.
    pub fn generate_with_priority(&mut self, recipe: Recipe, priority: f32) -> Handle<Image> {
        self.request(GenerateTexture::new(recipe).with_priority(priority))
    }

    /// The same with all choices.
    pub fn request(&mut self, request: impl Into<GenerateTexture>) -> Handle<Image> {
        self.store.request(request.into(), &mut self.images, &mut self.outbox)
    }

    /// How far a texture is; none for an image that does not come from the generator.
    pub fn progress(&self, image: impl Into<AssetId<Image>>) -> Option<&TextureState> {
        self.store.state(image)
    }

    /// What a texture shows or will show; none for an image that does not come from the generator.
    pub fn recipe(&self, image: impl Into<AssetId<Image>>) -> Option<&Recipe> {
        self.store.recipe(image)
    }

    /// Changes the priority of a texture that waits, for example by its distance to the camera. Anything but a number
    /// counts as 0.
    pub fn set_priority(&mut self, image: impl Into<AssetId<Image>>, priority: f32) {
        self.store.prioritise(image.into(), priority, &mut self.outbox);
    }

    /// Lets a texture wait until [`TextureGenerator::resume`]. If it was running, its tokens are kept; work of the stage
    /// that ran is done again later, with the same result.
    pub fn pause(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.pause(image.into(), true, &mut self.outbox);
    }

    /// Ends [`TextureGenerator::pause`].
    pub fn resume(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.pause(image.into(), false, &mut self.outbox);
    }

    /// Goes on to the full picture of a texture that stops at its coarse one. Its tokens are not sampled again.
    pub fn refine(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.refine(image.into(), &mut self.outbox);
    }

    /// Asks for the tokens of a texture: [`TextureTokens`](super::TextureTokens) follows, once it is finished. If they
    /// were not read while it was generated, stage 1 runs again. If it cannot,
    /// [`TextureTokensFailed`](super::TextureTokensFailed) says why.
    pub fn read_tokens(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.to_read.push(image.into());
    }

    /// Ends the work on a texture although handles exist; requests fail with
    /// [`GenerationError::Cancelled`](super::GenerationError::Cancelled). A later equal request starts again, in the same texture.
    pub fn cancel(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.cancel(image.into(), &mut self.outbox);
    }

    /// Stops keeping a finished texture in memory for later requests; it is freed with its last handle.
    pub fn unload(&mut self, image: impl Into<AssetId<Image>>) {
        self.store.unload(image.into());
    }

    /// The same for all textures.
    pub fn unload_all(&mut self) {
        self.store.trim(0);
    }

    /// The model, for its classes.
    pub fn model(&self) -> &DisconModel {
        &self.model
    }
}
