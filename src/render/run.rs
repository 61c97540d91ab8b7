//! The node: some dispatches in each frame.

use super::active::{Active, ActiveJob, Milestone};
use super::budget::{Controller, Phase};
use super::clear::write_level;
use super::extract::{Around, Queued, RenderSettings, Waiting};
use super::kept::{KeptStates, make_room};
use super::memory;
use super::prepare::{GpuModel, ModelOnGpu, Slots};
use super::read_back;
use super::surfaces::Surfaces;
use super::timing::Timer;
use crate::gpu::{GpuError, MapTarget, MipChain};
use crate::request::link::{Goal, MapJob, Report, ReportSender, Ticket};
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::texture::GpuImage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the node reads.
#[derive(SystemParam)]
pub struct Gpu<'w> {
    device: Res<'w, RenderDevice>,
    queue: Res<'w, RenderQueue>,
    images: Res<'w, RenderAssets<GpuImage>>,
    model: Res<'w, ModelOnGpu>,
    settings: Res<'w, RenderSettings>,
    sender: Res<'w, ReportSender>,
}

/// What the node changes: all work, and what is kept of it.
#[derive(SystemParam)]
pub struct Jobs<'w> {
    queued: ResMut<'w, Queued>,
    active: ResMut<'w, Active>,
    slots: ResMut<'w, Slots>,
    surfaces: ResMut<'w, Surfaces>,
    kept: ResMut<'w, KeptStates>,
}

/// Textures whose last submission runs.
#[derive(Resource, Default)]
pub struct Finishing(Arc<AtomicUsize>);

impl Finishing {
    /// Whether the GPU has finished everything that was watched.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Calls `then` when the GPU has finished all that was submitted.
    pub fn watch(&self, queue: &wgpu::Queue, then: impl FnOnce() + Send + 'static) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let count = self.0.clone();
        queue.on_submitted_work_done(move || {
            count.fetch_sub(1, Ordering::Relaxed);
            then();
        });
    }
}

/// Whether anything waits, runs, or has to be heard of.
pub fn has_work(queued: Res<Queued>, active: Res<Active>, timer: Res<Timer>, finishing: Res<Finishing>) -> bool {
    let waits = queued.jobs.iter().any(Waiting::can_run) || !queued.uploads.is_empty() || !queued.maps.is_empty();
    waits || active.0.is_some() || timer.is_waiting() || read_back::is_pending() || !finishing.is_empty()
}

/// Spends the budget of this frame.
pub fn run_jobs(
    gpu: Gpu,
    jobs: Jobs,
    mut controller: ResMut<Controller>,
    mut timer: ResMut<Timer>,
    finishing: Res<Finishing>,
) {
    collect_times(&gpu, &mut controller, &mut timer, &finishing);
    let Jobs { mut queued, mut active, mut slots, mut surfaces, mut kept } = jobs;
    let Some(model) = gpu.model.get() else { return };
    upload_one(&gpu, model, &mut queued, &finishing);
    derive_some(&gpu, model, &mut queued);

    let budget_ms = if gpu.settings.paused { 0.0 } else { gpu.settings.budget_ms };
    let mut ms = controller.frame_ms(budget_ms, timer.outstanding_ms());
    if let Some(job) = active.0.take_if(|job| job.waiting.job.paused) {
        queued.jobs.push(job.suspend(gpu.device.wgpu_device(), &gpu.queue));
    }
    while ms > 0.0 {
        if active.0.is_none() {
            surfaces.feed(model, &mut queued, &gpu.sender);
            let left = memory::left(&gpu.settings, model, &slots, &kept, &surfaces);
            let keep = left.min(gpu.settings.kept_latent_bytes);
            active.0 = start_next(&gpu, model, &mut queued, &mut slots, keep);
        }
        let Some(job) = &mut active.0 else { break };
        let phase = job.phase();
        // Less than a twentieth is not worth a submission, except that every frame makes progress.
        if ms < 0.05 * gpu.settings.budget_ms {
            break;
        }
        let limit = controller.fitting(phase, ms).min(gpu.settings.max_gflop_per_submission);
        let (expected_ms, reached) = submit_slice(&gpu, job, limit, &controller, &mut timer);
        ms -= expected_ms;
        if job.waiting.job.goal != Goal::Tokens && job.waiting.around.work.is_none() {
            gpu.sender.send(Report::Progress(job.ticket(), job.fraction()));
        }
        match reached {
            Some(Milestone::Complete) => {
                kept.finished(&mut job.waiting, gpu.settings.kept_latent_bytes);
                let report = complete(&gpu, job, &mut surfaces);
                report.into_iter().for_each(|report| report_when_done(&gpu, report, &finishing));
                active.0 = None;
            }
            Some(Milestone::Tokens) if job.waiting.job.goal == Goal::Tokens => active.0 = None,
            Some(Milestone::Coarse) => {
                report_when_done(&gpu, Report::Coarse(job.ticket()), &finishing);
                job.waiting.coarse_shown = true;
                if job.waiting.job.goal == Goal::Coarse || others_come_first(job, &gpu, &queued, &slots) {
                    let job = active.0.take();
                    queued.jobs.extend(job.map(|job| job.suspend(gpu.device.wgpu_device(), &gpu.queue)));
                }
            }
            Some(Milestone::Tokens) | None => {}
        }
    }
}

