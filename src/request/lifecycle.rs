//! What requests do to the textures of the store.

use super::entities::{GenerateTexture, TextureDetail};
use super::events::{GenerationError, TextureSource};
use super::link::{Command, Outbox};
use super::state::TextureState;
use super::store::{Entry, Origin, TextureStore, number};
use super::target::target_image;
use crate::sampling::Recipe;
use bevy::prelude::*;

impl TextureStore {
    /// The image of a request, new or known.
    pub(super) fn request(
        &mut self,
        request: GenerateTexture,
        images: &mut Assets<Image>,
        outbox: &mut Outbox,
    ) -> Handle<Image> {
        self.news = true;
        self.counts.requests += 1;
        let hash = request.recipe.digest();
        if let Some(image) = self.by_recipe.get(&hash).copied() {
            // Fails when the last handle was dropped in this frame.
            if let Some(handle) = images.get_strong_handle(image) {
                self.join(image, &request, outbox);
                return handle;
            }
            self.forget(image, outbox);
        }
        let handle = images.add(target_image(request.recipe.size));
        let image = handle.id();
        if request.read_tokens {
            self.to_read.push(image);
        }
        self.insert(image, Entry::new(request, hash, None));
        self.by_recipe.insert(hash, image);
        outbox.0.push(Command::Clear(image, None));
        self.start(image);
        handle
    }

    /// Lets `start_requests` look at a texture, unless too many are unfinished.
    fn start(&mut self, image: AssetId<Image>) {
        // The texture itself counts.
        if self.unfinished() > self.max_unfinished {
            return self.fail(image, GenerationError::TooMany { limit: self.max_unfinished });
        }
        self.to_start.push(image);
    }

    /// Makes an image of the asset server a texture of the generator, or changes the recipe of one that is.
    pub(super) fn adopt(
        &mut self,
        image: AssetId<Image>,
        recipe: Recipe,
        origin: Origin,
        images: &mut Assets<Image>,
        outbox: &mut Outbox,
    ) {
        self.news = true;
        self.counts.requests += 1;
        let hash = recipe.digest();
        let size = recipe.size;
        // Other requests do not share it: a changed file must not change their textures.
        match self.insert(image, Entry::new(recipe.into(), hash, Some(origin))) {
            Some(old) => {
                if let Some(entry) = self.entries.get_mut(&image) {
                    entry.waiting += old.waiting;
                }
                outbox.0.push(Command::Cancel(image));
                // Of another size it is a new texture; else the old picture stays until the new one is there.
                if old.recipe.size != size {
                    outbox.0.push(Command::Clear(image, None));
                    self.resize_maps(image, images, outbox);
                }
            }
            None => outbox.0.push(Command::Clear(image, None)),
        }
        self.to_start.push(image);
    }

    /// One more request for a texture that exists.
    fn join(&mut self, image: AssetId<Image>, request: &GenerateTexture, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        entry.waiting += 1;
        if request.read_tokens {
            self.to_read.push(image);
        }
        let priority = number(request.priority);
        match entry.state() {
            // What may have passed; a device that can never do it says so again.
            TextureState::Failed(
                GenerationError::Cancelled
                | GenerationError::TooMany { .. }
                | GenerationError::Gpu(_)
                | GenerationError::NoRenderer,
            ) => {
                entry.priority = priority;
                entry.detail = request.detail;
                (entry.paused, entry.coarse) = (false, false);
                self.set_state(image, TextureState::Waiting);
                return self.start(image);
            }
            TextureState::Coarse if request.detail == TextureDetail::Coarse => self.to_announce_coarse.push(image),
            state if state.is_finished() && *state != TextureState::Coarse => {
                if matches!(state, TextureState::Ready(_)) {
                    entry.source = TextureSource::Memory;
                    self.counts.from_memory += 1;
                }
                self.to_announce.push(image);
                self.touch(image);
            }
            _ if priority > entry.priority => self.prioritise(image, priority, outbox),
            _ => {}
        }
        if request.detail != TextureDetail::Coarse {
            self.refine(image, outbox);
        }
    }

    pub(super) fn prioritise(&mut self, image: AssetId<Image>, priority: f32, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        let priority = number(priority);
        // Helpers set it every frame.
        if entry.priority != priority && !entry.state().is_finished() {
            entry.priority = priority;
            outbox.0.push(Command::Prioritise(image, priority));
        }
    }

    pub(super) fn pause(&mut self, image: AssetId<Image>, paused: bool, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        if entry.paused != paused {
            entry.paused = paused;
            outbox.0.push(Command::Pause(image, paused));
        }
    }

    /// Lets a texture that stops at its coarse picture go on.
    pub(super) fn refine(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        if entry.detail != TextureDetail::Coarse {
            return;
        }
        entry.detail = TextureDetail::Full;
        if *entry.state() == TextureState::Coarse {
            self.set_state(image, TextureState::Waiting);
            self.news = true;
        }
        outbox.0.push(Command::Refine(image));
    }

    /// Marks an unfinished texture as cancelled.
    pub(super) fn cancel(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        if self.entries.get(&image).is_some_and(|entry| !entry.state().is_finished()) {
            self.fail(image, GenerationError::Cancelled);
            outbox.0.push(Command::Cancel(image));
        }
    }
}
