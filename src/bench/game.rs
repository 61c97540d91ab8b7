//! A game without a window, and what its plugin says.

use super::headless::add_renderer;
use super::worlds::{self, Frame};
use super::{BenchError, Options};
use crate::plugin::DisconPlugin;
use crate::request::{
    DisconSettings, GPU_MILLISECONDS, ModelSource, TextureCoarse, TextureFailed, TextureGenerator, TextureReady,
    TextureSource,
};
use crate::sampling::Recipe;
use bevy::diagnostic::{DiagnosticsPlugin, DiagnosticsStore};
use bevy::ecs::system::RunSystemOnce;
use bevy::prelude::*;
use bevy::render::RenderApp;
use bevy::render::renderer::RenderDevice;
use bevy::render::settings::WgpuSettings;
use std::time::{Duration, Instant};

/// Wall-clock limit of every wait: a bound for mistakes, not a measurement.
const PATIENCE: Duration = Duration::from_secs(1800);

/// When something happened to textures, and how long the GPU worked for them.
#[derive(Resource, Debug, Default)]
pub struct Heard {
    /// Coarse pictures.
    pub coarse: Vec<Instant>,
    /// Finished ones, and where they came from.
    pub ready: Vec<(Instant, TextureSource)>,
    /// Failures.
    pub failed: Vec<String>,
    /// Milliseconds on the GPU, one number for each frame in which some were reported.
    pub gpu_ms: Vec<f64>,
}

fn listen(
    mut coarse: MessageReader<TextureCoarse>,
    mut ready: MessageReader<TextureReady>,
    mut failed: MessageReader<TextureFailed>,
    diagnostics: Res<DiagnosticsStore>,
    mut newest: Local<Option<Instant>>,
    mut heard: ResMut<Heard>,
) {
    let now = Instant::now();
    let heard = heard.bypass_change_detection();
    heard.coarse.extend(coarse.read().map(|_| now));
    heard.ready.extend(ready.read().map(|message| (now, message.source)));
    heard.failed.extend(failed.read().map(|message| message.error.to_string()));
    let measured = diagnostics.get_measurement(&GPU_MILLISECONDS);
    if let Some(measured) = measured.filter(|measured| Some(measured.time) != *newest) {
        *newest = Some(measured.time);
        heard.gpu_ms.push(measured.value);
    }
}

/// A running app.
pub struct Game {
    /// The app.
    pub app: App,
}

impl Game {
    /// An app with the plugin. `scene` may add more before it starts.
    pub fn new(options: &Options, settings: DisconSettings, scene: impl FnOnce(&mut App)) -> Self {
        let mut app = bare_app();
        scene(&mut app);
        app.add_plugins(DisconPlugin { model: ModelSource::Loaded(options.model.clone()), settings, ..default() })
            .init_resource::<Heard>()
            .add_systems(Update, listen);
        Self::start(app)
    }

    /// The same app without anything that listens: nothing but the plugin is added. [`Game::until`] cannot be used.
    pub fn unheard(options: &Options, scene: impl FnOnce(&mut App)) -> Self {
        let mut app = bare_app();
        scene(&mut app);
        let settings = DisconSettings::default();
        app.add_plugins(DisconPlugin { model: ModelSource::Loaded(options.model.clone()), settings, ..default() });
        Self::start(app)
    }

    /// The same app without the plugin.
    pub fn without_plugin(scene: impl FnOnce(&mut App)) -> Self {
        let mut app = bare_app();
        scene(&mut app);
        Self::start(app)
    }

    fn start(mut app: App) -> Self {
        app.finish();
        app.cleanup();
        Self { app }
    }

    /// What the plugin has said so far.
    pub fn heard(&self) -> &Heard {
        self.app.world().resource::<Heard>()
    }

    /// Forgets what was said.
    pub fn forget(&mut self) {
        *self.app.world_mut().resource_mut::<Heard>() = Heard::default();
    }

    /// Asks for a texture as a system would.
    pub fn request(&mut self, recipe: Recipe) -> Handle<Image> {
        let ask = move |mut generator: TextureGenerator| generator.generate(recipe.clone());
        self.app.world_mut().run_system_once(ask).expect("the plugin's resources exist")
    }

    /// Changes the settings.
    pub fn set(&mut self, change: impl FnOnce(&mut DisconSettings)) {
        change(&mut self.app.world_mut().resource_mut::<DisconSettings>());
    }

    /// How the time on the GPU is taken.
    pub fn gpu_clock(&self) -> &'static str {
        let device = self.app.sub_app(RenderApp).world().resource::<RenderDevice>();
        match device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            true => "between timestamps of the device",
            false => "until the device says that it is done, since it has no timestamps",
        }
    }

    /// Runs one frame.
    pub fn step(&mut self) -> Frame {
        worlds::step(&mut self.app)
    }

    /// Runs one frame and waits until the GPU has finished it, as a screen would. True time of a frame: processor and GPU.
    pub fn step_to_screen(&mut self) -> Duration {
        let start = Instant::now();
        worlds::step(&mut self.app);
        let device = self.app.sub_app(RenderApp).world().resource::<RenderDevice>();
        // A device that is lost shows as textures that never come.
        device.wgpu_device().poll(wgpu::PollType::wait_indefinitely()).ok();
        start.elapsed()
    }

    /// Runs frames until something holds, `frame` being one of them.
    ///
    /// # Errors
    /// Nothing for half an hour, or a texture that failed.
    pub fn until(
        &mut self,
        what: &str,
        mut frame: impl FnMut(&mut Self),
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), BenchError> {
        let start = Instant::now();
        while !holds(self) {
            let failed = &self.heard().failed;
            if start.elapsed() > PATIENCE || !failed.is_empty() {
                let (seconds, said) = (start.elapsed().as_secs(), failed.join("; "));
                return Err(BenchError::Patience { seconds, what: what.into(), said });
            }
            frame(self);
        }
        Ok(())
    }

    /// Whether kernels and weights are on the GPU.
    pub fn is_prepared(&self) -> bool {
        crate::render::is_prepared(self.app.sub_app(RenderApp).world())
    }

    /// Runs frames until kernels and weights are on the GPU; seconds that it took.
    ///
    /// # Errors
    /// Nothing for half an hour.
    pub fn until_prepared(&mut self) -> Result<f64, BenchError> {
        let start = Instant::now();
        while !self.is_prepared() {
            if start.elapsed() > PATIENCE {
                let (seconds, what) = (start.elapsed().as_secs(), "kernels and weights".into());
                return Err(BenchError::Patience { seconds, what, said: "nothing".into() });
            }
            self.step();
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn bare_app() -> App {
    let mut app = App::new();
    add_renderer(&mut app, AssetPlugin::default(), WgpuSettings::default());
    // As `DefaultPlugins` has it: with the resource a system of Bevy's runs in every frame, also without this plugin.
    app.add_plugins(DiagnosticsPlugin);
    app
}
