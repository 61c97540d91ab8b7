//! What `linear` and `conv3x3` share: a product and how it ends, in the order of `shaders/lib/product.wgsl`.

use super::kernel::Kernel;
use super::ops::words;
use super::recorder::{Recorder, Work};
use super::recording::{BufferRef, GpuTensor};
use crate::model::layers::Linear;
use crate::model::{Activation, Grid};

/// Words of the parameters that [`super::fuse`] looks at.
pub(super) mod word {
    pub const ROWS: usize = 0;
    pub const OUTPUTS: usize = 3;
    pub const HAS_RESIDUAL: usize = 6;
    pub const WIDTH: usize = 8;
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
        let (height, width, wrap_y, wrap_x) = match product.grid {
            Some(grid) => (grid.height, grid.width, grid.wrap.y, grid.wrap.x),
            None => (0, 0, false, false),
        };
        let (no_gate, gate_at, finer, coarser) = (0, 0, 1, 1);
        let params = words([
            rows,
            product.inputs,
            linear.inputs.next_multiple_of(8),
            linear.outputs,
            (activation == Activation::Silu).into(),
            linear.bias.is_some().into(),
            residual.is_some().into(),
            height,
            width,
            wrap_y.into(),
            wrap_x.into(),
            no_gate,
            gate_at,
            finer,
            coarser,
        ]);
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
