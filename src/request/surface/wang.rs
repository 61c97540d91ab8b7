//! Wang tiles by a request.

use super::link::{Arranger, SurfaceCommand, SurfaceJob, SurfaceReport};
use super::streaming::{not_curated, unusable};
use crate::request::events::GenerationError;
use crate::request::link::{Command, Outbox, ReportSender};
use crate::request::model_source::DisconModel;
use crate::request::store::TextureStore;
use crate::request::target::{layered_image, lookup_image};
use crate::sampling::{Recipe, WANG_TILES, WangSet, wang_index_map};
use bevy::asset::RenderAssetUsages;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;

/// Asks for a complete set of sixteen Wang tiles and a field of them that fit: a large surface without visible
/// repetition for the memory of sixteen textures. Costs about thirty textures, within the budget of each frame.
///
/// In the same frame the entity gets [`WangTextures`]. `DisconLayers` (feature `material`, with `LayeredMaterialPlugin`) shows them
/// on a mesh. Removing the component or despawning the entity ends the work; inserting it again begins another set.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[reflect(Component)]
pub struct WangTileSet {
    /// Class, seed and look; its size is that of a tile, 128 to 1024 pixels. Tiling, tokens, blends and edits do not
    /// matter.
    pub recipe: Recipe,
    /// Columns and rows of the field, which repeats. Range 1..=1024, default 64 by 64.
    pub field: (u32, u32),
    /// Seed of the field. Default 0.
    pub field_seed: u64,
    /// Higher is sooner. Default 0.
    pub priority: f32,
}

impl WangTileSet {
    /// A set with all defaults.
    pub fn new(recipe: Recipe) -> Self {
        Self { recipe, field: (64, 64), field_seed: 0, priority: 0.0 }
    }
}

/// The textures of a [`WangTileSet`]. Inserted by the plugin.
#[derive(Component, Clone, Debug, Reflect)]
#[reflect(Component)]
pub struct WangTextures {
    /// Texture array: a tile in each of the sixteen layers, with all mip levels, sRGB, clamped at the borders. Neutral
    /// until it is filled.
    pub tiles: Handle<Image>,
    /// The field: `R8Uint`, the layer of each of its places. The field fits across its borders, too.
    pub map: Handle<Image>,
    /// Tiles that have their picture.
    pub made: u32,
    /// Why no further tiles are made, if that is so. Inserting the request again tries again.
    pub error: Option<GenerationError>,
    /// Number of the opening whose tiles these are.
    pub(super) opened: Option<u64>,
}

impl WangTextures {
    /// Whether all tiles have their pictures.
    pub fn is_complete(&self) -> bool {
        self.made as usize == WANG_TILES
    }

    pub(super) fn reopen(&mut self) {
        (self.opened, self.made, self.error) = (None, 0, None);
    }

    pub(super) fn apply(&mut self, report: SurfaceReport) {
        match report {
            SurfaceReport::Tile(tile) => self.made = tile + 1,
            SurfaceReport::Failed(reason) => self.error = Some(GenerationError::Gpu(reason)),
            SurfaceReport::Cell(..) | SurfaceReport::Lost(_) => {}
        }
    }
}

pub(super) fn build(app: &mut App) {
    app.add_observer(answer).add_observer(withdraw);
}

/// Answers a new request.
fn answer(
    event: On<Insert, WangTileSet>,
    sets: Query<&WangTileSet>,
    mut images: ResMut<Assets<Image>>,
    mut outbox: ResMut<Outbox>,
    mut commands: Commands,
) {
    let Ok(set) = sets.get(event.entity) else { return };
    let (columns, rows) = (set.field.0.clamp(1, 1024), set.field.1.clamp(1, 1024));
    let mut map = lookup_image((columns, rows), TextureFormat::R8Uint);
    map.data = Some(wang_index_map(columns, rows, set.field_seed));
    // Kept in the main world too, from where Bevy fills it again on a new device.
    map.asset_usage = RenderAssetUsages::all();
    let tiles = images.add(layered_image(set.recipe.size, WANG_TILES as u32));
    outbox.0.push(Command::Clear(tiles.id(), None));
    let map = images.add(map);
    commands.entity(event.entity).try_insert(WangTextures { tiles, map, made: 0, error: None, opened: None });
}

/// Ends the work of a request that is removed or replaced.
fn withdraw(
    event: On<Discard, WangTileSet>,
    sets: Query<&WangTextures>,
    mut outbox: ResMut<Outbox>,
    mut commands: Commands,
) {
    let Ok(set) = sets.get(event.entity) else { return };
    outbox.0.push(Command::Surface(SurfaceCommand::Close(set.tiles.id())));
    if let Ok(mut entity) = commands.get_entity(event.entity) {
        entity.try_remove::<WangTextures>();
    }
}

/// Sends new sets to the render world, as soon as there is a model.
pub(super) fn open_sets(
    model: Res<DisconModel>,
    mut store: ResMut<TextureStore>,
    sender: Option<Res<ReportSender>>,
    mut sets: Query<(&WangTileSet, &mut WangTextures)>,
    mut outbox: ResMut<Outbox>,
) {
    for (set, mut textures) in &mut sets {
        if textures.opened.is_some() || textures.error.is_some() {
            continue;
        }
        if let Some(error) = unusable(&store, &model).or_else(|| not_curated(&store, &set.recipe)) {
            textures.error = Some(error);
            continue;
        }
        let (Some(model), Some(_)) = (model.get(), &sender) else { continue };
        match WangSet::new(model, &set.recipe) {
            Ok(work) => {
                let arranger = Arranger::Wang { set: Box::new(work), priority: set.priority };
                let ticket = store.ticket(textures.tiles.id());
                textures.opened = Some(ticket.number);
                outbox.0.push(Command::Surface(SurfaceCommand::Open(Box::new(SurfaceJob { ticket, arranger }))));
            }
            Err(error) => textures.error = Some(GenerationError::Recipe(error.to_string())),
        }
    }
}
