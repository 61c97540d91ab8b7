//! [`Ops`] over burn tensors: the executor that the trainer differentiates through.

use super::layout_tables::{LayoutTables, layout_tables};
use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Grid, Ops, ParamId};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::collections::HashMap;

/// Added under the root of every norm; part of the model's definition.
pub(super) const NORM_EPSILON: f32 = 1e-6;

/// What attention over one layout needs besides parameters.
#[derive(Clone)]
struct LayoutTensors {
    /// Column of the bias table for every pair of positions of one segment.
    columns: Tensor<1, Int>,
    /// 0 where the key is in sight, else [`HIDDEN_SCORE`]: `(1, 1, S*T, S*T)`; none if all see all.
    hidden: Option<Tensor<4>>,
}

/// Runs the network on burn tensors. With an autodiff device the results can be walked back.
pub struct TrainOps {
    device: Device,
    parameters: Vec<Option<Tensor<2>>>,
    layouts: HashMap<AttentionLayout, LayoutTensors>,
    neighbours: HashMap<Grid, Tensor<1, Int>>,
}

impl TrainOps {
    /// An executor for `count` parameters, none of them set.
    pub fn new(device: Device, count: usize) -> Self {
        Self { device, parameters: vec![None; count], layouts: HashMap::new(), neighbours: HashMap::new() }
    }

    /// Sets a parameter; with `differentiate` its gradient can be asked for after a backward pass.
    pub fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool) {
        let tensor = self.constant(values, shape);
        self.parameters[id.0] = Some(if differentiate { tensor.require_grad() } else { tensor });
    }

    /// A parameter's tensor.
    ///
    /// # Panics
    /// If it was not set: a bug of the trainer.
    pub fn parameter(&self, id: ParamId) -> Tensor<2> {
        self.parameters[id.0].clone().expect("the stage sets every parameter that it uses")
    }

    /// Indices as a tensor.
    pub fn indices(&self, values: &[u32]) -> Tensor<1, Int> {
        let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &self.device)
    }

    /// The device that new tensors are made on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn layout(&mut self, layout: &AttentionLayout) -> LayoutTensors {
        if let Some(known) = self.layouts.get(layout) {
            return known.clone();
        }
        let positions = layout.grid.positions();
        let LayoutTables { columns, hidden } = layout_tables(layout);
        let tensors = LayoutTensors {
            columns: self.indices(&columns),
            hidden: hidden.map(|hidden| {
                let one = Tensor::<2>::from_data(TensorData::new(hidden, [positions, positions]), &self.device);
                one.repeat(&[layout.segments, layout.segments]).unsqueeze::<4>()
            }),
        };
        self.layouts.insert(*layout, tensors.clone());
        tensors
    }

    /// Rows of the nine neighbours of every position, in the order of a convolution's weights.
    fn neighbours(&mut self, grid: Grid) -> Tensor<1, Int> {
        if let Some(known) = self.neighbours.get(&grid) {
            return known.clone();
        }
        let mut rows = Vec::with_capacity(9 * grid.rows());
        for item in 0..grid.items {
            for position in 0..grid.positions() {
                let (y, x) = ((position / grid.width) as isize, (position % grid.width) as isize);
                for tap in 0..9 {
                    let (y, x) = grid.resolve(y + tap / 3 - 1, x + tap % 3 - 1);
                    rows.push((item * grid.positions() + y * grid.width + x) as u32);
                }
            }
        }
        let rows = self.indices(&rows);
        self.neighbours.insert(grid, rows.clone());
        rows
    }

    /// Scores added for offsets and segments: `(1, H, S*T, S*T)`.
    fn attention_bias(&mut self, bias: ParamId, layout: &AttentionLayout) -> Tensor<4> {
        let tensors = self.layout(layout);
        let (positions, segments) = (layout.grid.positions(), layout.segments);
        let rows = self.parameter(bias).select(1, tensors.columns);
        let scores =
            if segments == 1 {
                rows.reshape([1, layout.heads, positions, positions])
            } else {
                // (H, query segment, key segment, T, T) -> (H, query segment, T, key segment, T)
                rows.reshape([layout.heads, segments, segments, positions, positions])
                    .permute([0, 1, 3, 2, 4])
                    .reshape([1, layout.heads, segments * positions, segments * positions])
            };
        match tensors.hidden {
            Some(hidden) => scores + hidden,
            None => scores,
        }
    }

    fn finish(
        &self,
        x: Tensor<2>,
        bias: Option<ParamId>,
        activation: Activation,
        residual: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        let x = match bias {
            Some(bias) => x + self.parameter(bias),
            None => x,
        };
        let x = match activation {
            Activation::None => x,
            Activation::Silu => x.clone() * sigmoid(x),
        };
        match residual {
            Some(residual) => x + residual.clone(),
            None => x,
        }
    }
}

