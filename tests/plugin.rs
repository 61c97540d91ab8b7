//! Does the plugin do in a game what it says? Whole apps without a window, on a tiny model with random weights.
#![cfg(feature = "render")]

mod common;

use bevy::prelude::*;
use bevy::render::RenderApp;
use bevy::render::RenderPlugin;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::settings::{RenderCreation, WgpuSettings};
use bevy::render::texture::GpuImage;
use bevy::window::ExitCondition;
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::prelude::*;
use bevy_discon::sampling::plan;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Wall-clock limit of every wait. Frames are no measure: an app without a window spins faster than its GPU works.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that the plugin said.
#[derive(Resource, Default)]
struct Heard {
    ready: Vec<TextureReady>,
    failed: Vec<TextureFailed>,
    generated: Vec<TextureGenerated>,
    not_generated: Vec<TextureNotGenerated>,
}

fn listen(mut ready: MessageReader<TextureReady>, mut failed: MessageReader<TextureFailed>, mut heard: ResMut<Heard>) {
    heard.ready.extend(ready.read().cloned());
    heard.failed.extend(failed.read().cloned());
}

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let make = || {
        let mut model =
            Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound");
        common::randomise(&mut model);
        Arc::new(model)
    };
    MODEL.get_or_init(make).clone()
}

fn recipe(seed: u64) -> Recipe {
    Recipe::new("brick").with_size(64, 64).with_seed(seed)
}

/// A running app.
struct Game(App);

impl Game {
    /// An app with a renderer; none if GPU tests are turned off.
    fn new(settings: DisconSettings) -> Option<Self> {
        // Fails with advice if there is no adapter.
        common::gpu()?;
        Some(Self::with(WgpuSettings::default(), ModelSource::Loaded(model()), settings))
    }

    fn with(wgpu: WgpuSettings, model: ModelSource, settings: DisconSettings) -> Self {
        let mut app = Self::bare(wgpu);
        app.add_plugins(DisconPlugin { model, settings })
            .init_resource::<Heard>()
            .add_systems(Update, listen)
            .add_observer(|event: On<TextureGenerated>, mut heard: ResMut<Heard>| heard.generated.push(event.clone()))
            .add_observer(|event: On<TextureNotGenerated>, mut heard: ResMut<Heard>| {
                heard.not_generated.push(event.clone());
            });
        app.finish();
        app.cleanup();
        Self(app)
    }

    /// The least that the plugin needs: no window, no cameras, no `CorePipelinePlugin`.
    fn bare(wgpu: WgpuSettings) -> App {
        let mut app = App::new();
        app.add_plugins((
            MinimalPlugins,
            TransformPlugin,
            AssetPlugin::default(),
            WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() },
            bevy::mesh::MeshPlugin,
            bevy::camera::CameraPlugin,
            RenderPlugin { render_creation: RenderCreation::Automatic(Box::new(wgpu)), ..default() },
            ImagePlugin::default(),
        ));
        app
    }

    fn heard(&self) -> &Heard {
        self.0.world().resource::<Heard>()
    }

    fn store(&self) -> &TextureStore {
        self.0.world().resource::<TextureStore>()
    }

    /// Runs frames until something holds.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited too long for: {what}; failed: {:?}", self.heard().failed);
            self.0.update();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.0.update();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks as a system would.
    fn generate(&mut self, recipe: Recipe) -> Handle<Image> {
        let ask = move |mut generator: TextureGenerator| generator.generate(recipe.clone());
        self.0.world_mut().run_system_once_with_result(ask)
    }

    /// Asks as an entity, and gives the entity and its texture.
    fn spawn(&mut self, recipe: Recipe) -> (Entity, Handle<Image>) {
        let entity = self.0.world_mut().spawn(GenerateTexture::new(recipe)).id();
        self.0.world_mut().flush();
        (entity, self.texture_of(entity))
    }

    fn texture_of(&self, entity: Entity) -> Handle<Image> {
        self.0.world().get::<GeneratedTexture>(entity).expect("the handle is there in the same frame").0.clone()
    }

    fn is_ready(&self, image: &Handle<Image>) -> bool {
        matches!(self.store().state(image), Some(TextureState::Ready(_)))
    }

    /// RGBA bytes of a mip level, if Bevy has made the texture.
    fn pixels(&mut self, image: &Handle<Image>, level: u32) -> Option<Vec<u8>> {
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

    fn picture(&mut self, image: &Handle<Image>) -> Vec<u8> {
        self.pixels(image, 0).expect("the texture exists")
    }
}

