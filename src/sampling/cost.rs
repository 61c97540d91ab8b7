//! What a generation costs, counted from the description alone: no weights, no adapter.
//!
//! [`CountOps`] runs the same `forward` and the same loop as every other executor, on shapes instead of values.

use super::flow::FlowStep;
use super::generate::{SampleOps, Stage, run_step};
use super::plan::{PlanShape, Step};
use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Discon, Grid, Ops, ParamId, ParamTable, TOKEN_PIXELS};
use std::ops::Range;

/// Work of a generation or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations of products, a multiplication and an addition counted as two; norms and
    /// activations are left out (below 1 %).
    pub flops: u64,
    /// Operations of the description; the GPU records about as many dispatches.
    pub operations: u64,
    /// Values read and written by all operations, weights not counted.
    pub values: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.flops += other.flops;
        self.operations += other.operations;
        self.values += other.values;
    }
}

/// Cost of each step of a plan.
pub fn count(model: &Discon, table: &ParamTable, shape: &PlanShape) -> Vec<(Step, Cost)> {
    shape
        .steps
        .iter()
        .map(|step| {
            let mut ops = CountOps { model, table, shape, cost: Cost::default() };
            run_step(&mut ops, model, shape, step);
            (step.clone(), ops.cost)
        })
        .collect()
}

/// An executor that only counts.
pub struct CountOps<'a> {
    model: &'a Discon,
    table: &'a ParamTable,
    shape: &'a PlanShape,
    /// What was counted so far.
    pub cost: Cost,
}

impl CountOps<'_> {
    fn record(&mut self, flops: usize, inputs: usize, output: [usize; 2]) -> [usize; 2] {
        let values = inputs + output[0] * output[1];
        self.cost += Cost { flops: flops as u64, operations: 1, values: values as u64 };
        output
    }
}

fn size(shape: &[usize; 2]) -> usize {
    shape[0] * shape[1]
}

impl Ops for CountOps<'_> {
    type Tensor = [usize; 2];
    type Indices = usize;

    fn shape(&self, x: &[usize; 2]) -> [usize; 2] {
        *x
    }

    fn constant(&mut self, _values: &[f32], shape: [usize; 2]) -> [usize; 2] {
        shape
    }

    fn linear(&mut self, x: &[usize; 2], linear: &Linear, _: Activation, residual: Option<&[usize; 2]>) -> [usize; 2] {
        let flops = 2 * x[0] * linear.inputs * linear.outputs;
        self.record(flops, size(x) + residual.map_or(0, size), [x[0], linear.outputs])
    }

    fn conv3x3(
        &mut self,
        x: &[usize; 2],
        conv: &Conv,
        _: Grid,
        _: Activation,
        residual: Option<&[usize; 2]>,
    ) -> [usize; 2] {
        let flops = 18 * x[0] * conv.inputs * conv.outputs;
        self.record(flops, size(x) + residual.map_or(0, size), [x[0], conv.outputs])
    }

    fn rms_norm(&mut self, x: &[usize; 2], _: &Norm) -> [usize; 2] {
        self.record(0, size(x), *x)
    }

    fn modulated_norm(&mut self, x: &[usize; 2], _: &[usize; 2], _: usize, _: usize) -> [usize; 2] {
        self.record(0, 3 * size(x), *x)
    }

    fn gated_add(&mut self, x: &[usize; 2], _: &[usize; 2], _: usize, _: &[usize; 2]) -> [usize; 2] {
        self.record(0, 3 * size(x), *x)
    }

    fn attention(&mut self, query_key_value: &[usize; 2], _: ParamId, layout: &AttentionLayout) -> [usize; 2] {
        let width = query_key_value[1] / 3;
        // Two products (scores, values) of one row with one row for each pair, over all heads together.
        let flops = 4 * layout.grid.items * layout.visible_pairs() * width;
        self.record(flops, size(query_key_value), [query_key_value[0], width])
    }

    fn embed(&mut self, table: ParamId, indices: &usize, _: Codes) -> [usize; 2] {
        self.record(0, *indices, [*indices, self.table.spec(table).shape[1]])
    }

    fn broadcast_sum(&mut self, x: &[usize; 2], y: &[usize; 2], rows: usize) -> [usize; 2] {
        self.record(0, size(x) + size(y), [rows, x[1]])
    }

    fn gather(&mut self, x: &[usize; 2], indices: &usize, items: usize) -> [usize; 2] {
        self.record(0, items * indices * x[1], [items * indices, x[1]])
    }

    fn join_segments(&mut self, first: &[usize; 2], second: &[usize; 2], _: usize) -> [usize; 2] {
        self.record(0, size(first) + size(second), [first[0] + second[0], first[1]])
    }

    fn last_segment(&mut self, x: &[usize; 2], _: usize) -> [usize; 2] {
        self.record(0, size(x) / 2, [x[0] / 2, x[1]])
    }

    fn depth_to_space(&mut self, x: &[usize; 2], _: Grid, factor: usize) -> [usize; 2] {
        self.record(0, size(x), [x[0] * factor * factor, x[1] / (factor * factor)])
    }

    fn space_to_depth(&mut self, x: &[usize; 2], _: Grid, factor: usize) -> [usize; 2] {
        self.record(0, size(x), [x[0] / (factor * factor), x[1] * factor * factor])
    }

    fn denormalise(&mut self, x: &[usize; 2], style: &[usize; 2]) -> [usize; 2] {
        self.record(0, size(x), [x[0], style[1] / 2])
    }
}

