//! Models, memory, disk and devices.

use super::{common, game::*};

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
pub fn cached(game: &mut Game, folder: &Path, count: usize) -> Vec<std::path::PathBuf> {
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
fn files_that_were_used_longest_ago_leave_the_disk_cache() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = DisconSettings { memory_cache_bytes: 0, ..default() }.with_disk_cache(folder.path());
    let Some(mut game) = Game::new(settings.clone()) else { return };
    let image = game.generate(recipe(21));
    let one = std::fs::metadata(&cached(&mut game, folder.path(), 1)[0]).expect("the file exists").len();
    drop((image, game));
    // Room for two.
    settings.disk_cache_bytes = 5 * one / 2;
    let Some(mut game) = Game::new(settings) else { return };
    let mut ask = |seed: u64, expected: TextureSource| {
        // Times of files may be no finer than this.
        std::thread::sleep(Duration::from_millis(20));
        let heard = game.heard().ready.len();
        let image = game.generate(recipe(seed));
        game.until("the texture is ready", |game| game.heard().ready.len() > heard);
        assert_eq!(game.heard().ready[heard].source, expected, "{seed}");
        drop(image);
        game.until("the texture is forgotten", |game| game.store().is_empty());
        // Files are written on a task thread.
        game.frames(50);
        let files = std::fs::read_dir(folder.path()).expect("the folder exists").flatten();
        let bytes: u64 = files.map(|file| file.metadata().map_or(0, |data| data.len())).sum();
        assert!(bytes <= 5 * one / 2, "{bytes} bytes after {seed}, {one} in a file");
    };
    ask(22, TextureSource::Generated);
    ask(21, TextureSource::Disk);
    ask(23, TextureSource::Generated);
    ask(21, TextureSource::Disk);
    ask(22, TextureSource::Generated);
}

#[test]
fn a_picture_on_disk_needs_no_room_for_the_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = DisconSettings::default().with_disk_cache(folder.path());
    let Some(mut game) = Game::new(settings.clone()) else { return };
    let image = game.generate(recipe(18));
    game.until("the texture is ready", |game| game.is_ready(&image));
    cached(&mut game, folder.path(), 1);
    let made = (game.picture(&image), game.pixels(&image, 3));
    drop((image, game));
    let settings = DisconSettings { work_memory_bytes: 1000, ..settings };
    let Some(mut game) = Game::new(settings) else { return };
    let (image, other) = (game.generate(recipe(18)), game.generate(recipe(19)));
    game.until("the picture from disk", |game| game.is_ready(&image));
    game.until("the other texture fails", |game| !game.heard().failed.is_empty());
    assert_eq!((game.picture(&image), game.pixels(&image, 3)), made);
    assert_eq!(game.heard().ready[0].source, TextureSource::Disk);
    assert_eq!(game.heard().failed[0].image, other.id());
    assert!(game.heard().failed[0].error.to_string().contains("weights"));
    assert_eq!((game.heard().ready.len(), game.heard().failed.len()), (1, 1));
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
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(16));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let before = game.picture(&image);
    game.replace_device();
    game.until_shown("the picture", &image, &before);
    assert_eq!(game.heard().ready.len(), 1, "the game is not told twice");
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

#[test]
fn the_recipes_beside_the_code_fit_the_model_sizes() {
    let files = std::fs::read_dir("assets/recipes").expect("the folder exists").filter_map(Result::ok);
    let paths: Vec<_> = files.map(|file| file.path()).collect();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("the file is text");
        let recipe = Recipe::from_ron(&text, &path.display().to_string()).expect("the file is a recipe");
        let classes = [recipe.class.as_str()];
        let model = Model::new(&ModelConfig::tiny(&classes), None, 1).expect("the configuration is sound");
        recipe.validate(&model).expect("all fields are in range");
    }
}
