//! One texture and eight: time on the GPU path and on the processor, in a game, from the caches; what it counts; an estimate.

use super::clock::{Times, timed};
use super::game::Game;
use super::setting::heading;
use super::shapes::bytes;
use super::statistics::{Summary, alternate, significant};
use super::table::Table;
use super::{BenchError, Options, estimate, hits};
use crate::gpu::{Gpu, GpuWeights, KernelVariant, Recording};
use crate::native;
use crate::request::DisconSettings;
use crate::sampling::{Plan, Recipe, Step, plan};
use bevy::prelude::*;
use std::time::{Duration, Instant};

/// Runs the benchmark.
///
/// # Errors
/// See [`BenchError`].
pub fn run(options: &Options) -> Result<String, BenchError> {
    let (opened, opening) = timed(Gpu::new);
    let mut gpu = opened?;
    let recipe = sized(options, 0);
    let plan = plan(&options.model, &recipe)?;
    let (width, height) = recipe.size;
    let mut text = heading(&format!("A texture of {width}x{height}"), options, Some(&gpu));
    text.push_str(&counts(options, &plan, &gpu)?);
    text.push_str(&paths(options, &mut gpu, opening)?);
    drop(gpu);
    text.push_str(&in_a_game(options)?);
    text.push_str(&hits::text(options, &recipe)?);
    text.push('\n');
    text.push_str(&estimate::text(&options.model, &Recording::new(&options.model, &plan.shape, KernelVariant::Tiled)));
    Ok(text)
}

fn sized(options: &Options, seed: u64) -> Recipe {
    let side = options.pick(64, 256);
    options.recipe(seed).with_size(side, side)
}

/// Dispatches, operations, bytes and memory: counted, not measured.
fn counts(options: &Options, plan: &Plan, gpu: &Gpu) -> Result<String, BenchError> {
    let model = &options.model;
    let recording = Recording::new(model, &plan.shape, gpu.variant());
    let coarse = Recording::coarse(model, &plan.shape, gpu.variant());
    let mut table = Table::new(&["counted", "dispatches", "GFLOP", "MB read and written"]);
    let mut add = |name: &str, recording: &Recording, steps: &dyn Fn(&Step) -> bool| {
        let steps = plan.shape.steps.iter().zip(&recording.steps).filter(|(step, _)| steps(step));
        let dispatches: Vec<_> = steps.flat_map(|(_, range)| &recording.dispatches[range.clone()]).collect();
        let flops: u64 = dispatches.iter().map(|dispatch| dispatch.flops).sum();
        let moved: u64 = dispatches.iter().map(|dispatch| bytes(model, dispatch)).sum();
        let numbers = [flops as f64 * 1e-9, moved as f64 * 1e-6].map(significant);
        table.row([name.to_string(), dispatches.len().to_string()].into_iter().chain(numbers));
    };
    add("rounds of tokens", &recording, &|step| matches!(step, Step::TokenRound { .. }));
    add("rounds of latents", &recording, &|step| matches!(step, Step::LatentRound { .. }));
    add("decoder", &recording, &|step| matches!(step, Step::Decode));
    add("all", &recording, &|_| true);
    let levels = u32::BITS - (recipe_side(plan) as u32).leading_zeros();
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), model)?.bytes();
    let texture = 4 * (recipe_side(plan) * recipe_side(plan)) as u64 * 4 / 3;
    let parts = [
        ("weights", weights),
        ("work buffers", recording.bytes()),
        // Its state is that of the other.
        ("work buffers of the coarse picture", coarse.bytes() - coarse.state_bytes.iter().sum::<u64>()),
        ("the texture with all levels", texture),
    ];
    let mut memory = Table::new(&["memory on the GPU", "MB"]);
    for (name, bytes) in parts {
        memory.row([name.to_string(), significant(bytes as f64 * 1e-6)]);
    }
    let all: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    memory.row(["all", &significant(all as f64 * 1e-6)]);
    let coarse = coarse.len();
    Ok(format!(
        "{table}\nThe picture and its levels take {levels} dispatches more, the coarse picture {coarse} and {levels}.\n\n{memory}\n"
    ))
}

fn recipe_side(plan: &Plan) -> usize {
    plan.shape.grid.finer(crate::model::TOKEN_PIXELS).width
}

/// The two executors without a game, in turn.
fn paths(options: &Options, gpu: &mut Gpu, opening: Times) -> Result<String, BenchError> {
    let model = &options.model;
    let plans: Vec<Plan> = (0..8).map(|seed| plan(model, &sized(options, seed))).collect::<Result<_, _>>()?;
    let mut table = Table::new(&["without a game", "wall s", "CPU s"]);
    let mut add = |name: &str, wall: &[f64], cpu: &[f64]| {
        table.row([name.to_string(), Summary::of(wall).text(1.0), Summary::of(cpu).text(1.0)]);
    };
    add("opening the device", &[opening.wall], &[opening.cpu]);
    let (first, cold) = timed(|| gpu.generate(model, &plans[0]));
    first?;
    add("GPU, first texture: kernels, weights, buffers", &[cold.wall], &[cold.cpu]);
    let (_, cold) = timed(|| native::generate(model, &plans[0]));
    add("processor, first texture", &[cold.wall], &[cold.cpu]);
    for (count, rounds) in [(1, options.pick(1, 5)), (8, options.pick(1, 2))] {
        let mut cpu = [Vec::new(), Vec::new()];
        let wall = alternate(2, rounds, |thing| -> Result<f64, BenchError> {
            let (result, times) = timed(|| -> Result<(), BenchError> {
                for plan in &plans[..count] {
                    match thing {
                        0 => _ = gpu.generate(model, plan)?,
                        _ => _ = native::generate(model, plan),
                    }
                }
                Ok(())
            });
            cpu[thing].push(times.cpu);
            result.map(|()| times.wall)
        })?;
        for (thing, name) in ["GPU", "processor"].iter().enumerate() {
            add(&format!("{name}, {count}, warm"), &wall[thing], &cpu[thing]);
        }
    }
    Ok(format!("{table}\n"))
}

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
fn in_a_game(options: &Options) -> Result<String, BenchError> {
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
    let mut game = Game::new(options, settings, super::worlds::single_threaded);
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
         idle frames; GPU milliseconds are {}.\n\n{table}\n",
        significant(preparing),
        super::setting::gpu_clock(&game)
    ))
}
