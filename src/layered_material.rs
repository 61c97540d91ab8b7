//! A material for texture arrays: endless surfaces and Wang tiles in Bevy's PBR renderer. Feature `material`.

use crate::request::{DisconSchedule, EndlessSurface, SurfaceCells, SurfacePlane, WangTextures};
use bevy::asset::uuid_handle;
use bevy::ecs::system::SystemParam;
use bevy::pbr::{ExtendedMaterial, MaterialExtension, MaterialPlugin, MeshMaterial3d, StandardMaterial};
use bevy::prelude::*;
use bevy::render::render_resource::{AsBindGroup, ShaderType};
use bevy::shader::{Shader, ShaderRef};

const SHADER: Handle<Shader> = uuid_handle!("5d9f5d0c-4e6b-4a57-9d0e-7b0f5f8c2a31");

/// [`StandardMaterial`] whose base colour is multiplied by that of [`TextureLayers`]. [`DisconLayers`] inserts it.
pub type LayeredMaterial = ExtendedMaterial<StandardMaterial, TextureLayers>;

/// Makes [`LayeredMaterial`] known to the app, so that [`DisconLayers`] has an effect; after `DefaultPlugins`.
///
/// [`DisconPlugin`](crate::plugin::DisconPlugin) does not add it: a material that is not used costs an app some tens of
/// microseconds a frame, in systems of Bevy's. Adding it twice does no harm.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayeredMaterialPlugin;

impl Plugin for LayeredMaterialPlugin {
    fn build(&self, app: &mut App) {
        if app.is_plugin_added::<MaterialPlugin<LayeredMaterial>>() {
            return;
        }
        let text = include_str!("../shaders/material/layers.wgsl");
        if let Some(mut shaders) = app.world_mut().get_resource_mut::<Assets<Shader>>() {
            let shader = Shader::from_wgsl(text, "bevy_discon/shaders/material/layers.wgsl");
            if let Err(error) = shaders.insert(SHADER.id(), shader) {
                error!("the shader of layered materials could not be added: {error}");
            }
        }
        app.add_plugins(MaterialPlugin::<LayeredMaterial>::default());
    }

    fn is_unique(&self) -> bool {
        false
    }
}

/// Adds what the component needs, but for the material.
pub(crate) fn build(app: &mut App) {
    // Not in `PostUpdate`, between transforms and the messages of assets: Bevy would have to run these one after the other, in
    // every frame of every app.
    app.register_type::<TextureLayers>()
        .register_type::<DisconLayers>()
        .add_systems(DisconSchedule::Request, dress.run_if(any_with_component::<DisconLayers>));
}

/// Dresses an entity with a mesh in the cells of an [`EndlessSurface`], or in the field of a
/// [`WangTileSet`](crate::request::WangTileSet): the plugin inserts [`MeshMaterial3d`] with a [`LayeredMaterial`] at the end of the
/// frame, and everything in it is filled in place. The app needs [`LayeredMaterialPlugin`].
///
/// The layers lie where the entity of the request was in the last frame, whatever the mesh's coordinates are: a mesh may move
/// over them.
///
/// ```no_run
/// # use bevy::prelude::*;
/// # use bevy_discon::prelude::*;
/// fn spawn(mut commands: Commands, mut meshes: ResMut<Assets<Mesh>>) {
///     let ground = EndlessSurface::new(Recipe::new("grass").with_seed(9));
///     let mesh = Plane3d::default().mesh().size(200.0, 200.0);
///     commands.spawn((ground, Mesh3d(meshes.add(mesh)), DisconLayers::default()));
/// }
/// ```
#[derive(Component, Clone, Debug, Reflect)]
#[reflect(Component, Default)]
pub struct DisconLayers {
    /// The entity with the request, if it is another one. Default: the same.
    pub of: Option<Entity>,
    /// What the colours of the layers are multiplied with, and everything else about the material. Default white, with a
    /// roughness of 0.9.
    pub base: StandardMaterial,
    /// Colour of a cell that is not made yet. Wang tiles have that of
    /// [`DisconSettings::neutral`](crate::request::DisconSettings::neutral). Default a medium grey.
    pub neutral: Color,
    /// How a field of tiles lies; a surface says it itself. Default the ground.
    pub plane: SurfacePlane,
    /// Width and height of a tile in units of the space of the request's entity; a surface says it itself. Above 0,
    /// default 1 by 1.
    pub tile: Vec2,
}

impl Default for DisconLayers {
    fn default() -> Self {
        Self {
            of: None,
            base: StandardMaterial { perceptual_roughness: 0.9, ..default() },
            neutral: Color::srgb(0.5, 0.5, 0.5),
            plane: SurfacePlane::default(),
            tile: Vec2::ONE,
        }
    }
}

impl DisconLayers {
    /// The layers of another entity's request.
    pub fn of(request: Entity) -> Self {
        Self { of: Some(request), ..Self::default() }
    }

    /// A field of Wang tiles of this width and height.
    pub fn tiles(plane: SurfacePlane, tile: Vec2) -> Self {
        Self { plane, tile, ..Self::default() }
    }

    /// The same with another base.
    #[must_use]
    pub fn with_base(mut self, base: StandardMaterial) -> Self {
        self.base = base;
        self
    }
}