/// What there is to say when the GPU is done with a job whose last commands were submitted.
fn complete(gpu: &Gpu, job: &ActiveJob, surfaces: &mut Surfaces) -> Option<Report> {
    match job.waiting.around.work {
        Some(work) => surfaces.finished(job.ticket(), work, &gpu.images, &gpu.queue),
        None => {
            gpu.sender.send(job.cost());
            Some(Report::Done(job.ticket()))
        }
    }
}

/// Learns from submissions that the GPU has finished.
fn collect_times(gpu: &Gpu, controller: &mut Controller, timer: &mut Timer, finishing: &Finishing) {
    if timer.is_waiting() || read_back::is_pending() || !finishing.is_empty() {
        // Runs callbacks and returns at once. Without cameras nobody else would do it.
        gpu.device.wgpu_device().poll(wgpu::PollType::Poll).ok();
        let mut spent = 0.0;
        timer.collect(|sample| {
            controller.learn(sample.phase, sample.work, sample.ms);
            spent += sample.ms;
        });
        if spent > 0.0 {
            gpu.sender.send(Report::Spent(spent));
        }
    }
}

/// Whether another texture should be worked on before this one, which shows its coarse picture, is refined.
fn others_come_first(job: &ActiveJob, gpu: &Gpu, queued: &Queued, slots: &Slots) -> bool {
    let can_start = |waiting: &Waiting| gpu.images.get(waiting.job.ticket.image).is_some() && slots.contains(waiting);
    queued.next(|waiting| can_start(waiting) && waiting.order(&job.waiting).is_gt()).is_some()
}

/// Submits one bounded piece of a job; its expected time in milliseconds, and what was reached.
fn submit_slice(
    gpu: &Gpu,
    job: &mut ActiveJob,
    limit: f32,
    controller: &Controller,
    timer: &mut Timer,
) -> (f32, Option<Milestone>) {
    let device = gpu.device.wgpu_device();
    let slice = job.take(limit);
    let span = timer.begin(device);
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon") });
    job.encode(
        &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(match slice.phase {
                Phase::Tokens => "discon tokens",
                Phase::Latents => "discon latents",
                Phase::Decode => "discon decode",
            }),
            timestamp_writes: timer.writes(span),
        }),
        &slice,
    );
    timer.resolve(span, &mut encoder);
    let at = |milestone: Milestone| slice.end == Some(milestone);
    if at(Milestone::Complete) {
        job.keep(&mut encoder);
    }
    let tokens = if at(Milestone::Tokens) { job.read_tokens(device, &mut encoder, &gpu.sender) } else { None };
    let picture = if at(Milestone::Complete) { job.read_picture(device, &mut encoder, &gpu.sender) } else { None };
    gpu.queue.submit([encoder.finish()]);
    let expected_ms = controller.expected_ms(slice.phase, slice.work);
    timer.submitted(span, &gpu.queue, (slice.phase, slice.work), expected_ms);
    if let Some(tokens) = tokens {
        tokens.submitted(gpu.sender.clone());
    }
    if let Some(picture) = picture {
        picture.submitted(gpu.sender.clone());
    }
    (expected_ms, slice.end)
}