trait RunWithResult {
    fn run_system_once_with_result<T: 'static, M>(&mut self, system: impl IntoSystem<(), T, M>) -> T;
}

impl RunWithResult for World {
    fn run_system_once_with_result<T: 'static, M>(&mut self, system: impl IntoSystem<(), T, M>) -> T {
        use bevy::ecs::system::RunSystemOnce;
        self.run_system_once(system).expect("the plugin's resources exist")
    }
}

/// The picture that the executor makes without Bevy, RGB.
fn expected(recipe: &Recipe) -> Vec<u8> {
    let model = model();
    let plan = plan(&model, recipe).expect("the recipe is sound");
    let mut gpu = common::gpu().expect("the caller has checked");
    gpu.generate(&model, &plan).expect("the device works").pixels
}

fn rgb(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect()
}

#[test]
fn the_handle_is_usable_at_once_neutral_at_first_and_the_same_when_the_texture_is_ready() {
    // The smallest budget: many frames between the request and the picture.
    let settings = DisconSettings { neutral: [10, 130, 250], ..default() }.with_budget_ms(0.1);
    let Some(mut game) = Game::new(settings) else { return };
    let (entity, image) = game.spawn(recipe(1));
    game.until("the texture exists", |game| {
        let world = game.0.sub_app(RenderApp).world();
        world.resource::<RenderAssets<GpuImage>>().get(&image).is_some()
    });
    assert!(!game.is_ready(&image), "the budget allows no picture yet");
    for level in 0..7 {
        let pixels = game.pixels(&image, level).expect("the texture exists");
        assert!(pixels.chunks_exact(4).all(|pixel| pixel == [10, 130, 250, 255]), "level {level} is neutral");
    }

    game.until("half of the work", |game| {
        let progress = game.0.world().get::<TextureProgress>(entity);
        progress.is_some_and(|progress| progress.state.fraction() > 0.5)
    });
    game.until("the texture is ready", |game| !game.heard().ready.is_empty());
    game.frames(3);
    assert_eq!(game.texture_of(entity), image, "the handle has not changed");
    let ready = TextureReady { image: image.id(), recipe: recipe(1), source: TextureSource::Generated };
    assert_eq!(game.heard().ready, [ready], "one message");
    let events: Vec<_> = game.heard().generated.iter().map(|event| (event.entity, event.image.id())).collect();
    assert_eq!(events, [(entity, image.id())], "one event");
    assert!(game.heard().failed.is_empty() && game.heard().not_generated.is_empty());
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(1)), "the picture of the executor");
}

#[test]
fn all_mip_levels_are_filled_with_means_in_linear_light() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(1).with_size(128, 64));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let linear = |byte: u8| {
        let value = f64::from(byte) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let mean = |pixels: &[u8], channel: usize| {
        let values = pixels.chunks_exact(4).map(|pixel| linear(pixel[channel]));
        values.sum::<f64>() / (pixels.len() / 4) as f64
    };
    let finest = game.picture(&image);
    for level in 1..8 {
        let pixels = game.pixels(&image, level).expect("the texture exists");
        for channel in 0..3 {
            let difference = (mean(&pixels, channel) - mean(&finest, channel)).abs();
            // Every level rounds to bytes; half a step of the steepest part of the curve, in one direction at worst.
            assert!(difference < 0.004 * f64::from(level), "level {level}, channel {channel}: {difference}");
        }
    }
}

#[test]
fn equal_recipes_share_one_texture_and_every_request_hears_of_it() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (first, image) = game.spawn(recipe(3));
    let (second, same) = game.spawn(recipe(3));
    assert_eq!(image, same);
    assert_eq!(image, game.generate(recipe(3)));
    assert_ne!(image, game.generate(recipe(4)));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(2);
    let mut told: Vec<Entity> = game.heard().generated.iter().map(|event| event.entity).collect();
    told.retain(|entity| [first, second].contains(entity));
    assert_eq!(told.len(), 2, "both entities got their event");

    let (late, same) = game.spawn(recipe(3));
    assert_eq!(image, same);
    game.frames(2);
    let event =
        game.heard().generated.iter().find(|event| event.entity == late).expect("the late entity got its event");
    assert_eq!(event.source, TextureSource::Memory);
    assert!(game.0.world().get::<TextureProgress>(late).is_some_and(|progress| progress.state.is_finished()));
}

