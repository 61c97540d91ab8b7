//! Textures in a game: time until they are there, and what the worlds pay.

use super::clock::timed;
use super::game::Game;
use super::statistics::significant;
use super::table::Table;
use super::texture::sized;
use super::{BenchError, Options, hits, worlds};
use crate::request::DisconSettings;
use crate::sampling::Recipe;
use bevy::prelude::*;
use std::time::{Duration, Instant};

/// Sums over the frames of a game.
#[derive(Default)]
struct Sums {
    frames: usize,
    main: f64,
    extract: f64,
    render: f64,
}

impl Sums {
    fn step(&mut self, game: &mut Game) {
        let frame = game.step();
        self.frames += 1;
        self.main += frame.main.cpu;
        self.extract += frame.extract.cpu;
        self.render += frame.render.cpu;
        // A game has more to do; without a pause empty frames would take the processor from a software rasteriser.
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Milliseconds above those of as many idle frames.
    fn above(&self, idle: &Self) -> [f64; 3] {
        let share = self.frames as f64 / idle.frames as f64;
        [(self.main, idle.main), (self.extract, idle.extract), (self.render, idle.render)]
            .map(|(sum, idle)| 1e3 * (sum - share * idle))
    }
}

/// Textures of a game without a window, whose systems run on one thread so that their time can be told.
///
/// # Errors
/// See [`BenchError`].
pub fn text(options: &Options, recipe: &Recipe) -> Result<String, BenchError> {
    let mut table = Table::new(&[
        "in a game",
        "coarse s",
        "first s",
        "last s",
        "GPU ms",
        "CPU s",
        "main world ms",
        "extract ms",
        "render world ms",
        "frames",
    ]);
    let settings = DisconSettings { memory_cache_bytes: 0, ..DisconSettings::default() };
    let mut game = Game::new(options, settings, worlds::single_threaded);
    let preparing = game.until_prepared()?;
    let mut seed = 100;
    for (count, budget_ms) in [(1, 1000.0), (1, 4.0), (8, 4.0)] {
        game.set(|settings| settings.budget_ms = budget_ms);
        let mut idle = Sums::default();
        (0..options.pick(50, 500)).for_each(|_| idle.step(&mut game));
        game.forget();
        let mut sums = Sums::default();
        let start = Instant::now();
        let (result, times) = timed(|| {
            let images: Vec<Handle<Image>> = (0..count).map(|at| game.request(sized(options, seed + at))).collect();
            let ready = |game: &Game| game.heard().ready.len() as u64 == count;
            game.until("textures", |game| sums.step(game), ready).map(|()| images)
        });
        let images = result?;
        seed += count;
        // Times of the last submissions arrive later.
        (0..5).for_each(|_| _ = game.step_to_screen());
        let heard = game.heard();
        let since = |time: Option<Instant>| time.map_or(f64::NAN, |time| (time - start).as_secs_f64());
        let seconds = [
            since(heard.coarse.first().copied()),
            since(heard.ready.first().map(|ready| ready.0)),
            since(heard.ready.last().map(|ready| ready.0)),
        ];
        let spent = heard.gpu_ms.iter().sum::<f64>();
        let cells = seconds.into_iter().chain([spent, times.cpu]).chain(sums.above(&idle)).map(significant);
        let name = format!("{count}, budget {budget_ms} ms{}", if seed == 101 { ", first" } else { "" });
        table.row(std::iter::once(name).chain(cells).chain([sums.frames.to_string()]));
        drop(images);
    }
    Ok(format!(
        "Kernels and weights were on the device {} s after the start of the game. Times of the worlds are above those of as many \
         idle frames; GPU milliseconds are {}.\n\n{table}\n{}\n",
        significant(preparing),
        game.gpu_clock(),
        hits::text(options, recipe)?
    ))
}
