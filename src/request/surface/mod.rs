//! Textures with layers: endless surfaces around a viewer, and Wang tiles. Components ask for them, and the plugin
//! answers with texture arrays that the render world fills in place.

pub mod link;
mod streaming;
mod wang;

use super::events::GenerationError;
use super::link::Ticket;
use super::priority::PriorityByDistance;
use crate::sampling::Recipe;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use link::{SurfaceReport, View};

pub use wang::{WangTextures, WangTileSet};

/// Most cells to each side of the viewer's: with it a map has as many texels as devices have layers.
pub const MAX_RADIUS: u32 = 7;

/// How a surface lies in the space of its entity. Columns go along +x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
pub enum SurfacePlane {
    /// Ground: rows go along +z.
    #[default]
    Xz,
    /// Wall: rows go along -y.
    Xy,
}

/// Asks for an endless surface: cells around a viewer, each of which continues its neighbours, in the layers of a
/// texture array.
///
/// A cell depends on the recipe, whose seed is that of the world, and on its column and row alone: it is the same
/// whenever the viewer comes by. Cells are made within the budget of each frame like any texture, the nearest first;
/// layers of cells that went out of sight longest ago are used again. Nothing is read back, and no frame waits.
///
/// In the same frame the entity gets [`SurfaceCells`]. `DisconLayers` (feature `material`, with `LayeredMaterialPlugin`) shows them
/// on a mesh. Removing the component or despawning the entity ends the work; inserting it again begins another surface.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[require(Transform)]
#[reflect(Component)]
pub struct EndlessSurface {
    /// Class, seed of the world and look; its size is that of a cell, 128 to 1024 pixels. Large cells are cheaper per
    /// pixel, since each is decoded with a border. Tiling, tokens, blends and edits do not matter.
    pub recipe: Recipe,
    /// Width of a cell in units of the entity's space. A cell is as high as its picture demands. Above 0, default 4.
    pub cell: f32,
    /// Cells to each side of the viewer's that are made: `(2 * radius + 1)^2` in sight. Range 1..=7, default 3.
    pub radius: u32,
    /// Further layers for cells out of sight, which need not be made again when the viewer turns back. All layers
    /// together are at most 256. Default 16.
    pub spare_layers: u32,
    /// How it lies. Default the ground.
    pub plane: SurfacePlane,
    /// Whose [`GlobalTransform`] decides what is near. Default: the active camera with the lowest order.
    pub viewer: Option<Entity>,
    /// Priority of a cell by its distance to the viewer along the surface, in units of the entity's space.
    pub priority: PriorityByDistance,
}

impl EndlessSurface {
    /// A surface on the ground, with all defaults.
    pub fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            cell: 4.0,
            radius: 3,
            spare_layers: 16,
            plane: SurfacePlane::Xz,
            viewer: None,
            priority: PriorityByDistance::default(),
        }
    }

    /// Width and height of a cell; what is no size is 4.
    pub fn cell_size(&self) -> Vec2 {
        let width = if self.cell.is_finite() && self.cell > 0.0 { self.cell } else { 4.0 };
        Vec2::new(width, width * self.recipe.size.1 as f32 / self.recipe.size.0.max(1) as f32)
    }

    /// Column and row, with fractions, of a place in the entity's space.
    pub fn cells_at(&self, place: Vec3) -> Vec2 {
        let down = match self.plane {
            SurfacePlane::Xz => place.z,
            SurfacePlane::Xy => -place.y,
        };
        Vec2::new(place.x, down) / self.cell_size()
    }

    fn within_range(&self) -> (u32, u32) {
        let radius = self.radius.clamp(1, MAX_RADIUS);
        let seen = (2 * radius + 1).pow(2);
        (radius, (seen + self.spare_layers.min(256)).min(256))
    }

    fn view(&self, place: Vec3) -> View {
        let centre = self.cells_at(place).to_array();
        View { centre, near: self.priority.near, per_cell: self.priority.per_unit * self.cell_size().x }
    }
}

/// The cells of an [`EndlessSurface`]. Inserted by the plugin.
#[derive(Component, Clone, Debug, Reflect)]
#[reflect(Component)]
pub struct SurfaceCells {
    /// Texture array: a cell in each layer, with all mip levels, sRGB, clamped at the borders.
    pub cells: Handle<Image>,
    /// Where a shader finds a cell: `Rgba16Uint` of `2 * radius + 1` texels along each axis. The cell in column `x` and
    /// row `y` has the texel `(x mod side, y mod side)`: red is 1 + its layer, or 0 as long as it has none; green and
    /// blue are the low 16 bits of `x` and `y`, by which a shader knows that the texel is not that of another cell.
    pub map: Handle<Image>,
    /// The layer of each cell that has one, also of those out of sight.
    pub layers: HashMap<IVec2, u32>,
    /// Why no further cells are made, if that is so. What may have passed, as missing memory, may be tried again by
    /// inserting the request again.
    pub error: Option<GenerationError>,
    /// Number of cells to each side of the viewer's.
    pub radius: u32,
    /// The viewer's cell.
    pub viewer: IVec2,
    /// Number of the opening whose cells these are.
    opened: Option<u64>,
    sent: Option<[f32; 4]>,
}

impl SurfaceCells {
    /// The layer that shows a cell.
    pub fn layer(&self, cell: IVec2) -> Option<u32> {
        self.layers.get(&cell).copied()
    }

    /// Cells around the viewer that have no picture yet.
    pub fn missing(&self) -> usize {
        let reach = -(self.radius as i32)..=self.radius as i32;
        // A viewer may be farther away than cells can be numbered.
        let cell = |x: i32, y: i32| self.viewer.saturating_add(IVec2::new(x, y));
        let cells = reach.clone().flat_map(|y| reach.clone().map(move |x| cell(x, y)));
        cells.filter(|cell| !self.layers.contains_key(cell)).count()
    }
}

/// What the render world says, until the entities hear of it.
#[derive(Debug, Default)]
pub(super) struct SurfaceNews {
    pub reports: Vec<(Ticket, SurfaceReport)>,
    /// The device or the model is another: everything begins again.
    pub reopen: bool,
}

pub(super) fn build(app: &mut App) {
    app.register_type::<EndlessSurface>()
        .register_type::<SurfaceCells>()
        .register_type::<WangTileSet>()
        .register_type::<WangTextures>();
    streaming::build(app);
    wang::build(app);
}
