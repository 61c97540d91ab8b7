//! A game without a window, to be asked what it heard and saw.

use super::common;
use super::headless::add_renderer;
pub use bevy::prelude::*;
pub use bevy::render::RenderApp;
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
    pub generated: Vec<TextureGenerated>,
    pub not_generated: Vec<TextureNotGenerated>,
}

pub fn listen(
    mut ready: MessageReader<TextureReady>,
    mut failed: MessageReader<TextureFailed>,
    mut coarse: MessageReader<TextureCoarse>,
    mut tokens: MessageReader<TextureTokens>,
    mut heard: ResMut<Heard>,
) {
    heard.coarse.extend(coarse.read().cloned());
    heard.tokens.extend(tokens.read().cloned());
    heard.ready.extend(ready.read().cloned());
    heard.failed.extend(failed.read().cloned());
}

pub fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let make = || {
        let mut model =
            Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound");
        common::randomise(&mut model);
        Arc::new(model)
    };
    MODEL.get_or_init(make).clone()
}

pub fn recipe(seed: u64) -> Recipe {
    Recipe::new("brick").with_size(64, 64).with_seed(seed)
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

    /// An app whose asset server reads `folder`, and knows `discon://` paths.
    pub fn with_assets(folder: &Path) -> Option<Self> {
        common::gpu()?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut app = App::new();
        app.add_plugins(DisconSourcePlugin);
        let assets = AssetPlugin { file_path: folder.to_string_lossy().into_owned(), ..default() };
        add_renderer(&mut app, assets, WgpuSettings::default());
        Some(Self::start(app, alone, ModelSource::Loaded(model()), DisconSettings::default()))
    }

    fn start(mut app: App, alone: MutexGuard<'static, ()>, model: ModelSource, settings: DisconSettings) -> Self {
        app.add_plugins(DisconPlugin { model, settings })
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

    /// Asks as a system would.
    pub fn generate(&mut self, recipe: Recipe) -> Handle<Image> {
        let ask = move |mut generator: TextureGenerator| generator.generate(recipe.clone());
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
        let world = self.0.sub_app(RenderApp).world();
        let texture = world.resource::<RenderAssets<GpuImage>>().get(image)?.texture.clone();
        let (device, queue) = (world.resource::<RenderDevice>().wgpu_device(), world.resource::<RenderQueue>());
        let (width, height) = ((texture.width() >> level).max(1), (texture.height() >> level).max(1));
        let row = (4 * width).next_multiple_of(256);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(row * height),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            wgpu::TexelCopyTextureInfo { mip_level: level, ..texture.as_image_copy() },
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
        Some(bytes.chunks_exact(row as usize).flat_map(|row| &row[..4 * width as usize]).copied().collect())
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

/// The picture that the executor makes without Bevy, RGB.
pub fn expected(recipe: &Recipe) -> Vec<u8> {
    let model = model();
    let plan = plan(&model, recipe).expect("the recipe is sound");
    let mut gpu = common::gpu().expect("the caller has checked");
    gpu.generate(&model, &plan).expect("the device works").pixels
}

pub fn rgb(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect()
}
