//! What becomes of frames while the plugin works outside the budget: kernels and weights of a model, files of the disk cache.

use super::frames::Load;
use super::game::Game;
use super::hits::{Folder, wait_for_files};
use super::statistics::{percentile, significant};
use super::table::Table;
use super::{BenchError, Options, scene};
use crate::request::{DisconModel, DisconSettings, TextureSource};
use bevy::prelude::*;

/// Frame times of a scene with a steady load: undisturbed, while a model is prepared, and while textures come from disk.
///
/// # Errors
/// See [`BenchError`].
pub fn text(options: &Options, load: Load) -> Result<String, BenchError> {
    let folder = Folder::new("frames");
    let settings = DisconSettings { memory_cache_bytes: 0, coarse_first: false, ..DisconSettings::default() };
    let mut game = Game::new(options, settings.with_disk_cache(folder.path()), scene::add);
    // As if its files were still being read.
    game.app.insert_resource(DisconModel::Loading);
    let frames = |game: &mut Game, count: usize| -> Vec<f64> {
        (0..count).map(|_| game.step_to_screen().as_secs_f64()).collect()
    };
    // Until the pipelines of the scene are compiled.
    frames(&mut game, options.pick(30, 200));
    let undisturbed = frames(&mut game, options.pick(60, 300));
    game.app.insert_resource(DisconModel::Ready(options.model.clone()));
    let mut preparing = Vec::new();
    while !game.is_prepared() {
        preparing.extend(frames(&mut game, 1));
    }
    let recipes: Vec<_> = (0..load.textures).map(|seed| options.recipe(seed).with_size(load.size, load.size)).collect();
    game.set(|settings| settings.budget_ms = 1000.0);
    let images: Vec<_> = recipes.iter().map(|recipe| game.request(recipe.clone())).collect();
    let made = |game: &Game| game.heard().ready.len() == recipes.len();
    game.until("textures", |game| _ = game.step_to_screen(), made)?;
    wait_for_files(&mut game, folder.path(), recipes.len())?;
    drop(images);
    let (mut hits, mut count) = (Vec::new(), 0);
    for _ in 0..options.pick(2, 20) {
        // The store forgets textures some frames after their last handles.
        frames(&mut game, 5);
        game.forget();
        let images: Vec<_> = recipes.iter().map(|recipe| game.request(recipe.clone())).collect();
        game.until("textures from disk", |game| hits.extend(frames(game, 1)), made)?;
        assert!(game.heard().ready.iter().all(|ready| ready.1 == TextureSource::Disk), "they were written before");
        count += images.len();
    }
    let size = load.size;
    let mut table = Table::new(&["while", "frames", "p50 ms", "p99 ms", "max ms"]);
    for (name, mut frames) in [
        ("nothing happens".to_string(), undisturbed),
        ("kernels are compiled and weights uploaded".into(), preparing),
        (format!("{count} textures of {size}x{size} come from disk, {} at once", recipes.len()), hits),
    ] {
        frames.sort_by(f64::total_cmp);
        let shares = [0.5, 0.99, 1.0].map(|share| significant(1e3 * percentile(&frames, share)));
        table.row([name, frames.len().to_string()].into_iter().chain(shares));
    }
    Ok(format!(
        "### Other work of the plugin\n\nFrames of the same scene. Kernels are compiled, weights packed and files read on task threads, \
         which share the cores with the rasteriser where that is software.\n\n{table}\n"
    ))
}
