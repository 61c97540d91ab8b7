//! The picture and its maps as files.

use super::files::check_name;
use super::state::{EditorState, Notice};
use super::systems::EditorTextures;
use crate::export::{FileFormat, Picture, write_set};
use crate::sampling::{MapRules, Recipe};
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};
use std::path::{Path, PathBuf};

/// A picture whose pixels are on their way from the GPU.
#[derive(Component, Clone, Debug)]
pub struct Export {
    recipe: Recipe,
    folder: PathBuf,
    name: String,
    format: FileFormat,
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
    commands: &mut Commands,
) {
    let (Some(image), Some(recipe)) = (&textures.picture, &state.asked) else {
        state.notice = Some(Notice::Failed("there is no picture to export yet".into()));
        return;
    };
    if let Err(reason) = check_name(&name) {
        state.notice = Some(Notice::Failed(reason));
        return;
    }
    state.exporting += 1;
    let export = Export { recipe: recipe.clone(), folder: state.export_folder.clone(), name, format };
    commands.spawn((Readback::texture(image.clone()), export)).observe(take_pixels);
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
    let pixels = event.data.clone();
    running.0.push(AsyncComputeTaskPool::get().spawn(async move {
        let Export { recipe, folder, name, format } = export;
        export_picture(&recipe, &pixels, &folder, &name, format)
    }));
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
