//! From requests to commands, and from reports to results.

use super::assets;
use super::entities;
use super::events::GenerationError;
#[cfg(feature = "native")]
use super::exemplars;
use super::link::{self, Command, Inbox, Outbox, Report, ReportSender, Ticket};
use super::model_source::{self, DisconModel, LoadingModel, ModelSource, ModelToLoad};
use super::planning::{ToPlan, start_planning};
use super::priority::{self, PriorityByDistance};
#[cfg(feature = "native")]
use super::processor;
use super::reports::{self, distinct};
use super::settings::DisconSettings;
use super::statistics;
use super::store::TextureStore;
use super::surface;
use super::types;
use crate::cache::{self, DiskFile};
use crate::model::Model;
use crate::sampling::{CuratedList, RecipeDigest, RecipeError};
use bevy::app::MainScheduleOrder;
use bevy::ecs::schedule::{ScheduleLabel, SingleThreadedExecutor};
use bevy::prelude::*;
use bevy::tasks::IoTaskPool;

/// When the plugin works within a frame: in schedules of its own, each on one thread.
///
/// In a frame in which nothing happens they ask a few questions. As systems of Bevy's schedules, on all threads, those would cost
/// ten times as much: a thread that wakes up takes longer than all of them.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub enum DisconSchedule {
    /// After `PreUpdate`: messages and events are sent, so that systems in `Update` see them in the same frame.
    Report,
    /// After `Last`: requests of the frame go to the render world, or to the processor.
    Request,
}

/// What comes before the processor's work within [`DisconSchedule::Request`].
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ask;

fn add_schedules(app: &mut App) {
    for label in [DisconSchedule::Report, DisconSchedule::Request] {
        app.init_schedule(label.clone()).edit_schedule(label, |schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
        });
    }
    let mut order = app.world_mut().resource_mut::<MainScheduleOrder>();
    order.insert_after(PreUpdate, DisconSchedule::Report);
    order.insert_after(Last, DisconSchedule::Request);
}

/// Version of the kernels; part of every key on disk.
#[derive(Resource, Clone, Copy)]
pub struct KernelVersion(u32);

/// The main world's part of the plugin.
pub fn build(
    app: &mut App,
    model: ModelSource,
    settings: DisconSettings,
    curated: Option<CuratedList>,
    kernel_version: u32,
) {
    app.insert_resource(match &model {
        ModelSource::Loaded(model) => DisconModel::Ready(model.clone()),
        ModelSource::Folder(_) | ModelSource::Embedded { .. } => DisconModel::Loading,
    });
    add_schedules(app);
    statistics::build(app);
    types::add(app);
    surface::build(app);
    #[cfg(feature = "native")]
    {
        exemplars::build(app);
        processor::build(app);
    }
    app.insert_resource(ModelToLoad(model))
        .insert_resource(TextureStore::new(settings.max_unfinished, curated))
        .insert_resource(settings)
        .insert_resource(KernelVersion(kernel_version))
        .init_resource::<assets::LoadedRecipes>()
        .init_resource::<Outbox>()
        .add_observer(entities::answer_request)
        .add_observer(entities::withdraw_request)
        .add_systems(PreStartup, model_source::start_loading);
    add_report_systems(app);
    add_request_systems(app);
}

fn add_report_systems(app: &mut App) {
    app.add_systems(
        DisconSchedule::Report,
        (
            model_source::finish_loading.run_if(resource_exists::<LoadingModel>),
            reports::collect_reports.run_if(resource_exists::<Inbox>),
            reports::announce,
            reports::give_tokens
                .run_if(|store: Res<TextureStore>| !store.to_read.is_empty() || !store.unread.is_empty()),
            statistics::count.run_if(resource_changed::<TextureStore>),
            entities::update_entities.run_if(|store: Res<TextureStore>| store.news),
        )
            // Nothing waits for what the commands of another one do.
            .chain_ignore_deferred()
            .run_if(has_news),
    );
}

fn add_request_systems(app: &mut App) {
    app.add_systems(
        DisconSchedule::Request,
        (
            assets::adopt_loaded.run_if(on_message::<AssetEvent<Image>>),
            forget_unused.run_if(on_message::<AssetEvent<Image>>),
            apply_settings.run_if(resource_changed::<DisconSettings>),
            send_model.run_if(resource_changed::<DisconModel>),
            priority::prioritise_by_distance.run_if(
                any_with_component::<PriorityByDistance>.and_then(|store: Res<TextureStore>| store.unfinished() > 0),
            ),
            start_requests.run_if(|store: Res<TextureStore>| !store.to_start.is_empty()),
        )
            .chain_ignore_deferred()
            .in_set(Ask)
            .run_if(on_message::<AssetEvent<Image>>.or_else(has_requests)),
    );
}

