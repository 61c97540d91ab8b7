//! A generation as a list of dispatches, before any device exists.

use super::arena::{self, Lifetime};
use super::kernel::{KernelKey, KernelVariant};
use super::recorder::{ALIGNMENT, Recorder};
use crate::model::{Grid, Model, ParamId};
use crate::sampling::{Cost, PlanShape, decode_coarse, run_step};
use std::ops::Range;

/// Something that a dispatch binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BufferRef {
    /// Result of a dispatch of this recording.
    Value(usize),
    /// State or input of the job.
    State(StateBuffer),
    /// A parameter of the model.
    Weight(ParamId),
    /// Numbers that were known when the recording was made: bytes of [`Recording::constants`].
    Constant {
        /// First byte.
        start: usize,
        /// Number of bytes.
        len: usize,
    },
    /// Stands for an input that the dispatch does not read.
    Unused,
}

/// Buffers that live as long as a job and are the same for every recording of a model and grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateBuffer {
    /// The token grids.
    Tokens,
    /// Context of the continuous model.
    Context,
    /// Condition rows, with and without the condition.
    Condition,
    /// Style rows.
    Style,
    /// Order of stage 1.
    TokenOrder,
    /// Order of stage 2.
    LatentOrder,
    /// Index lists of the passes.
    Lists,
    /// What the random numbers of positions are drawn with.
    Keys,
    /// Seeds and temperatures of each texture of the batch.
    Items,
}

impl StateBuffer {
    /// All of them.
    pub const ALL: [Self; STATE_BUFFERS] = [
        Self::Tokens,
        Self::Context,
        Self::Condition,
        Self::Style,
        Self::TokenOrder,
        Self::LatentOrder,
        Self::Lists,
        Self::Keys,
        Self::Items,
    ];
}

/// Number of state buffers.
pub const STATE_BUFFERS: usize = 9;

/// A matrix that a dispatch reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GpuTensor {
    /// Where its values are, row-major from the first.
    pub buffer: BufferRef,
    /// Rows and width.
    pub shape: [usize; 2],
}

impl GpuTensor {
    /// Number of values.
    pub fn count(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// A list of indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuIndices {
    /// Where the list is.
    pub buffer: BufferRef,
    /// Its first element in the buffer.
    pub start: usize,
    /// Its length.
    pub len: usize,
}

/// Words of the parameters of one dispatch.
pub const PARAM_WORDS: usize = 16;

/// One kernel on some buffers.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// What runs.
    pub key: KernelKey,
    /// What it binds after `params`, in the order of the kernel's bindings.
    pub buffers: Vec<BufferRef>,
    /// Index of its block of parameters.
    pub params: usize,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
    /// Work of products; the other kernels count none.
    pub flops: u64,
    /// Values read and written, weights not counted.
    pub values: u64,
}

/// A named value that a test may read back.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Name from the network's description.
    pub name: String,
    /// The value.
    pub tensor: GpuTensor,
}

/// All dispatches of a generation, with the places of their values.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What runs, in order.
    pub dispatches: Vec<Dispatch>,
    /// The dispatches of each step of the plan.
    pub steps: Vec<Range<usize>>,
    /// Bytes of each buffer of the pool.
    pub pool: Vec<u64>,
    /// The buffer of the pool that holds each value.
    pub places: Vec<usize>,
    /// Blocks of parameters, each different from all others.
    pub params: Vec<[u32; PARAM_WORDS]>,
    /// Numbers that were known when the recording was made.
    pub constants: Vec<u8>,
    /// Bytes of each state buffer, in the order of [`StateBuffer::ALL`].
    pub state_bytes: [u64; STATE_BUFFERS],
    /// The pictures, `(items * height * width, 3)`, and their grid.
    pub picture: Option<(GpuTensor, Grid)>,
    /// Named values, if they were asked for; each keeps its buffer to the end.
    pub taps: Vec<Tap>,
}

impl Recording {
    /// Records the generation of all textures of one shape.
    pub fn new(model: &Model, shape: &PlanShape, variant: KernelVariant) -> Self {
        Self::record(Recorder::new(model, shape.grid, variant).for_shape(shape), model, shape)
    }