/// `x / sqrt(mean(x^2) + epsilon)` per row.
fn normalised(x: &Tensor<2>) -> Tensor<2> {
    let scale = x.clone().square().mean_dim(1).add_scalar(NORM_EPSILON).sqrt().recip();
    x.clone() * scale
}

impl Ops for TrainOps {
    type Tensor = Tensor<2>;
    type Indices = Tensor<1, Int>;

    fn shape(&self, x: &Tensor<2>) -> [usize; 2] {
        x.dims()
    }

    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device)
    }

    fn linear(
        &mut self,
        x: &Tensor<2>,
        linear: &Linear,
        activation: Activation,
        residual: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        let product = x.clone().matmul(self.parameter(linear.weight));
        self.finish(product, linear.bias, activation, residual)
    }

    fn conv3x3(
        &mut self,
        x: &Tensor<2>,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        // A product over gathered neighbours: burn's own convolution is slow backwards, and slices joined by `cat`
        // are copied number by number on the CPU.
        let rows = self.neighbours(grid);
        let product = x
            .clone()
            .select(0, rows)
            .reshape([grid.rows(), 9 * conv.inputs])
            .matmul(self.parameter(conv.linear.weight));
        self.finish(product, conv.linear.bias, activation, residual)
    }

    fn rms_norm(&mut self, x: &Tensor<2>, norm: &Norm) -> Tensor<2> {
        normalised(x) * self.parameter(norm.gain)
    }

    fn modulated_norm(&mut self, x: &Tensor<2>, modulation: &Tensor<2>, shift_at: usize, scale_at: usize) -> Tensor<2> {
        let width = x.dims()[1];
        let shift = modulation.clone().narrow(1, shift_at, width);
        let scale = modulation.clone().narrow(1, scale_at, width);
        normalised(x) * scale.add_scalar(1.0) + shift
    }

    fn gated_add(&mut self, x: &Tensor<2>, modulation: &Tensor<2>, gate_at: usize, y: &Tensor<2>) -> Tensor<2> {
        let width = x.dims()[1];
        x.clone() + modulation.clone().narrow(1, gate_at, width) * y.clone()
    }

    fn attention(&mut self, query_key_value: &Tensor<2>, bias: ParamId, layout: &AttentionLayout) -> Tensor<2> {
        let (items, length, heads) = (layout.grid.items, layout.sequence(), layout.heads);
        let width = query_key_value.dims()[1] / 3;
        let head = width / heads;
        let part = |index: usize| {
            query_key_value
                .clone()
                .narrow(1, index * width, width)
                .reshape([items, length, heads, head])
                .permute([0, 2, 1, 3])
        };
        let query = part(0).mul_scalar(1.0 / (head as f32).sqrt());
        let scores = query.matmul(part(1).swap_dims(2, 3)) + self.attention_bias(bias, layout);
        let values = softmax(scores, 3).matmul(part(2));
        values.permute([0, 2, 1, 3]).reshape([items * length, width])
    }

    fn embed(&mut self, table: ParamId, tokens: &Tensor<1, Int>, codes: Codes) -> Tensor<2> {
        let table = self.parameter(table);
        if codes.second == 1 {
            return table.select(0, tokens.clone());
        }
        let second = codes.second as i32;
        let last = table.dims()[0] as i32 - second;
        let first = table.clone().select(0, tokens.clone().div_scalar(second));
        first + table.select(0, tokens.clone().remainder_scalar(second).add_scalar(last))
    }

    fn broadcast_sum(&mut self, x: &Tensor<2>, y: &Tensor<2>, rows: usize) -> Tensor<2> {
        let width = x.dims()[1];
        // One long group instead of one per row where both are complete: fewer, larger inner loops.
        if x.dims()[0] == rows && (y.dims()[0] == rows || y.dims()[0] == 1) {
            return x.clone() + y.clone();
        }
        let (own, shared) = (x.dims()[0], y.dims()[0]);
        let groups = if own < rows { rows / own } else { shared };
        let length = rows / groups;
        let x = x.clone().reshape([own / length, length, width]);
        let y = y.clone();
        let y = if shared == rows { y.reshape([groups, length, width]) } else { y.reshape([shared, 1, width]) };
        (x.expand([groups, length, width]) + y).reshape([rows, width])
    }

    fn gather(&mut self, x: &Tensor<2>, indices: &Tensor<1, Int>, items: usize) -> Tensor<2> {
        if items == 1 {
            return x.clone().select(0, indices.clone());
        }
        let positions = x.dims()[0] / items;
        let offsets: Vec<u32> = (0..items).map(|item| (item * positions) as u32).collect();
        let rows = self.indices(&offsets).reshape([items, 1]) + indices.clone().reshape([1, -1]);
        let count = rows.dims()[0] * rows.dims()[1];
        x.clone().select(0, rows.reshape([count]))
    }

    fn join_segments(&mut self, first: &Tensor<2>, second: &Tensor<2>, items: usize) -> Tensor<2> {
        let [rows, width] = first.dims();
        let split = |x: &Tensor<2>| x.clone().reshape([items, rows / items, width]);
        Tensor::cat(vec![split(first), split(second)], 1).reshape([2 * rows, width])
    }

    fn last_segment(&mut self, x: &Tensor<2>, items: usize) -> Tensor<2> {
        let [rows, width] = x.dims();
        let positions = rows / items / 2;
        x.clone().reshape([items, 2 * positions, width]).narrow(1, positions, positions).reshape([rows / 2, width])
    }

    fn depth_to_space(&mut self, x: &Tensor<2>, grid: Grid, factor: usize) -> Tensor<2> {
        let channels = x.dims()[1] / (factor * factor);
        x.clone()
            .reshape([grid.items * grid.height, grid.width, factor, factor * channels])
            .permute([0, 2, 1, 3])
            .reshape([grid.rows() * factor * factor, channels])
    }

    fn space_to_depth(&mut self, x: &Tensor<2>, grid: Grid, factor: usize) -> Tensor<2> {
        let channels = x.dims()[1];
        let (height, width) = (grid.height / factor, grid.width / factor);
        x.clone()
            .reshape([grid.items * height, factor, width, factor * channels])
            .permute([0, 2, 1, 3])
            .reshape([grid.items * height * width, factor * factor * channels])
    }

    fn denormalise(&mut self, x: &Tensor<2>, style: &Tensor<2>) -> Tensor<2> {
        let [items, twice] = style.dims();
        let (rows, width) = (x.dims()[0], twice / 2);
        let x = x.clone().narrow(1, 0, width).reshape([items, rows / items, width]);
        let mean = style.clone().narrow(1, 0, width).reshape([items, 1, width]);
        let deviation = style.clone().narrow(1, width, width).exp().reshape([items, 1, width]);
        (x * deviation + mean).reshape([rows, width])
    }
}
