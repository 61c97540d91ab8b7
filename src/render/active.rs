//! The textures that are being generated.

use super::budget::{Phase, work};
use super::extract::Waiting;
use super::member::{Member, Targets, upload};
use super::prepare::GpuModel;
use super::read_back::{PictureReadBack, TokenReadBack};
use super::slots::Slot;
use crate::gpu::{GpuError, JobSlot};
use crate::request::link::{Continued, Goal, Job, Report, ReportSender};
use crate::sampling::Step;
use bevy::prelude::*;
use std::ops::Range;

/// The running job, if any: one texture, or one batch of textures, at a time, so that the first is ready as soon as
/// possible.
#[derive(Resource, Default)]
pub struct Active(pub Option<ActiveJob>);

impl Active {
    /// Ends the job of an image; the others of its batch go on, and what the batch computes for it is not looked at.
    pub fn cancel(&mut self, image: AssetId<Image>) {
        if let Some(job) = &mut self.0 {
            job.members.retain(|member| member.ticket().image != image);
        }
        self.drop_empty();
    }

    /// Stops textures at their last milestone, to wait again.
    pub fn set_aside(
        &mut self,
        which: impl Fn(&Waiting) -> bool,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Vec<Waiting> {
        let waiting = self.0.as_mut().map(|job| job.set_aside(which, device, queue));
        self.drop_empty();
        waiting.unwrap_or_default()
    }

    /// The jobs that run.
    pub fn jobs_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.0.iter_mut().flat_map(|job| job.members.iter_mut().map(|member| &mut member.waiting.job))
    }

