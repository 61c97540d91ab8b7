//! Kernels, weights and buffers, made on task threads.

use super::batch;
use super::extract::{Queued, Waiting};
use super::memory::{Memory, afford};
use crate::gpu::{GpuError, GpuWeights, JobSlot, KernelVariant, Pipelines, Recording};
use crate::model::{Model, TOKEN_PIXELS};
use crate::request::BatchLimit;
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
    /// What kind of adapter it is.
    pub device_type: wgpu::DeviceType,
    computes: bool,
}

impl ModelOnGpu {
    /// No model yet.
    pub fn new(device: &wgpu::Device, info: &RenderAdapterInfo) -> Self {
        let variant = KernelVariant::choose(info, device.features());
        let computes = device.limits().max_compute_invocations_per_workgroup > 0;
        Self { state: State::Nothing, variant, device_type: info.device_type, computes }
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

/// Where the jobs of one shape run: one at a time, or as many at once as the slot is for.
#[derive(Clone)]
pub struct Slot {
    /// Textures of a batch.
    pub items: usize,
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
/// The shape of one texture, and how many run together.
type SlotKey = (PlanShape, usize);

/// Buffers and bind groups by shape of texture.
#[derive(Resource, Default)]
pub struct Slots {
    /// Least recently used first.
    ready: Vec<(PlanShape, Slot)>,
    building: Option<(SlotKey, Task<Result<Slot, GpuError>>)>,
    /// Shapes of which the device has no room for a batch.
    too_large: Vec<PlanShape>,
}

/// Slots that stay besides those of the settings where batches run: their numbers of textures vary.
const FURTHER_BATCHES: usize = 2;

impl Slots {
    /// The slot for a job and those that run together with it: for as many of `most` as one was made for.
    pub fn take(&mut self, waiting: &Waiting, most: usize) -> Option<Slot> {
        let at = std::iter::successors(Some(most), |items| Some(items / 2).filter(|items| *items > 0))
            .find_map(|items| self.position(waiting, items))?;
        self.ready[at..].rotate_left(1);
        self.ready.last().map(|(_, slot)| slot.clone())
    }

    /// Whether a slot for a job was made.
    pub fn contains(&self, waiting: &Waiting) -> bool {
        self.ready.iter().any(|(shape, slot)| *shape == waiting.job.plan.shape && fits(slot, waiting))
    }

    /// Most textures that run together with a job, itself counted.
    pub fn limit(&self, gpu: &ModelOnGpu, setting: BatchLimit, waiting: &Waiting) -> usize {
        let shape = &waiting.job.plan.shape;
        if self.too_large.contains(shape) { 1 } else { batch::limit(setting, gpu.device_type, shape) }
    }

    fn position(&self, waiting: &Waiting, items: usize) -> Option<usize> {
        let is = |(shape, slot): &(PlanShape, Slot)| {
            slot.items == items && *shape == waiting.job.plan.shape && fits(slot, waiting)
        };
        self.ready.iter().position(is)
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
    fn known(&self, shape: &PlanShape, items: usize) -> Option<Arc<JobSlot>> {
        let known = self.ready.iter().find(|(known, slot)| slot.items == items && known == shape);
        known.map(|(_, slot)| slot.full.clone())
    }

    /// Takes what was made, and keeps at most `most` slots.
    fn add(&mut self, shape: PlanShape, slot: Slot, most: usize) {
        self.ready.retain(|(known, old)| *known != shape || old.items != slot.items);
        self.ready.push((shape, slot));
        let surplus = self.ready.len().saturating_sub(most);
        self.ready.drain(..surplus);
    }
}

fn fits(slot: &Slot, waiting: &Waiting) -> bool {
    slot.coarse.is_some() || !waiting.needs_coarse()
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
    if let Some((_, task)) = &mut slots.building {
        let Some(result) = block_on(poll_once(task)) else { return };
        let Some(((shape, items), _)) = slots.building.take() else { return };
        match result {
            Ok(slot) => {
                let recording = slot.full.recording();
                let (grid, bytes) = (shape.grid, recording.bytes() / 1000);
                debug!("buffers for {items} of {grid:?}: {bytes} kB, {} dispatches", recording.len());
                let batches = batch::limit(memory.settings.batch, gpu.device_type, &shape) > 1;
                let further = if batches { FURTHER_BATCHES } else { 0 };
                slots.add(shape, slot, memory.settings.kept_shapes + memory.surfaces.shapes() + further);
            }
            Err(error) if items > 1 => {
                debug!("no buffers for {items} textures at once, they run one by one: {error}");
                slots.too_large.push(shape);
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
    let Some(first) = queued.next(exists).or_else(|| queued.next(|_| true)) else { return };
    let next = &queued.jobs[first];
    let items = queued.batch(first, slots.limit(&gpu, memory.settings.batch, next), exists).len();
    if slots.position(next, items).is_none() {
        let shape = next.job.plan.shape.clone();
        let (model, device) = (model.clone(), device.wgpu_device().clone());
        let (known, coarse) = (slots.known(&shape, items), next.needs_coarse());
        let left = memory.left(&model, &slots);
        let task = AsyncComputeTaskPool::get().spawn({
            let shape = shape.batched(items);
            async move { make_slot(&model, &device, &shape, known, coarse, left) }
        });
        slots.building = Some(((shape, items), task));
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
    Ok(Slot { items: shape.grid.items, full, coarse })
}
