//! The tape executor, and that of libtorch where it is built in, against burn's autodiff: every operation and whole steps, forwards and backwards.
#![cfg(feature = "train")]

use bevy_discon::model::layers::{Conv, Linear, Norm};
use bevy_discon::model::{
    Activation, AttentionLayout, Codes, Discon, Fusion, Grid, HeadConfig, HeadMixing, Init, ModelConfig, Ops, ParamId,
    ParamTable, Role, TokenizerConfig, Weights, Wrap,
};
use bevy_discon::train::learner::Learner;
use bevy_discon::train::ops::TrainOps;
use bevy_discon::train::params::ParamSet;
use bevy_discon::train::rng::Rng;
use bevy_discon::train::tape::{Matrix, Products, TapeOps};
#[cfg(feature = "train-torch")]
use bevy_discon::train::torch::TorchOps;

use burn::tensor::{Device, Tensor};

/// Both executors compute in f32 and differ by the order of sums and by exponentials that are right to 2 units in
/// the last place; 1e-4 of the largest number is some hundred roundings.
const EXACT: f32 = 1e-4;
/// bf16 keeps 8 bits, so each factor is off by up to 2^-9 and each product by 2^-8; in sums that cancel the error grows
/// beside the result, and up to three products follow each other here.
const TILED: f32 = 3e-2;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(&[seed]);
    (0..count).map(|_| rng.normal()).collect()
}

/// What the comparisons need besides learning.
trait Executor: Learner {
    /// A parameter as input of an operation.
    fn input(&mut self, id: ParamId) -> Self::Tensor;
}

impl Executor for TrainOps {
    fn input(&mut self, id: ParamId) -> Tensor<2> {
        self.parameter(id)
    }
}

impl Executor for TapeOps {
    fn input(&mut self, id: ParamId) -> Self::Tensor {
        self.parameter(id)
    }
}

#[cfg(feature = "train-torch")]
impl Executor for TorchOps {
    fn input(&mut self, id: ParamId) -> Self::Tensor {
        self.parameter(id)
    }
}

/// Values, loss and gradients, by name.
type Found = Vec<(String, Vec<f32>)>;

fn set_of(table: &ParamTable) -> ParamSet {
    let mut weights = Weights::fresh(table, 3);
    for (id, spec) in table.iter() {
        *weights.get_mut(id) = random(spec.len(), 100 + id.0 as u64).iter().map(|value| 0.5 * value).collect();
    }
    ParamSet::new(table, &weights, &[""])
}

fn measure<E: Executor>(table: &ParamTable, mut ops: E, forward: impl Fn(&mut E) -> E::Tensor) -> Found {
    let set = set_of(table);
    let mut found = Vec::new();
    // Twice, because the second step runs in the memory of the first.
    for _ in 0..2 {
        ops.reset();
        set.upload(&mut ops, |_| true);
        let y = forward(&mut ops);
        let [rows, width] = ops.shape(&y);
        found.clear();
        found.push(("result".to_string(), ops.read(&y)));
        let weights: Vec<f32> = random(width, 10).iter().map(|weight| weight.abs()).collect();
        let loss = ops.weighted_square_error(&y, &random(rows * width, 9), &weights);
        found.push(("loss".to_string(), vec![ops.value(&loss)]));
        let mut gradients = Vec::new();
        ops.gradients(&set, &loss, &mut gradients);
        found.extend(set.parameters.iter().map(|parameter| parameter.name.clone()).zip(gradients));
    }
    found
}

fn assert_close(case: &str, burn: &Found, tape: &Found, tolerance: f32) {
    for ((name, burn), (_, tape)) in burn.iter().zip(tape) {
        // burn lists zeros or nothing where a parameter is not used.
        assert!(
            burn.len() == tape.len() || (tape.is_empty() && burn.iter().all(|value| *value == 0.0)),
            "{case}: {name}"
        );
        let size = burn.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
        for (index, (burn, tape)) in burn.iter().zip(tape).enumerate() {
            let close = (burn - tape).abs() <= tolerance * size;
            assert!(close, "{case}: {name}[{index}]: burn {burn}, tape {tape}, largest {size}");
        }
    }
}

/// Products to test with their tolerances.
fn products() -> Vec<(&'static str, Products, f32)> {
    let mut list = vec![("exact", Products::exact(), EXACT)];
    list.extend(Products::tiled().map(|products| ("tiled", products, TILED)));
    list
}

