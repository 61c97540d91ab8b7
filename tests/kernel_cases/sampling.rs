//! Steps of a generation: random numbers, the flow, and the state.

use super::{Bench, Case, case, common, input};
use bevy_discon::sampling::{FlowStep, SampleOps, Stage};

/// Velocities with and without tokens, in one or both steps.
struct GuidedStep {
    rows: usize,
    previous_rows: usize,
}

impl Case for GuidedStep {
    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let x = input(ops, 3, [17, 16]);
        let [velocity, previous] =
            [(4, self.rows), (5, self.previous_rows)].map(|(seed, rows)| input(ops, seed, [rows, 16]));
        ops.flow_step(&x, &velocity, &previous, FlowStep { time: 0.5, weight: 0.19, previous_weight: -0.07 }, 1.75)
    }
}

#[test]
fn sampling_equals_the_reference() {
    let Some(bench) = Bench::get() else { return };
    // The bits of the random numbers are equal; the last product rounds once.
    case!(bench, "noise and flow_step", 4e-7, |ops| {
        let positions = ops.positions(Stage::Latents, 3..20);
        let x = ops.noise(Some(&positions), 0);
        let velocity = input(ops, 4, [17, 16]);
        let previous = input(ops, 5, [17, 16]);
        ops.flow_step(&x, &velocity, &previous, FlowStep { time: 0.5, weight: 0.19, previous_weight: -0.07 }, 2.0)
    });
    for (rows, previous_rows) in [(34, 34), (17, 34), (34, 17)] {
        bench.check("guided flow_step", 1e-6, GuidedStep { rows, previous_rows });
    }
    case!(bench, "noise of all positions in row-major order", 4e-7, |ops| ops.noise(None, 0));
    case!(bench, "reopen after commit_latents", 0.0, |ops| {
        let all = ops.positions(Stage::Latents, 0..35);
        let latents = input(ops, 6, [35, 16]);
        ops.commit_latents(&all, None, &latents, 1.0);
        let some = ops.positions(Stage::Latents, 5..11);
        let given = ops.positions(Stage::Lists, 0..6);
        ops.reopen(&some, &given);
        ops.context()
    });
    case!(bench, "commit_latents", 0.0, |ops| {
        for (range, seed) in [(0..4, 1), (4..35, 2)] {
            let positions = ops.positions(Stage::Latents, range.clone());
            let values: Vec<f32> = common::numbers(seed, range.len() * 16).iter().map(|value| 9.0 * value).collect();
            let latents = ops.constant(&values, [range.len(), 16]);
            ops.commit_latents(&positions, None, &latents, 1.25);
        }
        ops.context()
    });
    case!(bench, "commit_latents of some rows", 0.0, |ops| {
        let positions = ops.positions(Stage::Latents, 4..20);
        let rows = ops.positions(Stage::Tokens, 2..18);
        let latents = input(ops, 3, [35, 16]);
        ops.commit_latents(&positions, Some(&rows), &latents, 0.5);
        ops.context()
    });
    // WGSL allows an exponential 3 + 2|x| units in the last place.
    case!(bench, "denormalise drops the mark", 2e-6, |ops| {
        let (x, style) = (input(ops, 1, [35, 24]), ops.style(1));
        ops.denormalise(&x, &style)
    });
    case!(bench, "denormalise per item", 2e-6, |ops| {
        let (x, style) = (input(ops, 1, [12, 16]), input(ops, 2, [3, 32]));
        ops.denormalise(&x, &style)
    });
}
