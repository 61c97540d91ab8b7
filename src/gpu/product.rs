//! What `linear` and `conv3x3` share: a product and how it ends, in the order of `shaders/lib/product.wgsl`.

use super::kernel::Kernel;
use super::ops::words;
use super::recorder::{Recorder, Work};
use super::recording::{BufferRef, GpuTensor, PARAM_WORDS};
use crate::model::layers::Linear;
use crate::model::{Activation, Grid};

/// The words of the parameters, in the order of the shader.
pub(super) mod word {
    pub const ROWS: usize = 0;
    pub const INPUTS: usize = 1;
    pub const TERMS: usize = 2;
    pub const OUTPUTS: usize = 3;
    pub const SILU: usize = 4;
    pub const HAS_BIAS: usize = 5;
    pub const HAS_RESIDUAL: usize = 6;
    pub const HEIGHT: usize = 7;
    pub const WIDTH: usize = 8;
    pub const WRAP_Y: usize = 9;
    pub const WRAP_X: usize = 10;
    pub const GATE_WIDTH: usize = 11;
    pub const GATE_AT: usize = 12;
    pub const FINER: usize = 13;
    pub const COARSER: usize = 14;
}

/// Buffers that [`super::fuse`] sets.
pub(super) mod binding {
    pub const RESIDUAL: usize = 3;
    pub const GATE: usize = 4;
    pub const OUTPUT: usize = 5;
}

/// What `linear` and `conv3x3` differ in.
pub(super) struct Product {
    pub kernel: Kernel,
    pub inputs: usize,
    pub grid: Option<Grid>,
    pub workgroups: [usize; 2],
}

impl Recorder<'_> {
    pub(super) fn product(
        &mut self,
        product: Product,
        x: &GpuTensor,
        linear: &Linear,
        activation: Activation,
        residual: Option<&GpuTensor>,
    ) -> GpuTensor {
        let rows = x.shape[0];
        let y = self.output(rows, linear.outputs);
        let mut params = [0; PARAM_WORDS];
        for (word, value) in [
            (word::ROWS, rows),
            (word::INPUTS, product.inputs),
            (word::TERMS, linear.inputs.next_multiple_of(8)),
            (word::OUTPUTS, linear.outputs),
            (word::SILU, (activation == Activation::Silu).into()),
            (word::HAS_BIAS, linear.bias.is_some().into()),
            (word::HAS_RESIDUAL, residual.is_some().into()),
            (word::HEIGHT, product.grid.map_or(0, |grid| grid.height)),
            (word::WIDTH, product.grid.map_or(0, |grid| grid.width)),
            (word::WRAP_Y, product.grid.is_some_and(|grid| grid.wrap.y).into()),
            (word::WRAP_X, product.grid.is_some_and(|grid| grid.wrap.x).into()),
            (word::FINER, 1),
            (word::COARSER, 1),
        ] {
            params[word] = value as u32;
        }
        let buffers = [
            x.buffer,
            BufferRef::Weight(linear.weight),
            linear.bias.map_or(BufferRef::Unused, BufferRef::Weight),
            residual.map_or(BufferRef::Unused, |residual| residual.buffer),
            BufferRef::Unused,
            y.buffer,
        ];
        let [columns, lines] = product.workgroups;
        let work = Work {
            workgroups: words([columns, lines, 1]),
            flops: 2 * rows * linear.inputs * linear.outputs,
            values: x.count() + y.count() + residual.map_or(0, GpuTensor::count),
        };
        self.dispatch(product.kernel, &buffers, &params, work);
        y
    }
}
