//! Gradients of every operation against differences.

use bevy_discon::model::layers::{Conv, Linear, Norm};
use bevy_discon::model::{
    Activation, AttentionLayout, Codes, Grid, Init, Ops, ParamId, ParamTable, Role, Weights, Wrap,
};
use bevy_discon::train::ops::TrainOps;
use bevy_discon::train::params::ParamSet;
use bevy_discon::train::rng::Rng;
use bevy_discon::train::workers::{gradients, values};
use burn::tensor::{Device, Tensor};

pub fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(&[seed]);
    (0..count).map(|_| rng.normal()).collect()
}

/// Compares the gradient of a random projection of `forward` with differences, for some entries of every parameter.
fn check_gradients(name: &str, table: &ParamTable, forward: impl Fn(&mut TrainOps) -> Tensor<2>) {
    let mut weights = Weights::fresh(table, 3);
    for (id, spec) in table.iter() {
        *weights.get_mut(id) = random(spec.len(), 100 + id.0 as u64).iter().map(|value| 0.5 * value).collect();
    }
    let mut set = ParamSet::new(table, &weights, &[""]);
    let scalar = |set: &ParamSet, device: Device, differentiate: bool| {
        let mut ops = TrainOps::new(device, table.len());
        set.upload(&mut ops, |_| differentiate);
        let y = forward(&mut ops);
        let [rows, width] = y.dims();
        let projection = ops.constant(&random(rows * width, 9), [rows, width]);
        ((y * projection).sum(), ops)
    };
    let (loss, ops) = scalar(&set, Device::flex().autodiff(), true);
    let found = gradients(&ops, &set, &loss);
    for (parameter, found) in found.iter().enumerate() {
        let count = set.parameters[parameter].value.len();
        for entry in (0..count).step_by((count / 7).max(1)) {
            const STEP: f32 = 1e-2;
            let at = |set: &mut ParamSet, offset: f32| {
                let old = set.parameters[parameter].value[entry];
                set.parameters[parameter].value[entry] = old + offset;
                let value = f64::from(values(scalar(set, Device::flex(), false).0)[0]);
                set.parameters[parameter].value[entry] = old;
                value
            };
            let expected = ((at(&mut set, STEP) - at(&mut set, -STEP)) / f64::from(2.0 * STEP)) as f32;
            // No gradient at all where the operation does not use the parameter.
            let got = found.get(entry).copied().unwrap_or(0.0);
            assert!(
                (expected - got).abs() <= 0.02 * expected.abs().max(got.abs()) + 0.02,
                "{name}: `{}`[{entry}]: difference {expected}, gradient {got}",
                set.parameters[parameter].name
            );
        }
    }
}

fn input(table: &mut ParamTable, rows: usize, width: usize) -> ParamId {
    table.add("x", [rows, width], Init::Zeros, Role::Vector)
}

#[test]
fn gradients_of_maps() {
    let mut table = ParamTable::default();
    let x = input(&mut table, 5, 8);
    let linear = Linear::declare(&mut table, "linear", 8, 8);
    check_gradients("linear", &table, |ops| {
        let x = ops.parameter(x);
        ops.linear(&x, &linear, Activation::Silu, Some(&x))
    });
    for wrap in [Wrap::NONE, Wrap::BOTH, Wrap { x: true, y: false }] {
        let grid = Grid { items: 2, height: 4, width: 3, wrap };
        let mut table = ParamTable::default();
        let x = input(&mut table, grid.rows(), 8);
        let conv = Conv::declare(&mut table, "conv", 8, 8);
        check_gradients("conv3x3", &table, |ops| {
            let x = ops.parameter(x);
            ops.conv3x3(&x, &conv, grid, Activation::Silu, Some(&x))
        });
    }
}

#[test]
fn gradients_of_norms() {
    let mut table = ParamTable::default();
    let x = input(&mut table, 4, 8);
    let norm = Norm::declare(&mut table, "norm", 8);
    check_gradients("rms_norm", &table, |ops| ops.rms_norm(&ops.parameter(x), &norm));
    let mut table = ParamTable::default();
    let x = input(&mut table, 4, 8);
    let modulation = table.add("modulation", [4, 24], Init::Zeros, Role::Vector);
    check_gradients("modulated_norm", &table, |ops| {
        ops.modulated_norm(&ops.parameter(x), &ops.parameter(modulation), 0, 8)
    });
    check_gradients("gated_add", &table, |ops| {
        let y = ops.parameter(x).square();
        ops.gated_add(&ops.parameter(x), &ops.parameter(modulation), 16, &y)
    });
}

#[test]
fn gradients_of_attention() {
    for (wrap, segments, window) in [(Wrap::NONE, 1, 3), (Wrap::BOTH, 1, 3), (Wrap::BOTH, 2, 3), (Wrap::NONE, 1, 1)] {
        let grid = Grid { items: 2, height: 4, width: 4, wrap };
        let layout = AttentionLayout { grid, segments, heads: 2, window };
        let mut table = ParamTable::default();
        let x = input(&mut table, grid.rows() * segments, 48);
        let rows = layout.heads * segments * segments;
        let bias = table.add("bias", [rows, layout.bias_width()], Init::Zeros, Role::Vector);
        check_gradients("attention", &table, |ops| ops.attention(&ops.parameter(x), bias, &layout));
    }
}

#[test]
fn gradients_of_row_moves() {
    let grid = Grid { items: 2, height: 4, width: 4, wrap: Wrap::NONE };
    let mut table = ParamTable::default();
    let x = input(&mut table, grid.rows(), 8);
    let y = table.add("y", [2, 8], Init::Zeros, Role::Vector);
    let style = table.add("style", [2, 12], Init::Zeros, Role::Vector);
    check_gradients("broadcast_sum", &table, |ops| ops.broadcast_sum(&ops.parameter(x), &ops.parameter(y), 32));
    check_gradients("broadcast_sum of shared rows", &table, |ops| {
        ops.broadcast_sum(&ops.parameter(x), &ops.parameter(y), 64)
    });
    check_gradients("embed", &table, |ops| {
        let rows = ops.indices(&[1, 0, 1, 1]);
        ops.embed(y, &rows, Codes::single(2))
    });
    check_gradients("embed of two codes", &table, |ops| {
        let rows = ops.indices(&[0, 83, 84, 29, 29, 57]);
        ops.embed(x, &rows, Codes { first: 3, second: 28 })
    });
    check_gradients("gather", &table, |ops| {
        let rows = ops.indices(&[3, 15, 3]);
        ops.gather(&ops.parameter(x), &rows, 2)
    });
    check_gradients("segments", &table, |ops| {
        let joined = ops.join_segments(&ops.parameter(x), &ops.parameter(x).square(), 2);
        ops.last_segment(&joined, 2) + joined.narrow(0, 0, 32)
    });
    check_gradients("space", &table, |ops| {
        let fine = ops.depth_to_space(&ops.parameter(x), grid, 2);
        ops.space_to_depth(&fine.square(), grid.finer(2), 4)
    });
    check_gradients("denormalise", &table, |ops| ops.denormalise(&ops.parameter(x), &ops.parameter(style)));
}
