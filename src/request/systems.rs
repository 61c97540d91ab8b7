//! From requests to commands, and from reports to results.

use super::assets;
use super::disk::{self, DiskFile};
use super::entities::{self, GenerateTexture, GeneratedTexture, TextureProgress};
use super::events::{GenerationError, TextureFailed, TextureReady, TextureSource};
use super::generator::TextureGenerator;
use super::link::{Command, Inbox, Job, Outbox, Report, ReportSender, Ticket};
use super::model_source::{self, DisconModel, LoadingModel, ModelSource, ModelToLoad};
use super::settings::DisconSettings;
use super::store::{TextureState, TextureStore};
use crate::model::Model;
use crate::sampling::plan;
use bevy::diagnostic::{Diagnostic, DiagnosticPath, Diagnostics, RegisterDiagnostic};
use bevy::prelude::*;
use bevy::tasks::IoTaskPool;

/// When the plugin works within a frame.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum DisconSystems {
    /// In `PreUpdate`: messages and events are sent, so that systems in `Update` see them in the same frame.
    Report,
    /// In `Last`: requests of the frame go to the render world.
    Request,
}

/// Milliseconds on the GPU that generation takes in a frame, as measured: compare [`DisconSettings::budget_ms`].
pub const GPU_MILLISECONDS: DiagnosticPath = DiagnosticPath::const_new("discon/gpu_ms");

/// Version of the kernels; part of every key on disk.
#[derive(Resource, Clone, Copy)]
struct KernelVersion(u32);

/// The main world's part of the plugin.
pub fn build(app: &mut App, model: ModelSource, settings: DisconSettings, kernel_version: u32) {
    app.insert_resource(match &model {
        ModelSource::Loaded(model) => DisconModel::Ready(model.clone()),
        ModelSource::Folder(_) | ModelSource::Embedded { .. } => DisconModel::Loading,
    });
    app.insert_resource(ModelToLoad(model))
        .insert_resource(settings)
        .insert_resource(KernelVersion(kernel_version))
        .init_resource::<TextureStore>()
        .init_resource::<assets::LoadedRecipes>()
        .init_resource::<Outbox>()
        .add_message::<TextureReady>()
        .add_message::<TextureFailed>()
        .register_diagnostic(Diagnostic::new(GPU_MILLISECONDS).with_suffix(" ms"))
        .register_type::<DisconSettings>()
        .register_type::<GenerateTexture>()
        .register_type::<GeneratedTexture>()
        .register_type::<TextureProgress>()
        .register_type::<TextureReady>()
        .register_type::<TextureFailed>()
        .add_observer(entities::answer_request)
        .add_observer(entities::withdraw_request)
        .add_systems(PreStartup, model_source::start_loading)
        .add_systems(
            PreUpdate,
            (
                model_source::finish_loading.run_if(resource_exists::<LoadingModel>),
                collect_reports.run_if(resource_exists::<Inbox>),
                announce,
                entities::update_entities.run_if(|store: Res<TextureStore>| store.news),
            )
                .chain()
                .in_set(DisconSystems::Report),
        )
        .add_systems(
            Last,
            (
                assets::adopt_loaded.run_if(on_message::<AssetEvent<Image>>),
                forget_unused.run_if(on_message::<AssetEvent<Image>>),
                trim_memory.run_if(resource_changed::<DisconSettings>),
                send_model.run_if(resource_changed::<DisconModel>),
                start_requests.run_if(|store: Res<TextureStore>| !store.to_start.is_empty()),
            )
                .chain()
                .in_set(DisconSystems::Request),
        );
}

/// Joins the main world to a render world; the sender goes there.
pub fn connect(app: &mut App) -> ReportSender {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let sender = ReportSender(sender);
    app.insert_resource(Inbox(receiver)).insert_resource(sender.clone());
    sender
}

/// Makes every request fail: there is no render world.
pub fn without_renderer(app: &mut App) {
    app.world_mut().resource_mut::<TextureStore>().unusable = Some(GenerationError::NoRenderer);
    // Nobody would take the commands.
    app.add_systems(Last, (|mut outbox: ResMut<Outbox>| outbox.0.clear()).after(DisconSystems::Request));
}

fn send_model(model: Res<DisconModel>, mut outbox: ResMut<Outbox>) {
    if let Some(model) = model.get() {
        outbox.0.push(Command::UseModel(model.clone()));
    }
}

fn trim_memory(settings: Res<DisconSettings>, mut store: ResMut<TextureStore>) {
    store.trim(settings.memory_cache_bytes);
}

/// Drops the entries of textures whose last handle is gone.
fn forget_unused(
    mut events: MessageReader<AssetEvent<Image>>,
    mut store: ResMut<TextureStore>,
    mut outbox: ResMut<Outbox>,
) {
    for event in events.read() {
        if let AssetEvent::Unused { id } | AssetEvent::Removed { id } = event {
            store.forget(*id, &mut outbox);
        }
    }
}

