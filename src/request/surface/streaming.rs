//! From viewers to commands, and from reports to the cells of a surface.

use super::link::{Arranger, SurfaceCommand, SurfaceJob, SurfaceReport};
use super::wang::{self, WangTextures, WangTileSet};
use super::{EndlessSurface, SurfaceCells};
use crate::request::events::GenerationError;
use crate::request::link::{Command, Outbox, ReportSender};
use crate::request::model_source::DisconModel;
use crate::request::store::TextureStore;
use crate::request::systems::{Ask, DisconSchedule};
use crate::request::target::{layered_image, lookup_image};
use crate::sampling::{EndlessGrid, Recipe};
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;

/// Parts of a cell that a viewer may move before the render world hears of it.
const NOTICEABLE: f32 = 0.05;

pub(super) fn build(app: &mut App) {
    let news = |store: Res<TextureStore>| !store.surfaces.reports.is_empty() || store.surfaces.reopen;
    app.add_observer(answer)
        .add_observer(withdraw)
        .add_systems(DisconSchedule::Report, apply_reports.run_if(news))
        .add_systems(
            DisconSchedule::Request,
            (wang::open_sets, open_surfaces, follow_viewers)
                .chain()
                .run_if(any_with_component::<SurfaceCells>.or_else(any_with_component::<WangTextures>))
                .in_set(Ask),
        );
}

/// Answers a new request.
fn answer(
    event: On<Insert, EndlessSurface>,
    surfaces: Query<&EndlessSurface>,
    mut images: ResMut<Assets<Image>>,
    mut commands: Commands,
) {
    let Ok(surface) = surfaces.get(event.entity) else { return };
    let (radius, layers) = surface.within_range();
    let side = 2 * radius + 1;
    commands.entity(event.entity).try_insert(SurfaceCells {
        cells: images.add(layered_image(surface.recipe.size, layers)),
        map: images.add(lookup_image((side, side), TextureFormat::Rgba16Uint)),
        layers: default(),
        error: None,
        radius,
        viewer: IVec2::ZERO,
        opened: None,
        sent: None,
    });
}

/// Ends the work of a request that is removed or replaced.
fn withdraw(
    event: On<Discard, EndlessSurface>,
    cells: Query<&SurfaceCells>,
    mut outbox: ResMut<Outbox>,
    mut commands: Commands,
) {
    let Ok(cells) = cells.get(event.entity) else { return };
    outbox.0.push(Command::Surface(SurfaceCommand::Close(cells.cells.id())));
    if let Ok(mut entity) = commands.get_entity(event.entity) {
        entity.try_remove::<SurfaceCells>();
    }
}

/// Sends new surfaces to the render world, as soon as there is a model.
fn open_surfaces(
    model: Res<DisconModel>,
    mut store: ResMut<TextureStore>,
    sender: Option<Res<ReportSender>>,
    viewers: Viewers,
    mut surfaces: Query<(&EndlessSurface, &GlobalTransform, &mut SurfaceCells)>,
    mut outbox: ResMut<Outbox>,
) {
    for (surface, place, mut cells) in &mut surfaces {
        if cells.opened.is_some() || cells.error.is_some() {
            continue;
        }
        if let Some(error) = unusable(&store, &model).or_else(|| not_curated(&store, &surface.recipe)) {
            cells.error = Some(error);
            continue;
        }
        let (Some(model), Some(_)) = (model.get(), &sender) else { continue };
        let (radius, layers) = surface.within_range();
        let grid = match EndlessGrid::new(model, &surface.recipe, radius) {
            Ok(grid) => Box::new(grid),
            Err(error) => {
                cells.error = Some(GenerationError::Recipe(error.to_string()));
                continue;
            }
        };
        let view = surface.view(viewers.place(surface, place).unwrap_or_default());
        let arranger = Arranger::Endless { grid, map: cells.map.id(), radius, layers, view };
        let ticket = store.ticket(cells.cells.id());
        (cells.opened, cells.sent) = (Some(ticket.number), None);
        outbox.0.push(Command::Surface(SurfaceCommand::Open(Box::new(SurfaceJob { ticket, arranger }))));
    }
}

/// Why nothing can be made.
pub(super) fn unusable(store: &TextureStore, model: &DisconModel) -> Option<GenerationError> {
    match (&store.no_gpu, model) {
        (Some(error), _) => Some(GenerationError::NeedsGpu(error.to_string())),
        (None, DisconModel::Failed(reason)) => Some(GenerationError::Model(reason.clone())),
        (None, _) => None,
    }
}

