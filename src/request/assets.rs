//! Recipes as files: `NAME.discon.ron` and `NAME.discon`, loaded as a [`Recipe`] or as the [`Image`] that it makes.

use super::link::Outbox;
use super::source::SOURCE;
use super::store::{Origin, TextureStore};
use super::target::target_image;
use crate::sampling::recipe_file::{EXTENSIONS, MAX_FILE_BYTES, RecipeFileError};
use crate::sampling::{Recipe, recipe_bytes};
use bevy::asset::io::{AssetSourceId, Reader};
use bevy::asset::{AssetApp, AssetLoader, AssetPath, AsyncReadExt, LoadContext};
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes of a text that is kept with its texture, so that errors can point at a line.
const MAX_TEXT_BYTES: usize = 1 << 14;

/// Loads a recipe file as [`Recipe`]: `asset_server.load::<Recipe>("moss.discon.ron")`.
#[derive(Clone, Copy, Debug, Default, TypePath)]
pub struct RecipeLoader;

impl AssetLoader for RecipeLoader {
    type Asset = Recipe;
    type Settings = ();
    type Error = RecipeFileError;

    async fn load(
        &self,
        reader: &mut dyn Reader,
        (): &(),
        context: &mut LoadContext<'_>,
    ) -> Result<Recipe, RecipeFileError> {
        Ok(read(reader, context.path()).await?.0)
    }

    fn extensions(&self) -> &[&str] {
        &EXTENSIONS
    }
}

/// Loads a recipe file as the texture it makes: `asset_server.load::<Image>("moss.discon.ron")`.
///
/// The image shows the neutral colour at first and is filled in place, like one of
/// [`TextureGenerator`](super::TextureGenerator). Reloading the file generates it anew; the old picture stays until then.
#[derive(Clone, Debug, Default, TypePath)]
pub struct RecipeImageLoader {
    loaded: LoadedRecipes,
}

impl AssetLoader for RecipeImageLoader {
    type Asset = Image;
    type Settings = ();
    type Error = RecipeFileError;

    async fn load(
        &self,
        reader: &mut dyn Reader,
        (): &(),
        context: &mut LoadContext<'_>,
    ) -> Result<Image, RecipeFileError> {
        let (recipe, text) = read(reader, context.path()).await?;
        let image = target_image(recipe.size);
        self.loaded.lock().insert(context.path().clone_owned(), (recipe, text));
        Ok(image)
    }

    fn extensions(&self) -> &[&str] {
        &EXTENSIONS
    }
}

/// Recipes whose images are on their way to `Assets<Image>`. A loader does not know the id of its asset, but its path.
#[derive(Resource, Clone, Debug, Default)]
pub struct LoadedRecipes(Arc<Mutex<LoadedByPath>>);

/// Recipes, and the text of those that have a short one.
type LoadedByPath = HashMap<AssetPath<'static>, (Recipe, Option<String>)>;

impl LoadedRecipes {
    fn lock(&self) -> std::sync::MutexGuard<'_, LoadedByPath> {
        // Nothing in the map can be half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the loaders. In `Plugin::finish`: they need the asset server, and the plugin may be added before it.
pub fn register(app: &mut App) {
    if app.world().get_resource::<AssetServer>().is_none() {
        return;
    }
    let loaded = app.world_mut().get_resource_or_init::<LoadedRecipes>().clone();
    app.init_asset::<Recipe>()
        .register_asset_reflect::<Recipe>()
        .register_asset_loader(RecipeLoader)
        .register_asset_loader(RecipeImageLoader { loaded });
}

/// Turns images that were loaded from recipe files into requests.
pub fn adopt_loaded(
    mut events: MessageReader<AssetEvent<Image>>,
    server: Res<AssetServer>,
    loaded: Res<LoadedRecipes>,
    mut store: ResMut<TextureStore>,
    mut images: ResMut<Assets<Image>>,
    mut outbox: ResMut<Outbox>,
) {
    for event in events.read() {
        let (AssetEvent::Added { id } | AssetEvent::Modified { id }) = event else { continue };
        let Some(path) = server.get_path(*id).map(AssetPath::into_owned) else { continue };
        let Some((recipe, text)) = loaded.lock().remove(&path) else { continue };
        store.adopt(*id, recipe, Origin { file: path.to_string(), text }, &mut images, &mut outbox);
    }
}

/// A recipe, and its text if it was written by hand, by length.
async fn read(reader: &mut dyn Reader, path: &AssetPath<'static>) -> Result<(Recipe, Option<String>), RecipeFileError> {
    // Of a path with fields the text is made.
    let is_file = !matches!(path.source(), AssetSourceId::Name(name) if &**name == SOURCE);
    let path = path.to_string();
    let mut bytes = Vec::new();
    let mut limited = reader.take(MAX_FILE_BYTES + 1);
    if let Err(error) = limited.read_to_end(&mut bytes).await {
        return Err(RecipeFileError::Read { path, error });
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("the file is longer than {MAX_FILE_BYTES} bytes, which no recipe is");
        return Err(RecipeFileError::Read { path, error: Error::new(ErrorKind::FileTooLarge, message) });
    }
    let recipe = Recipe::parse(&bytes, &path)?;
    let is_short = is_file && bytes.len() <= MAX_TEXT_BYTES;
    // The binary form is none: it has no lines to point at.
    let text =
        String::from_utf8(bytes).ok().filter(|text| is_short && !text.as_bytes().starts_with(recipe_bytes::MAGIC));
    Ok((recipe, text))
}
