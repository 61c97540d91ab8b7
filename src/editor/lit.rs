//! The picture on a body under a lamp, drawn into an image by a camera of the editor's own.

use super::DisconEditorPlugin;
use super::state::{Body, EditorState, EditorView};
use super::systems::{self, EditorTextures};
use crate::material::DisconMaterial;
use crate::request::TextureGenerator;
use bevy::camera::RenderTarget;
use bevy::camera::visibility::RenderLayers;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy_egui::{EguiTextureHandle, EguiUserTextures};

/// Sides of the image in pixels.
const SIDE: u32 = 384;

/// What was made when a body was first looked at.
#[derive(Resource, Default)]
pub struct LitScene {
    parts: Option<Parts>,
    /// What the body shows.
    shown: Option<(AssetId<Image>, Body)>,
}

struct Parts {
    target: Handle<Image>,
    camera: Entity,
    body: Entity,
}

/// Adds the systems of this module.
pub fn build(app: &mut App) {
    let systems = (prepare_scene, dress_body).chain().after(systems::follow_textures);
    app.init_resource::<LitScene>().add_systems(Update, systems);
}

/// The picture and the body that are looked at.
fn looked_at<'a>(state: &EditorState, textures: &'a EditorTextures) -> Option<(&'a Handle<Image>, Body)> {
    match (state.view, &textures.picture) {
        (EditorView::Lit(body), Some(picture)) => Some((picture, body)),
        _ => None,
    }
}

/// Makes the scene when it is first looked at, and keeps its camera off while nobody looks.
pub fn prepare_scene(
    mut state: ResMut<EditorState>,
    textures: Res<EditorTextures>,
    mut scene: ResMut<LitScene>,
    mut cameras: Query<&mut Camera>,
    mut images: ResMut<Assets<Image>>,
    mut known: ResMut<EguiUserTextures>,
    mut commands: Commands,
) {
    let looked_at = looked_at(&state, &textures).is_some() && state.can_light;
    if let Some(mut camera) = scene.parts.as_ref().and_then(|parts| cameras.get_mut(parts.camera).ok()) {
        camera.is_active = looked_at;
    }
    if looked_at {
        let parts = scene.parts.get_or_insert_with(|| spawn(&mut commands, &mut images));
        state.lit = Some(known.add_image(EguiTextureHandle::Weak(parts.target.id())));
    }
}

/// Dresses the body in the picture.
pub fn dress_body(
    mut state: ResMut<EditorState>,
    textures: Res<EditorTextures>,
    mut scene: ResMut<LitScene>,
    meshes: Option<ResMut<Assets<Mesh>>>,
    materials: Option<ResMut<Assets<StandardMaterial>>>,
    mut generator: TextureGenerator,
    mut commands: Commands,
) {
    // An app without Bevy's PBR plugin cannot draw it.
    state.can_light = materials.is_some();
    let Some((picture, body)) = looked_at(&state, &textures) else { return };
    let (Some(mut meshes), Some(mut materials)) = (meshes, materials) else { return };
    let Some(entity) = scene.parts.as_ref().map(|parts| parts.body) else { return };
    if scene.shown.replace((picture.id(), body)) == Some((picture.id(), body)) {
        return;
    }
    let repeats = if body == Body::Sphere { 2.0 } else { 1.0 };
    let look = DisconMaterial::default().with_repeats(repeats, 1.0);
    let material = look.standard_material(picture.clone(), &mut generator);
    let parts = (Mesh3d(meshes.add(mesh(body))), MeshMaterial3d(materials.add(material)), turned(body));
    commands.entity(entity).try_insert(parts);
}

/// Normal maps need tangents; a body for which they cannot be made is shown without.
fn mesh(body: Body) -> Mesh {
    let mesh: Mesh = match body {
        Body::Sphere => Sphere::new(1.15).mesh().uv(64, 32),
        Body::Cube => Cuboid::from_length(1.6).into(),
        Body::Plane => Plane3d::default().mesh().size(2.6, 2.6).into(),
    };
    mesh.clone().with_generated_tangents().unwrap_or(mesh)
}

fn turned(body: Body) -> Transform {
    Transform::from_rotation(match body {
        Body::Sphere => Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2),
        Body::Cube => Quat::from_euler(EulerRot::XYZ, 0.45, 0.6, 0.0),
        Body::Plane => Quat::from_rotation_x(0.9),
    })
}

fn spawn(commands: &mut Commands, images: &mut Assets<Image>) -> Parts {
    let layer = RenderLayers::layer(DisconEditorPlugin::LAYER);
    let target = images.add(Image::new_target_texture(SIDE, SIDE, TextureFormat::Rgba8UnormSrgb, None));
    let camera = (
        Camera3d::default(),
        Camera { order: -1, clear_color: Color::srgb(0.16, 0.16, 0.16).into(), ..default() },
        RenderTarget::Image(target.clone().into()),
        AmbientLight { brightness: 250.0, ..default() },
        Transform::from_xyz(0.0, 0.0, 3.6).looking_at(Vec3::ZERO, Vec3::Y),
        layer.clone(),
    );
    let camera = commands.spawn(camera).id();
    commands.spawn((
        DirectionalLight { illuminance: 7_000.0, ..default() },
        Transform::from_xyz(-3.0, 3.0, 3.0).looking_at(Vec3::ZERO, Vec3::Y),
        layer.clone(),
    ));
    let body = commands.spawn((Transform::default(), Visibility::default(), layer)).id();
    Parts { target, camera, body }
}
