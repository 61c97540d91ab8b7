//! All textures that were asked for and still exist.

use super::entities::{GenerateTexture, TextureDetail};
use super::events::{GenerationError, TextureSource};
use super::link::{Command, Outbox, Ticket};
use super::maps::MapEntry;
use super::state::TextureState;
use super::statistics::Counts;
use super::surface::SurfaceNews;
use super::target::texture_bytes;
use crate::sampling::recipe_file::locate;
use crate::sampling::{CuratedList, Recipe, RecipeDigest, RecipeError};
use bevy::platform::collections::HashMap;
use bevy::prelude::*;

#[derive(Debug)]
pub(super) struct Entry {
    pub recipe: Recipe,
    /// Digest of the recipe.
    pub hash: RecipeDigest,
    /// Changed by [`TextureStore::set_state`] alone, which counts.
    state: TextureState,
    pub priority: f32,
    pub detail: TextureDetail,
    pub paused: bool,
    /// The tokens, if they are known.
    pub tokens: Option<Vec<u16>>,
    /// Whether a job for the tokens alone is on its way.
    pub tokens_asked: bool,
    /// Whether it shows at least its coarse picture.
    pub coarse: bool,
    /// Whether its picture was lost with a device and is not there again yet. Its state stays what it was.
    pub restoring: bool,
    /// Requests that have not ended yet: each ends in one message.
    pub waiting: usize,
    /// Number of the attempt that runs.
    pub attempt: u64,
    /// Where the picture of the running attempt comes from.
    pub source: TextureSource,
    /// The file whose image this is; such images are kept and dropped by the asset server.
    pub origin: Option<Origin>,
}

/// Where a recipe comes from, for messages.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Path of the file.
    pub file: String,
    /// Its text, if there is one and it is short.
    pub text: Option<String>,
}

impl Origin {
    /// An error of the recipe with the file, and with its line where that is known.
    pub(super) fn explain(&self, error: &RecipeError) -> String {
        let file = &self.file;
        match self.text.as_ref().and_then(|text| locate(text, error)) {
            Some((line, column)) => format!("{file}: {line}:{column}: {error}"),
            None => format!("{file}: {error}"),
        }
    }
}

impl Entry {
    pub(super) fn new(request: GenerateTexture, hash: RecipeDigest, origin: Option<Origin>) -> Self {
        Self {
            hash,
            origin,
            state: TextureState::Waiting,
            priority: number(request.priority),
            detail: request.detail,
            paused: false,
            tokens: request.recipe.tokens.clone(),
            tokens_asked: false,
            coarse: false,
            restoring: false,
            waiting: 1,
            attempt: 0,
            source: TextureSource::Generated,
            recipe: request.recipe,
        }
    }

    pub(super) fn state(&self) -> &TextureState {
        &self.state
    }
}

/// Priorities that can be ordered.
pub(super) fn number(priority: f32) -> f32 {
    if priority.is_nan() { 0.0 } else { priority }
}

/// All textures of the generator, by image. Equal recipes have one entry.
#[derive(Resource, Debug, Default)]
pub struct TextureStore {
    pub(super) entries: HashMap<AssetId<Image>, Entry>,
    pub(super) by_recipe: HashMap<RecipeDigest, AssetId<Image>>,
    /// Entries that `start_requests` has to look at.
    pub(super) to_start: Vec<AssetId<Image>>,
    /// Results that requests have not heard of yet.
    pub(super) to_announce: Vec<AssetId<Image>>,
    /// Coarse pictures that requests have not heard of yet.
    pub(super) to_announce_coarse: Vec<AssetId<Image>>,
    /// Textures whose tokens somebody waits for.
    pub(super) to_read: Vec<AssetId<Image>>,
    /// Textures whose tokens could not be read, of which nobody has heard yet.
    pub(super) unread: Vec<(AssetId<Image>, GenerationError)>,
    /// Something changed that entities have to know.
    pub(super) news: bool,
    /// Why nothing can be made on a GPU.
    pub(super) no_gpu: Option<GenerationError>,
    /// Maps by their images.
    pub(super) maps: HashMap<AssetId<Image>, MapEntry>,
    /// Finished textures that stay without users, least recently used first.
    kept: Vec<Handle<Image>>,
    attempts: u64,
    /// Entries that are not finished.
    unfinished: usize,
    /// See [`DisconSettings::max_unfinished`](super::DisconSettings).
    pub(super) max_unfinished: usize,
    /// The only recipes that may be made, if there is a list.
    pub(super) curated: Option<CuratedList>,
    pub(super) counts: Counts,
    /// What the render world says about textures with layers.
    pub(super) surfaces: SurfaceNews,
}

impl TextureStore {
    pub(super) fn new(max_unfinished: usize, curated: Option<CuratedList>) -> Self {
        Self { max_unfinished, curated, ..Self::default() }
    }

