//! Generation without Bevy: tools and tests.

use super::error::{GpuError, checked};
use super::image_target::{ImagePlace, ImageTarget};
use super::job::JobSlot;
use super::kernel::KernelVariant;
use super::pipelines::Pipelines;
use super::recording::{Recording, StateBuffer};
use super::weights::GpuWeights;
use crate::model::Model;
use crate::reference::GeneratedTexture;
use crate::sampling::{LatentState, Plan, PlanShape};
use std::sync::Arc;

/// Work per submission. A tenth of a second on a software rasteriser and some milliseconds on a GPU, where a submission
/// that runs for seconds would be stopped.
pub(crate) const FLOPS_PER_SUBMISSION: u64 = 1_000_000_000;
/// Shapes whose buffers are kept.
const MAX_SLOTS: usize = 8;

/// A device of its own, and everything that was prepared on it.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    variant: KernelVariant,
    model: Option<LoadedModel>,
}

#[derive(Debug)]
struct LoadedModel {
    digest: [u8; 32],
    pipelines: Pipelines,
    weights: GpuWeights,
    slots: Vec<(PlanShape, Slot)>,
}

/// Buffers for one shape, and the targets of its pictures if it ends with some.
#[derive(Debug)]
pub(super) struct Slot {
    pub job: JobSlot,
    outputs: Vec<(ImageTarget, wgpu::Texture)>,
}