macro_rules! compare {
    ($case:expr, $table:expr, |$ops:ident| $body:expr) => {{
        let count = $table.len();
        let burn = measure(&$table, TrainOps::new(Device::flex().autodiff(), count), |$ops: &mut TrainOps| $body);
        for (name, products, tolerance) in products() {
            let tape = measure(&$table, TapeOps::new(count, true, products), |$ops: &mut TapeOps| $body);
            assert_close(&format!("{} ({name})", $case), &burn, &tape, tolerance);
        }
        #[cfg(feature = "train-torch")]
        {
            let torch = measure(&$table, TorchOps::new(tch::Device::Cpu, count), |$ops: &mut TorchOps| $body);
            assert_close(&format!("{} (torch)", $case), &torch, &burn, EXACT);
        }
    }};
}

fn input(table: &mut ParamTable, name: &str, rows: usize, width: usize) -> ParamId {
    table.add(name, [rows, width], Init::Zeros, Role::Vector)
}

#[test]
fn products_agree_with_plain_loops() {
    for (name, mut products, tolerance) in products() {
        for shape in [[1, 1, 1], [3, 7, 5], [16, 32, 16], [33, 65, 31], [63, 64, 65], [64, 700, 48], [7, 1100, 130]] {
            for turn in 0..8 {
                let [rows, inner, columns] = shape;
                let (turn_a, turn_b, add) = (turn & 1 == 1, turn & 2 == 2, turn & 4 == 4);
                let (a, b) =
                    (random(rows * (inner + 3) + inner * (rows + 3), 1), random((inner + 3) * (columns + 3), 2));
                let (a_stride, b_stride) =
                    (if turn_a { rows } else { inner } + 3, if turn_b { inner } else { columns } + 3);
                let left = if turn_a { Matrix::transposed(&a, a_stride) } else { Matrix::new(&a, a_stride) };
                let right = if turn_b { Matrix::transposed(&b, b_stride) } else { Matrix::new(&b, b_stride) };
                let start = random(rows * (columns + 2), 3);
                let mut y = start.clone();
                products.product(left, right, shape, &mut y, columns + 2, add);
                let size = (inner as f32).sqrt();
                for row in 0..rows {
                    for column in 0..columns + 2 {
                        let at = row * (columns + 2) + column;
                        let term = |k: usize| {
                            let a = a[if turn_a { k * a_stride + row } else { row * a_stride + k }];
                            f64::from(a)
                                * f64::from(b[if turn_b { column * b_stride + k } else { k * b_stride + column }])
                        };
                        let expected = match column < columns {
                            true => (0..inner).map(term).sum::<f64>() as f32 + if add { start[at] } else { 0.0 },
                            false => start[at],
                        };
                        let close = (y[at] - expected).abs() <= tolerance * size;
                        assert!(close, "{name} {shape:?} turn {turn} at {row}, {column}: {} for {expected}", y[at]);
                    }
                }
            }
        }
    }
}

#[test]
fn maps_agree() {
    for (rows, inputs, outputs) in [(1, 8, 24), (3, 7, 5), (7, 33, 65), (63, 64, 48), (65, 40, 8)] {
        let mut table = ParamTable::default();
        let x = input(&mut table, "x", rows, inputs);
        let residual = input(&mut table, "residual", rows, outputs);
        let linear = Linear::declare(&mut table, "linear", inputs, outputs);
        let bare = Linear { bias: None, ..linear.clone() };
        for activation in [Activation::None, Activation::Silu] {
            compare!(format!("linear {rows} {activation:?}"), table, |ops| {
                let (x, residual) = (ops.input(x), ops.input(residual));
                ops.linear(&x, &linear, activation, Some(&residual))
            });
            compare!(format!("linear without bias {rows} {activation:?}"), table, |ops| {
                let x = ops.input(x);
                ops.linear(&x, &bare, activation, None)
            });
        }
    }
    // Patches of few channels are stored, others are not.
    for (wrap, channels) in [(Wrap::NONE, 8), (Wrap::BOTH, 16), (Wrap { x: true, y: false }, 48)] {
        let grid = Grid { items: 2, height: 5, width: 3, wrap };
        let mut table = ParamTable::default();
        let x = input(&mut table, "x", grid.rows(), channels);
        let conv = Conv::declare(&mut table, "conv", channels, channels);
        compare!(format!("conv3x3 {wrap:?} {channels}"), table, |ops| {
            let x = ops.input(x);
            ops.conv3x3(&x, &conv, grid, Activation::Silu, Some(&x))
        });
    }
}