#[test]
fn despawning_the_entity_or_dropping_the_last_handle_cancels() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let (entity, image) = game.spawn(recipe(5));
    let held = game.generate(recipe(6));
    let kept = game.generate(recipe(7));
    let (shared, also_kept) = game.spawn(recipe(7));
    game.frames(3);
    let ids = [image.id(), held.id()];
    drop((image, held, also_kept));
    game.0.world_mut().despawn(entity);
    game.0.world_mut().despawn(shared);
    game.until("two textures are forgotten", |game| game.store().len() == 1);
    game.until("the other texture is ready", |game| game.is_ready(&kept));
    game.frames(5);
    assert!(game.heard().ready.iter().all(|ready| !ids.contains(&ready.image)), "cancelled textures are never ready");
    assert!(game.heard().failed.is_empty(), "nobody is left to be told");
    let world = game.0.sub_app(RenderApp).world();
    let images = world.resource::<RenderAssets<GpuImage>>();
    assert!(ids.iter().all(|id| images.get(*id).is_none()), "their memory on the GPU is free");
}

#[test]
fn removing_the_request_takes_the_handle_and_inserting_another_recipe_gives_another() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (entity, image) = game.spawn(recipe(8));
    game.0.world_mut().entity_mut(entity).insert(GenerateTexture::new(recipe(9)));
    game.0.world_mut().flush();
    let other = game.texture_of(entity);
    assert_ne!(other, image);
    game.until("the second texture is ready", |game| game.is_ready(&other));
    game.frames(2);
    assert!(game.heard().generated.iter().all(|event| event.image == other), "only the newer request is answered");
    game.0.world_mut().entity_mut(entity).remove::<GenerateTexture>();
    game.0.world_mut().flush();
    assert!(game.0.world().get::<GeneratedTexture>(entity).is_none());
    assert!(game.0.world().get::<TextureProgress>(entity).is_none());
}

#[test]
fn a_cancelled_texture_fails_and_an_equal_request_starts_it_again() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let (entity, image) = game.spawn(recipe(10));
    game.until("some work is done", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.1));
    let cancelled = image.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.cancel(&cancelled));
    game.frames(3);
    assert_eq!(game.heard().failed.len(), 1);
    assert_eq!(game.heard().failed[0].error, GenerationError::Cancelled);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert_eq!(game.generate(recipe(10)), image, "in the same texture");
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(10)), "from the beginning");
}

#[test]
fn impossible_recipes_fail_with_a_reason_and_keep_the_neutral_colour() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (entity, image) = game.spawn(Recipe::new("brck"));
    let odd = game.generate(Recipe::new("brick").with_size(70, 5000));
    game.until("both fail", |game| game.heard().failed.len() == 2);
    game.frames(3);
    let failed = game.heard().failed.iter().find(|failed| failed.image == image.id()).expect("the first one failed");
    let reason = failed.error.to_string();
    assert!(reason.contains("\"brck\"") && reason.contains("brick, moss"), "{reason}");
    assert_eq!(game.heard().not_generated.len(), 1);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert!(game.picture(&image).chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 255]));
    let reason =
        game.heard().failed.iter().find(|failed| failed.image == odd.id()).map(|failed| failed.error.to_string());
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("width") && reason.contains("70")), "{reason:?}");
}

#[test]
fn finished_textures_stay_in_memory_within_a_limit() {
    // Room for one texture of 64x64 with its levels (21 kB), not for two.
    let settings = DisconSettings { memory_cache_bytes: 30_000, ..default() };
    let Some(mut game) = Game::new(settings) else { return };
    let image = game.generate(recipe(11));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let id = image.id();
    drop(image);
    game.frames(3);
    let again = game.generate(recipe(11));
    assert_eq!(again.id(), id, "it was kept");
    game.frames(2);
    assert_eq!(game.heard().ready.last().map(|ready| ready.source), Some(TextureSource::Memory));
    drop(again);
    let other = game.generate(recipe(12));
    game.until("the other texture is ready", |game| game.is_ready(&other));
    game.frames(3);
    assert!(game.store().state(id).is_none(), "the older texture had to go");
    drop(other);
    game.0.world_mut().resource_mut::<DisconSettings>().memory_cache_bytes = 0;
    game.frames(4);
    assert!(game.store().is_empty(), "a smaller limit applies at once");
}

