//! The executor that notes dispatches instead of running them.

use super::buffers::ItemWords;
use super::fuse::fuse;
use super::kernel::{KernelKey, KernelVariant, THREADS};
use super::recording::{BufferRef, Dispatch, Draft, GpuIndices, GpuTensor, PARAM_WORDS, Recording, StateBuffer, Tap};
use crate::model::{Activation, Grid, Model, ParamId};
use crate::sampling::{PassShape, PlanShape};
use std::collections::HashMap;

/// Alignment of everything that is bound by range: the largest that wgpu allows a device to ask for.
pub const ALIGNMENT: usize = 256;
/// Most workgroups along x; more are spread over y.
const MAX_GROUPS: usize = 32_768;

/// Implements `Ops` and `SampleOps` by recording one [`Dispatch`] per operation.
pub struct Recorder<'a> {
    pub(super) model: &'a Model,
    pub(super) grid: Grid,
    pub(super) variant: KernelVariant,
    pub(super) draft: Draft,
    keep_taps: bool,
    step_start: usize,
    params: HashMap<[u32; PARAM_WORDS], usize>,
    constants: HashMap<Vec<u8>, BufferRef>,
    /// Linear maps of inputs that never change, so that each is computed once per job and not once per round.
    pub(super) fixed: HashMap<(GpuTensor, ParamId, Activation), GpuTensor>,
}

impl<'a> Recorder<'a> {
    /// An empty recording for jobs on `grid`, one item for each texture of a batch.
    pub fn new(model: &'a Model, grid: Grid, variant: KernelVariant) -> Self {
        let config = &model.discon.config;
        let (items, positions) = (grid.items, grid.rows());
        let words = [
            positions,
            positions * config.context_width(),
            2 * items * config.condition_width(),
            items * config.style_width(),
            positions,
            positions,
            positions,
            positions,
            items * size_of::<ItemWords>() / 4,
        ];
        Self {
            model,
            grid,
            variant,
            draft: Draft {
                dispatches: Vec::new(),
                steps: Vec::new(),
                values: Vec::new(),
                params: Vec::new(),
                constants: Vec::new(),
                state_bytes: words.map(|words| 4 * words as u64),
                picture: None,
                taps: Vec::new(),
            },
            keep_taps: false,
            step_start: 0,
            params: HashMap::new(),
            constants: HashMap::new(),
            fixed: HashMap::new(),
        }
    }

    /// Makes room for the passes of a shape; without it there is one pass over all positions.
    #[must_use]
    pub fn for_shape(mut self, shape: &PlanShape) -> Self {
        let config = &self.model.discon.config;
        for (state, words) in [
            (StateBuffer::Condition, shape.condition_rows * config.condition_width()),
            (StateBuffer::Style, shape.style_rows * config.style_width()),
            (StateBuffer::TokenOrder, shape.passes.iter().map(|pass| pass.tokens.len()).sum()),
            (StateBuffer::LatentOrder, shape.passes.iter().map(|pass| pass.latents.len()).sum()),
            (StateBuffer::Lists, shape.passes.iter().map(PassShape::listed).sum()),
            (StateBuffer::Keys, shape.passes.len() * shape.grid.rows()),
        ] {
            self.draft.state_bytes[state as usize] = 4 * words as u64;
        }
        self
    }

    /// Keeps every tapped value to the end.
    #[must_use]
    pub fn keep_taps(mut self) -> Self {
        self.keep_taps = true;
        self
    }

    /// Ends a step of the plan: a range of dispatches that progress is counted in.
    pub fn end_step(&mut self) {
        let end = self.draft.dispatches.len();
        self.draft.steps.push(self.step_start..end);
        self.step_start = end;
    }

    /// Joins what can be joined, and gives every value a place.
    pub fn finish(mut self) -> Recording {
        fuse(&mut self.draft);
        self.draft.place()
    }

    /// Indices that are known before the network runs.
    pub fn constant_indices(&mut self, values: &[u32]) -> GpuIndices {
        GpuIndices { buffer: self.constant_bytes(bytemuck::cast_slice(values)), start: 0, len: values.len() }
    }

    pub(super) fn constant_bytes(&mut self, bytes: &[u8]) -> BufferRef {
        let constants = &mut self.draft.constants;
        *self.constants.entry(bytes.to_vec()).or_insert_with(|| {
            constants.resize(constants.len().next_multiple_of(ALIGNMENT), 0);
            let start = constants.len();
            constants.extend_from_slice(bytes);
            BufferRef::Constant { start, len: bytes.len() }
        })
    }

    pub(super) fn note_tap(&mut self, name: &str, x: &GpuTensor) {
        if self.keep_taps {
            self.draft.taps.push(Tap { name: name.to_string(), tensor: *x });
        }
    }

    /// Room for the result of the next dispatch.
    pub(super) fn output(&mut self, rows: usize, width: usize) -> GpuTensor {
        self.draft.values.push(4 * (rows * width) as u64);
        GpuTensor { buffer: BufferRef::Value(self.draft.values.len() - 1), shape: [rows, width] }
    }

    /// Records one dispatch; `params` in the order of the shader's `Params`.
    pub(super) fn dispatch(&mut self, key: impl Into<KernelKey>, buffers: &[BufferRef], params: &[u32], work: Work) {
        let mut block = [0; PARAM_WORDS];
        block[..params.len()].copy_from_slice(params);
        let blocks = &mut self.draft.params;
        let params = *self.params.entry(block).or_insert_with(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        self.draft.dispatches.push(Dispatch {
            key: key.into(),
            buffers: buffers.to_vec(),
            params,
            workgroups: work.workgroups,
            flops: work.flops as u64,
            values: work.values as u64,
        });
    }
}

/// How much a dispatch does, and in how many workgroups.
pub(super) struct Work {
    pub workgroups: [u32; 3],
    pub flops: usize,
    pub values: usize,
}

impl Work {
    /// `count` workgroups that find their number by `workgroup_index`.
    pub fn groups(count: usize, values: usize) -> Self {
        let x = count.clamp(1, MAX_GROUPS);
        Self { workgroups: [x as u32, count.div_ceil(x).max(1) as u32, 1], flops: 0, values }
    }

    /// One thread for each of `count` values; `reads` inputs for each.
    pub fn threads(count: usize, reads: usize) -> Self {
        Self::groups(count.div_ceil(THREADS), count * (reads + 1))
    }
}