#[test]
fn norms_agree() {
    for (rows, width) in [(1, 8), (3, 7), (7, 63), (63, 65), (65, 32)] {
        let mut table = ParamTable::default();
        let x = input(&mut table, "x", rows, width);
        let y = input(&mut table, "y", rows, width);
        let modulation = input(&mut table, "modulation", rows, 3 * width + 2);
        let norm = Norm::declare(&mut table, "norm", width);
        compare!(format!("rms_norm {rows}"), table, |ops| {
            let x = ops.input(x);
            ops.rms_norm(&x, &norm)
        });
        compare!(format!("modulated_norm {rows}"), table, |ops| {
            let (x, modulation) = (ops.input(x), ops.input(modulation));
            ops.modulated_norm(&x, &modulation, 1, width + 2)
        });
        compare!(format!("gated_add {rows}"), table, |ops| {
            let (x, y, modulation) = (ops.input(x), ops.input(y), ops.input(modulation));
            ops.gated_add(&x, &modulation, 2 * width, &y)
        });
    }
}

#[test]
fn attention_agrees() {
    let sides = [(1, 1), (3, 1), (7, 1), (7, 9), (8, 8), (13, 5)];
    for ((height, width), segments) in sides.into_iter().flat_map(|side| [(side, 1), (side, 2)]) {
        for (wrap, window) in [(Wrap::NONE, 3), (Wrap::BOTH, 3), (Wrap::NONE, 15), (Wrap { x: false, y: true }, 2)] {
            let grid = Grid { items: 2, height, width, wrap };
            let layout = AttentionLayout { grid, segments, heads: 3, window };
            let mut table = ParamTable::default();
            let x = input(&mut table, "x", grid.rows() * segments, 72);
            let bias = input(&mut table, "bias", 3 * segments * segments, layout.bias_width());
            compare!(format!("attention {layout:?}"), table, |ops| {
                let x = ops.input(x);
                ops.attention(&x, bias, &layout)
            });
        }
    }
}

#[test]
fn row_moves_agree() {
    let grid = Grid { items: 2, height: 4, width: 4, wrap: Wrap::NONE };
    let mut table = ParamTable::default();
    let x = input(&mut table, "x", 32, 8);
    let y = input(&mut table, "y", 2, 8);
    let style = input(&mut table, "style", 2, 12);
    for rows in [32, 64] {
        compare!(format!("broadcast_sum {rows}"), table, |ops| {
            let (x, y) = (ops.input(x), ops.input(y));
            ops.broadcast_sum(&x, &y, rows)
        });
    }
    compare!("broadcast_sum of equals", table, |ops| {
        let x = ops.input(x);
        let sum = ops.broadcast_sum(&x, &x, 32);
        ops.broadcast_sum(&sum, &x, 32)
    });
    compare!("embed and gather", table, |ops| {
        let (tokens, rows) = (ops.indices(&[1, 0, 1, 1]), ops.indices(&[1, 0, 1]));
        let x = ops.embed(y, &tokens, Codes::single(2));
        ops.gather(&x, &rows, 2)
    });
    compare!("embed of two codes", table, |ops| {
        // Three first codes, the mask token's row, and 28 second codes.
        let tokens = ops.indices(&[0, 83, 84, 29, 29, 57]);
        ops.embed(x, &tokens, Codes { first: 3, second: 28 })
    });
    compare!("segments", table, |ops| {
        let x = ops.input(x);
        let joined = ops.join_segments(&x, &x, 2);
        let last = ops.last_segment(&joined, 2);
        ops.join_segments(&last, &x, 1)
    });
    compare!("space", table, |ops| {
        let x = ops.input(x);
        let fine = ops.depth_to_space(&x, grid, 2);
        ops.space_to_depth(&fine, grid.finer(2), 4)
    });
    compare!("denormalise", table, |ops| {
        let (x, style) = (ops.input(x), ops.input(style));
        ops.denormalise(&x, &style)
    });
}