/// Entities of surfaces and of sets of tiles.
#[derive(SystemParam)]
struct Requests<'w, 's> {
    surfaces: Query<'w, 's, (&'static EndlessSurface, Ref<'static, SurfaceCells>, Ref<'static, GlobalTransform>)>,
    // A set of tiles needs no place.
    tiles: Query<'w, 's, (Ref<'static, WangTextures>, Option<Ref<'static, GlobalTransform>>)>,
}

impl Requests<'_, '_> {
    /// The layers of an entity, and whether they are others than in the last frame.
    fn layers(&self, entity: Entity, look: &DisconLayers) -> Option<(TextureLayers, bool)> {
        if let Ok((surface, cells, place)) = self.surfaces.get(entity) {
            let layers = TextureLayers::of_surface(surface, &cells, &place, look.neutral);
            return Some((layers, cells.is_added() || place.is_changed()));
        }
        let (tiles, place) = self.tiles.get(entity).ok()?;
        let moved = place.as_ref().is_some_and(|place| place.is_changed());
        let place = place.map_or(GlobalTransform::IDENTITY, |place| *place);
        let tile = if look.tile.is_finite() && look.tile.min_element() > 0.0 { look.tile } else { Vec2::ONE };
        Some((TextureLayers::of_tiles(&tiles, look.plane, tile, &place), tiles.is_added() || moved))
    }
}

/// Entities to dress, and what they wear.
type Looks<'w, 's> =
    Query<'w, 's, (Entity, Ref<'static, DisconLayers>, Option<&'static MeshMaterial3d<LayeredMaterial>>)>;

/// Inserts materials, and changes them where a request is another one or has moved.
fn dress(looks: Looks, requests: Requests, materials: Option<ResMut<Assets<LayeredMaterial>>>, mut commands: Commands) {
    let Some(mut materials) = materials else {
        warn_once!("`DisconLayers` has no effect: add `LayeredMaterialPlugin` after `DefaultPlugins`");
        return;
    };
    for (entity, look, worn) in &looks {
        let Some((extension, new)) = requests.layers(look.of.unwrap_or(entity), &look) else { continue };
        if !new && !look.is_changed() && worn.is_some() {
            continue;
        }
        let material = LayeredMaterial { base: look.base.clone(), extension };
        if let Some(mut worn) = worn.and_then(|worn| materials.get_mut(&worn.0)) {
            *worn = material;
            continue;
        }
        commands.entity(entity).try_insert(MeshMaterial3d(materials.add(material)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, ModelConfig};
    use crate::plugin::DisconPlugin;
    use crate::request::{ModelSource, WangTileSet};
    use crate::sampling::Recipe;

    /// An app without a renderer: requests are answered, but nothing is made.
    fn app() -> App {
        let model = Model::new(&ModelConfig::tiny(&["rock"]), None, 1).expect("the configuration is sound");
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default(), ImagePlugin::default()));
        app.add_plugins(DisconPlugin { model: ModelSource::Loaded(model.into()), ..default() });
        app.init_asset::<LayeredMaterial>();
        app.finish();
        app
    }

    fn worn(app: &App, entity: Entity) -> &TextureLayers {
        let material = app.world().get::<MeshMaterial3d<LayeredMaterial>>(entity).expect("it has a material");
        &app.world().resource::<Assets<LayeredMaterial>>().get(&material.0).expect("the material exists").extension
    }

    #[test]
    fn a_mesh_is_dressed_in_the_layers_of_its_own_request_or_another_entitys() {
        let mut app = app();
        let recipe = Recipe::new("rock").with_size(128, 128);
        let surface = EndlessSurface { cell: 2.0, ..EndlessSurface::new(recipe.clone()) };
        let ground = app.world_mut().spawn((surface.clone(), DisconLayers::default())).id();
        let other = app.world_mut().spawn((Transform::default(), DisconLayers::of(ground))).id();
        let look = DisconLayers::tiles(SurfacePlane::Xy, Vec2::new(0.5, 0.25));
        let wall = app.world_mut().spawn((WangTileSet::new(recipe), look)).id();
        app.update();
        let cells = app.world().get::<SurfaceCells>(ground).expect("the request is answered").clone();
        for entity in [ground, other] {
            let layers = worn(&app, entity);
            assert_eq!((&layers.layers, &layers.map), (&cells.cells, &cells.map));
            assert_eq!(layers.settings.column, Vec4::new(0.5, 0.0, 0.0, 0.0), "a cell is 2 units wide");
        }
        let tiles = app.world().get::<WangTextures>(wall).expect("the request is answered").clone();
        assert_eq!(worn(&app, wall).layers, tiles.tiles);
        assert_eq!(worn(&app, wall).settings.row, Vec4::new(0.0, -4.0, 0.0, 0.0), "rows go down");

        // Where the request is moved to, and what it is replaced by, is followed in the same frame.
        app.world_mut().entity_mut(ground).insert(Transform::from_xyz(6.0, 0.0, 0.0));
        app.update();
        assert_eq!(worn(&app, other).settings.column.w, -3.0);
        app.world_mut().entity_mut(ground).insert(EndlessSurface { cell: 4.0, ..surface });
        app.update();
        let new = app.world().get::<SurfaceCells>(ground).expect("the request is answered").cells.clone();
        assert_ne!(new, cells.cells);
        assert_eq!((&worn(&app, other).layers, worn(&app, other).settings.column.w), (&new, -1.5));
    }
}
