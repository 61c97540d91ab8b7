//! One running texture, or batch of textures: its buffers and bind groups, made once, and the loop that encodes
//! dispatches.

use super::binder::{Binder, Call};
use super::buffers::{Buffers, ItemWords};
use super::error::{GpuError, checked};
use super::pipelines::Pipelines;
use super::recording::{BufferRef, GpuTensor, Recording, StateBuffer};
use super::weights::GpuWeights;
use crate::sampling::JobInputs;
use std::ops::Range;
use std::sync::Arc;

/// What memory is needed for.
const BUFFERS: &str = "the buffers of a texture that is made";

/// Buffers and bind groups for jobs of one recording, one job at a time.
#[derive(Debug)]
pub struct JobSlot {
    recording: Arc<Recording>,
    buffers: Buffers,
    pipelines: Vec<wgpu::ComputePipeline>,
    bind_groups: Vec<wgpu::BindGroup>,
    calls: Vec<Call>,
}

impl JobSlot {
    /// Makes the buffers and bind groups. The recording must be made for the variant of the pipelines.
    ///
    /// # Errors
    /// A buffer that is larger than the device can bind, a kernel that was not compiled, or a device without enough memory.
    pub fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        weights: &GpuWeights,
        recording: Arc<Recording>,
    ) -> Result<Self, GpuError> {
        check_sizes(device, &recording)?;
        let buffers = checked(device, BUFFERS, || Buffers::new(device, &recording, None), GpuError::Device)?;
        Self::with_buffers(device, pipelines, weights, recording, buffers)
    }

    /// The same, on the token grid, style and other state of another slot for the same grid: for
    /// [`Recording::coarse`] of a texture that is still running.
    ///
    /// # Errors
    /// See [`JobSlot::new`].
    pub fn sharing(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        weights: &GpuWeights,
        recording: Arc<Recording>,
        other: &Self,
    ) -> Result<Self, GpuError> {
        check_sizes(device, &recording)?;
        let make = || Buffers::new(device, &recording, Some(&other.buffers));
        let buffers = checked(device, BUFFERS, make, GpuError::Device)?;
        Self::with_buffers(device, pipelines, weights, recording, buffers)
    }

    fn with_buffers(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        weights: &GpuWeights,
        recording: Arc<Recording>,
        buffers: Buffers,
    ) -> Result<Self, GpuError> {
        // Nothing is said of buffers that were made when memory had run out and the device was lost with it.
        let lost = |_| GpuError::Memory { what: BUFFERS.into() };
        checked(device, BUFFERS, || buffers.fill(weights.queue(), &recording), lost)?;
        let mut binder = Binder::new(device, pipelines, weights, &recording, &buffers);
        let bind = || recording.dispatches.iter().map(|dispatch| binder.bind(dispatch)).collect::<Result<_, _>>();
        let calls: Vec<Call> = checked(device, BUFFERS, bind, GpuError::Device)??;
        let (pipelines, bind_groups) = binder.finish();
        Ok(Self { recording, buffers, pipelines, bind_groups, calls })
    }

    /// Uploads the inputs of a job and clears the state of the one before.
    ///
    /// The uploads happen before the commands of the next submission, so all commands of the job before must be
    /// submitted.
    ///
    /// # Errors
    /// Inputs of another shape.
    pub fn start(&self, queue: &wgpu::Queue, inputs: &JobInputs) -> Result<(), GpuError> {
        let context_bytes = self.recording.state_bytes[StateBuffer::Context as usize] as usize;
        let unknown = if inputs.context.is_none() { vec![0.0; context_bytes / 4] } else { Vec::new() };
        let context = inputs.context.as_ref().unwrap_or(&unknown);
        let items: Vec<ItemWords> = inputs.items.iter().map(ItemWords::from).collect();
        let uploads: [(StateBuffer, &'static str, &[u8]); StateBuffer::ALL.len()] = [
            (StateBuffer::Tokens, "tokens", bytemuck::cast_slice(&inputs.tokens)),
            (StateBuffer::Condition, "condition", bytemuck::cast_slice(&inputs.condition)),
            (StateBuffer::Style, "style", bytemuck::cast_slice(&inputs.style)),
            (StateBuffer::TokenOrder, "token_order", bytemuck::cast_slice(&inputs.token_order)),
            (StateBuffer::LatentOrder, "latent_order", bytemuck::cast_slice(&inputs.latent_order)),
            (StateBuffer::Lists, "lists", bytemuck::cast_slice(&inputs.lists)),
            (StateBuffer::Keys, "keys", bytemuck::cast_slice(&inputs.keys)),
            (StateBuffer::Context, "context", bytemuck::cast_slice(context)),
            (StateBuffer::Items, "items", bytemuck::cast_slice(&items)),
        ];
        for (state, field, bytes) in uploads {
            let expected = self.recording.state_bytes[state as usize] as usize;
            if bytes.len() != expected {
                return Err(GpuError::Inputs { field, found: bytes.len() / 4, expected: expected / 4 });
            }
        }
        for (state, _, bytes) in uploads {
            queue.write_buffer(self.state(state), 0, bytes);
        }
        Ok(())
    }

    /// Writes a range of the recording's dispatches into a pass. Ranges of a job must follow each other.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, range: Range<usize>) {
        let mut pipeline = usize::MAX;
        for call in &self.calls[range] {
            if call.pipeline != pipeline {
                pipeline = call.pipeline;
                pass.set_pipeline(&self.pipelines[pipeline]);
            }
            pass.set_bind_group(0, &self.bind_groups[call.bind_group], &[]);
            let [x, y, z] = call.workgroups;
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// What the slot runs.
    pub fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }

    /// The token grids: one u32 per position.
    pub fn tokens_buffer(&self) -> &wgpu::Buffer {
        self.state(StateBuffer::Tokens)
    }

    /// A state buffer.
    pub fn state(&self, state: StateBuffer) -> &wgpu::Buffer {
        &self.buffers.state[state as usize]
    }

    /// The buffer that holds a value from its first f32 on, if the value is kept: a tap, or the picture.
    pub fn buffer_of(&self, tensor: &GpuTensor) -> Option<&wgpu::Buffer> {
        match tensor.buffer {
            BufferRef::Value(value) => Some(&self.buffers.pool[self.recording.places[value]]),
            BufferRef::State(state) => Some(self.state(state)),
            _ => None,
        }
    }
}

fn check_sizes(device: &wgpu::Device, recording: &Recording) -> Result<(), GpuError> {
    let limits = device.limits();
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    match recording.pool.iter().chain(&recording.state_bytes).find(|bytes| **bytes > limit) {
        Some(bytes) => Err(GpuError::TooLarge { what: "a layer of this texture size".into(), bytes: *bytes, limit }),
        None => Ok(()),
    }
}
