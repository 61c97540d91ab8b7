//! Layers that are sums of products, at sizes around those of their blocks and tiles.

use super::{Bench, Case, ROWS, WRAPS, common, input, sum_tolerance};
use bevy_discon::model::layers::{Conv, Linear};
use bevy_discon::model::{Activation, AttentionLayout, Grid, Init, ParamId, ParamTable, Role};
use bevy_discon::sampling::SampleOps;

struct LinearCase {
    rows: usize,
    inputs: usize,
    outputs: usize,
    activation: Activation,
    residual: bool,
    layer: Option<Linear>,
}

impl Case for LinearCase {
    fn declare(&mut self, table: &mut ParamTable) {
        self.layer = Some(Linear::declare(table, "linear", self.inputs, self.outputs));
        // Without a bias where there is no residual either, so that both are tested both ways.
        if !self.residual && self.rows % 2 == 1 {
            self.layer.as_mut().expect("just declared").bias = None;
        }
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let layer = self.layer.as_ref().expect("declared before it runs");
        let x = input(ops, 5, [self.rows, self.inputs]);
        let residual = self.residual.then(|| input(ops, 6, [self.rows, self.outputs]));
        ops.linear(&x, layer, self.activation, residual.as_ref())
    }
}

#[test]
fn linear_equals_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for rows in ROWS {
        for (inputs, outputs) in [(8, 8), (8, 48), (24, 12), (40, 33), (72, 80), (256, 16), (20, 16)] {
            for (activation, residual) in [
                (Activation::None, false),
                (Activation::Silu, true),
                (Activation::None, true),
                (Activation::Silu, false),
            ] {
                let name = format!("linear {rows}x{inputs}x{outputs} {activation:?} residual {residual}");
                let case = LinearCase { rows, inputs, outputs, activation, residual, layer: None };
                bench.check(&name, sum_tolerance(inputs), case);
            }
        }
    }
}

struct ConvCase {
    grid: Grid,
    inputs: usize,
    outputs: usize,
    activation: Activation,
    residual: bool,
    layer: Option<Conv>,
}

impl Case for ConvCase {
    fn declare(&mut self, table: &mut ParamTable) {
        self.layer = Some(Conv::declare(table, "conv", self.inputs, self.outputs));
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let layer = self.layer.as_ref().expect("declared before it runs");
        let x = input(ops, 7, [self.grid.rows(), self.inputs]);
        let residual = self.residual.then(|| input(ops, 8, [self.grid.rows(), self.outputs]));
        ops.conv3x3(&x, layer, self.grid, self.activation, residual.as_ref())
    }
}

#[test]
fn conv3x3_equals_the_reference_for_every_border_rule() {
    let Some(bench) = Bench::get() else { return };
    for wrap in WRAPS {
        for (items, height, width) in [(1, 1, 1), (2, 4, 8), (1, 9, 7), (2, 3, 17), (1, 5, 2)] {
            let grid = Grid { items, height, width, wrap };
            for (inputs, outputs, activation, residual) in
                [(8, 16, Activation::Silu, false), (12, 24, Activation::None, true), (32, 12, Activation::Silu, true)]
            {
                let name = format!("conv3x3 {inputs} to {outputs} on {grid:?}");
                let case = ConvCase { grid, inputs, outputs, activation, residual, layer: None };
                bench.check(&name, sum_tolerance(9 * inputs), case);
            }
        }
    }
}

struct AttentionCase {
    layout: AttentionLayout,
    head_width: usize,
    bias: ParamId,
}

impl Case for AttentionCase {
    fn declare(&mut self, table: &mut ParamTable) {
        let AttentionLayout { heads, segments, .. } = self.layout;
        let shape = [heads * segments * segments, self.layout.bias_width()];
        self.bias = table.add("bias", shape, Init::Zeros, Role::Vector);
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let layout = &self.layout;
        let rows = layout.grid.items * layout.sequence();
        let width = 3 * layout.heads * self.head_width;
        // Scores of several units, so that the running maximum moves and some shares vanish.
        let values: Vec<f32> = common::numbers(9, rows * width).iter().map(|value| 3.0 * value).collect();
        let query_key_value = ops.constant(&values, [rows, width]);
        ops.attention(&query_key_value, self.bias, layout)
    }
}

#[test]
fn attention_equals_the_reference_for_every_border_rule_window_and_head() {
    let Some(bench) = Bench::get() else { return };
    for wrap in WRAPS {
        for (items, height, width, segments, window) in [
            (1, 4, 4, 1, 3),
            (2, 9, 5, 1, 3),
            (1, 8, 16, 1, 7),
            (1, 17, 9, 2, 3),
            (1, 1, 1, 1, 3),
            (1, 3, 24, 1, 4),
            (2, 6, 7, 2, 15),
        ] {
            let grid = Grid { items, height, width, wrap };
            for (heads, head_width) in [(2, 8), (1, 16), (3, 24), (2, 32), (1, 64)] {
                let layout = AttentionLayout { grid, segments, heads, window };
                let case = AttentionCase { layout, head_width, bias: ParamId(0) };
                // Products of up to 64 terms, exponentials of scores up to 30 and sums over some hundred keys.
                bench.check(&format!("attention {layout:?} head width {head_width}"), 5e-5, case);
            }
        }
    }
}
