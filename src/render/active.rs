//! The texture that is being generated.

use super::budget::{Phase, work};
use super::extract::Waiting;
use super::prepare::{GpuModel, Slot};
use super::read_back::{PictureReadBack, TokenReadBack};
use crate::gpu::{GpuError, ImageTarget, JobSlot, checked};
use crate::request::DiskCacheFailed;
use crate::request::link::{Continued, Goal, Report, ReportSender, Ticket};
use crate::sampling::Step;
use bevy::prelude::*;
use std::ops::Range;

/// The running job, if any: one at a time, so that the first texture is ready as soon as possible.
#[derive(Resource, Default)]
pub struct Active(pub Option<ActiveJob>);

impl Active {
    /// Ends the job of an image.
    pub fn cancel(&mut self, image: AssetId<Image>) {
        self.0.take_if(|job| job.ticket().image == image);
    }
}

/// Something that others see when a part of a job is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// Stage 1 is done.
    Tokens,
    /// The texture shows its coarse picture.
    Coarse,
    /// The texture is finished.
    Complete,
}

/// Dispatches that follow each other and belong to one phase.
struct Part {
    phase: Phase,
    range: Range<usize>,
    end: Option<Milestone>,
}

/// A job between its first and its last dispatch.
pub struct ActiveJob {
    /// What was asked for, and what is left to do if it stops here.
    pub waiting: Waiting,
    slot: Slot,
    /// Where the picture goes, if it ends with one.
    target: Option<ImageTarget>,
    coarse_target: Option<ImageTarget>,
    texture: wgpu::Texture,
    parts: Vec<Part>,
    /// The part that runs, and its next dispatch.
    part: usize,
    next: usize,
    done_work: f32,
    total_work: f32,
}

/// Some dispatches of one part.
pub struct Slice {
    part: usize,
    range: Range<usize>,
    /// What they do.
    pub phase: Phase,
    /// How much.
    pub work: f32,
    /// What is reached with the last of them.
    pub end: Option<Milestone>,
}

impl ActiveJob {
    /// Uploads the inputs of a job, and its tokens if it has some.
    pub fn start(
        waiting: Waiting,
        slot: Slot,
        texture: &wgpu::Texture,
        gpu: &GpuModel,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Result<Self, GpuError> {
        let ends_with_picture = slot.full.recording().picture.is_some();
        let make = || ImageTarget::at(device, &gpu.pipelines, &slot.full, texture, waiting.around.place);
        let target = ends_with_picture.then(make).transpose()?;
        let coarse_slot = slot.coarse.as_ref().filter(|_| waiting.needs_coarse());
        let make = |slot| ImageTarget::new(device, &gpu.pipelines, slot, texture);
        let coarse_target = coarse_slot.map(|slot| make(slot)).transpose()?;
        slot.full.start(queue, &waiting.job.plan.inputs)?;
        if let Some((pages, given)) = &waiting.around.given {
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon given") });
            pages.give(&mut encoder, &slot.full, given);
            queue.submit([encoder.finish()]);
        }
        if let Some(tokens) = &waiting.tokens {
            copy(device, queue, tokens, slot.full.tokens_buffer());
        }
        let parts = parts(&waiting, &slot, coarse_target.is_some());
        let mut job = Self {
            next: 0,
            part: 0,
            done_work: 0.0,
            total_work: 0.0,
            texture: texture.clone(),
            waiting,
            slot,
            target,
            coarse_target,
            parts,
        };
        let of_parts: Vec<f32> = (0..job.parts.len()).map(|part| job.work_of(part)).collect();
        job.total_work = of_parts.iter().sum();
        // What was done before it waited.
        while job.is_done(job.part) {
            job.done_work += of_parts[job.part];
            job.part += 1;
        }
        job.next = job.parts.get(job.part).map_or(0, |part| part.range.start);
        Ok(job)
    }

    /// Whose job it is.
    pub fn ticket(&self) -> Ticket {
        self.waiting.job.ticket
    }

    /// Whether a part was done before the job waited.
    fn is_done(&self, part: usize) -> bool {
        match self.parts.get(part) {
            Some(Part { end: Some(Milestone::Tokens), .. }) => self.waiting.tokens.is_some(),
            Some(Part { end: Some(Milestone::Coarse), .. }) => self.waiting.coarse_shown,
            _ => false,
        }
    }

    /// The slot in which a part runs.
    fn slot_of(&self, part: usize) -> &JobSlot {
        match (&self.slot.coarse, self.parts[part].end) {
            (Some(coarse), Some(Milestone::Coarse)) => coarse,
            _ => &self.slot.full,
        }
    }

    fn work_of(&self, part: usize) -> f32 {
        self.slot_of(part).recording().dispatches[self.parts[part].range.clone()].iter().map(work).sum()
    }

    /// What runs next.
    pub fn phase(&self) -> Phase {
        self.parts.get(self.part).map_or(Phase::Decode, |part| part.phase)
    }

    /// Takes dispatches of one part, at least one, up to `limit` units of work.
    pub fn take(&mut self, limit: f32) -> Slice {
        let (part, start) = (self.part, self.next);
        let Some(Part { phase, range, end }) = self.parts.get(part) else {
            return Slice { part, range: 0..0, phase: Phase::Decode, work: 0.0, end: Some(Milestone::Complete) };
        };
        let (phase, last, milestone) = (*phase, range.end, *end);
        let recording = self.slot_of(part).recording().clone();
        let mut sum = 0.0;
        while self.next < last {
            let next = work(&recording.dispatches[self.next]);
            if self.next > start && sum + next > limit {
                break;
            }
            sum += next;
            self.next += 1;
        }
        self.done_work += sum;
        let range = start..self.next;
        let end = milestone.filter(|_| self.next == last);
        if self.next == last {
            self.part += 1;
            self.next = self.parts.get(self.part).map_or(0, |part| part.range.start);
        }
        Slice { part, range, phase, work: sum, end }
    }

    /// The part of the work that was taken.
    pub fn fraction(&self) -> f32 {
        if self.total_work > 0.0 { (self.done_work / self.total_work).min(1.0) } else { 1.0 }
    }

    /// Writes a slice into a pass, and the texture after the last one of a picture.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, slice: &Slice) {
        if slice.range.is_empty() {
            return;
        }
        self.slot_of(slice.part).encode(pass, slice.range.clone());
        match slice.end {
            Some(Milestone::Complete) => self.target.iter().for_each(|target| target.encode(pass)),
            Some(Milestone::Coarse) => self.coarse_target.iter().for_each(|target| target.encode(pass)),
            Some(Milestone::Tokens) | None => {}
        }
    }

