//! The editor in an app: carries out actions and shows how far textures are.

use super::export::start_export;
use super::files::carry_out_file_actions;
use super::state::{EditorAction, EditorState, Notice, ShownTexture, Thumbnail};
use crate::request::{
    DisconModel, GenerateTexture, TextureDetail, TextureGenerator, TextureStore, TextureTokens, TextureTokensFailed,
};
use crate::sampling::Recipe;
use bevy::prelude::*;
use bevy_egui::{EguiTextureHandle, EguiUserTextures};
use std::path::{Path, PathBuf};

/// Textures of the editor; dropping a handle cancels its request.
#[derive(Resource, Debug, Default)]
pub struct EditorTextures {
    /// The picture.
    pub picture: Option<Handle<Image>>,
    /// The thumbnails, in the order of [`EditorState::gallery`].
    pub gallery: Vec<Handle<Image>>,
    /// Whether the tokens of the picture are asked for.
    pub reading_tokens: bool,
}

/// Folder of the app's assets, if it has any.
#[derive(Resource, Debug)]
pub struct AssetFolder(pub Option<PathBuf>);

/// Takes the model, or the reason why there is none.
pub fn follow_model(model: Res<DisconModel>, mut state: ResMut<EditorState>) {
    if !model.is_changed() {
        return;
    }
    state.model = model.get().cloned();
    state.model_failure = match &*model {
        DisconModel::Failed(reason) => Some(reason.clone()),
        DisconModel::Loading | DisconModel::Ready(_) => None,
    };
}

/// Does what the panel asks for.
pub fn carry_out_actions(
    mut state: ResMut<EditorState>,
    mut textures: ResMut<EditorTextures>,
    mut generator: TextureGenerator,
    assets: Res<AssetFolder>,
    server: Res<AssetServer>,
    mut commands: Commands,
) {
    if state.actions.is_empty() {
        return;
    }
    let written = carry_out_file_actions(&mut state);
    reload(&written, assets.0.as_deref(), &server);
    for action in std::mem::take(&mut state.actions) {
        match action {
            EditorAction::Generate(recipe) => show_picture(recipe, &mut textures, &mut generator),
            EditorAction::Refine(number) => {
                // An equal recipe is the same texture: it goes on from its coarse picture.
                if let Some(thumbnail) = state.gallery.get(number) {
                    show_picture(thumbnail.recipe.clone(), &mut textures, &mut generator);
                }
            }
            EditorAction::FillGallery(recipes) => {
                let coarse = |recipe: &Recipe| GenerateTexture::new(recipe.clone()).with_detail(TextureDetail::Coarse);
                textures.gallery = recipes.iter().map(|recipe| generator.request(coarse(recipe))).collect();
                let thumbnail = |recipe| Thumbnail { recipe, texture: ShownTexture::default() };
                state.gallery = recipes.into_iter().map(thumbnail).collect();
            }
            EditorAction::ReadTokens => {
                textures.reading_tokens = textures.picture.is_some();
                textures.picture.iter().for_each(|picture| generator.read_tokens(picture));
            }
            EditorAction::Cancel => {
                for image in textures.picture.iter().chain(&textures.gallery) {
                    if generator.progress(image).is_some_and(|state| !state.is_finished()) {
                        generator.cancel(image);
                    }
                }
            }
            EditorAction::Export(name, format) => {
                start_export(name, format, &mut state, &textures, &generator, &mut commands);
            }
            // Done above.
            EditorAction::SavePreset(_) | EditorAction::LoadPreset(_) => {}
        }
    }
}

fn show_picture(recipe: Recipe, textures: &mut EditorTextures, generator: &mut TextureGenerator) {
    // Before the thumbnails: somebody waits for it.
    textures.picture = Some(generator.request(GenerateTexture::new(recipe).with_priority(1.0)));
    textures.reading_tokens = false;
}

/// Loads presets anew that the app uses as assets: Bevy's watcher of files does not tell of one that another file was
/// renamed to, as presets are saved.
fn reload(written: &[PathBuf], assets: Option<&Path>, server: &AssetServer) {
    // The same folder can be written in several ways.
    let whole = |path: &Path| path.canonicalize().ok();
    let Some(assets) = assets.and_then(whole) else { return };
    for file in written.iter().filter_map(|file| whole(file)) {
        if let Ok(path) = file.strip_prefix(&assets) {
            server.reload(path.to_path_buf());
        }
    }
}

/// Puts the tokens that were read into the recipe.
pub fn take_tokens(
    mut messages: MessageReader<TextureTokens>,
    mut failures: MessageReader<TextureTokensFailed>,
    mut state: ResMut<EditorState>,
    mut textures: ResMut<EditorTextures>,
) {
    let mut wanted = |image: AssetId<Image>| {
        let of_picture = textures.picture.as_ref().is_some_and(|picture| picture.id() == image);
        of_picture && std::mem::take(&mut textures.reading_tokens)
    };
    for message in failures.read() {
        if wanted(message.image) {
            state.notice = Some(Notice::Failed(format!("the tokens could not be read: {}", message.error)));
        }
    }
    for message in messages.read() {
        if wanted(message.image) {
            // The picture is the same.
            state.asked = Some(message.recipe.clone());
            state.replace(message.recipe.clone());
        }
    }
}

/// Copies the states of textures, and makes their images known to egui.
pub fn follow_textures(
    mut state: ResMut<EditorState>,
    textures: Res<EditorTextures>,
    store: Res<TextureStore>,
    mut images: ResMut<EguiUserTextures>,
) {
    // Weak: egui forgets images that are gone.
    let mut show = |image: &Handle<Image>| ShownTexture {
        image: Some(images.add_image(EguiTextureHandle::Weak(image.id()))),
        state: store.state(image).cloned(),
    };
    state.picture = textures.picture.as_ref().map(&mut show).unwrap_or_default();
    for (thumbnail, image) in state.gallery.iter_mut().zip(&textures.gallery) {
        thumbnail.texture = show(image);
    }
}
