//! Borders of tokens in pictures, smoothed by kernels and by their CPU twins.

use super::{Bench, Case, WRAPS, input};
use bevy_discon::model::Grid;
use bevy_discon::sampling::SampleOps;

struct BorderCase {
    grid: Grid,
}

impl Case for BorderCase {
    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let pixels = input(ops, 6, [self.grid.rows(), 3]);
        let steps = ops.border_steps(&pixels, self.grid);
        ops.smooth_borders(&pixels, &steps, self.grid)
    }
}

#[test]
fn borders_of_tokens_are_smoothed_as_by_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for wrap in WRAPS {
        for [items, height, width] in [[1, 16, 16], [2, 16, 48], [1, 48, 32]] {
            let grid = Grid { items, height, width, wrap };
            bench.check(&format!("border_steps and smooth_borders {grid:?}"), 2e-6, BorderCase { grid });
        }
    }
}