    /// How far a texture is; none for an image of another origin.
    pub fn state(&self, image: impl Into<AssetId<Image>>) -> Option<&TextureState> {
        self.entries.get(&image.into()).map(|entry| &entry.state)
    }

    /// Whether a texture shows at least its coarse picture.
    pub fn is_coarse(&self, image: impl Into<AssetId<Image>>) -> bool {
        self.entries.get(&image.into()).is_some_and(|entry| entry.coarse)
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
        self.unfinished
    }

    /// Adds an entry, in place of an older one of the same image.
    pub(super) fn insert(&mut self, image: AssetId<Image>, entry: Entry) -> Option<Entry> {
        self.unfinished += usize::from(!entry.state.is_finished());
        let old = self.entries.insert(image, entry);
        self.unfinished -= usize::from(old.as_ref().is_some_and(|old| !old.state.is_finished()));
        old
    }

    /// Changes how far a texture is.
    pub(super) fn set_state(&mut self, image: AssetId<Image>, state: TextureState) {
        let Some(entry) = self.entries.get_mut(&image) else { return };
        self.unfinished += usize::from(!state.is_finished());
        self.unfinished -= usize::from(!entry.state.is_finished());
        entry.state = state;
    }

    /// Bytes of GPU memory of all textures, and of those that are kept for later requests.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let all = self.entries.values().map(|entry| texture_bytes(entry.recipe.size)).sum();
        (all, self.kept.iter().map(|handle| self.bytes_of(handle)).sum())
    }

    fn bytes_of(&self, handle: &Handle<Image>) -> u64 {
        self.entries.get(&handle.id()).map_or(0, |entry| texture_bytes(entry.recipe.size))
    }

    pub(super) fn fail(&mut self, image: AssetId<Image>, error: GenerationError) {
        // One that was lost with a device and cannot be made again is worth no memory.
        self.unload(image);
        let Some(entry) = self.entries.get_mut(&image) else { return };
        (entry.restoring, entry.tokens_asked) = (false, false);
        self.counts.failure(&error);
        self.set_state(image, TextureState::Failed(error));
        self.to_announce.push(image);
        self.news = true;
    }

    /// Tells those who wait for the tokens of a texture that there are none; its picture is not concerned. Asked for again, they
    /// are tried again.
    pub(super) fn fail_tokens(&mut self, ticket: Ticket, reason: String) {
        let Some(entry) = self.entry_of(ticket) else { return };
        entry.tokens_asked = false;
        self.to_read.retain(|image| *image != ticket.image);
        self.unread.push((ticket.image, GenerationError::Gpu(reason)));
    }

    /// All pictures are gone, or out of reach of what makes textures now.
    pub(super) fn lose_pictures(&mut self) {
        for entry in self.entries.values_mut() {
            entry.restoring |= matches!(entry.state, TextureState::Ready(_) | TextureState::Coarse);
        }
    }

    /// Starts everything anew that has no picture yet, or no longer.
    pub(super) fn start_again(&mut self) {
        self.to_start.clear();
        for (image, entry) in &mut self.entries {
            entry.tokens_asked = false;
            if entry.restoring || !entry.state.is_finished() {
                // What is on its way for an earlier attempt does not count.
                self.attempts += 1;
                entry.attempt = self.attempts;
                self.to_start.push(*image);
            }
        }
    }

    /// Removes a texture that no longer exists; a running attempt ends.
    pub(super) fn forget(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        let Some(entry) = self.entries.remove(&image) else { return };
        self.unfinished -= usize::from(!entry.state.is_finished());
        // The recipe may have a newer image already.
        if self.by_recipe.get(&entry.hash) == Some(&image) {
            self.by_recipe.remove(&entry.hash);
        }
        self.unload(image);
        self.counts.dropped += entry.waiting as u64;
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
        self.unload(image);
        self.kept.extend(images.get_strong_handle(image));
        self.trim(limit);
    }

    /// Keeps a texture no longer.
    pub(super) fn unload(&mut self, image: AssetId<Image>) {
        self.kept.retain(|handle| handle.id() != image);
    }

    /// Lets go of the textures used longest ago, above a number of bytes.
    pub(super) fn trim(&mut self, limit: u64) {
        let mut total: u64 = self.kept.iter().map(|handle| self.bytes_of(handle)).sum();
        let mut dropped = 0;
        while total > limit && dropped < self.kept.len() {
            total -= self.bytes_of(&self.kept[dropped]);
            dropped += 1;
        }
        self.kept.drain(..dropped);
    }

    /// Marks a kept texture as used.
    pub(super) fn touch(&mut self, image: AssetId<Image>) {
        if let Some(at) = self.kept.iter().position(|handle| handle.id() == image) {
            self.kept[at..].rotate_left(1);
        }
    }
}
