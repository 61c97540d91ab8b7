//! The plugin.

use crate::render;
use crate::request::{self, DisconSettings, DisconSourcePlugin, ModelSource};
use crate::sampling::{CuratedList, KERNEL_VERSION};
use bevy::prelude::*;
use bevy::render::RenderApp;
use bevy::render::settings::WgpuSettings;

/// Generates textures on the GPU while the game runs; on the processor where no GPU can.
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
/// Meshes in `DisconLayers` (feature `material`) need `LayeredMaterialPlugin` besides.
///
/// When the graphics device is lost, Bevy ends the program unless a
/// [`RenderErrorHandler`](bevy::render::error_handler::RenderErrorHandler) makes it recover with a new one. Then every
/// texture, derived map, cell of a surface in sight and Wang tile is made again, in place, and requests that were
/// unfinished go on; nobody is told twice. Where there is no adapter at all see [`without_missing_adapter`].
///
/// ```no_run
/// # use bevy::prelude::*;
/// use bevy::render::error_handler::{ErrorType, RenderErrorHandler, RenderErrorPolicy};
/// # let mut app = App::new();
/// app.insert_resource(RenderErrorHandler(|error, _, _| match error.ty {
///     ErrorType::DeviceLost => RenderErrorPolicy::Recover(default()),
///     _ => RenderErrorPolicy::StopRendering,
/// }));
/// ```
///
/// Needs `AssetPlugin` and `ImagePlugin`, and `RenderPlugin` for the GPU; `DefaultPlugins` has all of them. Costs some
/// microseconds in frames without requests.
///
/// Without a renderer, and on an adapter that cannot run the kernels, textures and their maps are made on the processor
/// (feature `native`, [`DisconSettings::processor_threads`]): the same order, messages and disk cache, one texture at a
/// time on a task thread; edits begin at the start. Without a renderer the picture becomes [`Image::data`], all levels one after the other, and there
/// is none before it. Endless surfaces and Wang tiles fail there with
/// [`GenerationError::NeedsGpu`](crate::request::GenerationError::NeedsGpu); without the feature every request fails with
/// a reason.
#[derive(Clone, Debug, Default)]
pub struct DisconPlugin {
    /// Where the model comes from. Default the folder `assets/models/small`.
    pub model: ModelSource,
    /// Settings at the start; later in the resource [`DisconSettings`].
    pub settings: DisconSettings,
    /// The only recipes that this program may make, those of endless surfaces and Wang tiles included; every other one fails
    /// with [`GenerationError::NotCurated`](crate::request::GenerationError::NotCurated), also if its picture is in the
    /// disk cache. `discon-bake curate` writes such lists. Default none: every recipe may be made.
    ///
    /// ```no_run
    /// # use bevy_discon::prelude::*;
    /// # let text = "{}";
    /// // let text = include_str!("curated.ron");
    /// let list = CuratedList::parse(text, "curated.ron").expect("the list is sound");
    /// let plugin = DisconPlugin { curated: Some(list), ..Default::default() };
    /// ```
    pub curated: Option<CuratedList>,
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

/// The same settings, but without any backend if this computer has no graphics adapter for them.
///
/// Bevy ends the program when it finds no adapter. With these settings it starts without a renderer instead, so that a
/// server or a tool can go on; the processor makes the textures, see [`DisconPlugin`].
/// Asks the driver, some tens of milliseconds.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy::render::RenderPlugin;
/// use bevy::render::settings::{RenderCreation, WgpuSettings};
/// use bevy_discon::plugin::without_missing_adapter;
///
/// let settings = without_missing_adapter(WgpuSettings::default());
/// let renderer = RenderPlugin { render_creation: RenderCreation::Automatic(Box::new(settings)), ..default() };
/// App::new().add_plugins(DefaultPlugins.set(renderer));
/// ```
pub fn without_missing_adapter(mut settings: WgpuSettings) -> WgpuSettings {
    let Some(backends) = settings.backends else { return settings };
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let options = wgpu::RequestAdapterOptions {
        power_preference: settings.power_preference,
        force_fallback_adapter: settings.force_fallback_adapter,
        compatible_surface: None,
    };
    if let Err(error) = pollster::block_on(wgpu::Instance::new(descriptor).request_adapter(&options)) {
        warn!("there is no graphics adapter, so the renderer is left out: {error}");
        settings.backends = None;
    }
    settings
}

impl Plugin for DisconPlugin {
    fn build(&self, app: &mut App) {
        // Later Bevy takes no sources.
        let in_time = app.world().get_resource::<AssetServer>().is_none();
        if in_time && !app.is_plugin_added::<DisconSourcePlugin>() {
            app.add_plugins(DisconSourcePlugin);
        }
        request::build(app, self.model.clone(), self.settings.clone(), self.curated.clone(), KERNEL_VERSION);
        #[cfg(feature = "material")]
        crate::material::build(app);
        #[cfg(feature = "material")]
        crate::layered_material::build(app);
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
