//! Things going wrong: each is told with a reason, and the game goes on.

use super::{common, game::*};
use bevy::render::settings::{Backends, WgpuLimits};
use bevy_discon::plugin::without_missing_adapter;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reason of the first failure.
pub fn failure(game: &mut Game) -> String {
    game.until("the request fails", |game| !game.heard().failed.is_empty());
    game.heard().failed[0].error.to_string()
}

/// The two files of a model.
fn model_files() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    model().save(folder.path()).expect("the folder can be written");
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("the file was written");
    (read("config.ron"), read("model.safetensors"))
}

#[test]
fn wrong_and_damaged_model_files_fail_requests_with_file_and_reason() {
    let Some(_) = common::gpu() else { return };
    let (config, weights) = model_files();
    let other_size =
        String::from_utf8(config.clone()).expect("it is text").replace("codebook_size: 64", "codebook_size: 128");
    let mut not_a_number = weights.clone();
    let end = not_a_number.len();
    not_a_number[end - 4..].fill(0xff);
    let cut = weights[..weights.len() / 2].to_vec();
    for (name, config, weights, parts) in [
        ("another configuration", other_size.into_bytes(), weights.clone(), ["model.safetensors", "config.ron"]),
        ("cut weights", config.clone(), cut, ["model.safetensors", "not a safetensors file"]),
        ("not a number", config.clone(), not_a_number, ["model.safetensors", "not finite"]),
        ("a picture as weights", config, vec![0x89; 5000], ["model.safetensors", "not a safetensors file"]),
        ("no configuration", b"(".to_vec(), weights, ["config.ron", "1:"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("config.ron"), config).expect("the folder can be written");
        std::fs::write(folder.path().join("model.safetensors"), weights).expect("the folder can be written");
        let source = ModelSource::Folder(folder.path().into());
        let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
        let image = game.generate(recipe(1));
        let reason = failure(&mut game);
        assert!(parts.iter().all(|part| reason.contains(part)), "{name}: {reason}");
        game.frames(3);
        assert!(game.picture(&image).chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 255]), "{name}");
        assert_eq!(game.heard().failed.len(), 1, "{name}: one message");
    }
}

#[test]
fn a_model_in_the_program_is_used_and_a_damaged_one_explained() {
    let Some(_) = common::gpu() else { return };
    // As `include_bytes!` gives them.
    let leak = |bytes: Vec<u8>| -> &'static [u8] { bytes.leak() };
    let (config, weights) = model_files();
    let (config, weights) = (leak(config), leak(weights));
    let source = ModelSource::Embedded { config, weights };
    let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
    let image = game.generate(recipe(12));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let found = rgb(&game.picture(&image));
    drop(game);
    // Not quite that of `model()`: files hold 16 bits of each weight.
    let folder = tempfile::tempdir().expect("a temporary folder");
    model().save(folder.path()).expect("the folder can be written");
    let source = ModelSource::Folder(folder.path().into());
    let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
    let image = game.generate(recipe(12));
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert!(rgb(&game.picture(&image)) == found, "the same model from a folder makes the same picture");
    drop(game);
    let source = ModelSource::Embedded { config, weights: &weights[..weights.len() / 2] };
    let mut game = Game::with(WgpuSettings::default(), source, DisconSettings::default());
    let _image = game.generate(recipe(12));
    let reason = failure(&mut game);
    assert!(reason.contains("the embedded model") && reason.contains("not a safetensors file"), "{reason}");
}

