//! The node: some dispatches in each frame.

use super::active::{Active, ActiveJob, Milestone};
use super::budget::{Controller, Phase};
use super::extract::{Queued, RenderSettings, Waiting};
use super::kept::{KeptStates, make_room};
use super::member::Member;
use super::memory;
use super::pictures::{derive_some, upload_one};
use super::prepare::{GpuModel, ModelOnGpu};
use super::read_back;
use super::slots::Slots;
use super::surfaces::Surfaces;
use super::timing::Timer;
use crate::request::link::{Goal, Report, ReportSender};
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
    /// The device.
    pub device: Res<'w, RenderDevice>,
    /// Its queue.
    pub queue: Res<'w, RenderQueue>,
    /// The textures that exist.
    pub images: Res<'w, RenderAssets<GpuImage>>,
    /// Kernels and weights.
    pub model: Res<'w, ModelOnGpu>,
    settings: Res<'w, RenderSettings>,
    /// What the main world hears.
    pub sender: Res<'w, ReportSender>,
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
    mut jobs: Jobs,
    mut controller: ResMut<Controller>,
    mut timer: ResMut<Timer>,
    finishing: Res<Finishing>,
) {
    collect_times(&gpu, &mut controller, &mut timer, &finishing);
    upload_one(&gpu, &mut jobs.queued);
    let Some(model) = gpu.model.get() else { return };
    derive_some(&gpu, model, &mut jobs.queued);

    let budget_ms = if gpu.settings.paused { 0.0 } else { gpu.settings.budget_ms };
    let whole = controller.frame_ms(budget_ms, timer.outstanding_ms());
    let mut ms = whole;
    let paused = jobs.active.set_aside(|waiting| waiting.job.paused, gpu.device.wgpu_device(), &gpu.queue);
    jobs.queued.jobs.extend(paused);
    while ms > 0.0 {
        if jobs.active.0.is_none() {
            jobs.surfaces.feed(model, &mut jobs.queued, &gpu.sender);
            let left = memory::left(&gpu.settings, model, &jobs.slots, &jobs.kept, &jobs.surfaces);
            jobs.active.0 = start_next(&gpu, model, &mut jobs.queued, &mut jobs.slots, left);
        }
        let Some(job) = &mut jobs.active.0 else { break };
        let phase = job.phase();
        // The first submission is always made, so that every frame makes progress. Others only if their first dispatch fits
        // into what is left, and less than a twentieth is not worth one.
        let needed = controller.expected_ms(phase, job.next_work()).max(0.05 * gpu.settings.budget_ms);
        if ms < whole && needed > ms {
            break;
        }
        let limit = controller.fitting(phase, ms).min(gpu.settings.max_gflop_per_submission);
        let (expected_ms, reached) = submit_slice(&gpu, job, limit, &controller, &mut timer);
        ms -= expected_ms;
        report_progress(&gpu, job);
        if let Some(milestone) = reached {
            reach(milestone, &gpu, &mut jobs, &finishing);
        }
    }
}

/// Ends the running job, or lets others pass, where a milestone says so.
fn reach(milestone: Milestone, gpu: &Gpu, jobs: &mut Jobs, finishing: &Finishing) {
    let Jobs { queued, active, slots, surfaces, kept } = jobs;
    let Some(job) = &mut active.0 else { return };
    match milestone {
        Milestone::Complete => {
            for member in &mut job.members {
                kept.finished(&mut member.waiting, gpu.settings.kept_latent_bytes);
            }
            for member in &job.members {
                let report = complete(gpu, job, member, surfaces);
                report.into_iter().for_each(|report| report_when_done(gpu, report, finishing));
            }
            active.0 = None;
        }
        Milestone::Tokens => {
            if ends_with_tokens(job) {
                active.0 = None;
            }
        }
        Milestone::Coarse => {
            for member in &mut job.members {
                report_when_done(gpu, Report::Coarse(member.ticket()), finishing);
                member.waiting.coarse_shown = true;
            }
            let all = others_come_first(job, gpu, queued, slots);
            let stops = |waiting: &Waiting| all || waiting.job.goal == Goal::Coarse;
            queued.jobs.extend(active.set_aside(stops, gpu.device.wgpu_device(), &gpu.queue));
        }
    }
}

/// Whether a job is for tokens alone; all textures of a batch agree in that.
fn ends_with_tokens(job: &ActiveJob) -> bool {
    job.members.iter().any(|member| member.waiting.job.goal == Goal::Tokens)
}

