//! Bind groups of a recording's dispatches.

use super::buffers::Buffers;
use super::error::GpuError;
use super::kernel::KernelKey;
use super::pipelines::Pipelines;
use super::recorder::ALIGNMENT;
use super::recording::{BufferRef, Dispatch, PARAM_WORDS, Recording};
use super::weights::GpuWeights;
use std::collections::HashMap;

/// A dispatch as indices into the slot's tables.
#[derive(Debug)]
pub struct Call {
    pub pipeline: usize,
    pub bind_group: usize,
    pub workgroups: [u32; 3],
}

/// Makes bind groups, each different one once: rounds of equal size share theirs.
pub struct Binder<'a> {
    device: &'a wgpu::Device,
    pipelines: &'a Pipelines,
    weights: &'a GpuWeights,
    recording: &'a Recording,
    buffers: &'a Buffers,
    made: (Vec<wgpu::ComputePipeline>, Vec<wgpu::BindGroup>),
    pipeline_of: HashMap<KernelKey, usize>,
    bind_group_of: HashMap<(KernelKey, Vec<BufferRef>, usize), usize>,
}

impl<'a> Binder<'a> {
    pub fn new(
        device: &'a wgpu::Device,
        pipelines: &'a Pipelines,
        weights: &'a GpuWeights,
        recording: &'a Recording,
        buffers: &'a Buffers,
    ) -> Self {
        let made = (Vec::new(), Vec::new());
        let (pipeline_of, bind_group_of) = (HashMap::new(), HashMap::new());
        Self { device, pipelines, weights, recording, buffers, made, pipeline_of, bind_group_of }
    }

    /// The pipelines and bind groups that calls name by their indices.
    pub fn finish(self) -> (Vec<wgpu::ComputePipeline>, Vec<wgpu::BindGroup>) {
        self.made
    }

    /// Finds or makes what a dispatch needs.
    pub fn bind(&mut self, dispatch: &Dispatch) -> Result<Call, GpuError> {
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
                let group = self.bind_group(&compiled.layout, &group_key.1, group_key.2)?;
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
        places: &[BufferRef],
        params: usize,
    ) -> Result<wgpu::BindGroup, GpuError> {
        let block = (ALIGNMENT * params) as u64;
        let mut bindings = vec![range(&self.buffers.params, block, 4 * PARAM_WORDS as u64)];
        for place in places {
            bindings.push(self.resolve(*place)?);
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
