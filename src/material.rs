//! Generated textures as materials of Bevy's PBR renderer. Feature `material`.
//!
//! A feature of its own, because it needs `bevy_pbr`, which doubles what has to be built; games with other renderers,
//! and tools, use [`TextureGenerator::derive_maps`] without it.

use crate::request::{GeneratedTexture, TextureGenerator, TextureStore};
use crate::sampling::{MapKind, MapRules};
use bevy::math::Affine2;
use bevy::pbr::{MeshMaterial3d, StandardMaterial};
use bevy::prelude::*;

/// Dresses an entity that has [`GenerateTexture`](crate::request::GenerateTexture) in a [`StandardMaterial`]: the plugin
/// inserts [`MeshMaterial3d`] in the same frame, and everything in it is filled in place.
///
/// Base colour is the generated texture. Normals, occlusion, roughness and height are *derived* from it by
/// [`MapRules`], not made by the model. Normal maps need meshes with tangents: `Mesh::with_generated_tangents`.
///
/// ```no_run
/// # use bevy::prelude::*;
/// # use bevy_discon::prelude::*;
/// fn spawn(mut commands: Commands, mut meshes: ResMut<Assets<Mesh>>) -> Result {
///     let mesh = Mesh::from(Plane3d::default()).with_generated_tangents()?;
///     commands.spawn((
///         Mesh3d(meshes.add(mesh)),
///         GenerateTexture::new(Recipe::new("brick")),
///         DisconMaterial::default(),
///     ));
///     Ok(())
/// }
/// ```
#[derive(Component, Clone, Copy, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[reflect(Component, Default)]
pub struct DisconMaterial {
    /// How the maps are derived.
    pub rules: MapRules,
    /// How often the texture repeats along both directions of the mesh's coordinates. Whole numbers where a mesh closes.
    /// Default once.
    pub repeats: Vec2,
    /// Whether the height is used for parallax mapping, which costs some texture reads per pixel of the screen.
    /// Default false.
    pub parallax: bool,
}

impl Default for DisconMaterial {
    fn default() -> Self {
        Self::new(MapRules::default())
    }
}

impl DisconMaterial {
    /// A material with these rules, once over the mesh and without parallax.
    pub fn new(rules: MapRules) -> Self {
        Self { rules, repeats: Vec2::ONE, parallax: false }
    }

    /// The same with other repeats.
    #[must_use]
    pub fn with_repeats(mut self, x: f32, y: f32) -> Self {
        self.repeats = Vec2::new(x, y);
        self
    }

    /// The material of a generated texture. Its maps are valid at once and follow the texture.
    pub fn standard_material(&self, base: Handle<Image>, textures: &mut TextureGenerator) -> StandardMaterial {
        let rules = self.rules.clamped();
        let surface = textures.derive_map(&base, MapKind::OcclusionRoughnessMetallic, &rules);
        // Bevy wants depth: heights upside down.
        let below = MapRules { relief: -rules.relief, ..rules };
        let depth = self.parallax.then(|| textures.derive_map(&base, MapKind::Height, &below));
        StandardMaterial {
            normal_map_texture: Some(textures.derive_map(&base, MapKind::Normal, &rules)),
            occlusion_texture: Some(surface.clone()),
            metallic_roughness_texture: Some(surface),
            base_color_texture: Some(base),
            depth_map: depth,
            parallax_depth_scale: rules.relief.abs(),
            uv_transform: Affine2::from_scale(self.repeats),
            // The map has the values; these are factors.
            perceptual_roughness: 1.0,
            metallic: 1.0,
            ..default()
        }
    }
}

/// Adds what the component needs.
pub(crate) fn build(app: &mut App) {
    app.register_type::<DisconMaterial>()
        .add_observer(dress_new_texture)
        .add_observer(dress_known_texture)
        .add_systems(Last, follow_new_sizes.run_if(on_message::<AssetEvent<Image>>));
}

/// Materials exist if the app has Bevy's PBR plugin.
type Materials<'w> = Option<ResMut<'w, Assets<StandardMaterial>>>;

fn dress_new_texture(
    event: On<Insert, GeneratedTexture>,
    entities: Query<(&GeneratedTexture, &DisconMaterial)>,
    materials: Materials,
    textures: TextureGenerator,
    commands: Commands,
) {
    dress(event.entity, entities, materials, textures, commands);
}

fn dress_known_texture(
    event: On<Insert, DisconMaterial>,
    entities: Query<(&GeneratedTexture, &DisconMaterial)>,
    materials: Materials,
    textures: TextureGenerator,
    commands: Commands,
) {
    dress(event.entity, entities, materials, textures, commands);
}

fn dress(
    entity: Entity,
    entities: Query<(&GeneratedTexture, &DisconMaterial)>,
    materials: Materials,
    mut textures: TextureGenerator,
    mut commands: Commands,
) {
    let (Ok((texture, look)), Some(mut materials)) = (entities.get(entity), materials) else { return };
    let material = look.standard_material(texture.0.clone(), &mut textures);
    commands.entity(entity).try_insert(MeshMaterial3d(materials.add(material)));
}

/// A recipe file that was reloaded with another size has a new texture, which materials do not notice by themselves.
fn follow_new_sizes(mut events: MessageReader<AssetEvent<Image>>, store: Res<TextureStore>, materials: Materials) {
    let Some(mut materials) = materials else { return };
    for event in events.read() {
        let AssetEvent::Modified { id } = event else { continue };
        if store.state(*id).is_none() && !store.is_map(*id) {
            continue;
        }
        let uses = |material: &StandardMaterial| {
            let colours = [&material.base_color_texture, &material.emissive_texture];
            let surfaces = [&material.normal_map_texture, &material.occlusion_texture];
            let others = [&material.metallic_roughness_texture, &material.depth_map];
            let all = colours.into_iter().chain(surfaces).chain(others);
            all.flatten().any(|texture| texture.id() == *id)
        };
        let users: Vec<_> = materials.iter().filter(|(_, material)| uses(material)).map(|(user, _)| user).collect();
        for user in users {
            // Taking it mutably marks it as changed.
            materials.get_mut(user).map(|material| material.into_inner());
        }
    }
}
