//! The network's operations, forwards.

use super::{Operation, TapeOps, TapeTensor, attention, loops, silu};
use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Grid, Ops, ParamId};
use crate::train::tape::buffers::Buffer;
use crate::train::tape::patches::{GROUP, Neighbours, TAPS};
use crate::train::tape::product::Matrix;
use std::sync::Arc;

impl TapeOps {
    /// Rows `rows` of `x` seen as a matrix with `width` columns, as a matrix of `shape`.
    fn rows(&mut self, x: &TapeTensor, rows: Arc<[u32]>, width: usize, shape: [usize; 2]) -> TapeTensor {
        let mut values = self.pool.take(shape[0] * shape[1]);
        copy_rows(&mut values, &self.nodes[x.index].values, &rows, width);
        let tracked = self.tracked(x);
        self.push(values, shape, Operation::Rows { x: x.index, rows, width }, tracked)
    }

    /// A linear map of the rows of `x`, or of their patches.
    fn map(
        &mut self,
        x: &TapeTensor,
        patches: Option<Neighbours>,
        linear: &Linear,
        activation: Activation,
        residual: Option<&TapeTensor>,
    ) -> TapeTensor {
        let rows = x.shape[0];
        let outputs = linear.outputs;
        let tracked = self.tracked(x)
            || self.tracks(linear.weight)
            || linear.bias.is_some_and(|bias| self.tracks(bias))
            || residual.is_some_and(|residual| self.tracked(residual));
        let active = silu(activation);
        let mut y = self.pool.take(rows * outputs);
        let mut slope = if active && tracked { self.pool.take(rows * outputs) } else { Buffer::default() };
        let mut no_bias = Buffer::default();
        let bias = match linear.bias {
            Some(bias) => self.parameters[bias.0].values.as_slice(),
            None => {
                no_bias = self.pool.zeros(outputs);
                &no_bias
            }
        };
        let residual_values = residual.map(|residual| &*self.nodes[residual.index].values);
        self.products.product_then(
            factor(&self.nodes[x.index].values, patches.as_ref(), linear.inputs),
            Matrix::new(&self.parameters[linear.weight.0].values, outputs),
            [rows, linear.inputs, outputs],
            &mut y,
            outputs,
            false,
            &mut |first, y| {
                let part = first * outputs..first * outputs + y.len();
                let residual = residual_values.map(|residual| &residual[part.clone()]);
                let slope = if slope.is_empty() { &mut [][..] } else { &mut slope[part] };
                finish(y, bias, active, slope, residual);
            },
        );
        self.pool.give(no_bias);
        let operation = Operation::Linear {
            x: x.index,
            patches,
            weight: linear.weight,
            bias: linear.bias,
            slope,
            residual: residual.map(|residual| residual.index),
        };
        self.push(y, [rows, outputs], operation, tracked)
    }

    fn tracks(&self, id: ParamId) -> bool {
        self.parameters[id.0].differentiate
    }
}

/// The left factor of a linear map: rows of `inputs` numbers, or patches of that many.
pub(super) fn factor<'a>(values: &'a [f32], patches: Option<&'a Neighbours>, inputs: usize) -> Matrix<'a> {
    patches.map_or_else(|| Matrix::new(values, inputs), |neighbours| Matrix::patches(values, neighbours))
}

/// Bias, activation and residual on top of a product; `slope` becomes the derivative of the activation unless it is
/// empty.
fn finish(y: &mut [f32], bias: &[f32], active: bool, slope: &mut [f32], residual: Option<&[f32]>) {
    match (active, residual) {
        (false, Some(residual)) => loops::add_row_and(y, bias, residual),
        (false, None) => loops::add_row(y, bias),
        (true, residual) => {
            loops::silu(y, bias, slope);
            if let Some(residual) = residual {
                loops::add(y, residual);
            }
        }
    }
}

/// Copies rows of `width` numbers.
fn copy_rows(y: &mut [f32], x: &[f32], rows: &[u32], width: usize) {
    for (y, row) in y.chunks_exact_mut(width).zip(rows) {
        y.copy_from_slice(&x[*row as usize * width..(*row as usize + 1) * width]);
    }
}

/// For every finer position the place of its block in the coarse layout: `grid` is the coarse one.
fn blocks(grid: Grid, factor: usize) -> impl Iterator<Item = u32> {
    let fine = grid.finer(factor);
    (0..fine.rows()).map(move |row| {
        let (item, position) = (row / fine.positions(), row % fine.positions());
        let (y, x) = (position / fine.width, position % fine.width);
        let coarse = (item * grid.height + y / factor) * grid.width + x / factor;
        ((coarse * factor + y % factor) * factor + x % factor) as u32
    })
}