/// Checks new requests and sends them on.
fn start_requests(
    model: Res<DisconModel>,
    settings: Res<DisconSettings>,
    version: Res<KernelVersion>,
    sender: Option<Res<ReportSender>>,
    mut store: ResMut<TextureStore>,
    mut outbox: ResMut<Outbox>,
) {
    let unusable = match (&store.unusable, &*model) {
        (Some(error), _) => Some(error.clone()),
        (None, DisconModel::Failed(reason)) => Some(GenerationError::Model(reason.clone())),
        (None, _) => None,
    };
    if let Some(error) = unusable {
        for image in std::mem::take(&mut store.to_start) {
            store.fail(image, error.clone());
        }
        return;
    }
    let (Some(model), Some(sender)) = (model.get(), sender) else { return };
    for image in std::mem::take(&mut store.to_start) {
        let Some(entry) = store.entries.get(&image) else { continue };
        if let Err(error) = entry.recipe.validate(model) {
            let reason = entry.origin.iter().map(|file| format!("{file}: ")).collect::<String>() + &error.to_string();
            store.fail(image, GenerationError::Recipe(reason));
            continue;
        }
        let file = disk_file(&settings, model, version.0, &entry.hash, entry.recipe.size);
        let ticket = store.ticket(image);
        match file {
            Some(file) => look_up(file, ticket, ReportSender::clone(&sender)),
            None => generate(&mut store, &mut outbox, model, ticket, None),
        }
    }
}

fn disk_file(
    settings: &DisconSettings,
    model: &Model,
    version: u32,
    recipe: &[u8; 32],
    size: (u32, u32),
) -> Option<DiskFile> {
    let folder = settings.disk_cache.clone()?;
    Some(DiskFile { folder, key: disk::key(recipe, &model.digest, version), size, limit: settings.disk_cache_bytes })
}

fn look_up(file: DiskFile, ticket: Ticket, sender: ReportSender) {
    let look = async move { sender.send(Report::DiskLookup(ticket, file.read())) };
    IoTaskPool::get().spawn(look).detach();
}

fn generate(store: &mut TextureStore, outbox: &mut Outbox, model: &Model, ticket: Ticket, file: Option<DiskFile>) {
    let Some(entry) = store.entry_of(ticket) else { return };
    entry.source = TextureSource::Generated;
    match plan(model, &entry.recipe) {
        Ok(plan) => outbox.0.push(Command::Generate(Box::new(Job { ticket, plan, priority: entry.priority, file }))),
        Err(error) => store.fail(ticket.image, GenerationError::Recipe(error.to_string())),
    }
}

/// Applies what the render world and the disk have reported.
fn collect_reports(
    inbox: Res<Inbox>,
    settings: Res<DisconSettings>,
    version: Res<KernelVersion>,
    textures: TextureGenerator,
    mut diagnostics: Diagnostics,
) {
    let TextureGenerator { mut store, mut images, mut outbox, model } = textures;
    for report in inbox.0.try_iter() {
        match report {
            Report::Progress(ticket, fraction) => {
                let Some(entry) = store.entry_of(ticket) else { continue };
                // A texture that is restored after a device was lost stays ready.
                if !entry.state.is_finished() {
                    entry.state = TextureState::Generating(fraction);
                    store.news = true;
                }
            }
            Report::Done(ticket) => finish(&mut store, &mut images, ticket, settings.memory_cache_bytes),
            Report::Failed(ticket, reason) => {
                if store.entry_of(ticket).is_some() {
                    store.fail(ticket.image, GenerationError::Gpu(reason));
                }
            }
            Report::Unusable(reason) => {
                error!("{reason}");
                store.fail_all(&GenerationError::Gpu(reason));
            }
            Report::DiskLookup(ticket, Some(pixels)) => {
                if let Some(entry) = store.entry_of(ticket) {
                    entry.source = TextureSource::Disk;
                    outbox.0.push(Command::Upload(ticket, pixels));
                }
            }
            Report::DiskLookup(ticket, None) => {
                let (Some(model), Some(entry)) = (model.get(), store.entry_of(ticket)) else { continue };
                let file = disk_file(&settings, model, version.0, &entry.hash, entry.recipe.size);
                generate(&mut store, &mut outbox, model, ticket, file);
            }
            Report::Spent(ms) => diagnostics.add_measurement(&GPU_MILLISECONDS, || f64::from(ms)),
            Report::DeviceReplaced => restore_all(&mut store, &mut outbox, &model),
        }
    }
}

fn finish(store: &mut TextureStore, images: &mut Assets<Image>, ticket: Ticket, memory_bytes: u64) {
    let Some(entry) = store.entry_of(ticket) else { return };
    if !matches!(entry.state, TextureState::Ready(_)) {
        entry.state = TextureState::Ready(entry.source);
        store.to_announce.push(ticket.image);
        store.news = true;
    }
    store.keep(ticket.image, images, memory_bytes);
}

/// Fills all textures again: their content was lost with the device.
fn restore_all(store: &mut TextureStore, outbox: &mut Outbox, model: &DisconModel) {
    store.unusable = None;
    outbox.0.clear();
    if let Some(model) = model.get() {
        outbox.0.push(Command::UseModel(model.clone()));
    }
    store.to_start.clear();
    for (image, entry) in &store.entries {
        outbox.0.push(Command::Clear(*image));
        if !matches!(entry.state, TextureState::Failed(_)) {
            store.to_start.push(*image);
        }
    }
}

/// Sends the messages of finished textures, one per request.
fn announce(
    mut store: ResMut<TextureStore>,
    mut ready: MessageWriter<TextureReady>,
    mut failed: MessageWriter<TextureFailed>,
) {
    if store.to_announce.is_empty() {
        return;
    }
    for image in std::mem::take(&mut store.to_announce) {
        let Some(entry) = store.entries.get(&image) else { continue };
        let recipe = entry.recipe.clone();
        match &entry.state {
            TextureState::Ready(_) => {
                ready.write(TextureReady { image, recipe, source: entry.source });
            }
            TextureState::Failed(error) => {
                failed.write(TextureFailed { image, recipe, error: error.clone() });
            }
            TextureState::Waiting | TextureState::Generating(_) => {}
        }
    }
}
