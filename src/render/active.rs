//! The texture that is being generated.

use super::budget::{Phase, work};
use super::prepare::GpuModel;
use super::read_back::ReadBack;
use crate::gpu::{GpuError, ImageTarget, JobSlot};
use crate::request::disk::DiskFile;
use crate::request::link::{Job, Ticket};
use crate::sampling::Step;
use bevy::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The running job, if any: one at a time, so that the first texture is ready as soon as possible.
#[derive(Resource, Default)]
pub struct Active(pub Option<ActiveJob>);

impl Active {
    /// Ends the job of an image.
    pub fn cancel(&mut self, image: AssetId<Image>) {
        self.0.take_if(|job| job.ticket.image == image);
    }
}

/// A job between its first and its last dispatch.
pub struct ActiveJob {
    /// Whose job it is.
    pub ticket: Ticket,
    slot: Arc<JobSlot>,
    target: ImageTarget,
    texture: wgpu::Texture,
    file: Option<DiskFile>,
    /// End of each phase among the dispatches.
    phases: Vec<(Phase, usize)>,
    next: usize,
    done_work: f32,
    total_work: f32,
}

/// Some dispatches that follow each other and belong to one phase.
pub struct Slice {
    /// The dispatches.
    pub range: Range<usize>,
    /// What they do.
    pub phase: Phase,
    /// How much.
    pub work: f32,
}

impl ActiveJob {
    /// Uploads the inputs of a job.
    pub fn start(
        job: Job,
        slot: Arc<JobSlot>,
        texture: &wgpu::Texture,
        gpu: &GpuModel,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Result<Self, GpuError> {
        let target = ImageTarget::new(device, &gpu.pipelines, &slot, texture)?;
        slot.start(queue, &job.plan.inputs)?;
        let recording = slot.recording();
        let steps = job.plan.shape.steps.iter().zip(&recording.steps);
        let phases = steps.map(|(step, range)| (phase(step), range.end)).collect();
        let total_work = recording.dispatches.iter().map(work).sum();
        let (ticket, file, texture) = (job.ticket, job.file, texture.clone());
        Ok(Self { ticket, slot, target, texture, file, phases, next: 0, done_work: 0.0, total_work })
    }

    /// What runs next.
    pub fn phase(&self) -> Phase {
        self.phases.iter().find(|(_, end)| self.next < *end).map_or(Phase::Decode, |(phase, _)| *phase)
    }

    /// Takes dispatches of one phase, at least one, up to `limit` units of work.
    pub fn take(&mut self, limit: f32) -> Slice {
        let phase = self.phase();
        let recording = self.slot.recording();
        let later = self.phases.iter().skip_while(|(_, end)| *end <= self.next);
        let end = later.take_while(|(other, _)| *other == phase).last().map_or(recording.len(), |(_, end)| *end);
        let start = self.next;
        let mut sum = 0.0;
        while self.next < end {
            let next = work(&recording.dispatches[self.next]);
            if self.next > start && sum + next > limit {
                break;
            }
            sum += next;
            self.next += 1;
        }
        self.done_work += sum;
        Slice { range: start..self.next, phase, work: sum }
    }

    /// True when all dispatches were taken.
    pub fn is_complete(&self) -> bool {
        self.next >= self.slot.recording().len()
    }

    /// The part of the work that was taken.
    pub fn fraction(&self) -> f32 {
        if self.total_work > 0.0 { (self.done_work / self.total_work).min(1.0) } else { 1.0 }
    }

    /// Writes a slice into a pass, and the texture after the last one.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, slice: &Slice) {
        self.slot.encode(pass, slice.range.clone());
        if self.is_complete() {
            self.target.encode(pass);
        }
    }

    /// Copies the finished picture for the disk cache, if it is kept there.
    pub fn read_back(&mut self, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder) -> Option<ReadBack> {
        self.file.take().map(|file| ReadBack::record(device, encoder, &self.texture, file))
    }
}

fn phase(step: &Step) -> Phase {
    match step {
        Step::TokenRound { .. } => Phase::Tokens,
        Step::LatentRound { .. } => Phase::Latents,
        Step::Decode => Phase::Decode,
    }
}