impl Ops for TapeOps {
    type Tensor = TapeTensor;
    type Indices = Arc<[u32]>;

    fn shape(&self, x: &TapeTensor) -> [usize; 2] {
        x.shape
    }

    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> TapeTensor {
        let values = self.pool.copy(values);
        self.push(values, shape, Operation::Constant, false)
    }

    fn linear(
        &mut self,
        x: &TapeTensor,
        linear: &Linear,
        activation: Activation,
        residual: Option<&TapeTensor>,
    ) -> TapeTensor {
        self.map(x, None, linear, activation, residual)
    }

    fn conv3x3(
        &mut self,
        x: &TapeTensor,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&TapeTensor>,
    ) -> TapeTensor {
        let neighbours = self.neighbours(grid);
        if conv.inputs.is_multiple_of(GROUP) {
            return self.map(x, Some(neighbours), &conv.linear, activation, residual);
        }
        let patches = self.rows(x, Arc::clone(neighbours.rows()), conv.inputs, [grid.rows(), TAPS * conv.inputs]);
        self.linear(&patches, &conv.linear, activation, residual)
    }

    fn rms_norm(&mut self, x: &TapeTensor, norm: &Norm) -> TapeTensor {
        let [rows, width] = x.shape;
        let (mut y, mut inverse) = (self.pool.take(rows * width), self.pool.take(rows));
        loops::norm(&mut y, &self.nodes[x.index].values, &self.parameters[norm.gain.0].values, &mut inverse);
        let tracked = self.tracked(x) || self.tracks(norm.gain);
        self.push(y, x.shape, Operation::Norm { x: x.index, gain: norm.gain, inverse }, tracked)
    }

    fn modulated_norm(
        &mut self,
        x: &TapeTensor,
        modulation: &TapeTensor,
        shift_at: usize,
        scale_at: usize,
    ) -> TapeTensor {
        let [rows, width] = x.shape;
        let (mut y, mut inverse) = (self.pool.take(rows * width), self.pool.take(rows));
        let m = self.nodes[modulation.index].values.chunks_exact(modulation.shape[1]).cycle();
        let x_rows = self.nodes[x.index].values.chunks_exact(width);
        for (((y, x), m), inverse) in y.chunks_exact_mut(width).zip(x_rows).zip(m).zip(inverse.iter_mut()) {
            *inverse = loops::modulated_norm_row(y, x, &m[shift_at..][..width], &m[scale_at..][..width]);
        }
        let tracked = self.tracked(x) || self.tracked(modulation);
        let operation =
            Operation::ModulatedNorm { x: x.index, modulation: modulation.index, shift_at, scale_at, inverse };
        self.push(y, x.shape, operation, tracked)
    }

    fn gated_add(&mut self, x: &TapeTensor, modulation: &TapeTensor, gate_at: usize, y: &TapeTensor) -> TapeTensor {
        let width = x.shape[1];
        let mut sum = self.pool.take(x.shape[0] * width);
        let m = self.nodes[modulation.index].values.chunks_exact(modulation.shape[1]).cycle();
        let (x_rows, y_rows) =
            (self.nodes[x.index].values.chunks_exact(width), self.nodes[y.index].values.chunks_exact(width));
        for (((sum, x), m), y) in sum.chunks_exact_mut(width).zip(x_rows).zip(m).zip(y_rows) {
            loops::sum_and_product(sum, x, &m[gate_at..][..width], y);
        }
        let tracked = self.tracked(x) || self.tracked(modulation) || self.tracked(y);
        let operation = Operation::GatedAdd { x: x.index, modulation: modulation.index, gate_at, y: y.index };
        self.push(sum, x.shape, operation, tracked)
    }

    fn attention(&mut self, query_key_value: &TapeTensor, bias: ParamId, layout: &AttentionLayout) -> TapeTensor {
        let columns = self.columns(layout);
        let [rows, triple] = query_key_value.shape;
        let mut y = self.pool.take(rows * triple / 3);
        let input = &self.nodes[query_key_value.index].values;
        let table = &self.parameters[bias.0].values;
        let shares = attention::forward(&mut y, input, table, layout, &columns, &mut self.pool, &mut self.products);
        let tracked = self.tracked(query_key_value) || self.tracks(bias);
        let operation = Operation::Attention { x: query_key_value.index, bias, layout: *layout, shares };
        self.push(y, [rows, triple / 3], operation, tracked)
    }

