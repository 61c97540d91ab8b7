//! The executor that the generators train on: plain loops with hand-written ways back.
//!
//! Running the network writes a tape of operations with their results; [`TapeOps::backward`] walks it once from
//! the last to the first. All memory is used again in the next step.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "no_amx.rs"]
mod amx;
mod attention;
mod backward;
mod buffers;
mod loops;
mod losses;
mod ops;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod pack;
mod patches;
mod product;

pub use losses::TapeLoss;
pub use product::{Matrix, Products};

use crate::model::{Activation, AttentionLayout, Grid, ParamId};
use buffers::{Buffer, Pool};
use patches::Neighbours;
use std::collections::HashMap;
use std::sync::Arc;

/// A matrix on the tape; stays valid until [`TapeOps::reset`].
#[derive(Clone, Copy, Debug)]
pub struct TapeTensor {
    index: usize,
    shape: [usize; 2],
}

/// How a matrix came about, with what its way back needs; numbers are places on the tape.
#[derive(Debug)]
enum Operation {
    /// A constant.
    Constant,
    /// A parameter seen as a matrix.
    Parameter(ParamId),
    /// `activation(x W + b) + residual`, or of the patches of `x`; `slope` is the derivative of the activation, empty for
    /// none.
    Linear {
        x: usize,
        patches: Option<Neighbours>,
        weight: ParamId,
        bias: Option<ParamId>,
        slope: Buffer,
        residual: Option<usize>,
    },
    /// Root-mean-square norm; `inverse` is one over the root of every row, here and below.
    Norm {
        x: usize,
        gain: ParamId,
        inverse: Buffer,
    },
    ModulatedNorm {
        x: usize,
        modulation: usize,
        shift_at: usize,
        scale_at: usize,
        inverse: Buffer,
    },
    GatedAdd {
        x: usize,
        modulation: usize,
        gate_at: usize,
        y: usize,
    },
    /// `shares` are the softmax of the scores: `(items, heads, sequence, sequence)`.
    Attention {
        x: usize,
        bias: ParamId,
        layout: AttentionLayout,
        shares: Buffer,
    },
    /// Rows of first codes and of second ones, which may be none.
    Embed {
        table: ParamId,
        rows: [Arc<[u32]>; 2],
    },
    Sum {
        x: usize,
        y: usize,
    },
    /// Rows of `x` seen as rows of `width` numbers; gathers, narrow convolutions and moves between space and depth.
    Rows {
        x: usize,
        rows: Arc<[u32]>,
        width: usize,
    },
    Join {
        first: usize,
        second: usize,
        items: usize,
    },
    Denormalise {
        x: usize,
        style: usize,
    },
    /// A mean over rows of `x`, with its gradient there.
    Loss {
        x: usize,
        gradient: Buffer,
    },
}

#[derive(Debug)]
struct Node {
    values: Buffer,
    shape: [usize; 2],
    operation: Operation,
    /// True if a gradient has to pass here.
    tracked: bool,
}

#[derive(Debug, Default)]
struct Parameter {
    values: Vec<f32>,
    shape: [usize; 2],
    differentiate: bool,
    gradient: Vec<f32>,
    /// True if `gradient` belongs to this step.
    touched: bool,
}

/// Runs the network on the CPU and walks it back.
#[derive(Debug)]
pub struct TapeOps {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    pool: Pool,
    products: Products,
    records: bool,
    columns: HashMap<AttentionLayout, Arc<[u32]>>,
    neighbours: HashMap<Grid, Neighbours>,
}

impl TapeOps {
    /// An executor for `count` parameters, none of them set; it can only walk back if it `records`.
    pub fn new(count: usize, records: bool, products: Products) -> Self {
        Self {
            nodes: Vec::new(),
            parameters: (0..count).map(|_| Parameter::default()).collect(),
            pool: Pool::default(),
            products,
            records,
            columns: HashMap::new(),
            neighbours: HashMap::new(),
        }
    }