impl Gpu {
    /// Opens the fastest adapter. `WGPU_BACKEND` and `DISCON_KERNELS=lanes|tiled` override choices.
    ///
    /// # Errors
    /// No adapter, or one that gives no device.
    pub fn new() -> Result<Self, GpuError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        }))
        .map_err(|error| GpuError::NoAdapter(error.to_string()))?;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("discon"),
            // For kernels, and for tools that measure.
            required_features: adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY),
            required_limits: adapter.limits(),
            ..Default::default()
        }))
        .map_err(|error| GpuError::NoDevice(error.to_string()))?;
        let info = adapter.get_info();
        let variant = KernelVariant::choose(&info, device.features());
        Ok(Self { device, queue, info, variant, model: None })
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Name and kind of the adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// The variant of the kernels.
    pub fn variant(&self) -> KernelVariant {
        self.variant
    }

    /// Uses another variant, which the adapter must support; what was prepared is dropped.
    pub fn set_variant(&mut self, variant: KernelVariant) {
        self.variant = variant;
        self.model = None;
    }

    /// Generates one texture. Kernels, weights and buffers are kept for further textures of the same model and shape.
    ///
    /// # Errors
    /// See [`GpuError`]; a plan without a picture.
    pub fn generate(&mut self, model: &Model, plan: &Plan) -> Result<GeneratedTexture, GpuError> {
        let first = self.generate_batch(model, plan)?.into_iter().next();
        first.ok_or_else(|| GpuError::Device("the plan ends without a picture".into()))
    }

    /// Generates the textures of a batch, see [`Plan::batch`]; none for a plan without pictures.
    ///
    /// # Errors
    /// See [`GpuError`].
    pub fn generate_batch(&mut self, model: &Model, plan: &Plan) -> Result<Vec<GeneratedTexture>, GpuError> {
        self.prepare(model, &plan.shape)?;
        let slot = self.slot()?;
        slot.job.start(&self.queue, &plan.inputs)?;
        let run = || {
            self.run_all(&slot.job)?;
            self.submit(|pass| slot.outputs.iter().for_each(|(target, _)| target.encode(pass)));
            Ok(())
        };
        checked(&self.device, "a run", run, GpuError::Device)??;
        let tokens = self.read(slot.job.tokens_buffer(), 4 * plan.shape.grid.rows() as u64)?;
        let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&tokens);
        let textures = slot.outputs.iter().zip(tokens.chunks_exact(plan.shape.grid.positions()));
        textures
            .map(|((_, texture), tokens)| {
                let (width, height, tokens) = (texture.width(), texture.height(), tokens.to_vec());
                Ok(GeneratedTexture { width, height, pixels: self.read_texture(texture)?, tokens })
            })
            .collect()
    }

    /// Tokens and latents of the texture that [`Gpu::generate`] made last: what
    /// [`continue_plan`](crate::sampling::continue_plan) starts from.
    ///
    /// # Errors
    /// A device that was lost, or nothing was generated yet.
    pub fn state(&self) -> Result<LatentState, GpuError> {
        let slot = self.slot()?;
        let read =
            |state: StateBuffer| self.read(slot.job.state(state), slot.job.recording().state_bytes[state as usize]);
        Ok(LatentState {
            tokens: bytemuck::pod_collect_to_vec(&read(StateBuffer::Tokens)?),
            context: bytemuck::pod_collect_to_vec(&read(StateBuffer::Context)?),
        })
    }

    /// The slot that was used last.
    pub(super) fn slot(&self) -> Result<&Slot, GpuError> {
        let slot = self.model.as_ref().and_then(|loaded| loaded.slots.last());
        slot.map(|(_, slot)| slot).ok_or_else(|| GpuError::Device("nothing was generated yet".into()))
    }

    /// Kernels of the model that was used last.
    pub(super) fn pipelines(&self) -> Result<&Pipelines, GpuError> {
        let loaded = self.model.as_ref().map(|loaded| &loaded.pipelines);
        loaded.ok_or_else(|| GpuError::Device("nothing was generated yet".into()))
    }

    /// Makes sure that the last slot fits `shape`.
    pub(super) fn prepare(&mut self, model: &Model, shape: &PlanShape) -> Result<(), GpuError> {
        let mut loaded = match self.model.take().filter(|loaded| loaded.digest == model.digest) {
            Some(loaded) => loaded,
            None => LoadedModel {
                digest: model.digest,
                pipelines: Pipelines::compile(&self.device, self.variant, &model.discon.config)?,
                weights: GpuWeights::upload(&self.device, &self.queue, model)?,
                slots: Vec::new(),
            },
        };
        let known = loaded.slots.iter().position(|(known, _)| known == shape);
        let slot = match known {
            Some(index) => loaded.slots.remove(index),
            None => (shape.clone(), self.make_slot(model, shape, &loaded)?),
        };
        loaded.slots.push(slot);
        if loaded.slots.len() > MAX_SLOTS {
            loaded.slots.remove(0);
        }
        self.model = Some(loaded);
        Ok(())
    }

    fn make_slot(&self, model: &Model, shape: &PlanShape, loaded: &LoadedModel) -> Result<Slot, GpuError> {
        let recording = Arc::new(Recording::new(model, shape, self.variant));
        let job = JobSlot::new(&self.device, &loaded.pipelines, &loaded.weights, recording)?;
        let pictures = job.recording().picture.map_or(0, |(_, grid)| grid.items as u32);
        let pixels = shape.grid.finer(crate::model::TOKEN_PIXELS);
        let make = || self.texture(pixels.width as u32, pixels.height as u32);
        let output = |item: u32| {
            let texture = checked(&self.device, "a texture", make, GpuError::Device)?;
            let place = ImagePlace { item, ..Default::default() };
            Ok((ImageTarget::at(&self.device, &loaded.pipelines, &job, &texture, place)?, texture))
        };
        let outputs = (0..pictures).map(output).collect::<Result<_, GpuError>>()?;
        Ok(Slot { job, outputs })
    }

    /// A texture that [`ImageTarget`] can write, with all mip levels.
    pub fn texture(&self, width: u32, height: u32) -> wgpu::Texture {
        use wgpu::TextureUsages as Usage;
        self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("discon picture"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: u32::BITS - width.max(height).leading_zeros(),
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: Usage::STORAGE_BINDING | Usage::TEXTURE_BINDING | Usage::COPY_SRC | Usage::COPY_DST,
            view_formats: &[wgpu::TextureFormat::Rgba8UnormSrgb],
        })
    }

    /// All dispatches of a job.
    pub(super) fn run_all(&self, job: &JobSlot) -> Result<(), GpuError> {
        for range in job.recording().slices(FLOPS_PER_SUBMISSION) {
            self.submit(|pass| job.encode(pass, range));
            // Frees what finished submissions hold.
            self.device.poll(wgpu::PollType::Poll).map_err(|error| GpuError::Device(error.to_string()))?;
        }
        Ok(())
    }

    /// Submits one compute pass.
    pub fn submit(&self, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        self.record(|encoder| encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())));
    }

    /// Submits some commands.
    pub(super) fn record(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        self.queue.submit([encoder.finish()]);
    }

    /// Waits for all work submitted so far.
    ///
    /// # Errors
    /// A device that was lost.
    pub fn wait(&self) -> Result<(), GpuError> {
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        waited.map(|_| ()).map_err(|error| GpuError::Device(error.to_string()))
    }
}
