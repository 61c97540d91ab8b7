//! A material for texture arrays: endless surfaces and Wang tiles in Bevy's PBR renderer. Feature `material`.

use crate::request::{EndlessSurface, SurfaceCells, SurfacePlane, WangTextures};
use bevy::asset::uuid_handle;
use bevy::pbr::{ExtendedMaterial, MaterialExtension, MaterialPlugin, StandardMaterial};
use bevy::prelude::*;
use bevy::render::render_resource::{AsBindGroup, ShaderType};
use bevy::shader::{Shader, ShaderRef};

const SHADER: Handle<Shader> = uuid_handle!("5d9f5d0c-4e6b-4a57-9d0e-7b0f5f8c2a31");

/// [`StandardMaterial`] whose base colour is multiplied by that of [`TextureLayers`]. Add [`LayeredMaterialPlugin`].
pub type LayeredMaterial = ExtendedMaterial<StandardMaterial, TextureLayers>;

/// Makes [`LayeredMaterial`] known to the app; after `DefaultPlugins`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayeredMaterialPlugin;

impl Plugin for LayeredMaterialPlugin {
    fn build(&self, app: &mut App) {
        let text = include_str!("../shaders/material/layers.wgsl");
        if let Some(mut shaders) = app.world_mut().get_resource_mut::<Assets<Shader>>() {
            let shader = Shader::from_wgsl(text, "bevy_discon/shaders/material/layers.wgsl");
            if let Err(error) = shaders.insert(SHADER.id(), shader) {
                error!("the shader of layered materials could not be added: {error}");
            }
        }
        app.add_plugins(MaterialPlugin::<LayeredMaterial>::default()).register_type::<TextureLayers>();
    }
}

/// The layers of a texture array, laid over a plane of the world; coordinates of the mesh do not matter.
#[derive(Asset, AsBindGroup, Reflect, Clone, Debug)]
pub struct TextureLayers {
    #[uniform(100)]
    settings: LayerSettings,
    #[texture(101, dimension = "2d_array")]
    #[sampler(102)]
    layers: Handle<Image>,
    #[texture(103, sample_type = "u_int")]
    map: Handle<Image>,
}

/// As in the shader.
#[derive(ShaderType, Reflect, Clone, Debug)]
struct LayerSettings {
    column: Vec4,
    row: Vec4,
    neutral: Vec4,
    streamed: u32,
}

impl TextureLayers {
    /// The cells of a surface whose entity stands at `place`. Cells without a picture show `neutral`.
    pub fn of_surface(surface: &EndlessSurface, cells: &SurfaceCells, place: &GlobalTransform, neutral: Color) -> Self {
        let [column, row] = rows(place, surface.plane, surface.cell_size());
        let neutral = neutral.to_linear().to_vec4();
        let settings = LayerSettings { column, row, neutral, streamed: 1 };
        Self { settings, layers: cells.cells.clone(), map: cells.map.clone() }
    }

    /// A field of Wang tiles of `tile` units of an entity's space each; the entity stands at `place`, where the first tile
    /// begins.
    pub fn of_tiles(tiles: &WangTextures, plane: SurfacePlane, tile: Vec2, place: &GlobalTransform) -> Self {
        let [column, row] = rows(place, plane, tile);
        let settings = LayerSettings { column, row, neutral: Vec4::ONE, streamed: 0 };
        Self { settings, layers: tiles.tiles.clone(), map: tiles.map.clone() }
    }
}

impl MaterialExtension for TextureLayers {
    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }

    fn deferred_fragment_shader() -> ShaderRef {
        SHADER.into()
    }
}

/// What gives the column and the row of a position in the world by a product with `(x, y, z, 1)`.
fn rows(place: &GlobalTransform, plane: SurfacePlane, cell: Vec2) -> [Vec4; 2] {
    let inverse = place.affine().inverse();
    let row = |axis: usize| inverse.matrix3.row(axis).extend(inverse.translation[axis]);
    let down = match plane {
        SurfacePlane::Xz => row(2),
        SurfacePlane::Xy => -row(1),
    };
    [row(0) / cell.x, down / cell.y]
}
