//! One texture and eight: time on the GPU path and on the processor, in a game, from the caches; what it counts; an estimate.

use super::clock::{Times, timed};
use super::setting::heading;
use super::shapes::bytes;
use super::statistics::{Summary, alternate, significant};
use super::table::Table;
use super::{BenchError, Options, estimate};
use crate::gpu::{Gpu, GpuWeights, KernelVariant, Recording};
use crate::native;
use crate::sampling::{Plan, Recipe, Step, plan};

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
    #[cfg(feature = "material")]
    text.push_str(&super::in_a_game::text(options, &recipe)?);
    text.push_str(&estimate::text(&options.model, &Recording::new(&options.model, &plan.shape, KernelVariant::Tiled)));
    Ok(text)
}

/// The texture that is measured.
pub(super) fn sized(options: &Options, seed: u64) -> Recipe {
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