    /// The same, keeping all named values for a test to read back.
    pub fn with_taps(model: &Model, shape: &PlanShape, variant: KernelVariant) -> Self {
        Self::record(Recorder::new(model, shape.grid, variant).for_shape(shape).keep_taps(), model, shape)
    }

    /// Records the decoding of a token grid alone: the coarse picture of a texture whose second stage has not run.
    pub fn coarse(model: &Model, shape: &PlanShape, variant: KernelVariant) -> Self {
        let mut recorder = Recorder::new(model, shape.grid, variant).for_shape(shape);
        decode_coarse(&mut recorder, &model.discon, shape);
        recorder.end_step();
        recorder.finish()
    }

    fn record(mut recorder: Recorder<'_>, model: &Model, shape: &PlanShape) -> Self {
        for step in &shape.steps {
            run_step(&mut recorder, &model.discon, shape, step);
            recorder.end_step();
        }
        recorder.finish()
    }

    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// True if nothing runs.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }

    /// Work of a range of dispatches.
    pub fn cost(&self, range: Range<usize>) -> Cost {
        let mut cost = Cost::default();
        for dispatch in &self.dispatches[range] {
            cost += Cost { flops: dispatch.flops, operations: 1, values: dispatch.values };
        }
        cost
    }

    /// Bytes of all buffers that a job of this recording makes.
    pub fn bytes(&self) -> u64 {
        let params = ALIGNMENT * self.params.len();
        self.pool.iter().sum::<u64>() + self.state_bytes.iter().sum::<u64>() + (self.constants.len() + params) as u64
    }

    /// Ranges of dispatches of about `flops` operations each, for submissions of bounded length.
    pub fn slices(&self, flops: u64) -> Vec<Range<usize>> {
        let mut slices = Vec::new();
        let (mut start, mut sum) = (0, 0);
        for (index, dispatch) in self.dispatches.iter().enumerate() {
            sum += dispatch.flops;
            if sum >= flops || index + 1 == self.len() {
                slices.push(start..index + 1);
                (start, sum) = (index + 1, 0);
            }
        }
        slices
    }
}

/// What a recorder has gathered, before values have places.
pub(super) struct Draft {
    pub dispatches: Vec<Dispatch>,
    pub steps: Vec<Range<usize>>,
    /// Bytes of each value.
    pub values: Vec<u64>,
    pub params: Vec<[u32; PARAM_WORDS]>,
    pub constants: Vec<u8>,
    pub state_bytes: [u64; STATE_BUFFERS],
    pub picture: Option<(GpuTensor, Grid)>,
    pub taps: Vec<Tap>,
}

impl Draft {
    /// What is read after the last dispatch.
    pub fn kept(&self) -> impl Iterator<Item = GpuTensor> + '_ {
        self.taps.iter().map(|tap| tap.tensor).chain(self.picture.map(|(pixels, _)| pixels))
    }

    pub fn place(self) -> Recording {
        let mut lifetimes: Vec<Lifetime> =
            self.values.iter().map(|bytes| Lifetime { bytes: *bytes, first: 0, last: 0 }).collect();
        let mut born = vec![false; lifetimes.len()];
        for (at, dispatch) in self.dispatches.iter().enumerate() {
            for buffer in &dispatch.buffers {
                if let BufferRef::Value(value) = *buffer {
                    if !std::mem::replace(&mut born[value], true) {
                        lifetimes[value].first = at;
                    }
                    lifetimes[value].last = at;
                }
            }
        }
        for tensor in self.kept() {
            if let BufferRef::Value(value) = tensor.buffer {
                lifetimes[value].last = self.dispatches.len();
            }
        }
        // Values of joined dispatches are never written, and others are written earlier than they were recorded.
        let mut written: Vec<usize> = (0..lifetimes.len()).filter(|value| born[*value]).collect();
        written.sort_by_key(|value| lifetimes[*value].first);
        let ordered: Vec<Lifetime> = written.iter().map(|value| lifetimes[*value]).collect();
        let (taken, pool) = arena::place(&ordered);
        let mut places = vec![0; lifetimes.len()];
        written.into_iter().zip(taken).for_each(|(value, place)| places[value] = place);
        Recording {
            dispatches: self.dispatches,
            steps: self.steps,
            pool,
            places,
            params: self.params,
            constants: self.constants,
            state_bytes: self.state_bytes,
            picture: self.picture,
            taps: self.taps,
        }
    }
}
