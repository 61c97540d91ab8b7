//! The network's operations.

use super::{TorchOps, TorchTensor, as_grid, padded};
use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Grid, Ops, ParamId};
use crate::train::ops::NORM_EPSILON;
use tch::{Kind, Tensor};

impl TorchOps {
    fn finish(y: Tensor, activation: Activation, residual: Option<&TorchTensor>) -> TorchTensor {
        let y = match activation {
            Activation::None => y,
            Activation::Silu => y.silu(),
        };
        TorchTensor(match residual {
            Some(residual) => &residual.0 + y,
            None => y,
        })
    }

    /// Scores added for offsets and segments: `(1, H, S*T, S*T)`.
    fn attention_bias(&mut self, bias: ParamId, layout: &AttentionLayout) -> Tensor {
        let (positions, segments, heads) =
            (layout.grid.positions() as i64, layout.segments as i64, layout.heads as i64);
        let rows = self.factor(bias);
        let tensors = self.layout(layout);
        // (H, query segment, key segment, T, T) -> (H, query segment, T, key segment, T)
        let scores = rows
            .index_select(1, &tensors.columns)
            .reshape([heads, segments, segments, positions, positions])
            .permute([0, 1, 3, 2, 4])
            .reshape([1, heads, segments * positions, segments * positions]);
        match &tensors.hidden {
            Some(hidden) => scores + hidden,
            None => scores,
        }
    }
}

fn normalised(x: &Tensor, gain: Option<&Tensor>) -> Tensor {
    let width = x.size()[1];
    x.rms_norm([width], gain.map(|gain| gain.view([width])), f64::from(NORM_EPSILON))
}

impl Ops for TorchOps {
    type Tensor = TorchTensor;
    type Indices = TorchTensor;

    fn shape(&self, x: &TorchTensor) -> [usize; 2] {
        let size = x.0.size();
        [size[0] as usize, size[1] as usize]
    }

    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> TorchTensor {
        TorchTensor(Tensor::from_slice(values).reshape(shape.map(|size| size as i64)).to_device(self.device))
    }

    fn linear(
        &mut self,
        x: &TorchTensor,
        linear: &Linear,
        activation: Activation,
        residual: Option<&TorchTensor>,
    ) -> TorchTensor {
        let (x, weight) = (x.0.to_kind(self.factors), self.factor(linear.weight));
        let y = match linear.bias {
            Some(bias) => self.factor(bias).addmm(&x, &weight),
            None => x.matmul(&weight),
        };
        Self::finish(y, activation, residual)
    }

    fn conv3x3(
        &mut self,
        x: &TorchTensor,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&TorchTensor>,
    ) -> TorchTensor {
        let x = padded(&as_grid(&x.0.to_kind(self.factors), grid), grid);
        let weight = self.factor(conv.linear.weight).view([3, 3, conv.inputs as i64, conv.outputs as i64]);
        let bias = conv.linear.bias.map(|bias| self.factor(bias).view([-1]));
        let y = x.permute([0, 3, 1, 2]).conv2d(&weight.permute([3, 2, 0, 1]), bias, 1, 0, 1, 1);
        Self::finish(y.permute([0, 2, 3, 1]).reshape([grid.rows() as i64, conv.outputs as i64]), activation, residual)
    }

    fn rms_norm(&mut self, x: &TorchTensor, norm: &Norm) -> TorchTensor {
        let gain = self.value_of(norm.gain).to_kind(x.0.kind());
        TorchTensor(normalised(&x.0, Some(&gain)))
    }

    fn modulated_norm(
        &mut self,
        x: &TorchTensor,
        modulation: &TorchTensor,
        shift_at: usize,
        scale_at: usize,
    ) -> TorchTensor {
        let width = x.0.size()[1] as usize;
        let [shift, scale] = [shift_at, scale_at].map(|at| self.part(modulation, at, width));
        TorchTensor(normalised(&x.0, None) * (scale + 1.0) + shift)
    }

    fn gated_add(&mut self, x: &TorchTensor, modulation: &TorchTensor, gate_at: usize, y: &TorchTensor) -> TorchTensor {
        let width = x.0.size()[1] as usize;
        TorchTensor(&x.0 + self.part(modulation, gate_at, width) * &y.0)
    }

