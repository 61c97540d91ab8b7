//! Textures that run as one batch against the same ones one after the other: the same work in fewer, larger dispatches.

use super::clock::timed;
use super::setting::heading;
use super::statistics::{Summary, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::gpu::{FLOPS_PER_SUBMISSION, Gpu, GpuError, GpuWeights, JobSlot, Pipelines, Recording};
use crate::sampling::{BatchError, Plan, plan};
use std::sync::Arc;

/// Textures of the batches that are measured.
const NUMBERS: [usize; 4] = [1, 2, 4, 8];

/// Runs the benchmark alone, with the model of the options.
///
/// # Errors
/// See [`BenchError`].
pub fn run(options: &Options) -> Result<String, BenchError> {
    let gpu = Gpu::new()?;
    let mut text = heading("Textures in one batch", options, Some(&gpu));
    for side in options.pick(&[64][..], &[64, 128]) {
        text.push_str(&table(options, &gpu, *side)?);
    }
    Ok(text)
}

/// Seconds by the wall, of the processor, and on the GPU if it has timestamps.
#[derive(Default)]
struct Measured {
    wall: Vec<f64>,
    cpu: Vec<f64>,
    gpu: Vec<f64>,
}

/// Buffers for a number of textures, and what runs in them.
struct Way {
    slot: JobSlot,
    plans: Vec<Plan>,
}

/// One row for each number of textures and each way of running them; both ways in turn.
pub(super) fn table(options: &Options, gpu: &Gpu, side: u32) -> Result<String, BenchError> {
    let model = &options.model;
    let head = format!("textures of {side}x{side}, {}", options.model_name);
    let mut table = Table::new(&[
        &head,
        "run",
        "wall s",
        "GPU s",
        "CPU s",
        "wall s a texture",
        "wall of one after the other",
        "CPU of one after the other",
        "dispatches a texture",
        "work buffers MB",
    ]);
    let pipelines = Pipelines::compile(gpu.device(), gpu.variant(), &model.discon.config)?;
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), model)?;
    let way = |plans: Vec<Plan>| -> Result<Way, BenchError> {
        let recording = Recording::new(model, &plans[0].shape, gpu.variant());
        let slot = JobSlot::new(gpu.device(), &pipelines, &weights, Arc::new(recording))?;
        Ok(Way { slot, plans })
    };
    for number in NUMBERS {
        let recipes = (0..number as u64).map(|seed| options.recipe(seed).with_size(side, side));
        let plans: Vec<Plan> = recipes.map(|recipe| plan(model, &recipe)).collect::<Result<_, _>>()?;
        let batch = Plan::batch(&plans).map_err(|error: BatchError| GpuError::Device(error.to_string()))?;
        let mut ways = vec![way(plans)?];
        if number > 1 {
            ways.push(way(vec![batch])?);
        }
        let measured = in_turn(&ways, gpu, options.pick(1, 3))?;
        let [first_wall, first_cpu] = [&measured[0].wall, &measured[0].cpu].map(|times| Summary::of(times).median);
        for ((way, measured), name) in ways.iter().zip(&measured).zip(["one after the other", "one batch"]) {
            let (wall, cpu) = (Summary::of(&measured.wall), Summary::of(&measured.cpu));
            let recording = way.slot.recording();
            table.row([
                number.to_string(),
                name.to_string(),
                wall.text(1.0),
                Summary::of(&measured.gpu).text(1.0),
                cpu.text(1.0),
                significant(wall.median / number as f64),
                significant(wall.median / first_wall),
                significant(cpu.median / first_cpu),
                (recording.len() * way.plans.len() / number).to_string(),
                significant(recording.bytes() as f64 * 1e-6),
            ]);
        }
    }
    Ok(format!("{table}\n"))
}

/// Measurements of all ways after one run that does not count, each going first in turn.
fn in_turn(ways: &[Way], gpu: &Gpu, rounds: usize) -> Result<Vec<Measured>, BenchError> {
    let mut all: Vec<Measured> = ways.iter().map(|_| Measured::default()).collect();
    for round in 0..=rounds {
        for step in 0..ways.len() {
            let number = (step + round) % ways.len();
            let (result, times) = timed(|| run_once(&ways[number], gpu));
            let seconds = result?;
            if round > 0 {
                all[number].wall.push(times.wall);
                all[number].cpu.push(times.cpu);
                all[number].gpu.extend(seconds);
            }
        }
    }
    Ok(all)
}

/// All plans of a way, submitted without waiting in between; seconds on the GPU.
fn run_once(way: &Way, gpu: &Gpu) -> Result<Option<f64>, GpuError> {
    let (device, queue) = (gpu.device(), gpu.queue());
    let slices = way.slot.recording().slices(FLOPS_PER_SUBMISSION);
    let stamps = 2 * (slices.len() * way.plans.len()) as u32;
    let timed = device.features().contains(wgpu::Features::TIMESTAMP_QUERY) && stamps <= wgpu::QUERY_SET_MAX_QUERIES;
    let queries = timed.then(|| {
        device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("discon batches"),
            ty: wgpu::QueryType::Timestamp,
            count: stamps,
        })
    });
    let mut stamp = 0;
    for plan in &way.plans {
        way.slot.start(queue, &plan.inputs)?;
        for slice in &slices {
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let timestamp_writes = queries.as_ref().map(|query_set| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(stamp),
                end_of_pass_write_index: Some(stamp + 1),
            });
            stamp += 2;
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            way.slot.encode(&mut encoder.begin_compute_pass(&descriptor), slice.clone());
            queue.submit([encoder.finish()]);
        }
    }
    gpu.wait()?;
    let Some(queries) = queries else { return Ok(None) };
    let bytes = u64::from(stamps) * 8;
    let resolved = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("discon batches"),
        size: bytes,
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.resolve_query_set(&queries, 0..stamps, &resolved, 0);
    queue.submit([encoder.finish()]);
    let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&gpu.read(&resolved, bytes)?);
    let spent: u64 = ticks.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0])).sum();
    Ok(Some(spent as f64 * f64::from(queue.get_timestamp_period()) * 1e-9))
}
