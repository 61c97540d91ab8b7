//! A game without a window, to be asked what it heard and saw.

use super::common;
use super::headless::add_renderer;
pub use super::pictures::*;
pub use bevy::prelude::*;
pub use bevy::render::RenderApp;
pub use bevy::render::error_handler::{ErrorType, RenderErrorHandler, RenderErrorPolicy};
pub use bevy::render::render_asset::RenderAssets;
pub use bevy::render::renderer::{RenderDevice, RenderQueue};
pub use bevy::render::settings::WgpuSettings;
pub use bevy::render::texture::GpuImage;
pub use bevy_discon::model::{Model, ModelConfig};
pub use bevy_discon::prelude::*;
pub use bevy_discon::sampling::plan;
pub use std::path::Path;
pub use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
pub use std::time::{Duration, Instant};

/// Wall-clock limit of every wait. Frames are no measure: an app without a window spins faster than its GPU works.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that the plugin said.
#[derive(Resource, Default)]
pub struct Heard {
    pub ready: Vec<TextureReady>,
    pub failed: Vec<TextureFailed>,
    pub coarse: Vec<TextureCoarse>,
    pub tokens: Vec<TextureTokens>,
    pub no_tokens: Vec<TextureTokensFailed>,
    pub generated: Vec<TextureGenerated>,
    pub not_generated: Vec<TextureNotGenerated>,
    pub not_cached: Vec<DiskCacheFailed>,
}

pub fn listen(
    mut ready: MessageReader<TextureReady>,
    mut failed: MessageReader<TextureFailed>,
    mut coarse: MessageReader<TextureCoarse>,
    mut tokens: MessageReader<TextureTokens>,
    mut no_tokens: MessageReader<TextureTokensFailed>,
    mut not_cached: MessageReader<DiskCacheFailed>,
    mut heard: ResMut<Heard>,
) {
    heard.coarse.extend(coarse.read().cloned());
    heard.tokens.extend(tokens.read().cloned());
    heard.no_tokens.extend(no_tokens.read().cloned());
    heard.not_cached.extend(not_cached.read().cloned());
    heard.ready.extend(ready.read().cloned());
    heard.failed.extend(failed.read().cloned());
}

pub fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let make = || {
        let mut model =
            Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound");
        common::randomise(&mut model);
        // Deviations, by which the style of an example picture is measured.
        let scale = model.discon.styles.scale;
        model.weights.get_mut(scale).iter_mut().for_each(|value| *value = value.abs() + 0.1);
        Arc::new(model)
    };
    MODEL.get_or_init(make).clone()
}

pub fn recipe(seed: u64) -> Recipe {
    Recipe::new("brick").with_size(64, 64).with_seed(seed)
}

fn reading(folder: &Path) -> AssetPlugin {
    AssetPlugin { file_path: folder.to_string_lossy().into_owned(), ..default() }
}