#[test]
fn a_device_whose_limits_are_too_small_is_explained() {
    let Some(_) = common::gpu() else { return };
    let limits = |change: fn(&mut WgpuLimits)| {
        let mut limits = WgpuLimits::default();
        change(&mut limits);
        WgpuSettings { constrained_limits: Some(limits), ..default() }
    };
    for (settings, parts) in [
        (limits(|limits| limits.max_storage_buffer_binding_size = 2048), ["2048", "needs a buffer of"]),
        (limits(|limits| *limits = WgpuLimits::downlevel_webgl2_defaults()), ["compute shaders", "graphics device"]),
    ] {
        let never = DisconSettings { processor_threads: ProcessorThreads::Never, ..default() };
        let mut game = Game::with(settings, ModelSource::Loaded(model()), never);
        let _image = game.generate(recipe(2));
        let reason = failure(&mut game);
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
        // A later request hears the same, once.
        let _other = game.generate(recipe(3));
        game.until("the other one fails", |game| game.heard().failed.len() == 2);
        game.frames(5);
        assert_eq!(game.heard().failed.len(), 2);
    }
}

#[test]
fn a_texture_that_is_too_large_for_the_device_fails_alone() {
    let Some(_) = common::gpu() else { return };
    let limits = WgpuLimits { max_storage_buffer_binding_size: 1 << 20, ..default() };
    let settings = WgpuSettings { constrained_limits: Some(limits), ..default() };
    let mut game = Game::with(settings, ModelSource::Loaded(model()), DisconSettings::default());
    let large = game.generate(recipe(4).with_size(1024, 1024));
    let small = game.generate(recipe(4));
    game.until("the small one is ready", |game| game.is_ready(&small));
    let reason = failure(&mut game);
    assert_eq!(game.heard().failed[0].image, large.id());
    assert!(reason.contains("this texture size") && reason.contains("1048576"), "{reason}");
    assert_eq!(rgb(&game.picture(&small)), expected(&recipe(4)));
}

/// Memory that is really used, in blocks of 64 MB.
struct Hog(Vec<Vec<u8>>);

impl Hog {
    fn grow(&mut self, blocks: usize) {
        self.0.extend((0..blocks).map(|number| vec![1 + number as u8; 64 << 20]));
    }
}

/// The lowest part of the device's memory, in percent, above which there is none left for a new device now.
fn used_percent() -> Option<u8> {
    (1..90).find(|percent| {
        let threshold = wgpu::MemoryBudgetThresholds { for_resource_creation: Some(*percent), for_device_loss: None };
        let descriptor = wgpu::InstanceDescriptor {
            memory_budget_thresholds: threshold,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        };
        let adapter = pollster::block_on(wgpu::Instance::new(descriptor).request_adapter(&default()));
        adapter.is_ok_and(|adapter| pollster::block_on(adapter.request_device(&default())).is_ok())
    })
}

/// Whether a device has no memory for a small buffer.
fn is_full(device: &wgpu::Device) -> bool {
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let usage = wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: None, size: 1 << 16, usage, mapped_at_creation: false };
    drop(device.create_buffer(&descriptor));
    pollster::block_on(scope.pop()).is_some()
}