fn step<E: Executor>(mut ops: E, model: &Discon, table: &ParamTable, grid: Grid) -> Found {
    let config = &model.config;
    let mut weights = Weights::fresh(table, 1);
    for (id, spec) in table.iter() {
        let noise = random(spec.len(), 7 + id.0 as u64);
        weights.get_mut(id).iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.05 * noise);
    }
    let set = ParamSet::new(table, &weights, &["prior.", "mar.", "head."]);
    set.upload(&mut ops, |_| true);
    let rows = grid.rows();
    let tokens: Vec<u32> = (0..rows as u32).map(|row| row * 7 % (config.mask_token() + 1)).collect();
    let hidden: Vec<u32> = (0..rows as u32).filter(|row| row % 3 != 1).collect();
    let targets: Vec<u32> = hidden.iter().map(|row| row * 11 % config.mask_token()).collect();
    let indices = ops.indices(&tokens);
    let condition = ops.constant(&random(2 * config.condition_width(), 2), [2, config.condition_width()]);
    let context = ops.constant(&random(rows * config.context_width(), 3), [rows, config.context_width()]);
    let width = config.tokenizer.latent_width;
    // A joint head flows all rows, the other kind those that are hidden.
    let flowing: Vec<u32> = if model.head.is_joint() { (0..rows as u32).collect() } else { hidden.clone() };
    let x = ops.constant(&random(flowing.len() * width, 4), [flowing.len(), width]);
    let times = ops.constant(&random(flowing.len() * 32, 5), [flowing.len(), 32]);
    let logits = model.prior.forward(&mut ops, &indices, &condition, grid, None);
    let (entropy, right) = ops.cross_entropy(&logits, &hidden, &targets, config.codes());
    let mut found = vec![("entropy and right".to_string(), vec![ops.value(&entropy), right])];
    let mut gradients = Vec::new();
    ops.gradients(&set, &entropy, &mut gradients);
    let named = |gradients: &[Vec<f32>]| -> Found {
        set.parameters.iter().map(|parameter| parameter.name.clone()).zip(gradients.to_vec()).collect()
    };
    found.extend(named(&gradients));
    let states = model.mar.forward(&mut ops, &indices, &context, &condition, grid, None);
    let unknown = ops.indices(&flowing);
    let states = ops.gather(&states, &unknown, 1);
    let states = model.head.condition(&mut ops, &states);
    let velocity = model.head.velocity(&mut ops, &x, &times, &states, grid);
    let loss =
        ops.weighted_square_error(&velocity, &random(flowing.len() * width, 6), &vec![1.0 / width as f32; width]);
    found.push(("error".to_string(), vec![ops.value(&loss)]));
    ops.gradients(&set, &loss, &mut gradients);
    found.extend(named(&gradients));
    found
}

#[test]
fn whole_steps_agree() {
    let tiny = ModelConfig::tiny(&["a", "b"]);
    let alone = HeadConfig { mixing: HeadMixing::Alone, local: None, ..tiny.head.clone() };
    let two_codes = TokenizerConfig { codebook_size: 16, second_codes: 16, ..tiny.tokenizer.clone() };
    for config in [
        tiny.clone(),
        ModelConfig { fusion: Fusion::Prefix, ..tiny.clone() },
        ModelConfig { tokenizer: two_codes, ..tiny.clone() },
        ModelConfig { head: alone, ..tiny },
    ] {
        let (model, table) = Discon::declare(&config).expect("the preset is valid");
        for wrap in [Wrap::NONE, Wrap::BOTH] {
            let grid = Grid { items: 2, height: 8, width: 8, wrap };
            let burn = step(TrainOps::new(Device::flex().autodiff(), table.len()), &model, &table, grid);
            for (name, products, tolerance) in products() {
                // A whole network of roundings follow each other.
                let tape = step(TapeOps::new(table.len(), true, products), &model, &table, grid);
                assert_close(&format!("step {wrap:?} ({name})"), &burn, &tape, 3.0 * tolerance);
            }
            #[cfg(feature = "train-torch")]
            {
                let torch = step(TorchOps::new(tch::Device::Cpu, table.len()), &model, &table, grid);
                assert_close(&format!("step {wrap:?} (torch)"), &torch, &burn, 3.0 * EXACT);
            }
        }
    }
}
