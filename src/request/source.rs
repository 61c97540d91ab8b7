//! Recipes in paths: `discon://brick?seed=7&size=256x256`.

use super::assets::RecipeImageLoader;
use crate::sampling::Recipe;
use crate::sampling::recipe_file::TEXT_EXTENSION;
use bevy::asset::AssetApp;
use bevy::asset::io::{AssetReader, AssetReaderError, AssetSourceBuilder, PathStream, Reader, SliceReader, VecReader};
use bevy::prelude::*;
use bevy::reflect::TypePath;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// Name of the asset source.
pub(super) const SOURCE: &str = "discon";

/// Makes recipes loadable by path, without a file: `asset_server.load::<Image>("discon://brick?seed=7&size=256x256")`.
///
/// Paths are `discon://CLASS?FIELD=VALUE&...`, see [`Recipe::from_query`]. `discon://CLASS.discon.ron?...` is the same,
/// and can also be loaded as [`Recipe`]. Whatever takes the path of an image can use both.
///
/// Bevy takes asset sources only before `AssetPlugin`, so add it before `DefaultPlugins`; a
/// [`DisconPlugin`](crate::plugin::DisconPlugin) that stands before `DefaultPlugins` does it too.
///
/// ```no_run
/// # use bevy::prelude::*;
/// # use bevy_discon::prelude::*;
/// App::new().add_plugins((DisconSourcePlugin, DefaultPlugins, DisconPlugin::default())).run();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DisconSourcePlugin;

impl Plugin for DisconSourcePlugin {
    fn build(&self, app: &mut App) {
        app.register_asset_source(SOURCE, AssetSourceBuilder::new(|| Box::new(QueryReader)));
    }
}

/// Turns paths into the text form of recipes.
struct QueryReader;

impl AssetReader for QueryReader {
    async fn read<'a>(&'a self, path: &'a Path) -> Result<impl Reader + 'a, AssetReaderError> {
        // Bevy adds the path to the message.
        let invalid = |message: String| AssetReaderError::Io(Arc::new(Error::new(ErrorKind::InvalidInput, message)));
        let text = path.to_str().ok_or_else(|| invalid("the path is no text".into()))?;
        let query = without_extension(text).unwrap_or_else(|| text.into());
        let recipe = Recipe::from_query(&query).map_err(|error| invalid(error.to_string()))?;
        Ok(VecReader::new(recipe.to_ron().into_bytes()))
    }

    /// Names the loader of paths without an extension, for which Bevy would have to guess.
    async fn read_meta<'a>(&'a self, path: &'a Path) -> Result<impl Reader + 'a, AssetReaderError> {
        static META: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            let loader = RecipeImageLoader::type_path();
            format!("(meta_format_version: \"1.0\", asset: Load(loader: \"{loader}\", settings: ()))")
        });
        match path.to_str() {
            Some(text) if without_extension(text).is_none() => Ok(SliceReader::new(META.as_bytes())),
            _ => Err(AssetReaderError::NotFound(path.into())),
        }
    }

    async fn read_directory<'a>(&'a self, path: &'a Path) -> Result<Box<PathStream>, AssetReaderError> {
        Err(AssetReaderError::NotFound(path.into()))
    }

    async fn is_directory<'a>(&'a self, _: &'a Path) -> Result<bool, AssetReaderError> {
        Ok(false)
    }
}

/// The query of a path that has the extension of the text form before its fields.
fn without_extension(path: &str) -> Option<String> {
    let (class, fields) = path.split_at(path.find('?').unwrap_or(path.len()));
    let class = class.strip_suffix(TEXT_EXTENSION)?.strip_suffix('.')?;
    Some(format!("{class}{fields}"))
}