fn report_progress(gpu: &Gpu, job: &ActiveJob) {
    if ends_with_tokens(job) {
        return;
    }
    for member in job.members.iter().filter(|member| member.waiting.around.work.is_none()) {
        gpu.sender.send(Report::Progress(member.ticket(), job.fraction()));
    }
}

/// What there is to say when the GPU is done with a texture whose last commands were submitted.
fn complete(gpu: &Gpu, job: &ActiveJob, member: &Member, surfaces: &mut Surfaces) -> Option<Report> {
    match member.waiting.around.work {
        Some(work) => surfaces.finished(member.ticket(), work, &gpu.images, &gpu.queue),
        None => {
            gpu.sender.send(job.cost(member));
            Some(Report::Done(member.ticket()))
        }
    }
}

/// Learns from submissions that the GPU has finished.
fn collect_times(gpu: &Gpu, controller: &mut Controller, timer: &mut Timer, finishing: &Finishing) {
    if timer.is_waiting() || read_back::is_pending() || !finishing.is_empty() {
        let mut spent = 0.0;
        timer.collect(gpu.device.wgpu_device(), |sample| {
            controller.take(&sample);
            spent += sample.ms();
        });
        if spent > 0.0 {
            gpu.sender.send(Report::Spent(spent));
        }
    }
}

/// Whether another texture should be worked on before these, which show their coarse pictures, are refined.
fn others_come_first(job: &ActiveJob, gpu: &Gpu, queued: &Queued, slots: &Slots) -> bool {
    let can_start = |waiting: &Waiting| gpu.images.get(waiting.job.ticket.image).is_some() && slots.contains(waiting);
    let before_all =
        |waiting: &Waiting| job.members.iter().all(|member| waiting.turn().order(&member.waiting.turn()).is_gt());
    queued.next(|waiting| can_start(waiting) && before_all(waiting)).is_some()
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
    let span = timer.begin(device, &gpu.queue);
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
    let read_tokens = at(Milestone::Tokens).then(|| job.read_tokens(device, &mut encoder, &gpu.sender));
    let pictures = at(Milestone::Complete).then(|| job.read_pictures(device, &mut encoder, &gpu.sender));
    gpu.queue.submit([encoder.finish()]);
    let expected_ms = controller.expected_ms(slice.phase, slice.work);
    timer.submitted(span, &gpu.queue, (slice.phase, slice.work), expected_ms);
    read_tokens.into_iter().flatten().for_each(|tokens| tokens.submitted(gpu.sender.clone()));
    pictures.into_iter().flatten().for_each(|picture| picture.submitted(gpu.sender.clone()));
    (expected_ms, slice.end)
}

/// The next job whose texture and buffers exist, with those that run together with it; their latents are kept in a part
/// of the `left` bytes.
fn start_next(gpu: &Gpu, model: &GpuModel, queued: &mut Queued, slots: &mut Slots, left: u64) -> Option<ActiveJob> {
    let device = gpu.device.wgpu_device();
    loop {
        let exists = |waiting: &Waiting| gpu.images.get(waiting.job.ticket.image).is_some();
        let first = queued.next(exists)?;
        let limit = slots.limit(&gpu.model, gpu.settings.batch, &queued.jobs[first]);
        let places = queued.batch(first, limit, exists);
        let slot = slots.take(&queued.jobs[first], places.len())?;
        let mut batch = queued.take(&places[..slot.items]);
        let keep = (left / slot.items.max(1) as u64).min(gpu.settings.kept_latent_bytes);
        for waiting in &mut batch {
            make_room(waiting, model, device, keep);
        }
        let texture = |waiting: &Waiting| Some(&*gpu.images.get(waiting.job.ticket.image)?.texture);
        let textures: Vec<&wgpu::Texture> = batch.iter().filter_map(texture).collect();
        match ActiveJob::start(&mut batch, slot, &textures, model, device, &gpu.queue) {
            Ok(job) => return Some(job),
            Err(error) if batch.len() == 1 => {
                batch.iter().for_each(|waiting| gpu.sender.send(waiting.failure(error.to_string())));
            }
            Err(error) => {
                debug!("a batch of {} textures does not start: {error}", batch.len());
                batch.iter_mut().for_each(|waiting| waiting.alone = true);
                queued.jobs.extend(batch);
            }
        }
    }
}

/// Reports a texture when the GPU has finished all that was submitted for it.
fn report_when_done(gpu: &Gpu, report: Report, finishing: &Finishing) {
    let sender = gpu.sender.clone();
    finishing.watch(&gpu.queue, move || sender.send(report));
}
