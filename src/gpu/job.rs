//! One running texture: its buffers and bind groups, made once, and the loop that encodes dispatches.

use super::error::{GpuError, checked};
use super::kernel::{Binding, KernelKey};
use super::pipelines::Pipelines;
use super::recorder::ALIGNMENT;
use super::recording::{BufferRef, Dispatch, GpuTensor, PARAM_WORDS, Recording, StateBuffer};
use super::weights::GpuWeights;
use crate::sampling::JobInputs;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Buffers and bind groups for jobs of one recording, one job at a time.
#[derive(Debug)]
pub struct JobSlot {
    recording: Arc<Recording>,
    buffers: Buffers,
    pipelines: Vec<wgpu::ComputePipeline>,
    bind_groups: Vec<wgpu::BindGroup>,
    calls: Vec<Call>,
}

/// A dispatch as indices into the slot's tables.
#[derive(Debug)]
struct Call {
    pipeline: usize,
    bind_group: usize,
    workgroups: [u32; 3],
}

#[derive(Debug)]
struct Buffers {
    pool: Vec<wgpu::Buffer>,
    state: [wgpu::Buffer; 6],
    constants: wgpu::Buffer,
    params: wgpu::Buffer,
    job: wgpu::Buffer,
    unused: wgpu::Buffer,
}

/// `Job` of `shaders/lib/rng.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct JobUniform {
    token_seed: [u32; 2],
    latent_seed: [u32; 2],
    guidance: f32,
    token_temperature: f32,
    latent_temperature: f32,
    padding: f32,
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
        let buffers = checked(device, || Buffers::new(device, &recording, None), GpuError::Device)?;
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
        let buffers = checked(device, make, GpuError::Device)?;
        Self::with_buffers(device, pipelines, weights, recording, buffers)
    }

    fn with_buffers(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        weights: &GpuWeights,
        recording: Arc<Recording>,
        buffers: Buffers,
    ) -> Result<Self, GpuError> {
        let mut binder = Binder {
            device,
            pipelines,
            weights,
            recording: &recording,
            buffers: &buffers,
            made: (Vec::new(), Vec::new()),
            pipeline_of: HashMap::new(),
            bind_group_of: HashMap::new(),
        };
        let bind = || recording.dispatches.iter().map(|dispatch| binder.bind(dispatch)).collect::<Result<_, _>>();
        let calls: Vec<Call> = checked(device, bind, GpuError::Device)??;
        let (pipelines, bind_groups) = binder.made;
        Ok(Self { recording, buffers, pipelines, bind_groups, calls })
    }

    /// Uploads the inputs of a job and clears the state of the one before.
    ///
    /// The uploads happen before the commands of the next submission, so all commands of the job before must be submitted.
    ///
    /// # Errors
    /// Inputs of another shape.
    pub fn start(&self, queue: &wgpu::Queue, inputs: &JobInputs) -> Result<(), GpuError> {
        let uploads: [(StateBuffer, &'static str, &[u8]); 5] = [
            (StateBuffer::Tokens, "tokens", bytemuck::cast_slice(&inputs.tokens)),
            (StateBuffer::Condition, "condition", bytemuck::cast_slice(&inputs.condition)),
            (StateBuffer::Style, "style", bytemuck::cast_slice(&inputs.style)),
            (StateBuffer::TokenOrder, "token_order", bytemuck::cast_slice(&inputs.token_order)),
            (StateBuffer::LatentOrder, "latent_order", bytemuck::cast_slice(&inputs.latent_order)),
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
        let context = self.recording.state_bytes[StateBuffer::Context as usize] as usize;
        queue.write_buffer(self.state(StateBuffer::Context), 0, &vec![0; context]);
        let words = |seed: u64| [seed as u32, (seed >> 32) as u32];
        let job = JobUniform {
            token_seed: words(inputs.token_seed),
            latent_seed: words(inputs.latent_seed),
            guidance: inputs.guidance,
            token_temperature: inputs.token_temperature,
            latent_temperature: inputs.latent_temperature,
            padding: 0.0,
        };
        queue.write_buffer(&self.buffers.job, 0, bytemuck::bytes_of(&job));
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

    /// The token grid: one u32 per position.
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

impl Buffers {
    fn new(device: &wgpu::Device, recording: &Recording, shared: Option<&Self>) -> Self {
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let buffer = |label: &str, bytes: u64, usage: Usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes.next_multiple_of(ALIGNMENT as u64).max(ALIGNMENT as u64),
                usage,
                mapped_at_creation: false,
            })
        };
        let filled = |label: &str, bytes: &[u8], usage: Usage| {
            let size = bytes.len().next_multiple_of(ALIGNMENT).max(ALIGNMENT) as u64;
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: true };
            let buffer = device.create_buffer(&descriptor);
            // wgpu panics on empty ranges, so the whole buffer is mapped.
            buffer.get_mapped_range_mut(..).slice(..bytes.len()).copy_from_slice(bytes);
            buffer.unmap();
            buffer
        };
        let mut params = vec![0u8; ALIGNMENT * recording.params.len()];
        for (block, words) in params.chunks_exact_mut(ALIGNMENT).zip(&recording.params) {
            block[..4 * PARAM_WORDS].copy_from_slice(bytemuck::cast_slice(words));
        }
        Self {
            pool: recording.pool.iter().map(|bytes| buffer("discon activation", *bytes, storage)).collect(),
            state: std::array::from_fn(|index| match shared {
                Some(shared) => shared.state[index].clone(),
                None => buffer("discon state", recording.state_bytes[index], storage),
            }),
            constants: filled("discon constants", &recording.constants, Usage::STORAGE),
            params: filled("discon params", &params, Usage::UNIFORM),
            job: match shared {
                Some(shared) => shared.job.clone(),
                None => buffer("discon job", size_of::<JobUniform>() as u64, Usage::UNIFORM | Usage::COPY_DST),
            },
            unused: buffer("discon unused", ALIGNMENT as u64, Usage::STORAGE),
        }
    }
}