/// Whether there is anything to report: one question in idle frames.
fn has_news(store: Res<TextureStore>, inbox: Option<Res<Inbox>>, loading: Option<Res<LoadingModel>>) -> bool {
    store.is_changed() || !store.to_read.is_empty() || loading.is_some() || inbox.is_some_and(|inbox| !inbox.is_empty())
}

/// Whether there is anything to ask for, besides images that have changed.
fn has_requests(
    store: Res<TextureStore>,
    settings: Res<DisconSettings>,
    model: Res<DisconModel>,
    by_distance: Query<(), With<PriorityByDistance>>,
) -> bool {
    let moves = || !by_distance.is_empty() && store.unfinished() > 0;
    store.is_changed() || settings.is_changed() || model.is_changed() || !store.to_start.is_empty() || moves()
}

/// Joins the main world to a render world; the sender goes there.
pub fn connect(app: &mut App) -> ReportSender {
    let (sender, inbox) = link::channel();
    app.insert_resource(inbox).insert_resource(sender.clone());
    sender
}

/// Leaves requests to the processor, or makes them fail: there is no render world.
pub fn without_renderer(app: &mut App) {
    connect(app);
    app.world_mut().resource_mut::<TextureStore>().no_gpu = Some(GenerationError::NoRenderer);
    // Nobody would take the commands.
    #[cfg(not(feature = "native"))]
    app.add_systems(DisconSchedule::Request, (|mut outbox: ResMut<Outbox>| outbox.0.clear()).after(Ask));
}

fn send_model(model: Res<DisconModel>, mut store: ResMut<TextureStore>, mut outbox: ResMut<Outbox>) {
    if let Some(model) = model.get() {
        outbox.0.push(Command::UseModel(model.clone()));
        store.surfaces.reopen = true;
    }
}

fn apply_settings(settings: Res<DisconSettings>, mut store: ResMut<TextureStore>) {
    store.max_unfinished = settings.max_unfinished;
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
            store.forget_map(*id, &mut outbox);
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
) {
    let no_executor = store.no_gpu.clone().filter(|_| !settings.uses_processor());
    let unusable = no_executor.or_else(|| match &*model {
        DisconModel::Failed(reason) => Some(GenerationError::Model(reason.clone())),
        DisconModel::Loading | DisconModel::Ready(_) => None,
    });
    if let Some(error) = unusable {
        for image in distinct(&mut store.to_start) {
            store.fail(image, error.clone());
        }
        return;
    }
    let (Some(model), Some(sender)) = (model.get(), sender) else { return };
    let mut to_plan = Vec::new();
    for image in distinct(&mut store.to_start) {
        let Some(entry) = store.entries.get(&image) else { continue };
        let curated = store.curated.as_ref().map_or(Ok(()), |list| list.check(&entry.recipe));
        if let Err(error) = curated.and_then(|()| entry.recipe.validate(model)) {
            let reason = entry.origin.as_ref().map_or_else(|| error.to_string(), |origin| origin.explain(&error));
            let refused = matches!(error, RecipeError::NotCurated { .. });
            store.fail(
                image,
                if refused { GenerationError::NotCurated(reason) } else { GenerationError::Recipe(reason) },
            );
            continue;
        }
        let file = disk_file(&settings, model, *version, &entry.hash, entry.recipe.size);
        let ticket = store.ticket(image);
        match file {
            Some(file) => look_up(file, ticket, ReportSender::clone(&sender)),
            None => to_plan.extend(store.entry_of(ticket).map(|entry| ToPlan::picture(entry, ticket, None))),
        }
    }
    start_planning(model, &sender, to_plan);
}

/// Where the picture of a recipe is kept on disk, if it is.
pub fn disk_file(
    settings: &DisconSettings,
    model: &Model,
    version: KernelVersion,
    recipe: &RecipeDigest,
    size: (u32, u32),
) -> Option<DiskFile> {
    let folder = settings.disk_cache.clone()?;
    Some(DiskFile {
        folder,
        key: cache::key(recipe.as_bytes(), &model.digest, version.0),
        size,
        limit: settings.disk_cache_bytes,
    })
}

fn look_up(file: DiskFile, ticket: Ticket, sender: ReportSender) {
    let look = async move { sender.send(Report::DiskLookup(ticket, file.read())) };
    IoTaskPool::get().spawn(look).detach();
}
