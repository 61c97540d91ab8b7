//! Kernels, weights and buffers, made on task threads.

use super::extract::{Queued, Waiting};
use super::memory::{Memory, afford};
use crate::gpu::{GpuError, GpuWeights, JobSlot, KernelVariant, Pipelines, Recording};
use crate::model::{Model, TOKEN_PIXELS};
use crate::request::link::{Report, ReportSender};
use crate::sampling::PlanShape;
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::{RenderAdapterInfo, RenderDevice, RenderQueue};
use bevy::render::texture::GpuImage;
use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};
use std::sync::Arc;

/// A model that can run.
pub struct GpuModel {
    /// The model.
    pub model: Arc<Model>,
    /// Its kernels.
    pub pipelines: Pipelines,
    /// Its weights.
    pub weights: GpuWeights,
}

enum State {
    Nothing,
    Preparing(Task<Result<GpuModel, GpuError>>, Arc<Model>),
    /// There was no memory for it; tried again when something is asked for.
    NoRoom(Arc<Model>),
    Ready(Arc<GpuModel>),
    Unusable,
}

/// The model in use, or on its way.
#[derive(Resource)]
pub struct ModelOnGpu {
    state: State,
    variant: KernelVariant,
    computes: bool,
}

impl ModelOnGpu {
    /// No model yet.
    pub fn new(device: &wgpu::Device, info: &RenderAdapterInfo) -> Self {
        let variant = KernelVariant::choose(info, device.features());
        let computes = device.limits().max_compute_invocations_per_workgroup > 0;
        Self { state: State::Nothing, variant, computes }
    }

    /// The model, once kernels and weights are in place.
    pub fn get(&self) -> Option<&Arc<GpuModel>> {
        match &self.state {
            State::Ready(model) => Some(model),
            State::Nothing | State::Preparing(..) | State::NoRoom(_) | State::Unusable => None,
        }
    }

    /// True if no job can ever run.
    pub fn is_unusable(&self) -> bool {
        matches!(self.state, State::Unusable)
    }
}

/// Whether there is or will be something to make.
pub fn has_work(gpu: Res<ModelOnGpu>, queued: Res<Queued>, slots: Res<Slots>) -> bool {
    let preparing = matches!(gpu.state, State::Preparing(..));
    let again = matches!(gpu.state, State::NoRoom(_)) && !queued.uploads.is_empty();
    preparing || again || queued.model.is_some() || slots.building.is_some() || queued.jobs.iter().any(Waiting::can_run)
}

/// Compiles kernels and uploads weights, some tenths of a second on a task thread.
pub fn prepare_model(
    mut gpu: ResMut<ModelOnGpu>,
    mut queued: ResMut<Queued>,
    mut slots: ResMut<Slots>,
    mut memory: Memory,
    device: Res<RenderDevice>,
    sender: Res<ReportSender>,
) {
    let limit = memory.settings.work_memory_bytes;
    if queued.model.is_some() {
        let model = queued.model.take();
        *slots = Slots::default();
        memory.kept.forget();
        gpu.state = match model.filter(|_| gpu.computes) {
            Some(model) => prepare(model, &device, &memory.queue, gpu.variant, limit),
            None => {
                sender.send(Report::Unusable("the graphics device has no compute shaders (WebGL?)".into()));
                State::Unusable
            }
        };
    }
    if let State::NoRoom(model) = &gpu.state
        && (queued.jobs.iter().any(Waiting::can_run) || !queued.uploads.is_empty() || memory.surfaces.want_work())
    {
        gpu.state = prepare(model.clone(), &device, &memory.queue, gpu.variant, limit);
    }
    let State::Preparing(task, model) = &mut gpu.state else { return };
    let (Some(result), model) = (block_on(poll_once(task)), model.clone()) else { return };
    gpu.state = match result {
        Ok(model) => {
            debug!("model on the GPU: {} kB of weights, {:?} kernels", model.weights.bytes() / 1000, gpu.variant);
            State::Ready(Arc::new(model))
        }
        Err(error) if error.is_memory() => {
            queued.fail_all(&error, &sender);
            memory.surfaces.fail_all(&error, &sender);
            State::NoRoom(model)
        }
        Err(error) => {
            queued.jobs.clear();
            queued.uploads.clear();
            sender.send(Report::Unusable(error.to_string()));
            State::Unusable
        }
    };
}

fn prepare(
    model: Arc<Model>,
    device: &RenderDevice,
    queue: &RenderQueue,
    variant: KernelVariant,
    mut limit: u64,
) -> State {
    let (device, queue, of) = (device.wgpu_device().clone(), queue.clone(), model.clone());
    let task = AsyncComputeTaskPool::get().spawn(async move {
        let weights = GpuWeights::upload(&device, &queue, &model)?;
        afford(&mut limit, weights.bytes(), || "the weights of the model".into())?;
        let pipelines = Pipelines::compile(&device, variant, &model.discon.config)?;
        Ok(GpuModel { model, pipelines, weights })
    });
    State::Preparing(task, of)
}

/// Where the jobs of one shape run, one at a time.
#[derive(Clone)]
pub struct Slot {
    /// The whole generation.
    pub full: Arc<JobSlot>,
    /// The coarse picture, from the tokens of the other; made when it is first needed.
    pub coarse: Option<Arc<JobSlot>>,
}

impl Slot {
    fn bytes(&self) -> u64 {
        let of = |slot: &JobSlot| slot.recording().bytes();
        of(&self.full) + self.coarse.as_ref().map_or(0, |coarse| of(coarse))
    }
}