/// Waits until a folder holds some finished cache files.
fn cached(game: &mut Game, folder: &Path, count: usize) -> Vec<std::path::PathBuf> {
    let list = |folder: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let pngs = entries.map(|entry| entry.path());
        pngs.filter(|path| path.extension().is_some_and(|extension| extension == "png")).collect()
    };
    game.until("files in the disk cache", |_| list(folder).len() >= count);
    list(folder)
}

#[test]
fn a_texture_is_read_from_disk_after_a_restart_and_a_damaged_file_is_a_miss() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = DisconSettings::default().with_disk_cache(folder.path());
    let mut pictures = Vec::new();
    for (run, source) in [TextureSource::Generated, TextureSource::Disk, TextureSource::Generated].iter().enumerate() {
        let Some(mut game) = Game::new(settings.clone()) else { return };
        let image = game.generate(recipe(13));
        game.until("the texture is ready", |game| !game.heard().ready.is_empty());
        assert_eq!(game.heard().ready[0].source, *source, "run {run}");
        pictures.push((game.picture(&image), game.pixels(&image, 3)));
        let files = cached(&mut game, folder.path(), 1);
        assert_eq!(files.len(), 1);
        if run == 1 {
            let mut bytes = std::fs::read(&files[0]).expect("the file can be read");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&files[0], bytes).expect("the file can be written");
        }
    }
    assert!(pictures.windows(2).all(|pair| pair[0] == pair[1]), "pictures and mip levels are the same each time");
}

#[test]
fn the_budget_changes_the_number_of_frames_and_never_the_picture() {
    let mut frames = Vec::new();
    for (budget, largest) in [(0.1, 0.01), (1000.0, 1000.0), (4.0, 0.05)] {
        let settings = DisconSettings { max_gflop_per_submission: largest, ..default() }.with_budget_ms(budget);
        let Some(mut game) = Game::new(settings) else { return };
        let image = game.generate(recipe(14));
        game.until("the work starts", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.0));
        let mut count = 0;
        game.until("the texture is ready", |game| {
            count += 1;
            game.is_ready(&image)
        });
        frames.push(count);
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe(14)), "budget {budget} ms");
    }
    assert!(frames[0] > 2 * frames[1], "a small budget takes more frames: {frames:?}");
}

#[test]
fn textures_of_higher_priority_come_first() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let images: Vec<Handle<Image>> = [(20, 0), (21, -5), (22, 7), (23, 0)]
        .into_iter()
        .map(|(seed, priority)| {
            let ask = move |mut generator: TextureGenerator| generator.generate_with_priority(recipe(seed), priority);
            game.0.world_mut().run_system_once_with_result(ask)
        })
        .collect();
    game.until("all are ready", |game| game.heard().ready.len() == 4);
    let order: Vec<AssetId<Image>> = game.heard().ready.iter().map(|ready| ready.image).collect();
    assert_eq!(order, [2, 0, 3, 1].map(|at: usize| images[at].id()));
}

#[test]
fn a_touched_image_keeps_its_picture() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(15));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let before = game.picture(&image);
    let mut images = game.0.world_mut().resource_mut::<Assets<Image>>();
    images.get_mut(&image).expect("the image exists").sampler = bevy::image::ImageSampler::nearest();
    game.frames(3);
    assert_eq!(game.picture(&image), before);
}

#[test]
fn a_new_device_gets_all_pictures_again() {
    use bevy::render::error_handler::{ErrorType, RenderErrorHandler, RenderErrorPolicy};
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    game.0.insert_resource(RenderErrorHandler(|error, _, _| match error.ty {
        ErrorType::DeviceLost => RenderErrorPolicy::Recover(default()),
        _ => RenderErrorPolicy::StopRendering,
    }));
    let image = game.generate(recipe(16));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let before = game.picture(&image);
    // Devices cannot be compared: each instance counts its own from the start.
    let made = |game: &Game| game.0.sub_app(RenderApp).world().resource_ref::<RenderDevice>().last_changed();
    let first = made(&game);
    let lost = game.0.sub_app(RenderApp).world().resource::<RenderDevice>().wgpu_device().clone();
    lost.destroy();
    game.until("a new device", |game| {
        // Nothing is drawn here, so nobody else would notice.
        lost.poll(wgpu::PollType::Poll).ok();
        made(game) != first
    });
    // Bevy forgets the textures of the old device one frame later.
    game.frames(3);
    let start = Instant::now();
    while game.pixels(&image, 0).is_none_or(|pixels| pixels != before) {
        assert!(start.elapsed() < PATIENCE, "the picture does not come back");
        game.frames(5);
    }
    assert_eq!(game.heard().ready.len(), 1, "the game is not told twice");
}

