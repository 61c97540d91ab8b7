//! How soon a texture is there that was made before: in this run of the program, or in an earlier one.

use super::clock::timed_here;
use super::game::Game;
use super::statistics::{Summary, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::cache::DiskFile;
use crate::request::{DisconSettings, TextureSource};
use crate::sampling::Recipe;
use bevy::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One way to get a texture again.
#[derive(Default)]
struct Way {
    /// Seconds of the call itself.
    call: Vec<f64>,
    /// Seconds until the message that it is ready.
    ready: Vec<f64>,
    frames: Vec<f64>,
}

/// A folder that is gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    /// A folder of this process, not made yet.
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("discon-bench-{name}-{}", std::process::id())))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever stays is in the system's folder for temporary files.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Measures both caches; `size` is that of the texture.
///
/// # Errors
/// See [`BenchError`].
pub fn text(options: &Options, recipe: &Recipe) -> Result<String, BenchError> {
    let folder = Folder::new("hits");
    let settings = DisconSettings { coarse_first: false, ..DisconSettings::default() }
        .with_disk_cache(&folder.0)
        .with_budget_ms(1000.0);
    let (restarts, repeats) = (options.pick(1, 4), options.pick(3, 25));
    let mut memory = Way::default();
    let mut game = Game::new(options, settings.clone(), |_| {});
    game.until_prepared()?;
    let kept = game.request(recipe.clone());
    game.until("a texture", pace, |game| !game.heard().ready.is_empty())?;
    for _ in 0..repeats {
        hit(&mut game, recipe, TextureSource::Memory, &mut memory)?;
    }
    let file = wait_for_file(&mut game, &folder.0, recipe.size)?;
    drop((kept, game));
    let (mut first, mut later) = (Way::default(), Way::default());
    for _ in 0..restarts {
        let settings = DisconSettings { memory_cache_bytes: 0, ..settings.clone() };
        let mut game = Game::new(options, settings, |_| {});
        game.until_prepared()?;
        (0..20).for_each(|_| pace(&mut game));
        drop(hit(&mut game, recipe, TextureSource::Disk, &mut first)?);
        for _ in 0..repeats {
            // The store forgets a texture some frames after its last handle.
            (0..5).for_each(|_| pace(&mut game));
            drop(hit(&mut game, recipe, TextureSource::Disk, &mut later)?);
        }
    }
    let read: Vec<f64> = (0..repeats).map(|_| timed_here(|| file.read()).1.wall).collect();
    let mut table = Table::new(&["a second equal request", "call µs", "until ready ms", "frames"]);
    for (name, way) in [("in memory", &memory), ("on disk, first after a restart", &first), ("on disk, later", &later)]
    {
        let [call, ready, frames] = [(&way.call, 1e6), (&way.ready, 1e3), (&way.frames, 1.0)]
            .map(|(values, factor)| Summary::of(values).text(factor));
        table.row([name.to_string(), call, ready, frames]);
    }
    Ok(format!(
        "### Textures that were made before\n\nFrames follow each other without a pause. In memory the handle shows the finished \
         picture at once, and the message comes with the next frame. Of a disk hit, reading, checking and decoding the file takes \
         {} ms on a task thread.\n\n{table}",
        significant(1e3 * Summary::of(&read).median)
    ))
}

/// One frame, and a moment for others.
fn pace(game: &mut Game) {
    game.step();
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// Asks again and waits.
fn hit(game: &mut Game, recipe: &Recipe, expected: TextureSource, way: &mut Way) -> Result<Handle<Image>, BenchError> {
    game.forget();
    let start = Instant::now();
    let image = game.request(recipe.clone());
    way.call.push(start.elapsed().as_secs_f64());
    let frames = std::cell::Cell::new(0);
    let frame = |game: &mut Game| {
        game.step();
        frames.set(frames.get() + 1);
    };
    game.until("a texture that was made before", frame, |game| !game.heard().ready.is_empty())?;
    way.ready.push(start.elapsed().as_secs_f64());
    way.frames.push(f64::from(frames.get()));
    let source = game.heard().ready[0].1;
    assert_eq!(source, expected, "the texture comes from where this benchmark looks");
    Ok(image)
}

/// Waits until a folder of the disk cache has so many whole files, and gives their names.
pub fn wait_for_files(game: &mut Game, folder: &Path, count: usize) -> Result<Vec<String>, BenchError> {
    let keys = |folder: &Path| -> Vec<String> {
        let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let whole = paths.filter(|path| path.extension().is_some_and(|kind| kind == "png"));
        whole.filter_map(|path| Some(path.file_stem()?.to_str()?.to_string())).collect()
    };
    game.until("files in the disk cache", pace, |_| keys(folder).len() >= count)?;
    Ok(keys(folder))
}

/// The file of the only texture in a folder, as soon as it is complete.
fn wait_for_file(game: &mut Game, folder: &Path, size: (u32, u32)) -> Result<DiskFile, BenchError> {
    let missing = || BenchError::Io { path: folder.into(), source: std::io::ErrorKind::NotFound.into() };
    let key = wait_for_files(game, folder, 1)?.pop().ok_or_else(missing)?;
    Ok(DiskFile { folder: folder.into(), key, size, limit: u64::MAX })
}