/// Buffers and bind groups by shape of texture.
#[derive(Resource, Default)]
pub struct Slots {
    /// Least recently used first.
    ready: Vec<(PlanShape, Slot)>,
    building: Option<(PlanShape, Task<Result<Slot, GpuError>>)>,
}

impl Slots {
    /// The slot for a job, if it was made.
    pub fn take(&mut self, waiting: &Waiting) -> Option<Slot> {
        let at = self.position(waiting)?;
        self.ready[at..].rotate_left(1);
        self.ready.last().map(|(_, slot)| slot.clone())
    }

    /// Whether the slot for a job was made.
    pub fn contains(&self, waiting: &Waiting) -> bool {
        self.position(waiting).is_some()
    }

    fn position(&self, waiting: &Waiting) -> Option<usize> {
        let fits = |slot: &Slot| slot.coarse.is_some() || !waiting.needs_coarse();
        self.ready.iter().position(|(shape, slot)| *shape == waiting.job.plan.shape && fits(slot))
    }

    /// Bytes on the device, about: coarse pictures share a part of the others.
    pub fn bytes(&self) -> u64 {
        self.ready.iter().map(|(_, slot)| slot.bytes()).sum()
    }

    /// Drops the slots in which no job runs; the bytes that they took.
    pub fn give_up_idle(&mut self) -> u64 {
        let before = self.bytes();
        self.ready.retain(|(_, slot)| Arc::strong_count(&slot.full) > 1);
        before - self.bytes()
    }

    /// What was made for a shape, with or without the coarse part.
    fn known(&self, shape: &PlanShape) -> Option<Arc<JobSlot>> {
        self.ready.iter().find(|(known, _)| known == shape).map(|(_, slot)| slot.full.clone())
    }
}

/// Makes the slot of the next job while the one before it runs.
pub fn prepare_slots(
    gpu: Res<ModelOnGpu>,
    mut memory: Memory,
    device: Res<RenderDevice>,
    images: Res<RenderAssets<GpuImage>>,
    sender: Res<ReportSender>,
    mut slots: ResMut<Slots>,
    mut queued: ResMut<Queued>,
) {
    let Some(model) = gpu.get() else { return };
    if let Some((shape, task)) = &mut slots.building {
        let Some(result) = block_on(poll_once(task)) else { return };
        let shape = shape.clone();
        slots.building = None;
        match result {
            Ok(slot) => {
                let recording = slot.full.recording();
                debug!("buffers for {:?}: {} kB, {} dispatches", shape.grid, recording.bytes() / 1000, recording.len());
                slots.ready.retain(|(known, _)| *known != shape);
                slots.ready.push((shape, slot));
                let surplus = slots.ready.len().saturating_sub(memory.settings.kept_shapes + memory.surfaces.shapes());
                slots.ready.drain(..surplus);
            }
            Err(error) if memory.try_again(&error, &mut slots) => {}
            Err(error) => {
                let failed = queued.jobs.extract_if(.., |waiting| waiting.job.plan.shape == shape);
                failed.for_each(|waiting| {
                    sender.send(waiting.around.failure(waiting.job.ticket, error.to_string()));
                });
            }
        }
    }
    if memory.must_wait() {
        return;
    }
    // Those that can start come first: one whose texture Bevy has not made must not hold up the others.
    let exists = |waiting: &Waiting| images.get(waiting.job.ticket.image).is_some();
    let next = queued.next(exists).or_else(|| queued.next(|_| true));
    let Some(next) = next.map(|at| &queued.jobs[at]) else { return };
    if !slots.contains(next) {
        let shape = next.job.plan.shape.clone();
        let (model, device) = (model.clone(), device.wgpu_device().clone());
        let (known, coarse) = (slots.known(&shape), next.needs_coarse());
        let left = memory.left(&model, &slots);
        let make = move |shape: PlanShape| make_slot(&model, &device, &shape, known, coarse, left);
        let task = AsyncComputeTaskPool::get().spawn({
            let shape = shape.clone();
            async move { make(shape) }
        });
        slots.building = Some((shape, task));
    }
}

/// Buffers and bind groups, some of which may be there already.
fn make_slot(
    gpu: &GpuModel,
    device: &wgpu::Device,
    shape: &PlanShape,
    known: Option<Arc<JobSlot>>,
    coarse: bool,
    mut left: u64,
) -> Result<Slot, GpuError> {
    let GpuModel { model, pipelines, weights } = gpu;
    let size = shape.grid.finer(TOKEN_PIXELS);
    let what = || format!("the buffers of a texture of {}x{} that is made", size.width, size.height);
    let mut recorded = |recording: Recording| {
        afford(&mut left, recording.bytes(), what)?;
        Ok::<_, GpuError>(Arc::new(recording))
    };
    let full = match known {
        Some(full) => full,
        None => {
            let recording = recorded(Recording::new(model, shape, pipelines.variant()))?;
            let slot = JobSlot::new(device, pipelines, weights, recording);
            Arc::new(slot.map_err(|error| error.needed_for(what))?)
        }
    };
    let coarse = if coarse {
        let recording = recorded(Recording::coarse(model, shape, pipelines.variant()))?;
        let slot = JobSlot::sharing(device, pipelines, weights, recording, &full);
        Some(Arc::new(slot.map_err(|error| error.needed_for(what))?))
    } else {
        None
    };
    Ok(Slot { full, coarse })
}
