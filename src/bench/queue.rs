//! Requests of a game that wait for each other.

use super::clock::{resident_bytes, timed};
use super::game::Game;
use super::statistics::{percentile, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::request::{DisconSettings, TextureStatistics};
use bevy::prelude::*;
use std::time::{Duration, Instant};

/// Requests of a game that wait for each other.
///
/// # Errors
/// See [`BenchError`].
pub fn text(tiny: &Options) -> Result<String, BenchError> {
    let mut table = Table::new(&[
        "requests, 64x64, tiny model, in a game",
        "wall s",
        "CPU s",
        "CPU ms a texture",
        "main world ms a frame: p50",
        "p99",
        "render world ms a frame: p50",
        "p99",
        "textures MB",
        "memory of the process above before, MB",
    ]);
    let settings = DisconSettings { memory_cache_bytes: 0, ..DisconSettings::default() }.with_budget_ms(50.0);
    let mut game = Game::new(tiny, settings, |_| {});
    game.until_prepared()?;
    let mut seed = 0;
    // The first request makes the buffers.
    for (number, counts) in [(1, false), (1, true), (10, true), (100, true), (tiny.pick(200, 1000), true)] {
        let before = resident_bytes();
        game.forget();
        let (mut main, mut render) = (Vec::new(), Vec::new());
        let start = Instant::now();
        let (result, times) = timed(|| {
            let recipe = |at: u64| tiny.recipe(seed + at).with_size(64, 64);
            let images: Vec<Handle<Image>> = (0..number).map(|at| game.request(recipe(at))).collect();
            let frame = |game: &mut Game| {
                let frame = game.step();
                main.push(frame.main.wall);
                render.push(frame.render.wall);
                std::thread::sleep(Duration::from_millis(1));
            };
            game.until("all textures", frame, |game| game.heard().ready.len() as u64 == number).map(|()| images)
        });
        let (images, wall) = (result?, start.elapsed());
        seed += number;
        if counts {
            let memory = resident_bytes().zip(before).map_or(f64::NAN, |(now, before)| now as f64 - before as f64);
            let textures = game.app.world().resource::<TextureStatistics>().texture_bytes;
            let mut cells = vec![wall.as_secs_f64(), times.cpu, 1e3 * times.cpu / number as f64];
            for values in [&mut main, &mut render] {
                values.sort_by(f64::total_cmp);
                cells.extend([0.5, 0.99].map(|share| 1e3 * percentile(values, share)));
            }
            cells.extend([textures as f64 * 1e-6, memory * 1e-6]);
            table.row(std::iter::once(number.to_string()).chain(cells.into_iter().map(significant)));
        }
        drop(images);
        (0..20).for_each(|_| _ = game.step());
    }
    Ok(format!("{table}\n"))
}
