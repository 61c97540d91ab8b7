//! Products that end with what follows them: gated sums, and moves between space and depth.

use super::{Bench, Case, GRID, input, sum_tolerance};
use bevy_discon::gpu::{KernelVariant, Recorder};
use bevy_discon::model::layers::{Conv, Linear};
use bevy_discon::model::{Activation, Grid, Model, ModelConfig, Ops, ParamTable, Wrap};
use bevy_discon::sampling::SampleOps;

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Gated,
    Finer(usize),
    Coarser(usize),
    FinerThenCoarser(usize, usize),
}

#[derive(Clone, Debug)]
struct EndCase {
    grid: Grid,
    outputs: usize,
    end: End,
    /// Of a convolution, not a linear map.
    convolved: bool,
    residual: bool,
    /// With taps in between, which keep everything apart.
    apart: bool,
    linear: Option<Linear>,
    conv: Option<Conv>,
}

const INPUTS: usize = 24;

impl Case for EndCase {
    fn declare(&mut self, table: &mut ParamTable) {
        if self.convolved {
            self.conv = Some(Conv::declare(table, "conv", INPUTS, self.outputs));
        } else {
            self.linear = Some(Linear::declare(table, "linear", INPUTS, self.outputs));
        }
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let (grid, shape) = (self.grid, [self.grid.rows(), self.outputs]);
        let x = input(ops, 5, [grid.rows(), INPUTS]);
        let residual = self.residual.then(|| input(ops, 6, shape));
        let sum = input(ops, 7, shape);
        let modulation = input(ops, 8, [grid.rows(), 3 * self.outputs + 1]);
        let y = match (&self.conv, &self.linear) {
            (Some(conv), _) => ops.conv3x3(&x, conv, grid, Activation::Silu, residual.as_ref()),
            (_, Some(linear)) => ops.linear(&x, linear, Activation::Silu, residual.as_ref()),
            _ => unreachable!("declared before it runs"),
        };
        self.tap(ops, &y);
        match self.end {
            End::Gated => ops.gated_add(&sum, &modulation, self.outputs, &y),
            End::Finer(factor) => ops.depth_to_space(&y, grid, factor),
            End::Coarser(factor) => ops.space_to_depth(&y, grid, factor),
            End::FinerThenCoarser(finer, coarser) => {
                let y = ops.depth_to_space(&y, grid, finer);
                self.tap(ops, &y);
                ops.space_to_depth(&y, grid.finer(finer), coarser)
            }
        }
    }
}

impl EndCase {
    fn tap<O: Ops>(&self, ops: &mut O, y: &O::Tensor) {
        if self.apart {
            ops.tap("in between", y);
        }
    }

    /// Dispatches that are recorded for it.
    fn dispatches(mut self) -> usize {
        let mut model = Model::new(&ModelConfig::tiny(&["a"]), None, 1).expect("the tiny preset is valid");
        let mut table = ParamTable::default();
        self.declare(&mut table);
        model.table = table;
        let mut recorder = Recorder::new(&model, GRID, KernelVariant::Tiled).keep_taps();
        let output = self.run(&mut recorder);
        recorder.tap("output", &output);
        recorder.finish().len()
    }
}

fn cases() -> Vec<EndCase> {
    let mut cases = Vec::new();
    for (height, width, items) in [(4, 6, 2), (8, 12, 1)] {
        let grid = Grid { items, height, width, wrap: Wrap { x: true, y: false } };
        for (end, outputs) in [
            (End::Gated, 40),
            (End::Finer(2), 12),
            (End::Finer(4), 48),
            (End::Coarser(2), 17),
            (End::Coarser(4), 24),
            (End::FinerThenCoarser(4, 2), 48),
            (End::FinerThenCoarser(4, 4), 32),
        ] {
            // A width of 6 is no multiple of 4.
            if end == End::Coarser(4) && width % 4 != 0 {
                continue;
            }
            for (convolved, apart) in [(false, false), (true, false), (false, true), (true, true)] {
                let residual = end != End::Gated && !apart;
                cases.push(EndCase { grid, outputs, end, convolved, residual, apart, linear: None, conv: None });
            }
        }
    }
    cases
}

#[test]
fn products_with_ends_equal_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for case in cases() {
        let inputs = if case.convolved { 9 * INPUTS } else { INPUTS };
        bench.check(&format!("{case:?}"), sum_tolerance(inputs), case);
    }
}

#[test]
fn what_can_end_a_product_is_no_dispatch_of_its_own() {
    for case in cases() {
        let name = format!("{case:?}");
        let apart = if matches!(case.end, End::FinerThenCoarser(..)) { 3 } else { 2 };
        let expected = if case.apart { apart } else { 1 };
        assert_eq!(case.dispatches(), expected, "{name}");
    }
    // What has a residual is no gated part.
    let mut case = cases().into_iter().find(|case| case.end == End::Gated).expect("there is one");
    case.residual = true;
    assert_eq!(case.dispatches(), 2);
}
