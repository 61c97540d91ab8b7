//! Pictures as examples: an image asset becomes a recipe on a task thread.

use super::model_source::DisconModel;
use crate::exemplar::Exemplar;
use crate::model::Model;
use crate::sampling::{Recipe, Tiling};
use bevy::asset::{LoadState, RenderAssetUsages};
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};
use std::sync::Arc;

/// Asks for the recipe of a picture: its tokens, style and class, from which variations are made like any texture.
///
/// The entity gets [`EncodedPicture`], or [`PictureNotEncoded`] with a reason; observe their insertion. The work is done on a
/// task thread, some tenths of a second for 256x256 pixels, and holds up no frame.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[component(immutable)]
#[reflect(Component)]
pub struct EncodePicture {
    /// The picture, loaded or not. It is made smaller until no side is above 1024 pixels, and cut to sides that are
    /// multiples of 16, at least 64. It must keep its data in the main world, as pictures that are loaded from files do.
    pub picture: Handle<Image>,
    /// Its class. Default: that of the model's style which is nearest to its own.
    pub class: Option<String>,
    /// Which of its borders fit together. Default [`Tiling::Both`].
    pub tiling: Tiling,
}

impl EncodePicture {
    /// With all defaults.
    pub fn new(picture: Handle<Image>) -> Self {
        Self { picture, class: None, tiling: Tiling::Both }
    }
}

/// A picture in the terms of the model. Inserted by the plugin.
#[derive(Component, Clone, Debug, PartialEq, Reflect)]
#[reflect(Component)]
pub struct EncodedPicture {
    /// Class, size, tokens and style: [`Recipe::variation`] keeps the layout, [`Recipe::relayout`] the look alone.
    pub recipe: Recipe,
    /// The picture after encoding and decoding: what the model can say of it at best.
    pub reconstruction: Handle<Image>,
    /// Peak signal-to-noise ratio of the reconstruction, in decibels.
    pub psnr: f64,
    /// The same from the tokens alone.
    pub coarse_psnr: f64,
}

/// Why a picture has no recipe. Inserted by the plugin.
#[derive(Component, Clone, Debug, PartialEq, Eq, Reflect)]
#[reflect(Component)]
pub struct PictureNotEncoded(pub String);

/// The task that encodes the picture of an entity.
#[derive(Component)]
struct Encoding(Task<Result<Encoded, String>>);

struct Encoded {
    recipe: Recipe,
    reconstruction: Image,
    psnr: f64,
    coarse_psnr: f64,
}

/// Entities whose picture was not looked at yet.
#[derive(Component)]
struct ToEncode;

pub(super) fn build(app: &mut App) {
    app.register_type::<EncodePicture>()
        .register_type::<EncodedPicture>()
        .register_type::<PictureNotEncoded>()
        .add_observer(answer)
        .add_observer(withdraw)
        .add_systems(
            super::DisconSchedule::Report,
            (start_tasks.run_if(any_with_component::<ToEncode>), finish_tasks.run_if(any_with_component::<Encoding>))
                .chain(),
        );
}

fn answer(event: On<Insert, EncodePicture>, mut commands: Commands) {
    commands.entity(event.entity).try_insert(ToEncode);
}

fn withdraw(event: On<Discard, EncodePicture>, mut commands: Commands) {
    if let Ok(mut entity) = commands.get_entity(event.entity) {
        entity.try_remove::<(ToEncode, Encoding, EncodedPicture, PictureNotEncoded)>();
    }
}

/// Starts to encode pictures that are loaded.
fn start_tasks(
    model: Res<DisconModel>,
    server: Option<Res<AssetServer>>,
    images: Res<Assets<Image>>,
    requests: Query<(Entity, &EncodePicture), With<ToEncode>>,
    mut commands: Commands,
) {
    for (entity, request) in &requests {
        let state = server.as_ref().and_then(|server| server.get_load_state(&request.picture));
        let failure = match (&*model, state) {
            (DisconModel::Failed(reason), _) => Some(reason.clone()),
            (_, Some(LoadState::Failed(error))) => Some(format!("the picture could not be loaded: {error}")),
            _ => None,
        };
        if let Some(reason) = failure {
            commands.entity(entity).remove::<ToEncode>().insert(PictureNotEncoded(reason));
            continue;
        }
        let (Some(model), Some(image)) = (model.get(), images.get(&request.picture)) else { continue };
        let (model, image, request) = (model.clone(), image.clone(), request.clone());
        let task = AsyncComputeTaskPool::get().spawn(async move { encode(&model, image, &request) });
        commands.entity(entity).remove::<ToEncode>().insert(Encoding(task));
    }
}

/// Gives entities what their tasks have found.
fn finish_tasks(mut tasks: Query<(Entity, &mut Encoding)>, mut images: ResMut<Assets<Image>>, mut commands: Commands) {
    for (entity, mut task) in &mut tasks {
        let Some(result) = block_on(poll_once(&mut task.0)) else { continue };
        let mut entity = commands.entity(entity);
        entity.remove::<Encoding>();
        match result {
            Ok(Encoded { recipe, reconstruction, psnr, coarse_psnr }) => {
                let reconstruction = images.add(reconstruction);
                entity.insert(EncodedPicture { recipe, reconstruction, psnr, coarse_psnr });
            }
            Err(reason) => _ = entity.insert(PictureNotEncoded(reason)),
        }
    }
}

fn encode(model: &Arc<Model>, image: Image, request: &EncodePicture) -> Result<Encoded, String> {
    let picture = image.try_into_dynamic().map_err(|error| format!("the picture has no pixels to encode: {error}"))?;
    let exemplar = Exemplar::from_picture(model, &picture, request.class.as_deref(), request.tiling);
    let exemplar = exemplar.map_err(|error| error.to_string())?;
    let decoded = exemplar.decode(model).map_err(|error| error.to_string())?;
    let rgba = decoded.pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    let size = Extent3d { width: decoded.width, height: decoded.height, depth_or_array_layers: 1 };
    let format = TextureFormat::Rgba8UnormSrgb;
    let reconstruction = Image::new(size, TextureDimension::D2, rgba, format, RenderAssetUsages::default());
    let Exemplar { recipe, psnr, coarse_psnr, .. } = exemplar;
    Ok(Encoded { recipe, reconstruction, psnr, coarse_psnr })
}