/// The next job whose texture and buffers exist; of its latents at most `keep` bytes are kept.
fn start_next(gpu: &Gpu, model: &GpuModel, queued: &mut Queued, slots: &mut Slots, keep: u64) -> Option<ActiveJob> {
    loop {
        let at = queued.next(|waiting| gpu.images.get(waiting.job.ticket.image).is_some())?;
        let slot = slots.take(&queued.jobs[at])?;
        let mut waiting = queued.jobs.swap_remove(at);
        make_room(&mut waiting, model, gpu.device.wgpu_device(), keep);
        let ticket = waiting.job.ticket;
        let image = gpu.images.get(ticket.image)?;
        let surface = waiting.around.work;
        match ActiveJob::start(waiting, slot, &image.texture, model, gpu.device.wgpu_device(), &gpu.queue) {
            Ok(job) => return Some(job),
            Err(error) => {
                let around = Around { work: surface, ..Default::default() };
                gpu.sender.send(around.failure(ticket, error.to_string()));
            }
        }
    }
}

/// Fills one texture from the disk cache; one per frame, since an upload costs time on the processor.
fn upload_one(gpu: &Gpu, model: &GpuModel, queued: &mut Queued, finishing: &Finishing) {
    let ready = |(ticket, _): &(Ticket, Vec<u8>)| gpu.images.get(ticket.image).is_some();
    let Some((ticket, pixels)) = queued.uploads.iter().position(ready).and_then(|at| queued.uploads.remove(at)) else {
        return;
    };
    let Some(image) = gpu.images.get(ticket.image) else { return };
    match upload(gpu, model, &image.texture, &pixels) {
        Ok(()) => report_when_done(gpu, Report::Done(ticket), finishing),
        Err(error) => gpu.sender.send(Report::Failed(ticket, error.to_string())),
    }
}

/// Derives the maps of a few textures; of one material, usually. They cost little, but many at once would be felt.
fn derive_some(gpu: &Gpu, model: &GpuModel, queued: &mut Queued) {
    const MAPS_PER_FRAME: usize = 3;
    let textures = |map: &MapJob| Some((&gpu.images.get(map.base)?.texture, &gpu.images.get(map.target)?.texture));
    let ready = queued.maps.extract_if(.., |map| textures(map).is_some());
    let ready: Vec<MapJob> = ready.take(MAPS_PER_FRAME).collect();
    if ready.is_empty() {
        return;
    }
    let device = gpu.device.wgpu_device();
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon maps") });
    for map in ready {
        let Some((base, target)) = textures(&map) else { continue };
        match MapTarget::new(device, &model.pipelines, base, target, map.kind, &map.rules, map.wrap) {
            Ok(target) => target.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())),
            // The map stays neutral.
            Err(error) => warn!("a map could not be derived: {error}"),
        }
    }
    gpu.queue.submit([encoder.finish()]);
}

fn upload(gpu: &Gpu, model: &GpuModel, texture: &wgpu::Texture, pixels: &[u8]) -> Result<(), GpuError> {
    let device = gpu.device.wgpu_device();
    let mips = MipChain::new(device, &model.pipelines, texture)?;
    write_level(&gpu.queue, texture, 0, pixels);
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon mips") });
    mips.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.queue.submit([encoder.finish()]);
    Ok(())
}

/// Reports a texture when the GPU has finished all that was submitted for it.
fn report_when_done(gpu: &Gpu, report: Report, finishing: &Finishing) {
    let sender = gpu.sender.clone();
    finishing.watch(&gpu.queue, move || sender.send(report));
}
