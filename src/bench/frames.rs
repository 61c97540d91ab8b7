//! What generation does to the frames of a game.

use super::beds::longest_dispatch;
use super::clock::process_seconds;
use super::game::Game;
use super::setting::heading;
use super::statistics::{percentile, significant};
use super::table::Table;
use super::{BenchError, Options, idle, other_work, scene};
use crate::gpu::Gpu;
use crate::request::DisconSettings;
use crate::sampling::{Recipe, plan};
use bevy::prelude::*;
use std::time::Instant;

/// Budgets in milliseconds; none is without generation.
const BUDGETS: [Option<f32>; 5] = [None, Some(1.0), Some(2.0), Some(4.0), Some(8.0)];
/// Part by which the budget may be exceeded.
const SLACK: f64 = 0.2;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Width and height of a texture.
    pub size: u32,
    /// Textures at once.
    pub textures: u64,
}

/// Frames of one budget, over all rounds.
#[derive(Default)]
struct Block {
    /// Seconds.
    frames: Vec<f64>,
    cpu: f64,
    /// Milliseconds of the GPU for textures, by frame.
    gpu_ms: Vec<f64>,
    first: Vec<f64>,
    last: Vec<f64>,
}

/// Runs the benchmark.
///
/// # Errors
/// See [`BenchError`].
pub fn run(options: &Options, load: Load) -> Result<String, BenchError> {
    let gpu = Gpu::new()?;
    let largest = plan(&options.model, &recipe(options, load, 0))?;
    let longest = longest_dispatch(&gpu, options, &largest)?;
    let mut text = heading("Frames of a game while textures are generated", options, Some(&gpu));
    drop(gpu);
    let settings = DisconSettings { memory_cache_bytes: 0, ..DisconSettings::default() };
    let mut game = Game::new(options, settings, scene::add);
    game.until_prepared()?;
    let mut blocks: [Block; 5] = Default::default();
    let mut seed = 0;
    warm_up(&mut game, options, load)?;
    for round in 0..options.pick(1, 3) {
        for step in 0..BUDGETS.len() {
            // Each goes first in turn.
            let at = (step + round) % BUDGETS.len();
            seed += load.textures;
            run_block(&mut game, options, load, BUDGETS[at], seed, &mut blocks[at])?;
        }
    }
    text.push_str(&report(&game, load, &blocks, &longest));
    drop(game);
    text.push_str(&other_work::text(options, load)?);
    text.push_str(&idle::cost(options)?);
    text.push_str(&idle::node_allocations(options)?);
    Ok(text)
}

fn recipe(options: &Options, load: Load, seed: u64) -> Recipe {
    options.recipe(1000 + seed).with_size(load.size, load.size)
}

/// Pipelines of the scene compile in the first frames, and the controller learns with the first texture.
fn warm_up(game: &mut Game, options: &Options, load: Load) -> Result<(), BenchError> {
    (0..options.pick(30, 200)).for_each(|_| _ = game.step_to_screen());
    game.set(|settings| settings.budget_ms = 8.0);
    let image = game.request(recipe(options, load, 999_999));
    game.until("the first texture", |game| _ = game.step_to_screen(), |game| !game.heard().ready.is_empty())?;
    drop(image);
    (0..30).for_each(|_| _ = game.step_to_screen());
    Ok(())
}

fn run_block(
    game: &mut Game,
    options: &Options,
    load: Load,
    budget: Option<f32>,
    seed: u64,
    block: &mut Block,
) -> Result<(), BenchError> {
    game.forget();
    let cpu = process_seconds();
    let start = Instant::now();
    let Some(budget) = budget else {
        block.frames.extend((0..options.pick(60, 600)).map(|_| game.step_to_screen().as_secs_f64()));
        block.cpu += process_seconds() - cpu;
        return Ok(());
    };
    game.set(|settings| settings.budget_ms = budget);
    let images: Vec<Handle<Image>> =
        (0..load.textures).map(|at| game.request(recipe(options, load, seed + at))).collect();
    let frame = |game: &mut Game| block.frames.push(game.step_to_screen().as_secs_f64());
    game.until("textures", frame, |game| game.heard().ready.len() as u64 == load.textures)?;
    block.cpu += process_seconds() - cpu;
    let heard = game.heard();
    block.gpu_ms.extend(&heard.gpu_ms);
    block.first.extend(heard.ready.first().map(|ready| (ready.0 - start).as_secs_f64()));
    block.last.extend(heard.ready.last().map(|ready| (ready.0 - start).as_secs_f64()));
    drop(images);
    // Until the textures are forgotten.
    (0..10).for_each(|_| _ = game.step_to_screen());
    Ok(())
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn report(game: &Game, load: Load, blocks: &[Block; 5], (longest, flops, seconds): &(String, u64, f64)) -> String {
    let mut table = Table::new(&[
        "budget ms",
        "frames",
        "p50 ms",
        "p99 ms",
        "max ms",
        "p99 allowed by budget + 20 %",
        "by one dispatch",
        "kept",
        "CPU ms a frame",
        "GPU for textures: p50 ms",
        "p99 ms",
        "max ms",
        "first texture s",
        "last texture s",
    ]);
    let off = percentile(&sorted(&blocks[0].frames), 0.99);
    for (budget, block) in BUDGETS.iter().zip(blocks) {
        let (frames, gpu) = (sorted(&block.frames), sorted(&block.gpu_ms));
        let p99 = percentile(&frames, 0.99);
        let ms = |seconds: f64| significant(1e3 * seconds);
        let mean = |values: &[f64]| significant(values.iter().sum::<f64>() / values.len() as f64);
        let allowed = budget.map(|budget| [off + (1.0 + SLACK) * f64::from(budget) / 1e3, off + seconds]);
        let (limits, kept) = match allowed {
            Some(limits) => (limits.map(ms), if p99 <= limits[0].max(limits[1]) { "yes" } else { "no" }),
            None => Default::default(),
        };
        let mut cells = vec![budget.map_or("off".into(), |budget| budget.to_string()), frames.len().to_string()];
        cells.extend([percentile(&frames, 0.5), p99, percentile(&frames, 1.0)].map(ms));
        cells.extend(limits);
        cells.extend([kept.into(), ms(block.cpu / frames.len() as f64)]);
        cells.extend([0.5, 0.99, 1.0].map(|share| significant(percentile(&gpu, share))));
        cells.extend([mean(&block.first), mean(&block.last)]);
        table.row(cells);
    }
    let (width, height) = scene::PICTURE;
    format!(
        "{} textures of {size}x{size} at a time in a scene of lit cubes, drawn into a picture of {width}x{height}; a frame ends when \
         the GPU has finished it. GPU milliseconds are {}. The longest dispatch is {longest}: {} GFLOP, {} ms by the wall here.\n\n\
         {table}\n",
        load.textures,
        game.gpu_clock(),
        significant(*flops as f64 * 1e-9),
        significant(1e3 * seconds),
        size = load.size,
    )
}
