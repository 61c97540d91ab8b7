//! Where the model comes from, and loading it without holding up a frame.

use crate::model::Model;
use bevy::prelude::*;
use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the plugin takes its model from.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// A folder with `config.ron` and `model.safetensors`, read on a task thread. A relative path starts at the
    /// folder that holds `assets/` (as the paths of Bevy's asset server do), at the working directory, or at the folder that
    /// this crate was built from: so the bundled model is found without copying it while a game is made. A game that is
    /// given to others needs the folder beside its own assets, or [`ModelSource::Embedded`].
    Folder(PathBuf),
    /// The two files in the program, for example by `include_bytes!`.
    Embedded {
        /// Content of `config.ron`.
        config: &'static [u8],
        /// Content of `model.safetensors`.
        weights: &'static [u8],
    },
    /// A model that is loaded already.
    Loaded(Arc<Model>),
}

impl Default for ModelSource {
    fn default() -> Self {
        Self::Folder("assets/models/small".into())
    }
}

/// The model of the plugin: loading, ready or failed. Read it to list classes.
#[derive(Resource, Debug, Default)]
pub enum DisconModel {
    /// Files are being read and checked.
    #[default]
    Loading,
    /// Ready.
    Ready(Arc<Model>),
    /// Every request fails for this reason.
    Failed(String),
}

impl DisconModel {
    /// The model, once it is loaded.
    pub fn get(&self) -> Option<&Arc<Model>> {
        match self {
            Self::Ready(model) => Some(model),
            Self::Loading | Self::Failed(_) => None,
        }
    }

    /// Names that a recipe may use as its class; empty until the model is loaded.
    pub fn classes(&self) -> &[String] {
        self.get().map_or(&[], |model| &model.discon.config.classes)
    }

    /// The class that `number` chooses, for scenes that do not know the model; none until the model is loaded.
    pub fn class(&self, number: usize) -> Option<&str> {
        let classes = self.classes();
        classes.get(number.checked_rem(classes.len())?).map(String::as_str)
    }
}

/// The task that reads the model.
#[derive(Resource)]
pub struct LoadingModel(Task<Result<Model, String>>);

/// What the plugin was given.
#[derive(Resource)]
pub struct ModelToLoad(pub ModelSource);

/// Starts to load the model.
pub fn start_loading(source: Res<ModelToLoad>, mut commands: Commands) {
    let task = match source.0.clone() {
        // The plugin has put it in place already.
        ModelSource::Loaded(_) => return,
        ModelSource::Folder(folder) => AsyncComputeTaskPool::get().spawn(async move { load_folder(&folder) }),
        ModelSource::Embedded { config, weights } => AsyncComputeTaskPool::get().spawn(async move {
            Model::from_bytes(config, weights, "the embedded model").map_err(|error| error.to_string())
        }),
    };
    commands.insert_resource(LoadingModel(task));
}

#[cfg(target_arch = "wasm32")]
fn load_folder(_: &Path) -> Result<Model, String> {
    Err("a browser has no folders: use `ModelSource::Embedded`".into())
}

#[cfg(not(target_arch = "wasm32"))]
fn load_folder(folder: &Path) -> Result<Model, String> {
    let places = places(folder);
    let found = places.iter().find(|place| place.is_dir()).unwrap_or(&places[0]);
    Model::load(found).map_err(|error| {
        format!(
            "the model could not be loaded: {error}. Copy a model folder (`config.ron`, `model.safetensors`) to {}, \
             or name another one in `DisconPlugin::model`",
            folder.display()
        )
    })
}

/// Where a folder may lie, see [`ModelSource::Folder`].
#[cfg(not(target_arch = "wasm32"))]
fn places(folder: &Path) -> [PathBuf; 3] {
    let beside_assets = bevy::asset::io::file::FileAssetReader::get_base_path().join(folder);
    [beside_assets, folder.to_path_buf(), Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)]
}

/// Takes the model from its task.
pub fn finish_loading(task: Option<ResMut<LoadingModel>>, mut model: ResMut<DisconModel>, mut commands: Commands) {
    let Some(mut task) = task else { return };
    let Some(result) = block_on(poll_once(&mut task.0)) else { return };
    *model = match result {
        Ok(model) => DisconModel::Ready(Arc::new(model)),
        Err(reason) => {
            error!("{reason}");
            DisconModel::Failed(reason)
        }
    };
    commands.remove_resource::<LoadingModel>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_model_is_found_from_any_folder() {
        let ModelSource::Folder(folder) = ModelSource::default() else { panic!("the default is a folder") };
        let [_, _, own] = places(&folder);
        assert!(own.is_absolute() && own.join("model.safetensors").is_file(), "{}", own.display());
        let missing = load_folder(Path::new("no/such/folder")).expect_err("there is none");
        assert!(missing.contains("no/such/folder") && missing.contains("DisconPlugin::model"), "{missing}");
    }
}
