//! Files that change while the game runs, told by a watcher as Bevy's feature `file_watcher` tells of them.
//!
//! That feature would bring another watcher of the file system into every build of the tests. This one only polls, and
//! sends what `bevy_asset::io::file::FileWatcher` sends for a file that is written, and for one that was removed and is
//! there again, as some programs save; from its event on, everything is Bevy's and ours. A file that another one is
//! renamed to is not reloaded by Bevy 0.19.

use super::game::*;
use bevy::asset::AssetApp;
use bevy::asset::io::file::FileAssetReader;
use bevy::asset::io::{AssetSourceBuilder, AssetSourceEvent, AssetSourceId, AssetWatcher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Polls the files of a folder until it is dropped.
struct PollingWatcher(Arc<AtomicBool>);

impl AssetWatcher for PollingWatcher {}

impl Drop for PollingWatcher {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Files and when they were written.
fn files(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let time = |entry: &std::fs::DirEntry| entry.metadata().and_then(|data| data.modified()).ok();
    entries.map(|entry| (PathBuf::from(entry.file_name()), time(&entry))).collect()
}

/// A game whose default asset source reads a folder and watches it.
fn watching(folder: &Path) -> Option<Game> {
    let (read, watched) = (folder.to_path_buf(), folder.to_path_buf());
    let source = AssetSourceBuilder::new(move || Box::new(FileAssetReader::new(&read))).with_watcher(move |events| {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, folder) = (stop.clone(), watched.clone());
        std::thread::spawn(move || {
            let mut known = files(&folder);
            while !stopped.load(Ordering::Relaxed) {
                let now = files(&folder);
                for (path, _) in now.iter().filter(|file| !known.contains(file)) {
                    let event = match known.iter().any(|(known, _)| known == path) {
                        true => AssetSourceEvent::ModifiedAsset(path.clone()),
                        false => AssetSourceEvent::AddedAsset(path.clone()),
                    };
                    events.try_send(event).ok();
                }
                known = now;
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Some(Box::new(PollingWatcher(stop)))
    });
    let mut app = App::new();
    app.register_asset_source(AssetSourceId::Default, source);
    let assets = AssetPlugin { watch_for_changes_override: Some(true), ..default() };
    Game::with_app(app, assets, DisconPlugin { model: ModelSource::Loaded(model()), ..default() })
}

#[test]
fn a_file_that_is_saved_again_fills_the_same_texture_anew_and_a_bad_one_leaves_the_picture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("wall.discon.ron");
    std::fs::write(&path, recipe(80).to_ron()).expect("the folder can be written");
    let Some(mut game) = watching(folder.path()) else { return };
    let image: Handle<Image> = game.0.world().resource::<AssetServer>().load("wall.discon.ron");
    game.until("the texture is ready", |game| game.is_ready(&image));
    for (number, changed) in [recipe(81), recipe(82).with_size(64, 128)].into_iter().enumerate() {
        std::fs::write(&path, changed.to_ron()).expect("the folder can be written");
        // The watcher may see a file that is half written: the last change counts.
        game.until("the new recipe", |game| game.store().recipe(&image) == Some(&changed));
        game.until("the new picture", |game| game.is_ready(&image));
        assert_eq!(rgb(&game.picture(&image)), expected(&changed), "change {number}");
    }
    let before = game.picture(&image);
    std::fs::write(&path, "(class: ").expect("the folder can be written");
    game.frames(100);
    assert_eq!(game.picture(&image), before, "a mistake while typing takes nothing away");
    std::fs::write(&path, recipe(83).to_ron()).expect("the folder can be written");
    game.until("the mended recipe", |game| game.store().recipe(&image) == Some(&recipe(83)));
    game.until("the mended picture", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(83)));
    // Saved as some programs do.
    std::fs::remove_file(&path).expect("the file exists");
    game.frames(50);
    std::fs::write(&path, recipe(84).to_ron()).expect("the folder can be written");
    game.until("the recipe of the new file", |game| game.store().recipe(&image) == Some(&recipe(84)));
    game.until("the picture of the new file", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(84)));
    // The short form, which may carry tokens.
    let bytes = |seed: u64| recipe(seed).to_bytes().expect("the recipe is sound");
    std::fs::write(folder.path().join("short.discon"), bytes(85)).expect("the folder can be written");
    let image: Handle<Image> = game.0.world().resource::<AssetServer>().load("short.discon");
    game.until("the texture is ready", |game| game.is_ready(&image));
    std::fs::write(folder.path().join("short.discon"), bytes(86)).expect("the folder can be written");
    game.until("the new recipe", |game| game.store().recipe(&image) == Some(&recipe(86)));
    game.until("the new picture", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(86)));
}
