//! Buffers and bind groups in which textures are made, one slot for each shape and number of textures.

use super::batch;
use super::device_task::DeviceTask;
use super::extract::{Queued, Waiting};
use super::memory::{Memory, afford};
use super::prepare::{GpuModel, ModelOnGpu};
use crate::gpu::{GpuError, JobSlot, Recording};
use crate::model::TOKEN_PIXELS;
use crate::request::BatchLimit;
use crate::request::link::ReportSender;
use crate::sampling::PlanShape;
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::RenderDevice;
use bevy::render::texture::GpuImage;
use std::sync::Arc;

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
    building: Option<(SlotKey, DeviceTask<Result<Slot, GpuError>>)>,
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

    /// Whether a slot is being made.
    pub fn is_building(&self) -> bool {
        self.building.is_some()
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

    /// As it was before the first texture; for another model.
    pub fn forget(&mut self) {
        if let Some((_, task)) = std::mem::take(self).building {
            task.let_go();
        }
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
        let Some(result) = task.poll() else { return };
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
                // What rests or is paused needs no buffers now.
                let concerned = |waiting: &Waiting| waiting.can_run() && waiting.job.plan.shape == shape;
                let failed = queued.jobs.extract_if(.., |waiting| concerned(waiting));
                failed.for_each(|waiting| sender.send(waiting.failure(error.to_string())));
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
        let task = DeviceTask::spawn({
            let shape = shape.batched(items);
            move || make_slot(&model, &device, &shape, known, coarse, left)
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