    fn embed(&mut self, table: ParamId, tokens: &Arc<[u32]>, codes: Codes) -> TapeTensor {
        let [entries, width] = self.parameters[table.0].shape;
        let mut y = self.pool.take(tokens.len() * width);
        let rows = |token: &u32| codes.rows_of(*token, entries);
        let first: Arc<[u32]> = tokens.iter().map(|token| rows(token).0 as u32).collect();
        let second: Arc<[u32]> = tokens.iter().filter_map(|token| rows(token).1).map(|row| row as u32).collect();
        copy_rows(&mut y, &self.parameters[table.0].values, &first, width);
        loops::add_picked(&mut y, &self.parameters[table.0].values, &second, width);
        let tracked = self.tracks(table);
        self.push(y, [tokens.len(), width], Operation::Embed { table, rows: [first, second] }, tracked)
    }

    fn broadcast_sum(&mut self, x: &TapeTensor, y: &TapeTensor, rows: usize) -> TapeTensor {
        let width = x.shape[1];
        let mut sum = self.pool.take(rows * width);
        let (x_values, y_values) = (&self.nodes[x.index].values, &self.nodes[y.index].values);
        if x_values.len() == sum.len() && y_values.len() == sum.len() {
            loops::sum(&mut sum, x_values, y_values);
        } else {
            let group = rows / y.shape[0];
            for (row, sum) in sum.chunks_exact_mut(width).enumerate() {
                let (from_x, from_y) = (row % x.shape[0] * width, row / group * width);
                loops::sum(sum, &x_values[from_x..from_x + width], &y_values[from_y..from_y + width]);
            }
        }
        let tracked = self.tracked(x) || self.tracked(y);
        self.push(sum, [rows, width], Operation::Sum { x: x.index, y: y.index }, tracked)
    }

    fn gather(&mut self, x: &TapeTensor, indices: &Arc<[u32]>, items: usize) -> TapeTensor {
        let positions = x.shape[0] / items;
        let rows: Arc<[u32]> = if items == 1 {
            Arc::clone(indices)
        } else {
            (0..items).flat_map(|item| indices.iter().map(move |index| (item * positions) as u32 + index)).collect()
        };
        let count = rows.len();
        self.rows(x, rows, x.shape[1], [count, x.shape[1]])
    }

    fn join_segments(&mut self, first: &TapeTensor, second: &TapeTensor, items: usize) -> TapeTensor {
        let [rows, width] = first.shape;
        let part = rows / items * width;
        let mut y = self.pool.take(2 * rows * width);
        let (a, b) = (&self.nodes[first.index].values, &self.nodes[second.index].values);
        for ((y, a), b) in y.chunks_exact_mut(2 * part).zip(a.chunks_exact(part)).zip(b.chunks_exact(part)) {
            y[..part].copy_from_slice(a);
            y[part..].copy_from_slice(b);
        }
        let tracked = self.tracked(first) || self.tracked(second);
        let operation = Operation::Join { first: first.index, second: second.index, items };
        self.push(y, [2 * rows, width], operation, tracked)
    }

    fn last_segment(&mut self, x: &TapeTensor, items: usize) -> TapeTensor {
        let [rows, width] = x.shape;
        let part = rows / items / 2;
        let list = (0..items).flat_map(|item| (0..part).map(move |row| ((2 * item + 1) * part + row) as u32)).collect();
        self.rows(x, list, width, [rows / 2, width])
    }

    fn depth_to_space(&mut self, x: &TapeTensor, grid: Grid, factor: usize) -> TapeTensor {
        let channels = x.shape[1] / (factor * factor);
        let list = blocks(grid, factor).collect();
        self.rows(x, list, channels, [grid.rows() * factor * factor, channels])
    }

    fn space_to_depth(&mut self, x: &TapeTensor, grid: Grid, factor: usize) -> TapeTensor {
        let channels = x.shape[1];
        let mut list = vec![0; grid.rows()];
        for (fine, block) in blocks(grid.coarser(factor), factor).enumerate() {
            list[block as usize] = fine as u32;
        }
        self.rows(x, list.into(), channels, [grid.rows() / (factor * factor), channels * factor * factor])
    }

    fn denormalise(&mut self, x: &TapeTensor, style: &TapeTensor) -> TapeTensor {
        let (rows, width) = (x.shape[0], style.shape[1] / 2);
        let mut y = self.pool.take(rows * width);
        let (x_values, styles) = (&self.nodes[x.index].values, &self.nodes[style.index].values);
        let group = rows / style.shape[0];
        for (row, y) in y.chunks_exact_mut(width).enumerate() {
            let (mean, deviation) = styles[row / group * 2 * width..][..2 * width].split_at(width);
            let x = &x_values[row * x.shape[1]..][..width];
            for (((y, x), mean), deviation) in y.iter_mut().zip(x).zip(mean).zip(deviation) {
                *y = x * deviation.exp() + mean;
            }
        }
        let tracked = self.tracked(x) || self.tracked(style);
        self.push(y, [rows, width], Operation::Denormalise { x: x.index, style: style.index }, tracked)
    }
}