    fn attention(&mut self, query_key_value: &TorchTensor, bias: ParamId, layout: &AttentionLayout) -> TorchTensor {
        let (items, length, heads) = (layout.grid.items as i64, layout.sequence() as i64, layout.heads as i64);
        let bias = self.attention_bias(bias, layout);
        let all = query_key_value.0.to_kind(self.factors);
        let width = all.size()[1] / 3;
        let all = all.view([items, length, 3, heads, width / heads]).permute([2, 0, 3, 1, 4]);
        let [query, key, value] = [0, 1, 2].map(|part| all.select(0, part));
        let values = Tensor::scaled_dot_product_attention(&query, &key, &value, Some(bias), 0.0, false, None, false);
        TorchTensor(values.permute([0, 2, 1, 3]).reshape([items * length, width]))
    }

    fn embed(&mut self, table: ParamId, tokens: &TorchTensor, codes: Codes) -> TorchTensor {
        let table = self.value_of(table);
        if codes.second == 1 {
            return TorchTensor(table.index_select(0, &tokens.0));
        }
        let second = codes.second as i64;
        let first = table.index_select(0, &tokens.0.divide_scalar_mode(second, "floor"));
        let rows = tokens.0.remainder(second) + (table.size()[0] - second);
        TorchTensor(first + table.index_select(0, &rows))
    }

    fn broadcast_sum(&mut self, x: &TorchTensor, y: &TorchTensor, rows: usize) -> TorchTensor {
        let [own, width] = self.shape(x);
        let shared = self.shape(y)[0];
        if own == rows && (shared == rows || shared == 1) {
            return TorchTensor(&x.0 + &y.0);
        }
        let groups = if own < rows { rows / own } else { shared };
        let [width, groups, length] = [width, groups, rows / groups].map(|size| size as i64);
        let x = x.0.reshape([-1, length, width]);
        let y =
            if shared == rows { y.0.reshape([groups, length, width]) } else { y.0.reshape([shared as i64, 1, width]) };
        TorchTensor((x.expand([groups, length, width], false) + y).reshape([rows as i64, width]))
    }

    fn gather(&mut self, x: &TorchTensor, indices: &TorchTensor, items: usize) -> TorchTensor {
        let [rows, width] = self.shape(x).map(|size| size as i64);
        let items = items as i64;
        let groups = x.0.reshape([items, rows / items, width]);
        TorchTensor(groups.index_select(1, &indices.0).reshape([-1, width]))
    }

    fn join_segments(&mut self, first: &TorchTensor, second: &TorchTensor, items: usize) -> TorchTensor {
        let [rows, width] = self.shape(first).map(|size| size as i64);
        let split = |x: &TorchTensor| x.0.reshape([items as i64, rows / items as i64, width]);
        TorchTensor(Tensor::cat(&[split(first), split(second)], 1).reshape([2 * rows, width]))
    }

    fn last_segment(&mut self, x: &TorchTensor, items: usize) -> TorchTensor {
        let [rows, width] = self.shape(x).map(|size| size as i64);
        let positions = rows / items as i64 / 2;
        let last = x.0.reshape([items as i64, 2 * positions, width]).narrow(1, positions, positions);
        TorchTensor(last.reshape([rows / 2, width]))
    }

    fn depth_to_space(&mut self, x: &TorchTensor, grid: Grid, factor: usize) -> TorchTensor {
        let [width, factor] = [grid.width, factor].map(|size| size as i64);
        let columns = x.0.size()[1] / factor;
        let blocks = x.0.reshape([-1, width, factor, columns]).permute([0, 2, 1, 3]);
        TorchTensor(blocks.reshape([-1, columns / factor]))
    }

    fn space_to_depth(&mut self, x: &TorchTensor, grid: Grid, factor: usize) -> TorchTensor {
        let [width, factor] = [grid.width, factor].map(|size| size as i64);
        let columns = x.0.size()[1] * factor;
        let blocks = x.0.reshape([-1, factor, width / factor, columns]).permute([0, 2, 1, 3]);
        TorchTensor(blocks.reshape([-1, columns * factor]))
    }

    fn denormalise(&mut self, x: &TorchTensor, style: &TorchTensor) -> TorchTensor {
        let ([rows, columns], [items, twice]) = (self.shape(x), self.shape(style));
        let [items, width] = [items, twice / 2].map(|size| size as i64);
        let own = if columns as i64 == width { x.0.shallow_clone() } else { x.0.narrow(1, 0, width) };
        let x = own.to_kind(Kind::Float).reshape([items, rows as i64 / items, width]);
        let [mean, deviation] = [0, width].map(|at| style.0.narrow(1, at, width).reshape([items, 1, width]));
        TorchTensor((x * deviation.exp() + mean).reshape([rows as i64, width]))
    }
}