/// Why a build may not make the pictures of a recipe.
pub(super) fn not_curated(store: &TextureStore, recipe: &Recipe) -> Option<GenerationError> {
    let error = store.curated.as_ref()?.check(recipe).err()?;
    Some(GenerationError::NotCurated(error.to_string()))
}

/// Where viewers are.
#[derive(bevy::ecs::system::SystemParam)]
struct Viewers<'w, 's> {
    cameras: Query<'w, 's, (&'static Camera, &'static GlobalTransform)>,
    places: Query<'w, 's, &'static GlobalTransform>,
}

impl Viewers<'_, '_> {
    /// Where the viewer of a surface is in its space.
    fn place(&self, surface: &EndlessSurface, of_surface: &GlobalTransform) -> Option<Vec3> {
        let eye = match surface.viewer {
            Some(viewer) => self.places.get(viewer).ok()?,
            None => {
                let active = self.cameras.iter().filter(|(camera, _)| camera.is_active);
                active.min_by_key(|(camera, _)| camera.order)?.1
            }
        };
        let local = of_surface.affine().inverse().transform_point3(eye.translation());
        local.is_finite().then_some(local)
    }
}

/// Tells the render world where viewers are.
fn follow_viewers(
    viewers: Viewers,
    mut surfaces: Query<(&EndlessSurface, &GlobalTransform, &mut SurfaceCells)>,
    mut outbox: ResMut<Outbox>,
) {
    for (surface, place, mut cells) in &mut surfaces {
        if cells.opened.is_none() {
            continue;
        }
        let Some(eye) = viewers.place(surface, place) else { continue };
        let view = surface.view(eye);
        let now = [view.centre[0], view.centre[1], view.near, view.per_cell];
        let cell = surface.cells_at(eye).floor().as_ivec2();
        let near = |sent: [f32; 4]| sent.iter().zip(now).all(|(sent, now)| (sent - now).abs() < NOTICEABLE);
        if cells.viewer == cell && cells.sent.is_some_and(near) {
            continue;
        }
        (cells.viewer, cells.sent) = (cell, Some(now));
        outbox.0.push(Command::Surface(SurfaceCommand::Look(cells.cells.id(), view)));
    }
}

/// Tells entities what the render world has made.
fn apply_reports(
    mut store: ResMut<TextureStore>,
    mut surfaces: Query<&mut SurfaceCells>,
    mut sets: Query<&mut WangTextures, With<WangTileSet>>,
    mut images: ResMut<Assets<Image>>,
    mut outbox: ResMut<Outbox>,
) {
    if std::mem::take(&mut store.surfaces.reopen) {
        for mut cells in &mut surfaces {
            // Without a number reports that are on their way find nobody; they are of the old pictures.
            (cells.opened, cells.error) = (None, None);
            cells.layers.clear();
            ensure(&mut images, [&cells.cells, &cells.map]);
        }
        for mut set in &mut sets {
            set.reopen();
            ensure(&mut images, [&set.tiles, &set.map]);
            // The old tiles are those of another model, or were lost with the device.
            outbox.0.push(Command::Clear(set.tiles.id(), None));
        }
    }
    for (ticket, report) in std::mem::take(&mut store.surfaces.reports) {
        let ours =
            |image: &Handle<Image>, opened: Option<u64>| image.id() == ticket.image && opened == Some(ticket.number);
        if let Some(mut cells) = surfaces.iter_mut().find(|cells| ours(&cells.cells, cells.opened)) {
            match report {
                SurfaceReport::Cell(cell, layer) => _ = cells.layers.insert(IVec2::from(cell), layer),
                SurfaceReport::Lost(cell) => _ = cells.layers.remove(&IVec2::from(cell)),
                SurfaceReport::Failed(reason) => cells.error = Some(GenerationError::Gpu(reason)),
                SurfaceReport::Tile(_) => {}
            }
        } else if let Some(mut set) = sets.iter_mut().find(|set| ours(&set.tiles, set.opened)) {
            set.apply(report);
        }
    }
}

/// Makes sure that the textures of some images exist. Bevy makes those again that a lost device had; of an image that
/// was new then nobody would tell it once more.
fn ensure<const COUNT: usize>(images: &mut Assets<Image>, handles: [&Handle<Image>; COUNT]) {
    for handle in handles {
        if let Some(mut image) = images.get_mut(handle) {
            // Writing tells of a change. A texture that exists stays as it is.
            _ = &mut *image;
        }
    }
}