    /// Forgets the tape and all gradients, and keeps parameters and memory.
    pub fn reset(&mut self) {
        for node in self.nodes.drain(..) {
            self.pool.give(node.values);
            match node.operation {
                Operation::Linear { slope: buffer, .. }
                | Operation::Norm { inverse: buffer, .. }
                | Operation::ModulatedNorm { inverse: buffer, .. }
                | Operation::Attention { shares: buffer, .. }
                | Operation::Loss { gradient: buffer, .. } => self.pool.give(buffer),
                _ => {}
            }
        }
        self.parameters.iter_mut().for_each(|parameter| parameter.touched = false);
    }

    /// Sets a parameter; with `differentiate` its gradient can be asked for after a backward pass.
    pub fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool) {
        let parameter = &mut self.parameters[id.0];
        parameter.values.resize(values.len(), 0.0);
        parameter.values.copy_from_slice(values);
        parameter.shape = shape;
        parameter.differentiate = differentiate && self.records;
    }

    /// A parameter as a matrix that operations can take.
    pub fn parameter(&mut self, id: ParamId) -> TapeTensor {
        let parameter = &self.parameters[id.0];
        let values = self.pool.copy(&parameter.values);
        let (shape, tracked) = (parameter.shape, parameter.differentiate);
        self.push(values, shape, Operation::Parameter(id), tracked)
    }

    /// Values of a matrix, row-major.
    pub fn values(&self, x: &TapeTensor) -> &[f32] {
        &self.nodes[x.index].values
    }

    /// Gradient of a parameter after [`TapeOps::backward`]; `None` if it was not asked for or nothing depends on it.
    pub fn gradient(&self, id: ParamId) -> Option<&[f32]> {
        let parameter = &self.parameters[id.0];
        parameter.touched.then_some(parameter.gradient.as_slice())
    }

    fn push(&mut self, values: Buffer, shape: [usize; 2], operation: Operation, tracked: bool) -> TapeTensor {
        self.nodes.push(Node { values, shape, operation, tracked: tracked && self.records });
        TapeTensor { index: self.nodes.len() - 1, shape }
    }

    fn tracked(&self, x: &TapeTensor) -> bool {
        self.nodes[x.index].tracked
    }

    /// Column of the bias table for every pair of positions of one segment; [`HIDDEN`] where the key is out of sight.
    fn columns(&mut self, layout: &AttentionLayout) -> Arc<[u32]> {
        // The number of items changes nothing here.
        let layout = AttentionLayout { grid: Grid { items: 1, ..layout.grid }, ..*layout };
        let positions = layout.grid.positions();
        let column =
            |pair: usize| layout.bias_column(pair / positions, pair % positions).map_or(HIDDEN, |column| column as u32);
        let list = || (0..positions * positions).map(column).collect();
        Arc::clone(self.columns.entry(layout).or_insert_with(list))
    }

    /// Neighbours of every position, made once for each shape.
    fn neighbours(&mut self, grid: Grid) -> Neighbours {
        self.neighbours.entry(grid).or_insert_with(|| Neighbours::of(grid)).clone()
    }
}

/// The column of a pair that does not see each other.
const HIDDEN: u32 = u32::MAX;
/// Added to the score of a key that is out of sight.
const HIDDEN_SCORE: f32 = -1e9;

impl Parameter {
    /// The gradient and whether it already holds a part: if not, its numbers mean nothing yet and must be written.
    fn gradient(&mut self) -> (&mut [f32], bool) {
        let touched = std::mem::replace(&mut self.touched, true);
        self.gradient.resize(self.values.len(), 0.0);
        (&mut self.gradient, touched)
    }

    /// The gradient, zeros at first, to add to.
    fn gradient_sum(&mut self) -> &mut [f32] {
        let (gradient, touched) = self.gradient();
        if !touched {
            gradient.fill(0.0);
        }
        gradient
    }
}

/// How the result of a linear map ends; kept out of the loops.
fn silu(activation: Activation) -> bool {
    match activation {
        Activation::None => false,
        Activation::Silu => true,
    }
}