    /// Copies what is kept of a job, after its last dispatch.
    pub fn keep(&self, encoder: &mut wgpu::CommandEncoder) {
        if let Some((pages, kept)) = &self.waiting.around.kept {
            pages.keep(encoder, &self.slot.full, kept);
        }
    }

    /// Copies the finished picture for the disk cache, if it is kept there.
    pub fn read_picture(
        &mut self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        sender: &ReportSender,
    ) -> Option<PictureReadBack> {
        let file = self.waiting.job.file.take()?;
        let folder = file.folder.clone();
        let failed = |error: GpuError| {
            sender.send(Report::NotCached(DiskCacheFailed { folder, reason: error.to_string() }));
        };
        PictureReadBack::record(device, encoder, &self.texture, file).map_err(failed).ok()
    }

    /// Copies the tokens for those who asked for them.
    pub fn read_tokens(
        &self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        sender: &ReportSender,
    ) -> Option<TokenReadBack> {
        let job = &self.waiting.job;
        let count = job.plan.shape.grid.positions() as u64;
        let tokens = self.slot.full.tokens_buffer();
        let failed = |error: GpuError| {
            // Of a job for more than tokens the picture goes on, and the main world asks for its tokens again.
            if job.goal == Goal::Tokens {
                sender.send(Report::Failed(job.ticket, error.to_string()));
            }
        };
        let record = || TokenReadBack::record(device, encoder, tokens, count, job.ticket).map_err(failed).ok();
        job.read_tokens.then(record).flatten()
    }

    /// What the whole job costs.
    pub fn cost(&self) -> Report {
        let cost = |slot: &JobSlot| slot.recording().cost(0..slot.recording().len()).flops;
        let coarse = self.slot.coarse.as_ref().filter(|_| self.coarse_target.is_some());
        let continued = if self.waiting.around.given.is_some() { Continued::Yes } else { Continued::No };
        Report::Cost(cost(&self.slot.full) + coarse.map_or(0, |slot| cost(slot)), continued)
    }

    /// Stops at the last milestone, keeping its tokens if they are complete.
    pub fn suspend(mut self, device: &wgpu::Device, queue: &wgpu::Queue) -> Waiting {
        let tokens = self.parts.iter().position(|part| part.end == Some(Milestone::Tokens));
        let tokens = tokens.is_some_and(|part| part < self.part);
        // What a job was given would be there again with old latents: such a job begins again.
        if tokens && self.waiting.tokens.is_none() && self.waiting.around.given.is_none() {
            let source = self.slot.full.tokens_buffer();
            let descriptor = wgpu::BufferDescriptor {
                label: Some("discon tokens of a waiting texture"),
                size: source.size(),
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            // Without memory for them they are sampled again.
            if let Ok(kept) = checked(device, "tokens", || device.create_buffer(&descriptor), GpuError::Device) {
                copy(device, queue, source, &kept);
                self.waiting.tokens = Some(kept);
            }
        }
        if self.waiting.around.work.is_none() {
            // Made again when it goes on: many textures may wait.
            self.waiting.around.kept = None;
        }
        self.waiting
    }
}

/// Everything that a job may do, in order; without tokens to sample it begins later.
fn parts(waiting: &Waiting, slot: &Slot, coarse: bool) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (step, range) in waiting.job.plan.shape.steps.iter().zip(&slot.full.recording().steps) {
        let phase = match step {
            Step::TokenRound { .. } | Step::Reopen { .. } => Phase::Tokens,
            Step::LatentRound { .. } => Phase::Latents,
            Step::Decode => Phase::Decode,
        };
        match parts.last_mut().filter(|part| part.phase == phase) {
            Some(part) => part.range.end = range.end,
            None => parts.push(Part { phase, range: range.clone(), end: None }),
        }
    }
    if let Some(last) = parts.last_mut() {
        last.end = Some(Milestone::Complete);
    }
    let tokens = parts.first_mut().filter(|part| part.phase == Phase::Tokens);
    let sampled = usize::from(tokens.is_some());
    if let Some(tokens) = tokens {
        tokens.end = Some(Milestone::Tokens);
    }
    if waiting.job.goal == Goal::Tokens {
        parts.truncate(sampled);
    } else if let Some(slot) = slot.coarse.as_ref().filter(|_| coarse) {
        let range = 0..slot.recording().len();
        parts.insert(sampled, Part { phase: Phase::Decode, range, end: Some(Milestone::Coarse) });
    }
    parts
}

fn copy(device: &wgpu::Device, queue: &wgpu::Queue, from: &wgpu::Buffer, to: &wgpu::Buffer) {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon tokens") });
    encoder.copy_buffer_to_buffer(from, 0, to, 0, Some(from.size().min(to.size())));
    queue.submit([encoder.finish()]);
}
