//! One texture of the running batch: where its picture goes, and what others want of it.

use super::active::Milestone;
use super::budget::picture_work;
use super::extract::Waiting;
use super::prepare::GpuModel;
use super::read_back::{PictureReadBack, TokenReadBack};
use super::slots::Slot;
use crate::gpu::{GpuError, ImagePlace, ImageTarget, JobSlot, checked};
use crate::request::DiskCacheFailed;
use crate::request::link::{Goal, Report, ReportSender, Ticket};
use crate::sampling::{Plan, Span};

/// A texture between the first and the last dispatch of its batch.
pub struct Member {
    /// What was asked for, and what is left to do if it stops here.
    pub waiting: Waiting,
    targets: Targets,
}

/// Where pictures go, and which of the batch they are.
pub struct Targets {
    item: u32,
    /// For the picture, if the job ends with one.
    full: Option<ImageTarget>,
    coarse: Option<ImageTarget>,
    texture: wgpu::Texture,
}

impl Targets {
    /// Binds the texture of the job that is number `item` of its batch.
    pub fn new(
        item: u32,
        waiting: &Waiting,
        slot: &Slot,
        texture: &wgpu::Texture,
        gpu: &GpuModel,
        device: &wgpu::Device,
    ) -> Result<Self, GpuError> {
        let place = ImagePlace { item, ..waiting.around.place };
        let bind = |slot: &JobSlot| ImageTarget::at(device, &gpu.pipelines, slot, texture, place);
        let full = slot.full.recording().picture.is_some().then(|| bind(&slot.full)).transpose()?;
        let coarse = slot.coarse.as_ref().filter(|_| waiting.needs_coarse());
        let coarse = coarse.map(|slot| bind(slot)).transpose()?;
        Ok(Self { item, full, coarse, texture: texture.clone() })
    }

    /// Work of writing the picture that there is at a milestone.
    pub fn work(&self, at: Option<Milestone>) -> f32 {
        let target = match at {
            Some(Milestone::Complete) => &self.full,
            Some(Milestone::Coarse) => &self.coarse,
            Some(Milestone::Tokens) | None => &None,
        };
        let of = |texture: &wgpu::Texture| picture_work(texture.width(), texture.height(), texture.mip_level_count());
        target.as_ref().map_or(0.0, |_| of(&self.texture))
    }

    /// Whether the coarse picture is shown on the way.
    pub fn has_coarse(&self) -> bool {
        self.coarse.is_some()
    }
}

/// Uploads the inputs of all jobs of a batch into its slot.
pub fn upload(batch: &[Waiting], slot: &JobSlot, queue: &wgpu::Queue) -> Result<(), GpuError> {
    if let [one] = batch {
        return slot.start(queue, &one.job.plan.inputs);
    }
    let plan = Plan::batch(batch.iter().map(|waiting| &waiting.job.plan));
    slot.start(queue, &plan.map_err(|error| GpuError::Device(error.to_string()))?.inputs)
}

impl Member {
    /// Copies what a job is given and the tokens that it has, after the upload.
    pub fn new(waiting: Waiting, targets: Targets, slot: &JobSlot, device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let member = Self { waiting, targets };
        if member.waiting.around.given.is_none() && member.waiting.tokens.is_none() {
            return member;
        }
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("discon given") };
        let mut encoder = device.create_command_encoder(&descriptor);
        if let Some((pages, given)) = &member.waiting.around.given {
            pages.give(&mut encoder, slot, &member.moved(given));
        }
        if let Some(tokens) = &member.waiting.tokens {
            let bytes = Some(member.token_bytes());
            encoder.copy_buffer_to_buffer(tokens, 0, slot.tokens_buffer(), member.first_token(), bytes);
        }
        queue.submit([encoder.finish()]);
        member
    }

    /// Whose job it is.
    pub fn ticket(&self) -> Ticket {
        self.waiting.job.ticket
    }

    fn positions(&self) -> u32 {
        self.waiting.job.plan.shape.grid.positions() as u32
    }

    /// Bytes of its tokens.
    fn token_bytes(&self) -> u64 {
        4 * u64::from(self.positions())
    }

    /// Byte of the batch's tokens at which its own begin.
    fn first_token(&self) -> u64 {
        u64::from(self.targets.item) * self.token_bytes()
    }

    /// Spans of its grid as spans of the batch.
    fn moved(&self, spans: &[Span]) -> Vec<Span> {
        let first = self.targets.item * self.positions();
        spans.iter().map(|span| Span { place: first + span.place, ..*span }).collect()
    }

    /// Writes the finished picture.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.targets.full.iter().for_each(|target| target.encode(pass));
    }

    /// Writes the coarse picture.
    pub fn encode_coarse(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.targets.coarse.iter().for_each(|target| target.encode(pass));
    }

    /// Copies what is kept of a job, after its last dispatch.
    pub fn keep(&self, slot: &JobSlot, encoder: &mut wgpu::CommandEncoder) {
        if let Some((pages, kept)) = &self.waiting.around.kept {
            pages.keep(encoder, slot, &self.moved(kept));
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
        PictureReadBack::record(device, encoder, &self.targets.texture, file).map_err(failed).ok()
    }

    /// Copies the tokens for those who asked for them.
    pub fn read_tokens(
        &self,
        slot: &JobSlot,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        sender: &ReportSender,
    ) -> Option<TokenReadBack> {
        let job = &self.waiting.job;
        let range = self.first_token()..self.first_token() + self.token_bytes();
        let failed = |error: GpuError| {
            // Of a job for more than tokens the picture goes on, and the main world asks for its tokens again.
            if job.goal == Goal::Tokens {
                sender.send(Report::Failed(job.ticket, Goal::Tokens, error.to_string()));
            }
        };
        let tokens = slot.tokens_buffer();
        let record = || TokenReadBack::record(device, encoder, tokens, range, job.ticket).map_err(failed).ok();
        job.read_tokens.then(record).flatten()
    }

    /// Stops at the last milestone; `slot` holds its tokens if they are complete.
    pub fn suspend(mut self, slot: Option<&JobSlot>, device: &wgpu::Device, queue: &wgpu::Queue) -> Waiting {
        // What a job was given would be there again with old latents: such a job begins again.
        let worth_keeping = self.waiting.tokens.is_none() && self.waiting.around.given.is_none();
        if let Some(slot) = slot.filter(|_| worth_keeping) {
            self.waiting.tokens = self.kept_tokens(slot, device, queue);
        }
        if self.waiting.around.work.is_none() {
            // Made again when it goes on: many textures may wait.
            self.waiting.around.kept = None;
        }
        self.waiting
    }

    /// A copy of its tokens; without memory for them they are sampled again.
    fn kept_tokens(&self, slot: &JobSlot, device: &wgpu::Device, queue: &wgpu::Queue) -> Option<wgpu::Buffer> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some("discon tokens of a waiting texture"),
            size: self.token_bytes(),
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let kept = checked(device, "tokens", || device.create_buffer(&descriptor), GpuError::Device).ok()?;
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("discon tokens") };
        let mut encoder = device.create_command_encoder(&descriptor);
        let bytes = Some(self.token_bytes());
        encoder.copy_buffer_to_buffer(slot.tokens_buffer(), self.first_token(), &kept, 0, bytes);
        queue.submit([encoder.finish()]);
        Some(kept)
    }
}