#[test]
fn without_a_renderer_every_request_fails_and_nothing_else_happens() {
    let wgpu = WgpuSettings { backends: None, ..default() };
    let mut game = Game::with(wgpu, ModelSource::Loaded(model()), DisconSettings::default());
    let (entity, image) = game.spawn(recipe(1));
    game.until("the request fails", |game| !game.heard().failed.is_empty());
    game.frames(2);
    assert_eq!(game.heard().failed[0].error, GenerationError::NoRenderer);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert_eq!(game.texture_of(entity), image, "the handle stays valid");
}

#[test]
fn a_missing_model_folder_is_named_with_what_to_do() {
    let Some(_) = common::gpu() else { return };
    let source = ModelSource::Folder("no/such/folder".into());
    let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
    let _image = game.generate(recipe(1));
    game.until("the request fails", |game| !game.heard().failed.is_empty());
    let reason = game.heard().failed[0].error.to_string();
    assert!(reason.contains("no/such/folder") && reason.contains("config.ron"), "{reason}");
    assert!(reason.contains("DisconPlugin::model"), "{reason}");
}

#[test]
fn a_model_folder_is_loaded_while_requests_wait() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    model().save(folder.path()).expect("the folder can be written");
    let Some(_) = common::gpu() else { return };
    let source = ModelSource::Folder(folder.path().into());
    let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
    let image = game.generate(recipe(1));
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(game.0.world().resource::<DisconModel>().classes(), ["brick", "moss"]);
}

/// A bound that a mistake (work in every frame) would break; run it with `--nocapture` and in release for numbers.
#[test]
fn an_idle_plugin_takes_next_to_nothing() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(17));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(10);
    let mut bare = Game::bare(WgpuSettings::default());
    bare.finish();
    bare.cleanup();
    let batch = |app: &mut App| {
        let start = Instant::now();
        (0..100).for_each(|_| app.update());
        start.elapsed() / 100
    };
    // The fastest of many batches: other programs only make them slower.
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..10 {
        with = with.min(batch(&mut game.0));
        without = without.min(batch(&mut bare));
    }
    println!("a frame without the plugin {without:?}, with the idle plugin {with:?}");
    assert!(with < without + Duration::from_millis(1), "{with:?} instead of {without:?}");
}

/// `DISCON_MODEL=assets/models/small cargo test --release --test plugin -- --ignored --nocapture`
#[test]
#[ignore = "a measurement: prints how exactly the budget is kept with a real model"]
fn how_exactly_the_budget_is_kept() {
    let folder = std::env::var_os("DISCON_MODEL").expect("DISCON_MODEL is a model folder");
    let model = Arc::new(Model::load(Path::new(&folder)).expect("the model is sound"));
    for budget in [2.0, 10.0, 50.0, 200.0] {
        let source = ModelSource::Loaded(model.clone());
        let settings = DisconSettings { memory_cache_bytes: 0, ..default() }.with_budget_ms(budget);
        let mut game = Game::with(WgpuSettings::default(), source, settings);
        let class = model.discon.config.classes[0].clone();
        // The first texture compiles and learns.
        for seed in 0..2 {
            let start = Instant::now();
            let image = game.generate(Recipe::new(class.clone()).with_seed(seed));
            let mut spent = Vec::new();
            let mut last = None;
            game.until("the texture is ready", |game| {
                let store = game.0.world().resource::<bevy::diagnostic::DiagnosticsStore>();
                let newest = store.get_measurement(&GPU_MILLISECONDS).map(|found| (found.time, found.value));
                if newest != last {
                    spent.extend(newest.map(|(_, value)| value));
                    last = newest;
                }
                game.is_ready(&image)
            });
            spent.sort_by(f64::total_cmp);
            let at = |part: usize| spent.get(spent.len() * part / 100).copied().unwrap_or_default();
            println!(
                "budget {budget:5} ms, texture {seed}: {:.1} s, {:.0} ms on the GPU in {} frames; \
                 a frame: median {:.1}, 90 % below {:.1}, most {:.1} ms",
                start.elapsed().as_secs_f32(),
                spent.iter().sum::<f64>(),
                spent.len(),
                at(50),
                at(90),
                spent.last().copied().unwrap_or_default(),
            );
        }
    }
}
