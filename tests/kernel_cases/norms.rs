//! Norms and gates, by kernels and by their CPU twins.

use super::{Bench, Case, ROWS, input, sum_tolerance};
use bevy_discon::model::ParamTable;
use bevy_discon::model::layers::Norm;
use bevy_discon::sampling::SampleOps;

struct NormCase {
    rows: usize,
    width: usize,
    norm: Option<Norm>,
}

impl Case for NormCase {
    fn declare(&mut self, table: &mut ParamTable) {
        self.norm = Some(Norm::declare(table, "norm", self.width));
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let x = input(ops, 11, [self.rows, self.width]);
        let norm = self.norm.as_ref().expect("declared before it runs");
        let x = ops.rms_norm(&x, norm);
        let modulation = input(ops, 12, [self.rows, 3 * self.width + 8]);
        let y = ops.modulated_norm(&x, &modulation, 8, self.width);
        ops.gated_add(&x, &modulation, 2 * self.width, &y)
    }
}

#[test]
fn norms_and_gates_equal_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for rows in ROWS {
        for width in [8, 24, 64, 72, 200] {
            let name = format!("norms {rows}x{width}");
            bench.check(&name, sum_tolerance(width), NormCase { rows, width, norm: None });
        }
    }
    // More rows than one axis of workgroups holds.
    bench.check("norms of many rows", sum_tolerance(8), NormCase { rows: 40_000, width: 8, norm: None });
}