/// A running app, alone: each opens a device of its own, and times must not depend on other tests.
pub struct Game(pub App, #[expect(dead_code, reason = "held until the app is gone")] MutexGuard<'static, ()>);

static ALONE: Mutex<()> = Mutex::new(());

impl Game {
    /// An app with a renderer; none if GPU tests are turned off.
    pub fn new(settings: DisconSettings) -> Option<Self> {
        // Fails with advice if there is no adapter.
        common::gpu()?;
        Some(Self::with(WgpuSettings::default(), ModelSource::Loaded(model()), settings))
    }

    pub fn with(wgpu: WgpuSettings, model: ModelSource, settings: DisconSettings) -> Self {
        // A test that failed has left nothing behind that matters.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self::start(Self::bare(wgpu), alone, model, settings)
    }

    /// An app with all choices of the plugin, and with an asset server that reads `folder`.
    pub fn with_plugin(folder: &Path, plugin: DisconPlugin) -> Option<Self> {
        Self::with_app(App::new(), reading(folder), plugin)
    }

    /// The same in an app that something was done to, for example to its asset sources.
    pub fn with_app(app: App, assets: AssetPlugin, plugin: DisconPlugin) -> Option<Self> {
        Self::assemble(app, assets, plugin, |_| ())
    }

    /// An app whose asset server reads `folder`, with what `more` adds to its renderer.
    pub fn furnished(folder: &Path, more: impl FnOnce(&mut App)) -> Option<Self> {
        let plugin = DisconPlugin { model: ModelSource::Loaded(model()), ..default() };
        Self::assemble(App::new(), reading(folder), plugin, more)
    }

    fn assemble(mut app: App, assets: AssetPlugin, plugin: DisconPlugin, more: impl FnOnce(&mut App)) -> Option<Self> {
        common::gpu()?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        app.add_plugins(DisconSourcePlugin);
        add_renderer(&mut app, assets, WgpuSettings::default());
        more(&mut app);
        Some(Self::start_plugin(app, alone, plugin))
    }

    /// An app whose asset server reads `folder`, and knows `discon://` paths.
    pub fn with_assets(folder: &Path) -> Option<Self> {
        Self::furnished(folder, |_| ())
    }

    fn start(app: App, alone: MutexGuard<'static, ()>, model: ModelSource, settings: DisconSettings) -> Self {
        Self::start_plugin(app, alone, DisconPlugin { model, settings, ..default() })
    }

    fn start_plugin(mut app: App, alone: MutexGuard<'static, ()>, plugin: DisconPlugin) -> Self {
        app.add_plugins(plugin)
            .init_resource::<Heard>()
            .add_systems(Update, listen)
            .add_observer(|event: On<TextureGenerated>, mut heard: ResMut<Heard>| heard.generated.push(event.clone()))
            .add_observer(|event: On<TextureNotGenerated>, mut heard: ResMut<Heard>| {
                heard.not_generated.push(event.clone());
            });
        app.finish();
        app.cleanup();
        Self(app, alone)
    }

    /// The least that the plugin needs: no window, no cameras, no `CorePipelinePlugin`.
    pub fn bare(wgpu: WgpuSettings) -> App {
        let mut app = App::new();
        add_renderer(&mut app, AssetPlugin::default(), wgpu);
        app
    }

    pub fn heard(&self) -> &Heard {
        self.0.world().resource::<Heard>()
    }

    pub fn store(&self) -> &TextureStore {
        self.0.world().resource::<TextureStore>()
    }

    /// Runs frames until something holds.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited too long for: {what}; failed: {:?}", self.heard().failed);
            self.0.update();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.0.update();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Destroys the graphics device and waits for the new one that Bevy makes where a handler of errors wants it to.
    pub fn replace_device(&mut self) {
        self.replace_device_by(RenderErrorHandler(|error, _, _| match error.ty {
            ErrorType::DeviceLost => RenderErrorPolicy::Recover(default()),
            _ => RenderErrorPolicy::StopRendering,
        }));
    }

    /// The same with another handler.
    pub fn replace_device_by(&mut self, handler: RenderErrorHandler) {
        self.0.insert_resource(handler);
        // Devices cannot be compared: each instance counts its own from the start.
        let made = |game: &Self| game.0.sub_app(RenderApp).world().resource_ref::<RenderDevice>().last_changed();
        let first = made(self);
        let lost = self.0.sub_app(RenderApp).world().resource::<RenderDevice>().wgpu_device().clone();
        lost.destroy();
        self.until("a new device", |game| {
            // Nothing is drawn here, so nobody else would notice.
            lost.poll(wgpu::PollType::Poll).ok();
            made(game) != first
        });
        // Bevy forgets the textures of the old device one frame later.
        self.frames(3);
    }

    /// Waits until a texture shows these RGBA bytes.
    pub fn until_shown(&mut self, what: &str, image: &Handle<Image>, picture: &[u8]) {
        let start = Instant::now();
        while self.pixels(image, 0).is_none_or(|pixels| pixels != picture) {
            if start.elapsed() > PATIENCE / 2 {
                let shown = self.pixels(image, 0).map(|pixels| pixels[..8].to_vec());
                let states: Vec<_> =
                    self.store().iter().map(|(_, recipe, state)| (recipe.seed, state.clone())).collect();
                panic!("{what} does not come, it shows {shown:?}; {states:?}");
            }
            self.frames(5);
        }
    }

    /// Asks as a system would.
    pub fn generate(&mut self, recipe: Recipe) -> Handle<Image> {
        let ask = move |mut generator: TextureGenerator| generator.generate(recipe.clone());
        self.0.world_mut().run_system_once_with_result(ask)
    }

    /// Asks as a system would, with all choices.
    pub fn spawn_request(&mut self, request: GenerateTexture) -> Handle<Image> {
        let ask = move |mut generator: TextureGenerator| generator.request(request.clone());
        self.0.world_mut().run_system_once_with_result(ask)
    }

    /// Asks as an entity, and gives the entity and its texture.
    pub fn spawn(&mut self, recipe: Recipe) -> (Entity, Handle<Image>) {
        let entity = self.0.world_mut().spawn(GenerateTexture::new(recipe)).id();
        self.0.world_mut().flush();
        (entity, self.texture_of(entity))
    }

    pub fn texture_of(&self, entity: Entity) -> Handle<Image> {
        self.0.world().get::<GeneratedTexture>(entity).expect("the handle is there in the same frame").0.clone()
    }

    pub fn is_ready(&self, image: &Handle<Image>) -> bool {
        matches!(self.store().state(image), Some(TextureState::Ready(_)))
    }

    /// RGBA bytes of a mip level, if Bevy has made the texture.
    pub fn pixels(&mut self, image: &Handle<Image>, level: u32) -> Option<Vec<u8>> {
        self.layer(image, 0, level)
    }

    /// Bytes of a mip level of a layer.
    pub fn layer(&mut self, image: &Handle<Image>, layer: u32, level: u32) -> Option<Vec<u8>> {
        let world = self.0.sub_app(RenderApp).world();
        let texture = world.resource::<RenderAssets<GpuImage>>().get(image)?.texture.clone();
        let (device, queue) = (world.resource::<RenderDevice>().wgpu_device(), world.resource::<RenderQueue>());
        let (width, height) = ((texture.width() >> level).max(1), (texture.height() >> level).max(1));
        let texel = texture.format().block_copy_size(None).expect("a colour format");
        let row = (texel * width).next_multiple_of(256);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(row * height),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            wgpu::TexelCopyTextureInfo {
                mip_level: level,
                origin: wgpu::Origin3d { z: layer, ..wgpu::Origin3d::ZERO },
                ..texture.as_image_copy()
            },
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
        queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |result| result.expect("the buffer can be read"));
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the device works");
        let bytes = buffer.get_mapped_range(..);
        Some(bytes.chunks_exact(row as usize).flat_map(|row| &row[..(texel * width) as usize]).copied().collect())
    }

    pub fn picture(&mut self, image: &Handle<Image>) -> Vec<u8> {
        self.pixels(image, 0).expect("the texture exists")
    }
}

pub trait RunWithResult {
    fn run_system_once_with_result<T: 'static, M>(&mut self, system: impl IntoSystem<(), T, M>) -> T;
}

impl RunWithResult for World {
    fn run_system_once_with_result<T: 'static, M>(&mut self, system: impl IntoSystem<(), T, M>) -> T {
        use bevy::ecs::system::RunSystemOnce;
        self.run_system_once(system).expect("the plugin's resources exist")
    }
}
