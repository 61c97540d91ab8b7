//! All textures that were asked for and still exist.

use super::events::{GenerationError, TextureSource};
use super::link::{Command, Outbox, Ticket};
use super::target::{target_image, texture_bytes};
use crate::sampling::Recipe;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;

/// How far a texture is.
#[derive(Clone, Debug, Default, PartialEq, Reflect)]
pub enum TextureState {
    /// It waits for the model, for the disk or for other textures.
    #[default]
    Waiting,
    /// The part of its work that is submitted, 0 to 1.
    Generating(f32),
    /// It has its picture.
    Ready(TextureSource),
    /// It keeps its neutral colour.
    Failed(GenerationError),
}

impl TextureState {
    /// True when nothing more will happen.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Failed(_))
    }

    /// From 0 to 1; a failed texture has 1.
    pub fn fraction(&self) -> f32 {
        match self {
            Self::Waiting => 0.0,
            Self::Generating(fraction) => *fraction,
            Self::Ready(_) | Self::Failed(_) => 1.0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub recipe: Recipe,
    /// Hash of the recipe's text form.
    pub hash: [u8; 32],
    pub state: TextureState,
    pub priority: i32,
    /// Number of the attempt that runs.
    pub attempt: u64,
    /// Where the picture of the running attempt comes from.
    pub source: TextureSource,
    /// The file whose image this is; such images are kept and dropped by the asset server.
    pub origin: Option<String>,
}

/// All textures of the generator, by image. Equal recipes have one entry.
#[derive(Resource, Debug, Default)]
pub struct TextureStore {
    pub(super) entries: HashMap<AssetId<Image>, Entry>,
    by_recipe: HashMap<[u8; 32], AssetId<Image>>,
    /// Entries that `start_requests` has to look at.
    pub(super) to_start: Vec<AssetId<Image>>,
    /// Results that requests have not heard of yet.
    pub(super) to_announce: Vec<AssetId<Image>>,
    /// Something changed that entities have to know.
    pub(super) news: bool,
    /// Why nothing can be generated.
    pub(super) unusable: Option<GenerationError>,
    /// Finished textures that stay without users, least recently used first.
    kept: Vec<Handle<Image>>,
    attempts: u64,
}

impl TextureStore {
    /// How far a texture is; none for an image of another origin.
    pub fn state(&self, image: impl Into<AssetId<Image>>) -> Option<&TextureState> {
        self.entries.get(&image.into()).map(|entry| &entry.state)
    }

    /// What a texture shows or will show.
    pub fn recipe(&self, image: impl Into<AssetId<Image>>) -> Option<&Recipe> {
        self.entries.get(&image.into()).map(|entry| &entry.recipe)
    }

    /// Textures that exist.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if no texture exists.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All textures, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (AssetId<Image>, &Recipe, &TextureState)> {
        self.entries.iter().map(|(image, entry)| (*image, &entry.recipe, &entry.state))
    }

    /// Textures that still change.
    pub fn unfinished(&self) -> usize {
        self.entries.values().filter(|entry| !entry.state.is_finished()).count()
    }

    pub(super) fn request(
        &mut self,
        recipe: Recipe,
        priority: i32,
        images: &mut Assets<Image>,
        outbox: &mut Outbox,
    ) -> Handle<Image> {
        self.news = true;
        let hash = hash(&recipe);
        if let Some(image) = self.by_recipe.get(&hash).copied() {
            // Fails when the last handle was dropped in this frame.
            if let Some(handle) = images.get_strong_handle(image) {
                self.join(image, priority, outbox);
                return handle;
            }
            self.forget(image, outbox);
        }
        let handle = images.add(target_image(recipe.size));
        let image = handle.id();
        let source = TextureSource::Generated;
        let entry = Entry { recipe, hash, state: TextureState::Waiting, priority, attempt: 0, source, origin: None };
        self.entries.insert(image, entry);
        self.by_recipe.insert(hash, image);
        self.to_start.push(image);
        outbox.0.push(Command::Clear(image));
        handle
    }

    /// Makes an image of the asset server a texture of the generator, or changes the recipe of one that is.
    pub(super) fn adopt(&mut self, image: AssetId<Image>, recipe: Recipe, origin: String, outbox: &mut Outbox) {
        self.news = true;
        let hash = hash(&recipe);
        let source = TextureSource::Generated;
        let (state, origin) = (TextureState::Waiting, Some(origin));
        let size = recipe.size;
        // Other requests do not share it: a changed file must not change their textures.
        let entry = Entry { recipe, hash, state, priority: 0, attempt: 0, source, origin };
        match self.entries.insert(image, entry) {
            Some(old) => {
                outbox.0.push(Command::Cancel(image));
                // Of another size it is a new texture; else the old picture stays until the new one is there.
                if old.recipe.size != size {
                    outbox.0.push(Command::Clear(image));
                }
            }
            None => outbox.0.push(Command::Clear(image)),
        }
        if !self.to_start.contains(&image) {
            self.to_start.push(image);
        }
    }

    /// One more request for a texture that exists.
    fn join(&mut self, image: AssetId<Image>, priority: i32, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        match &entry.state {
            TextureState::Failed(GenerationError::Cancelled) => {
                entry.state = TextureState::Waiting;
                entry.priority = priority;
                self.to_start.push(image);
            }
            state if state.is_finished() => {
                entry.source = TextureSource::Memory;
                self.to_announce.push(image);
                self.touch(image);
            }
            _ if priority > entry.priority => self.prioritise(image, priority, outbox),
            _ => {}
        }
    }

    pub(super) fn prioritise(&mut self, image: AssetId<Image>, priority: i32, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        entry.priority = priority;
        outbox.0.push(Command::Prioritise(image, priority));
    }

    /// Marks an unfinished texture as cancelled.
    pub(super) fn cancel(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        if self.entries.get(&image).is_some_and(|entry| !entry.state.is_finished()) {
            self.fail(image, GenerationError::Cancelled);
            outbox.0.push(Command::Cancel(image));
        }
    }

    pub(super) fn fail(&mut self, image: AssetId<Image>, error: GenerationError) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        entry.state = TextureState::Failed(error);
        self.to_announce.push(image);
        self.news = true;
    }

    /// Fails everything that is unfinished, and every later request.
    pub(super) fn fail_all(&mut self, error: &GenerationError) {
        self.unusable = Some(error.clone());
        let unfinished = self.entries.iter().filter(|(_, entry)| !entry.state.is_finished());
        let unfinished: Vec<AssetId<Image>> = unfinished.map(|(image, _)| *image).collect();
        for image in unfinished {
            self.fail(image, error.clone());
        }
    }

    /// Removes a texture that no longer exists; a running attempt ends.
    pub(super) fn forget(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        let Some(entry) = self.entries.remove(&image) else { return };
        // The recipe may have a newer image already.
        if self.by_recipe.get(&entry.hash) == Some(&image) {
            self.by_recipe.remove(&entry.hash);
        }
        self.kept.retain(|handle| handle.id() != image);
        outbox.0.push(Command::Cancel(image));
    }

    /// A number for a new attempt.
    pub(super) fn ticket(&mut self, image: AssetId<Image>) -> Ticket {
        self.attempts += 1;
        if let Some(entry) = self.entries.get_mut(&image) {
            entry.attempt = self.attempts;
        }
        Ticket { image, number: self.attempts }
    }

    /// The entry that a ticket was made for, unless it was cancelled or started anew since.
    pub(super) fn entry_of(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        let failed = |entry: &Entry| matches!(entry.state, TextureState::Failed(_));
        self.entries.get_mut(&ticket.image).filter(|entry| entry.attempt == ticket.number && !failed(entry))
    }

    /// Keeps a finished texture for later requests, within a number of bytes.
    pub(super) fn keep(&mut self, image: AssetId<Image>, images: &mut Assets<Image>, limit: u64) {
        if self.entries.get(&image).is_none_or(|entry| entry.origin.is_some()) {
            return;
        }
        self.kept.retain(|handle| handle.id() != image);
        self.kept.extend(images.get_strong_handle(image));
        self.trim(limit);
    }

    /// Lets go of the textures used longest ago, above a number of bytes.
    pub(super) fn trim(&mut self, limit: u64) {
        let bytes =
            |handle: &Handle<Image>| self.entries.get(&handle.id()).map_or(0, |entry| texture_bytes(entry.recipe.size));
        let mut total: u64 = self.kept.iter().map(bytes).sum();
        let mut dropped = 0;
        while total > limit && dropped < self.kept.len() {
            total -= bytes(&self.kept[dropped]);
            dropped += 1;
        }
        self.kept.drain(..dropped);
    }

    fn touch(&mut self, image: AssetId<Image>) {
        if let Some(at) = self.kept.iter().position(|handle| handle.id() == image) {
            self.kept[at..].rotate_left(1);
        }
    }
}

fn hash(recipe: &Recipe) -> [u8; 32] {
    *blake3::hash(recipe.to_ron().as_bytes()).as_bytes()
}
