//! An editor panel for recipes, in egui. Feature `editor`.
//!
//! [`DisconEditorPlugin`] shows it in any app, as a window or docked at a side. Apps with a layout of their own call
//! [`panel()`] where they want it. The panel is a function of plain data, [`EditorState`]: it changes the recipe in it and notes what it asks the app
//! to do as [`EditorAction`]s, which the plugin's systems carry out. So it can be tested without a window.

mod export;
mod fields;
mod files;
mod gallery;
mod history;
#[cfg(feature = "material")]
mod lit;
mod painter;
mod panel;
mod picture;
mod place;
mod state;
mod style;
mod systems;
mod token_picture;

pub use crate::export::FileFormat;
pub use export::export_picture;
pub use files::{carry_out_file_actions, list_presets, load_preset, save_preset};
pub use history::History;
pub use panel::panel;
pub use place::PanelPlace;
pub use state::{Body, EditorAction, EditorState, EditorView, GALLERY_SEEDS, Notice, ShownTexture, Thumbnail};

use crate::sampling::Recipe;
use bevy::asset::io::file::FileAssetReader;
use bevy::prelude::*;
use bevy_egui::{EguiPlugin, EguiPrimaryContextPass};
use std::path::PathBuf;

/// Adds the editor to an app that has a [`DisconPlugin`](crate::plugin::DisconPlugin), and `EguiPlugin` if it is missing.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_discon::editor::DisconEditorPlugin;
/// use bevy_discon::prelude::*;
///
/// App::new().add_plugins((DefaultPlugins, DisconPlugin::default(), DisconEditorPlugin::default())).run();
/// ```
///
/// Docked at the right side, beside the game:
///
/// ```no_run
/// # use bevy::prelude::*;
/// use bevy_discon::editor::{DisconEditorPlugin, PanelPlace};
/// # let mut app = App::new();
/// app.add_plugins(DisconEditorPlugin { place: PanelPlace::Right, ..default() });
/// ```
///
/// The panel belongs to the first camera. With the feature `material` the texture can be seen on lit bodies, by a camera
/// of the editor's own with the render layer [`LAYER`](Self::LAYER).
#[derive(Clone, Debug)]
pub struct DisconEditorPlugin {
    /// The recipe at the start. Default `brick`.
    pub recipe: Recipe,
    /// Folder of the presets, `NAME.discon.ron`, made if it is missing. A relative path starts at the folder that holds
    /// `assets/`. Default `assets/recipes`, so that presets are assets: one that the
    /// app has loaded is loaded anew when it is saved.
    pub preset_folder: PathBuf,
    /// Folder of exported textures, as above. Default `assets/textures`.
    pub export_folder: PathBuf,
    /// Where the panel stands at the start; later the resource [`PanelPlace`] says it. Default a window.
    pub place: PanelPlace,
}

impl DisconEditorPlugin {
    /// Render layer of the lit bodies.
    pub const LAYER: usize = 31;
}

impl Default for DisconEditorPlugin {
    fn default() -> Self {
        Self {
            recipe: Recipe::new("brick"),
            preset_folder: "assets/recipes".into(),
            export_folder: "assets/textures".into(),
            place: PanelPlace::default(),
        }
    }
}

impl Plugin for DisconEditorPlugin {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<EguiPlugin>() {
            app.add_plugins(EguiPlugin::default());
        }
        let base = FileAssetReader::get_base_path();
        let mut state = EditorState::new(self.recipe.clone(), base.join(&self.preset_folder));
        state.export_folder = base.join(&self.export_folder);
        state.presets = list_presets(&state.preset_folder);
        app.insert_resource(state)
            .insert_resource(self.place)
            .init_resource::<systems::EditorTextures>()
            .init_resource::<export::Exports>()
            .add_systems(EguiPrimaryContextPass, place::show_panel)
            .add_systems(
                Update,
                // Actions first, so that what they start is shown in the same frame.
                (
                    systems::follow_model,
                    systems::carry_out_actions,
                    systems::take_tokens,
                    systems::follow_textures,
                    export::finish_exports,
                    export::give_up_exports,
                )
                    .chain(),
            );
        #[cfg(feature = "material")]
        lit::build(app);
    }

    // Not in `build`, so that the plugin may stand before `AssetPlugin`.
    fn finish(&self, app: &mut App) {
        let assets = app.get_added_plugins::<AssetPlugin>();
        let folder = assets.first().map(|assets| FileAssetReader::get_base_path().join(&assets.file_path));
        app.insert_resource(systems::AssetFolder(folder));
    }
}
