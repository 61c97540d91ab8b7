//! From reports of the render world and the disk to states, messages and caches.

use super::entities::TextureDetail;
use super::events::{
    DiskCacheFailed, GenerationError, TextureCoarse, TextureFailed, TextureReady, TextureSource, TextureTokens,
    TextureTokensFailed,
};
use super::generator::TextureGenerator;
use super::link::{Command, Goal, Inbox, Outbox, Report, ReportSender, Ticket};
use super::model_source::DisconModel;
use super::planning::{ToPlan, generate, start_planning};
use super::settings::DisconSettings;
use super::state::TextureState;
use super::statistics::GPU_MILLISECONDS;
use super::store::{Entry, TextureStore};
use super::surface_link::SurfaceCommand;
use super::systems::{KernelVersion, disk_file};
use bevy::diagnostic::Diagnostics;
use bevy::prelude::*;
use std::collections::HashSet;

/// Applies what the render world and the disk have reported.
pub fn collect_reports(
    inbox: Res<Inbox>,
    sender: Res<ReportSender>,
    version: Res<KernelVersion>,
    settings: Res<DisconSettings>,
    textures: TextureGenerator,
    mut diagnostics: Diagnostics,
    mut cache_failures: MessageWriter<DiskCacheFailed>,
) {
    let TextureGenerator { mut store, mut images, mut outbox, model } = textures;
    let mut to_plan = Vec::new();
    for report in inbox.take() {
        match report {
            Report::Progress(ticket, fraction) => progress(&mut store, ticket, fraction),
            Report::Coarse(ticket) => {
                coarse(&mut store, ticket);
                store.derive_maps_of(ticket.image, &mut outbox);
            }
            Report::Tokens(ticket, tokens) => {
                if let Some(entry) = store.entry_of(ticket) {
                    entry.tokens = Some(tokens);
                }
            }
            Report::Done(ticket) => {
                finish(&mut store, &mut images, ticket, settings.memory_cache_bytes);
                store.derive_maps_of(ticket.image, &mut outbox);
            }
            Report::Failed(ticket, goal, reason) => fail(&mut store, ticket, goal, reason),
            Report::Unusable(reason) => unusable(&mut store, &mut outbox, &settings, reason),
            Report::DiskLookup(ticket, found) => {
                let Some(entry) = store.entry_of(ticket) else { continue };
                if let Some(pixels) = found {
                    entry.source = TextureSource::Disk;
                    outbox.0.push(Command::Upload(ticket, pixels));
                } else if let Some(model) = model.get() {
                    let file = disk_file(&settings, model, *version, &entry.hash, entry.recipe.size);
                    to_plan.push(ToPlan::picture(entry, ticket, file));
                }
            }
            Report::Planned(textures) => {
                textures.into_iter().for_each(|planned| generate(&mut store, &mut outbox, &settings, planned));
            }
            Report::NotCached(failure) => {
                not_cached(&mut store, &failure);
                cache_failures.write(failure);
            }
            Report::Surface(ticket, report) => store.surfaces.reports.push((ticket, report)),
            Report::Cost { operations, continued, together } => {
                store.counts.worked(operations, continued, together);
            }
            Report::Spent(ms) => diagnostics.add_measurement(&GPU_MILLISECONDS, || f64::from(ms)),
            Report::DeviceReplaced => restore_all(&mut store, &mut images, &mut outbox, &model),
        }
    }
    if let Some(model) = model.get() {
        start_planning(model, &sender, to_plan);
    }
}

fn progress(store: &mut TextureStore, ticket: Ticket, fraction: f32) {
    let Some(entry) = store.entry_of(ticket) else { return };
    // A texture that is restored after a device was lost stays ready.
    if !entry.state().is_finished() {
        store.set_state(ticket.image, TextureState::Generating(fraction));
        store.news = true;
    }
}

/// Starts everything anew: on the processor, or to fail with the reason.
fn unusable(store: &mut TextureStore, outbox: &mut Outbox, settings: &DisconSettings, reason: String) {
    if settings.uses_processor() {
        warn!("textures are made on the processor: {reason}");
    } else {
        error!("{reason}");
    }
    // Another model may say so of a device of which it is known; what runs goes on.
    if store.no_gpu.replace(GenerationError::Gpu(reason)).is_none() {
        // They are for attempts that end here.
        outbox.0.retain(|command| !matches!(command, Command::Generate(_) | Command::Upload(..)));
        if settings.uses_processor() {
            // It has none of the pictures that the device has, and maps need them.
            store.lose_pictures();
        }
        store.start_again();
        // They hear that nothing more will come.
        store.surfaces.reopen = true;
    }
}

/// Says once that the disk cache does not work, and counts.
fn not_cached(store: &mut TextureStore, failure: &DiskCacheFailed) {
    if store.counts.not_cached == 0 {
        warn!("the disk cache in {} cannot be written: {}", failure.folder.display(), failure.reason);
    }
    store.counts.not_cached += 1;
}

fn coarse(store: &mut TextureStore, ticket: Ticket) {
    let Some(entry) = store.entry_of(ticket) else { return };
    // It stops here, unless somebody has asked for more meanwhile.
    let rests = entry.detail == TextureDetail::Coarse;
    entry.restoring &= !rests;
    // Once, also if a device is lost.
    let known = std::mem::replace(&mut entry.coarse, true);
    if rests {
        store.set_state(ticket.image, TextureState::Coarse);
    }
    if !known {
        store.counts.coarse += 1;
        store.to_announce_coarse.push(ticket.image);
    }
    store.news = true;
}

