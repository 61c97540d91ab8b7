//! The plugin.

use crate::render;
use crate::request::{self, DisconSettings, DisconSourcePlugin, ModelSource};
use crate::sampling::KERNEL_VERSION;
use bevy::prelude::*;
use bevy::render::RenderApp;

/// Generates textures on the GPU while the game runs.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_discon::prelude::*;
///
/// App::new()
///     .add_plugins((DefaultPlugins, DisconPlugin::default()))
///     .add_systems(Startup, |mut commands: Commands| {
///         commands.spawn(GenerateTexture::new(Recipe::new("brick").with_seed(7)));
///     })
///     .run();
/// ```
///
/// Adds loaders for recipe files, as [`Recipe`](crate::sampling::Recipe) or as the image they make. Paths such as
/// `discon://brick?seed=7` work if this plugin or [`DisconSourcePlugin`] stands before `DefaultPlugins`.
///
/// Needs `AssetPlugin`, `ImagePlugin` and `RenderPlugin`, all of which `DefaultPlugins` has. Without a renderer every
/// request fails with a reason and nothing else happens. Costs nothing in frames without requests.
#[derive(Clone, Debug, Default)]
pub struct DisconPlugin {
    /// Where the model comes from. Default the folder `assets/models/small`.
    pub model: ModelSource,
    /// Settings at the start; later in the resource [`DisconSettings`].
    pub settings: DisconSettings,
}

impl DisconPlugin {
    /// A plugin with a model folder.
    pub fn from_folder(folder: impl Into<std::path::PathBuf>) -> Self {
        Self { model: ModelSource::Folder(folder.into()), ..Self::default() }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: DisconSettings) -> Self {
        self.settings = settings;
        self
    }
}

impl Plugin for DisconPlugin {
    fn build(&self, app: &mut App) {
        // Later Bevy takes no sources.
        let in_time = app.world().get_resource::<AssetServer>().is_none();
        if in_time && !app.is_plugin_added::<DisconSourcePlugin>() {
            app.add_plugins(DisconSourcePlugin);
        }
        request::build(app, self.model.clone(), self.settings.clone(), KERNEL_VERSION);
        #[cfg(feature = "material")]
        crate::material::build(app);
    }

    // Not in `build`, so that the plugin may stand before `RenderPlugin`.
    fn finish(&self, app: &mut App) {
        request::register_assets(app);
        if app.get_sub_app(RenderApp).is_none() {
            request::without_renderer(app);
            return;
        }
        let sender = request::connect(app);
        if let Some(render_app) = app.get_sub_app_mut(RenderApp) {
            render::build(render_app, sender);
        }
    }
}
