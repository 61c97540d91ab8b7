//! The picture and its maps as files.

use super::files::check_name;
use super::state::{EditorState, Notice};
use super::systems::EditorTextures;
use crate::export::{FileFormat, Picture, write_set};
use crate::request::{TextureGenerator, TextureState};
use crate::sampling::{MapRules, Recipe};
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::renderer::RenderDevice;
use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time that pixels may take from the GPU: one that was lost never answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// A picture whose pixels are on their way from the GPU.
#[derive(Component, Clone, Debug)]
pub struct Export {
    recipe: Recipe,
    folder: PathBuf,
    name: String,
    format: FileFormat,
    waited: Duration,
}

/// Files that are being made.
#[derive(Resource, Debug, Default)]
pub struct Exports(Vec<Task<Result<String, String>>>);

/// Starts to export the picture of the editor under a name.
pub fn start_export(
    name: String,
    format: FileFormat,
    state: &mut EditorState,
    textures: &EditorTextures,
    generator: &TextureGenerator,
    commands: &mut Commands,
) {
    let checked = finished_picture(textures, generator).and_then(|picture| check_name(&name).map(|()| picture));
    let (image, recipe) = match checked {
        Ok(picture) => picture,
        Err(reason) => {
            state.notice = Some(Notice::Failed(reason));
            return;
        }
    };
    state.exporting += 1;
    let export = Export { recipe, folder: state.export_folder.clone(), name, format, waited: Duration::ZERO };
    commands.spawn((Readback::texture(image), export)).observe(take_pixels);
}

/// The picture and its recipe, if it is as that says. The panel cannot know: an action before this one may have asked for
/// another.
fn finished_picture(
    textures: &EditorTextures,
    generator: &TextureGenerator,
) -> Result<(Handle<Image>, Recipe), String> {
    let image = textures.picture.as_ref().ok_or("there is no picture to export yet")?;
    match (generator.progress(image), generator.recipe(image)) {
        (Some(TextureState::Ready(_)), Some(recipe)) => Ok((image.clone(), recipe.clone())),
        (Some(TextureState::Failed(reason)), _) => Err(format!("there is no picture to export: {reason}")),
        _ => Err("the picture is not finished: export it when it is ready".into()),
    }
}

/// Makes the files on a task thread.
fn take_pixels(
    event: On<ReadbackComplete>,
    exports: Query<&Export>,
    mut running: ResMut<Exports>,
    mut commands: Commands,
) {
    let Ok(export) = exports.get(event.entity).cloned() else { return };
    // Bevy reads the texture in every frame until then.
    commands.entity(event.entity).despawn();
    let pixels = without_padding(&event.data, export.recipe.size.0 as usize);
    running.0.push(AsyncComputeTaskPool::get().spawn(async move {
        let Export { recipe, folder, name, format, .. } = export;
        export_picture(&recipe, &pixels, &folder, &name, format)
    }));
}

/// RGBA bytes without those that copies from the GPU need at the end of each row.
fn without_padding(bytes: &[u8], width: usize) -> Vec<u8> {
    let row = 4 * width;
    let padded = RenderDevice::align_copy_bytes_per_row(row).max(1);
    bytes.chunks(padded).flat_map(|chunk| &chunk[..row.min(chunk.len())]).copied().collect()
}

/// Tells of files that are made.
pub fn finish_exports(mut running: ResMut<Exports>, mut state: ResMut<EditorState>) {
    running.0.retain_mut(|task| {
        let Some(result) = block_on(poll_once(task)) else { return true };
        state.exporting = state.exporting.saturating_sub(1);
        state.notice = Some(result.map_or_else(Notice::Failed, Notice::Done));
        false
    });
}

/// Ends exports whose pixels do not come, so that others can be started.
pub fn give_up_exports(
    time: Res<Time<Real>>,
    mut exports: Query<(Entity, &mut Export)>,
    mut state: ResMut<EditorState>,
    mut commands: Commands,
) {
    for (entity, mut export) in &mut exports {
        // A frame that took long says nothing about the GPU.
        export.waited += time.delta().min(Duration::from_secs(1));
        if export.waited > PATIENCE {
            commands.entity(entity).try_despawn();
            state.exporting = state.exporting.saturating_sub(1);
            let name = &export.name;
            let reason = format!("{name}: its pixels did not come from the GPU in {} s", PATIENCE.as_secs());
            state.notice = Some(Notice::Failed(format!("{reason}; was the device lost? Export it again")));
        }
    }
}

/// Writes the picture of a recipe, given as RGBA bytes, and its derived maps: `NAME.png`, `NAME_normal.png`,
/// `NAME_orm.png` and `NAME_height.png`, or the same as `.ktx2`. Gives what to tell.
///
/// # Errors
/// A name that cannot be one of a file, a picture that is not whole, or the file that could not be written.
pub fn export_picture(
    recipe: &Recipe,
    rgba: &[u8],
    folder: &Path,
    name: &str,
    format: FileFormat,
) -> Result<String, String> {
    check_name(name)?;
    let pixels: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let size = (recipe.size.0 as usize, recipe.size.1 as usize);
    let picture = Picture { pixels: &pixels, size, wrap: recipe.tiling.wrap() };
    let files = write_set(folder, name, picture, &MapRules::default(), format).map_err(|error| error.to_string())?;
    Ok(format!("exported {name} and its maps: {} files in {}", files.len(), folder.display()))
}
