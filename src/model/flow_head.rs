//! The flow head: a small network that turns noise into one latent, given that position's condition.
//!
//! Rectified flow (arXiv 2209.03003): `x_t = (1 - t) noise + t latent`; the head predicts the velocity
//! `latent - noise`, and sampling follows it from `t = 0` to `1` in a few Euler steps. The modulation is
//! `A(t) + B(condition)` with both parts linear: `B` is computed once per position, `A` once per step,
//! so a further step costs only the residual layers.

use super::config::{ModelConfig, TIME_FEATURES};
use super::layers::Linear;
use super::ops::{Activation, Ops};
use super::params::{Init, ParamTable};

/// The flow head.
#[derive(Clone, Debug)]
pub struct FlowHead {
    condition: Linear,
    time: Linear,
    input: Linear,
    blocks: Vec<(Linear, Linear)>,
    output: Linear,
    width: usize,
}

impl FlowHead {
    /// Declares the head.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let width = config.head.width;
        let latent = config.tokenizer.latent_width;
        // Shift, scale and gate for each block; shift and scale at the end.
        let modulation = (3 * config.head.depth + 2) * width;
        table.scope("head", |table| Self {
            condition: Linear::declare_with(table, "condition", config.mar.width, modulation, Init::Normal(0.02)),
            time: Linear::declare_with(table, "time", TIME_FEATURES, modulation, Init::Normal(0.02)),
            input: Linear::declare(table, "input", latent, width),
            blocks: (0..config.head.depth)
                .map(|index| {
                    table.scope(format!("blocks.{index}"), |table| {
                        (Linear::declare(table, "0", width, width), Linear::declare(table, "1", width, width))
                    })
                })
                .collect(),
            output: Linear::declare_with(table, "output", width, latent, Init::Zeros),
            width,
        })
    }

    /// The part of the modulation that depends on the position: `(N, C) -> (N, modulation)`.
    pub fn condition<O: Ops>(&self, ops: &mut O, condition: &O::Tensor) -> O::Tensor {
        ops.linear(condition, &self.condition, Activation::None, None)
    }

    /// Velocity at `x`: `(N, D) -> (N, D)`. `time` is [`time_features`], one row or one per row of `x`.
    pub fn velocity<O: Ops>(&self, ops: &mut O, x: &O::Tensor, time: &O::Tensor, condition: &O::Tensor) -> O::Tensor {
        let time = ops.linear(time, &self.time, Activation::None, None);
        let rows = ops.shape(condition)[0];
        let modulation = ops.broadcast_sum(condition, &time, rows);
        let mut h = ops.linear(x, &self.input, Activation::None, None);
        for (index, (first, second)) in self.blocks.iter().enumerate() {
            let at = 3 * index * self.width;
            let y = ops.modulated_norm(&h, &modulation, at, at + self.width);
            let y = ops.linear(&y, first, Activation::Silu, None);
            let y = ops.linear(&y, second, Activation::None, None);
            h = ops.gated_add(&h, &modulation, at + 2 * self.width, &y);
        }
        let at = 3 * self.blocks.len() * self.width;
        let h = ops.modulated_norm(&h, &modulation, at, at + self.width);
        let velocity = ops.linear(&h, &self.output, Activation::None, None);
        ops.tap("head.velocity", &velocity);
        velocity
    }
}

/// Description of the flow time `t` in 0..=1: sines and cosines at octaves from half a turn up.
pub fn time_features(t: f32) -> [f32; TIME_FEATURES] {
    let mut features = [0.0; TIME_FEATURES];
    let half = TIME_FEATURES / 2;
    for index in 0..half {
        // 16 frequencies from pi to 64 pi: fine enough for a hundred steps.
        let frequency = std::f32::consts::PI * 64f32.powf(index as f32 / (half - 1) as f32);
        features[index] = (frequency * t).sin();
        features[half + index] = (frequency * t).cos();
    }
    features
}