fn finish(store: &mut TextureStore, images: &mut Assets<Image>, ticket: Ticket, memory_bytes: u64) {
    let Some(entry) = store.entry_of(ticket) else { return };
    entry.coarse = true;
    entry.restoring = false;
    if !matches!(entry.state(), TextureState::Ready(_)) {
        let source = entry.source;
        store.set_state(ticket.image, TextureState::Ready(source));
        store.counts.finished(source);
        store.to_announce.push(ticket.image);
        store.news = true;
    }
    store.keep(ticket.image, images, memory_bytes);
}

fn fail(store: &mut TextureStore, ticket: Ticket, goal: Goal, reason: String) {
    if store.entry_of(ticket).is_none() {
        return;
    }
    match goal {
        Goal::Tokens => store.fail_tokens(ticket, reason),
        Goal::Coarse | Goal::Full => store.fail(ticket.image, GenerationError::Gpu(reason)),
    }
}

/// Fills all textures again: their content was lost with the device.
fn restore_all(store: &mut TextureStore, images: &mut Assets<Image>, outbox: &mut Outbox, model: &DisconModel) {
    // Bevy makes the textures again that the lost device had. An image that was new when the device was lost is not
    // among them, and nobody would tell Bevy of it once more. Textures that exist stay as they are.
    for image in store.entries.keys().chain(store.maps.keys()) {
        if let Some(mut image) = images.get_mut(*image) {
            // Writing tells of a change.
            _ = &mut *image;
        }
    }
    store.no_gpu = None;
    // Everything is asked for again below, but what has ended shall end: the render world may have heard of it already.
    let ends = |command: &Command| matches!(command, Command::Cancel(_) | Command::Surface(SurfaceCommand::Close(_)));
    outbox.0.retain(ends);
    if let Some(model) = model.get() {
        outbox.0.push(Command::UseModel(model.clone()));
    }
    store.surfaces.reopen = true;
    store.clear_maps(outbox);
    outbox.0.extend(store.entries.keys().map(|image| Command::Clear(*image, None)));
    store.lose_pictures();
    store.start_again();
}

/// Sends the messages of finished textures, one per request.
pub fn announce(
    mut store: ResMut<TextureStore>,
    mut coarse: MessageWriter<TextureCoarse>,
    mut ready: MessageWriter<TextureReady>,
    mut failed: MessageWriter<TextureFailed>,
) {
    if store.to_announce.is_empty() && store.to_announce_coarse.is_empty() {
        return;
    }
    for image in distinct(&mut store.to_announce_coarse) {
        let Some(entry) = store.entries.get_mut(&image) else { continue };
        // Requests that go on hear of it on their way.
        let count = if *entry.state() == TextureState::Coarse { ended(entry) } else { 1 };
        let recipe = entry.recipe.clone();
        coarse.write_batch(std::iter::repeat_n(TextureCoarse { image, recipe }, count));
    }
    for image in distinct(&mut store.to_announce) {
        let Some(entry) = store.entries.get_mut(&image) else { continue };
        let (recipe, source) = (entry.recipe.clone(), entry.source);
        match entry.state().clone() {
            TextureState::Ready(_) => {
                ready.write_batch(std::iter::repeat_n(TextureReady { image, recipe, source }, ended(entry)));
            }
            TextureState::Failed(error) => {
                failed.write_batch(std::iter::repeat_n(TextureFailed { image, recipe, error }, ended(entry)));
            }
            // It was asked for again meanwhile.
            TextureState::Waiting | TextureState::Generating(_) | TextureState::Coarse => {}
        }
    }
}

/// Number of requests that end now, at least one: a picture that was refined or reloaded without one is told too.
fn ended(entry: &mut Entry) -> usize {
    std::mem::take(&mut entry.waiting).max(1)
}

/// Takes all images, each once, in order.
pub(super) fn distinct(images: &mut Vec<AssetId<Image>>) -> Vec<AssetId<Image>> {
    let mut seen = HashSet::new();
    std::mem::take(images).into_iter().filter(|image| seen.insert(*image)).collect()
}

/// Sends the tokens that are known, and samples those of textures that came without.
pub fn give_tokens(
    sender: Option<Res<ReportSender>>,
    settings: Res<DisconSettings>,
    textures: TextureGenerator,
    mut messages: MessageWriter<TextureTokens>,
    mut failures: MessageWriter<TextureTokensFailed>,
) {
    let TextureGenerator { mut store, model, .. } = textures;
    let unusable = store.no_gpu.clone().filter(|_| !settings.uses_processor());
    let mut to_plan = Vec::new();
    failures.write_batch(store.unread.drain(..).map(|(image, error)| TextureTokensFailed { image, error }));
    for image in std::mem::take(&mut store.to_read) {
        let Some(entry) = store.entries.get_mut(&image) else { continue };
        if let Some(tokens) = entry.tokens.clone() {
            messages.write(TextureTokens { image, recipe: entry.recipe.clone().with_tokens(tokens) });
            continue;
        }
        if let TextureState::Failed(error) = entry.state() {
            failures.write(TextureTokensFailed { image, error: error.clone() });
            continue;
        }
        if let Some(error) = &unusable {
            failures.write(TextureTokensFailed { image, error: error.clone() });
            continue;
        }
        let ticket = Ticket { image, number: entry.attempt };
        // One whose picture is on its way reports them with it.
        let has_picture = entry.state().is_finished() && !entry.restoring;
        if has_picture && !std::mem::replace(&mut entry.tokens_asked, true) {
            to_plan.push(ToPlan::tokens(entry, ticket));
        }
        store.to_read.push(image);
    }
    if let (Some(model), Some(sender)) = (model.get(), sender) {
        start_planning(model, &sender, to_plan);
    }
}