/// Small allocations that fail make wgpu give the device up, and Bevy makes such in every frame: requests then fail, or
/// wait for the next device.
///
/// `cargo test --features $(<.ci/features) --test plugin -- --ignored --nocapture without_memory`
#[test]
#[ignore = "fills memory: on a software GPU some gigabytes, which other programs may need"]
fn without_memory_requests_fail_or_wait_and_the_game_goes_on() {
    let Some(_) = common::gpu() else { return };
    let percent = used_percent().expect("a device can be had") + 4;
    println!("up to {percent} % of the memory may be used");
    let threshold = wgpu::MemoryBudgetThresholds { for_resource_creation: Some(percent), for_device_loss: None };
    let settings = WgpuSettings { instance_memory_budget_thresholds: threshold, ..default() };
    let mut game = Game::with(settings, ModelSource::Loaded(model()), DisconSettings::default());
    // Without it Bevy ends the program by default.
    game.0.insert_resource(RenderErrorHandler(|_, _, _| RenderErrorPolicy::Ignore));
    let kept = game.generate(recipe(5));
    game.until("the first is ready", |game| game.is_ready(&kept));
    // Its texture exists, but nothing that it is made with.
    let image = game.generate(recipe(5).with_size(128, 64));
    let pause = image.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.pause(&pause));
    game.frames(10);

    let device = game.0.sub_app(RenderApp).world().resource::<RenderDevice>().wgpu_device().clone();
    let lost = Arc::new(AtomicBool::new(false));
    let told = lost.clone();
    device.set_device_lost_callback(move |_, _| told.store(true, Ordering::Relaxed));
    let mut hog = Hog(Vec::new());
    while !is_full(&device) {
        assert!(hog.0.len() < 200, "12 GB are used and the device has memory left");
        hog.grow(1);
    }
    // What other programs give back meanwhile.
    hog.grow(16);
    let resume = image.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.resume(&resume));
    for _ in 0..100 {
        game.frames(1);
        device.poll(wgpu::PollType::Poll).ok();
    }
    println!("{} blocks of memory: {:?}", hog.0.len(), game.store().state(&image));
    assert!(!game.is_ready(&image), "there is no memory for it");
    assert!(game.is_ready(&kept), "what was there stays");
    assert!(game.heard().failed.len() <= 1, "one message at most");
    let told = game.heard().failed.iter().map(|failed| failed.error.to_string().to_lowercase());
    assert!(told.into_iter().all(|reason| reason.contains("memory")), "{:?}", game.heard().failed);
    // There is memory again. If wgpu has given the device up meanwhile, a new one is needed for anything: another test.
    drop(hog);
    if lost.load(Ordering::Relaxed) {
        return println!("the device was lost");
    }
    let again = game.generate(recipe(5).with_size(128, 64));
    game.until("there is memory", |game| game.is_ready(&again));
    assert_eq!(rgb(&game.picture(&again)), expected(&recipe(5).with_size(128, 64)));
}

#[test]
fn a_missing_adapter_leaves_the_renderer_out_and_requests_fail() {
    // No system has this backend and Linux.
    if !cfg!(target_os = "linux") {
        return;
    }
    let settings = without_missing_adapter(WgpuSettings { backends: Some(Backends::DX12), ..default() });
    assert_eq!(settings.backends, None);
    let never = DisconSettings { processor_threads: ProcessorThreads::Never, ..default() };
    let mut game = Game::with(settings, ModelSource::Loaded(model()), never);
    let _image = game.generate(recipe(6));
    assert!(failure(&mut game).contains("there is no renderer"));
    if common::gpu().is_some() {
        let settings = WgpuSettings::default();
        assert_eq!(without_missing_adapter(settings.clone()).backends, settings.backends, "an adapter is there");
    }
}

/// A file system in memory with room for next to nothing.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    /// None where this program may not mount one.
    fn new(kilobytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).output().ok();
    }
}

#[test]
fn a_disk_cache_that_cannot_be_written_is_told_and_textures_are_made_all_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "no folder").expect("the folder can be written");
    let mut places = vec![(folder.path().join("file/cache"), "directory")];
    let disk = TinyDisk::new(8);
    // Larger than the disk, however well it can be compressed.
    let wanted = recipe(7).with_size(256, 256);
    match &disk {
        Some(disk) => places.push((disk.0.path().join("cache"), "No space left")),
        None => println!("skipped: a full disk, which needs the right to mount one"),
    }
    for (place, part) in places {
        let Some(mut game) = Game::new(DisconSettings::default().with_disk_cache(&place)) else { return };
        let image = game.generate(wanted.clone());
        game.until("the texture is ready", |game| game.is_ready(&image));
        game.until("the message", |game| !game.heard().not_cached.is_empty());
        assert_eq!(rgb(&game.picture(&image)), expected(&wanted));
        let DiskCacheFailed { folder, reason } = game.heard().not_cached[0].clone();
        assert!(folder == place && reason.contains(part), "{folder:?}: {reason}");
        let counts = game.0.world().resource::<TextureStatistics>().counts;
        assert_eq!((counts.not_cached, counts.generated, counts.failed), (1, 1, 0));
        assert_eq!(std::fs::read_dir(&place).map_or(0, Iterator::count), 0, "no partial file is left");
    }
}