    fn drop_empty(&mut self) {
        self.0.take_if(|job| job.members.is_empty());
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
    /// Work of the pictures that are written after its last dispatch.
    pictures: f32,
}

/// A job between its first and its last dispatch.
pub struct ActiveJob {
    /// Its textures, first those that come first; never none.
    pub members: Vec<Member>,
    slot: Slot,
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
    /// Uploads the inputs of the jobs of a batch, and their tokens if they have some. All have done the same before,
    /// and `slot` is for as many. Takes them only if nothing fails.
    pub fn start(
        batch: &mut Vec<Waiting>,
        slot: Slot,
        textures: &[&wgpu::Texture],
        gpu: &GpuModel,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Result<Self, GpuError> {
        let bind = |(item, (waiting, texture)): (u32, (&Waiting, &&wgpu::Texture))| {
            Targets::new(item, waiting, &slot, texture, gpu, device)
        };
        let targets = (0..).zip(batch.iter().zip(textures)).map(bind).collect::<Result<Vec<_>, _>>()?;
        upload(batch, &slot.full, queue)?;
        let has_coarse = targets.iter().any(Targets::has_coarse);
        let mut parts = batch.first().map(|waiting| parts(waiting, &slot, has_coarse)).unwrap_or_default();
        for part in &mut parts {
            part.pictures = targets.iter().map(|targets| targets.work(part.end)).sum();
        }
        let member = |(waiting, targets)| Member::new(waiting, targets, &slot.full, device, queue);
        let members = batch.drain(..).zip(targets).map(member).collect();
        let mut job = Self { members, next: 0, part: 0, done_work: 0.0, total_work: 0.0, slot, parts };
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

    /// Whether a part was done before the jobs waited: in all of them or in none.
    fn is_done(&self, part: usize) -> bool {
        let done = |is: fn(&Waiting) -> bool| self.members.first().is_some_and(|member| is(&member.waiting));
        match self.parts.get(part) {
            Some(Part { end: Some(Milestone::Tokens), .. }) => done(|waiting| waiting.tokens.is_some()),
            Some(Part { end: Some(Milestone::Coarse), .. }) => done(|waiting| waiting.coarse_shown),
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
        self.parts[part].range.clone().map(|dispatch| self.work_at(part, dispatch)).sum()
    }

    /// Work of a dispatch, and of the pictures after it if it is the last one of its part.
    fn work_at(&self, part: usize, dispatch: usize) -> f32 {
        let Part { range, pictures, .. } = &self.parts[part];
        let after = if dispatch + 1 == range.end { *pictures } else { 0.0 };
        self.slot_of(part).recording().dispatches.get(dispatch).map_or(0.0, work) + after
    }

    /// Work of what [`ActiveJob::take`] takes at least.
    pub fn next_work(&self) -> f32 {
        if self.part < self.parts.len() { self.work_at(self.part, self.next) } else { 0.0 }
    }

    /// What runs next.
    pub fn phase(&self) -> Phase {
        self.parts.get(self.part).map_or(Phase::Decode, |part| part.phase)
    }

    /// Takes dispatches of one part, at least one, up to `limit` units of work.
    pub fn take(&mut self, limit: f32) -> Slice {
        let (part, start) = (self.part, self.next);
        let Some(Part { phase, range, end, .. }) = self.parts.get(part) else {
            return Slice { part, range: 0..0, phase: Phase::Decode, work: 0.0, end: Some(Milestone::Complete) };
        };
        let (phase, last, milestone) = (*phase, range.end, *end);
        let mut sum = 0.0;
        while self.next < last {
            let next = self.work_at(part, self.next);
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

    /// Writes a slice into a pass, and the textures after the last one of a picture.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, slice: &Slice) {
        if slice.range.is_empty() {
            return;
        }
        self.slot_of(slice.part).encode(pass, slice.range.clone());
        match slice.end {
            Some(Milestone::Complete) => self.members.iter().for_each(|member| member.encode(pass)),
            Some(Milestone::Coarse) => self.members.iter().for_each(|member| member.encode_coarse(pass)),
            Some(Milestone::Tokens) | None => {}
        }
    }

    /// Copies what is kept of the jobs, after the last dispatch.
    pub fn keep(&self, encoder: &mut wgpu::CommandEncoder) {
        self.members.iter().for_each(|member| member.keep(&self.slot.full, encoder));
    }

    /// Copies finished pictures for the disk cache, if they are kept there.
    pub fn read_pictures(
        &mut self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        sender: &ReportSender,
    ) -> Vec<PictureReadBack> {
        self.members.iter_mut().filter_map(|member| member.read_picture(device, encoder, sender)).collect()
    }

    /// Copies tokens for those who asked for them.
    pub fn read_tokens(
        &self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        sender: &ReportSender,
    ) -> Vec<TokenReadBack> {
        let slot = &self.slot.full;
        self.members.iter().filter_map(|member| member.read_tokens(slot, device, encoder, sender)).collect()
    }

    /// What the whole of one of its textures costs.
    pub fn cost(&self, member: &Member) -> Report {
        let cost = |slot: &JobSlot| slot.recording().cost(0..slot.recording().len()).flops;
        let has_coarse = self.parts.iter().any(|part| part.end == Some(Milestone::Coarse));
        let coarse = self.slot.coarse.as_ref().filter(|_| has_coarse);
        let continued = if member.waiting.around.given.is_some() { Continued::Yes } else { Continued::No };
        let together = self.slot.items;
        let all = cost(&self.slot.full) + coarse.map_or(0, |slot| cost(slot));
        Report::Cost { operations: all / together as u64, continued, together }
    }

    /// See [`Active::set_aside`].
    fn set_aside(
        &mut self,
        which: impl Fn(&Waiting) -> bool,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Vec<Waiting> {
        let tokens = self.parts.iter().position(|part| part.end == Some(Milestone::Tokens));
        let with_tokens = tokens.is_some_and(|part| part < self.part).then_some(&*self.slot.full);
        let aside = self.members.extract_if(.., |member| which(&member.waiting));
        aside.map(|member| member.suspend(with_tokens, device, queue)).collect()
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
            None => parts.push(Part { phase, range: range.clone(), end: None, pictures: 0.0 }),
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
        parts.insert(sampled, Part { phase: Phase::Decode, range, end: Some(Milestone::Coarse), pictures: 0.0 });
    }
    parts
}