impl SampleOps for CountOps<'_> {
    fn condition(&mut self, rows: usize) -> [usize; 2] {
        [rows, self.model.config.condition_width()]
    }

    fn style(&mut self, rows: usize) -> [usize; 2] {
        [rows, self.model.config.style_width()]
    }

    fn tokens_at(&mut self, positions: &usize) -> usize {
        self.record(0, *positions, [*positions, 1]);
        *positions
    }

    fn reopen(&mut self, positions: &usize, _: &usize) {
        self.record(0, 0, [*positions, self.model.config.context_width()]);
    }

    fn token_grid(&mut self) -> usize {
        self.shape.grid.rows()
    }

    fn context(&mut self) -> [usize; 2] {
        [self.shape.grid.rows(), self.model.config.context_width()]
    }

    fn positions(&mut self, _: Stage, range: Range<u32>) -> usize {
        range.len()
    }

    fn sample_tokens(&mut self, logits: &[usize; 2], positions: &usize, _: Codes, _: bool, _: u32) {
        self.record(0, size(logits), [*positions, 1]);
    }

    fn noise(&mut self, positions: Option<&usize>, _: u32) -> [usize; 2] {
        let rows = positions.copied().unwrap_or(self.shape.grid.rows());
        self.record(0, rows, [rows, self.model.config.tokenizer.latent_width])
    }

    fn start_spread(&mut self) -> [usize; 2] {
        [1, self.model.config.style_width()]
    }

    fn flow_step(
        &mut self,
        x: &[usize; 2],
        velocity: &[usize; 2],
        previous: &[usize; 2],
        _: FlowStep,
        _: f32,
    ) -> [usize; 2] {
        self.record(0, size(x) + size(velocity) + size(previous), *x)
    }

    fn commit_latents(&mut self, positions: &usize, _: Option<&usize>, latents: &[usize; 2], _: f32) {
        self.record(0, positions * latents[1], [*positions, latents[1]]);
    }

    fn border_steps(&mut self, pixels: &[usize; 2], _: Grid) -> [usize; 2] {
        self.record(0, size(pixels), [2 * pixels[0] / TOKEN_PIXELS, 3])
    }

    fn smooth_borders(&mut self, pixels: &[usize; 2], steps: &[usize; 2], _: Grid) -> [usize; 2] {
        self.record(0, size(pixels) + size(steps), *pixels)
    }

    fn write_image(&mut self, pixels: &[usize; 2], _: Grid) {
        self.record(0, size(pixels), *pixels);
    }
}