/// Makes bind groups, each different one once: rounds of equal size share theirs.
struct Binder<'a> {
    device: &'a wgpu::Device,
    pipelines: &'a Pipelines,
    weights: &'a GpuWeights,
    recording: &'a Recording,
    buffers: &'a Buffers,
    made: (Vec<wgpu::ComputePipeline>, Vec<wgpu::BindGroup>),
    pipeline_of: HashMap<KernelKey, usize>,
    bind_group_of: HashMap<(KernelKey, Vec<BufferRef>, usize), usize>,
}

impl Binder<'_> {
    fn bind(&mut self, dispatch: &Dispatch) -> Result<Call, GpuError> {
        let key = dispatch.key;
        let compiled = self.pipelines.get(key)?;
        let pipeline = *self.pipeline_of.entry(key).or_insert_with(|| {
            self.made.0.push(compiled.pipeline.clone());
            self.made.0.len() - 1
        });
        // Values that take turns in one buffer bind the same.
        let places = dispatch.buffers.iter().map(|buffer| match *buffer {
            BufferRef::Value(value) => BufferRef::Value(self.recording.places[value]),
            other => other,
        });
        let places: Vec<BufferRef> = places.collect();
        let group_key = (key, places, dispatch.params);
        let bind_group = match self.bind_group_of.get(&group_key) {
            Some(known) => *known,
            None => {
                let group = self.bind_group(&compiled.layout, &group_key)?;
                self.made.1.push(group);
                let index = self.made.1.len() - 1;
                self.bind_group_of.insert(group_key, index);
                index
            }
        };
        Ok(Call { pipeline, bind_group, workgroups: dispatch.workgroups })
    }

    fn bind_group(
        &self,
        layout: &wgpu::BindGroupLayout,
        (key, places, params): &(KernelKey, Vec<BufferRef>, usize),
    ) -> Result<wgpu::BindGroup, GpuError> {
        let block = (ALIGNMENT * params) as u64;
        let mut bindings = vec![range(&self.buffers.params, block, 4 * PARAM_WORDS as u64)];
        let mut places = places.iter();
        for binding in key.kernel.bindings() {
            bindings.push(match binding {
                Binding::Job => self.buffers.job.as_entire_buffer_binding(),
                _ => self.resolve(places.next().copied().unwrap_or(BufferRef::Unused))?,
            });
        }
        let entries: Vec<_> = bindings
            .into_iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(buffer) })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries }))
    }

    fn resolve(&self, place: BufferRef) -> Result<wgpu::BufferBinding<'_>, GpuError> {
        Ok(match place {
            BufferRef::Value(place) => self.buffers.pool[place].as_entire_buffer_binding(),
            BufferRef::State(state) => self.buffers.state[state as usize].as_entire_buffer_binding(),
            BufferRef::Weight(id) => self.weights.binding(id).ok_or_else(|| {
                GpuError::Device(format!("parameter {} is not on the device; weights of another model?", id.0))
            })?,
            BufferRef::Constant { start, len } => range(&self.buffers.constants, start as u64, len as u64),
            BufferRef::Unused => self.buffers.unused.as_entire_buffer_binding(),
        })
    }
}

fn range(buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BufferBinding<'_> {
    wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) }
}
