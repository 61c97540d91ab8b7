//! One texture and eight: time on the GPU path and on the processor, in a game, from the caches; what it counts; an estimate.

use super::clock::{Times, timed};
use super::setting::heading;
use super::shapes::bytes;
use super::statistics::{Summary, alternate, significant};
use super::table::Table;
use super::{BenchError, Options, estimate};
use crate::gpu::{Gpu, GpuWeights, JobSlot, Kernel, KernelVariant, Pipelines, Recording};
use crate::native;
use crate::sampling::{Plan, Recipe, Step, plan};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    text.push_str(&memory(options, &plan, &gpu)?);
    text.push_str(&paths(options, &mut gpu, opening)?);
    drop(gpu);
    #[cfg(feature = "material")]
    text.push_str(&super::in_a_game::text(options, &recipe)?);
    let tiled = |plan: &Plan| Recording::new(&options.model, &plan.shape, KernelVariant::Tiled);
    text.push_str(&estimate::text(&options.model, &tiled(&plan)));
    let largest = self::plan(&options.model, &options.recipe(0).with_size(1024, 1024))?;
    text.push_str(&estimate::longest_text(&options.model, &tiled(&largest)).unwrap_or_default());
    Ok(text)
}

/// The texture that is measured.
pub(super) fn sized(options: &Options, seed: u64) -> Recipe {
    let side = options.pick(64, 256);
    options.recipe(seed).with_size(side, side)
}

/// Dispatches, operations and bytes: counted, not measured.
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
    let by_kernel = by_kernel(&recording);
    let levels = u32::BITS - (recipe_side(plan) as u32).leading_zeros();
    let coarse = coarse.len();
    Ok(format!(
        "{table}\nThe picture and its levels take {levels} dispatches more, the coarse picture {coarse} and {levels}.\n\n{by_kernel}\n"
    ))
}

/// What the dispatches of a texture are.
fn by_kernel(recording: &Recording) -> Table {
    let mut kernels: BTreeMap<Kernel, (usize, u64)> = BTreeMap::new();
    for dispatch in &recording.dispatches {
        let sum = kernels.entry(dispatch.key.kernel).or_default();
        *sum = (sum.0 + 1, sum.1 + dispatch.flops);
    }
    let mut kernels: Vec<_> = kernels.into_iter().collect();
    kernels.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let mut table = Table::new(&["kernel", "dispatches", "GFLOP"]);
    for (kernel, (count, flops)) in kernels {
        let name = kernel.entry_point(KernelVariant::Lanes).to_string();
        table.row([name, count.to_string(), significant(flops as f64 * 1e-9)]);
    }
    table
}

/// Memory on the device: computed from sizes, and measured where the backend says what it has given out.
fn memory(options: &Options, plan: &Plan, gpu: &Gpu) -> Result<String, BenchError> {
    let (model, device, variant) = (&options.model, gpu.device(), gpu.variant());
    let allocated = || -> Result<Option<u64>, BenchError> {
        // Uploads take memory until they are done.
        gpu.submit(|_| {});
        gpu.wait()?;
        Ok(device.generate_allocator_report().map(|report| report.total_allocated_bytes))
    };
    let mut table = Table::new(&["memory on the GPU", "computed MB", "measured MB"]);
    let mut before = allocated()?;
    let (start, mut sum) = (before, 0);
    let mut add = |name: &str, bytes: u64| -> Result<(), BenchError> {
        let after = allocated()?;
        let measured = before.zip(after).map(|(before, after)| after as f64 - before as f64);
        (before, sum) = (after, sum + bytes);
        let cells = [bytes as f64, measured.unwrap_or(f64::NAN)].map(|bytes| significant(bytes * 1e-6));
        table.row(std::iter::once(name.to_string()).chain(cells));
        Ok(())
    };
    let pipelines = Pipelines::compile(device, variant, &model.discon.config)?;
    add("kernels", 0)?;
    let weights = GpuWeights::upload(device, gpu.queue(), model)?;
    // What is uploaded lies on the device twice until it is copied.
    let most = device.generate_allocator_report().map(|report| report.total_allocated_bytes);
    let most = start.zip(most).map_or(f64::NAN, |(start, most)| most as f64 - start as f64);
    add("weights", weights.bytes())?;
    let recording = Arc::new(Recording::new(model, &plan.shape, variant));
    let slot = JobSlot::new(device, &pipelines, &weights, recording.clone())?;
    add("work buffers", recording.bytes())?;
    let coarse = Arc::new(Recording::coarse(model, &plan.shape, variant));
    let _coarse_slot = JobSlot::sharing(device, &pipelines, &weights, coarse.clone(), &slot)?;
    // Its state is that of the other.
    add("work buffers of the coarse picture", coarse.bytes() - coarse.state_bytes.iter().sum::<u64>())?;
    let side = recipe_side(plan) as u32;
    let _texture = gpu.texture(side, side);
    add("the texture with all levels", 4 * u64::from(side * side) * 4 / 3)?;
    let measured = start.zip(before).map_or(f64::NAN, |(start, end)| end as f64 - start as f64);
    let all = [sum as f64, measured].map(|bytes| significant(bytes * 1e-6));
    table.row(std::iter::once("all".to_string()).chain(all));
    Ok(format!(
        "Measured: what wgpu's allocator has given out; a dash where the backend does not say. While weights are uploaded it is {} MB.\n\n{table}\n",
        significant(most * 1e-6)
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
