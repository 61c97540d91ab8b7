//! The flow head: a small network that turns noise into latents, given the condition of each position.
//!
//! Rectified flow (arXiv 2209.03003): `x_t = (1 - t) noise + t latent`; the head predicts the velocity
//! `latent - noise`, and sampling follows it from `t = 0` to `1` in a few steps. The modulation is
//! `A(t) + B(condition)` with both parts linear: `B` is computed once per round, `A` once per step,
//! so a further step costs only the residual layers.
//!
//! What depends on the point alone is the [`Stem`] of a velocity. Guidance asks for the velocities of two conditions at
//! one point: it takes the stem once and runs the rest on twice as many rows.
//!
//! Two kinds, see [`HeadMixing`]. Alone, each position is sampled by itself, as in MAR (arXiv 2406.11838). Together, the
//! positions of a round see each other on the way, so that latents sampled in one round fit at their borders.

use super::config::{HeadMixing, ModelConfig, TIME_FEATURES};
use super::layers::{Conv, Linear};
use super::local::Local;
use super::ops::{Activation, AttentionLayout, Grid, Ops};
use super::params::{Init, ParamId, ParamTable, Role};

/// The flow head.
#[derive(Clone, Debug)]
pub struct FlowHead {
    condition: Linear,
    time: Linear,
    body: Body,
    output: Linear,
    /// The part that sees a picture, if the head has one.
    pub local: Option<Local>,
    width: usize,
}

#[derive(Clone, Debug)]
enum Body {
    Alone { input: Linear, blocks: Vec<Branch> },
    Together { input: Conv, blocks: Vec<(Attention, Branch)>, heads: usize, window: usize },
}

/// Two linear maps with SiLU between them.
#[derive(Clone, Debug)]
struct Branch {
    first: Linear,
    second: Linear,
}

#[derive(Clone, Debug)]
struct Attention {
    query_key_value: Linear,
    bias: ParamId,
    projection: Linear,
}

/// What a velocity needs of the point `x` itself, whatever the condition.
#[derive(Clone, Debug)]
pub struct Stem<T> {
    h: T,
    picture: Option<T>,
}

impl<T> Stem<T> {
    /// The stem for two conditions: all rows, then all rows again.
    pub fn twice<O: Ops<Tensor = T>>(&self, ops: &mut O) -> Self {
        let mut twice = |x: &T| ops.join_segments(x, x, 1);
        Self { h: twice(&self.h), picture: self.picture.as_ref().map(twice) }
    }
}

/// Columns of the modulation that one residual branch uses: shift, scale, gate.
const PARTS: usize = 3;

impl FlowHead {
    /// Declares the head.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let width = config.head.width;
        let latent = config.tokenizer.latent_width;
        // Blocks of a joint head share one modulation (as PixArt-alpha's, arXiv 2310.00426): with one each, it would
        // be larger than everything else in the head.
        let branches = match config.head.mixing {
            HeadMixing::Alone => config.head.depth,
            HeadMixing::Together { .. } => 2,
        };
        // At the end shift and scale only.
        let modulation = (PARTS * branches + 2) * width;
        table.scope("head", |table| Self {
            condition: Linear::declare_with(table, "condition", config.mar.width, modulation, Init::Normal(0.02)),
            time: Linear::declare_with(table, "time", TIME_FEATURES, modulation, Init::Normal(0.02)),
            body: Body::declare(table, config, latent, width),
            output: Linear::declare_with(table, "output", width, latent, Init::Zeros),
            local: config.head.local.as_ref().map(|local| Local::declare(table, local, latent, width)),
            width,
        })
    }

    /// True if positions see each other: then a velocity is that of a whole grid.
    pub fn is_joint(&self) -> bool {
        matches!(self.body, Body::Together { .. })
    }

    /// The part of the modulation that depends on the position: `(N, C) -> (N, modulation)`.
    pub fn condition<O: Ops>(&self, ops: &mut O, condition: &O::Tensor) -> O::Tensor {
        ops.linear(condition, &self.condition, Activation::None, None)
    }

    /// Velocity at `x`: `(N, D) -> (N, D)`. `time` is [`time_features`], one row or one per row of `x`.
    ///
    /// A joint head wants all rows of `grid` in order; the other kind takes any rows and does not look at `grid`.
    pub fn velocity<O: Ops>(
        &self,
        ops: &mut O,
        x: &O::Tensor,
        time: &O::Tensor,
        condition: &O::Tensor,
        grid: Grid,
    ) -> O::Tensor {
        let stem = self.stem(ops, x, grid);
        self.velocity_from(ops, &stem, time, condition, grid)
    }

    /// The part of a velocity that depends on `x` alone.
    pub fn stem<O: Ops>(&self, ops: &mut O, x: &O::Tensor, grid: Grid) -> Stem<O::Tensor> {
        let h = match &self.body {
            Body::Alone { input, .. } => ops.linear(x, input, Activation::None, None),
            Body::Together { input, .. } => ops.conv3x3(x, input, grid, Activation::None, None),
        };
        Stem { h, picture: self.local.as_ref().map(|local| local.picture(ops, x)) }
    }

    /// The rest of a velocity: one row for each row of `condition`, which has as many as the stem.
    pub fn velocity_from<O: Ops>(
        &self,
        ops: &mut O,
        stem: &Stem<O::Tensor>,
        time: &O::Tensor,
        condition: &O::Tensor,
        grid: Grid,
    ) -> O::Tensor {
        let time = ops.linear(time, &self.time, Activation::None, None);
        let rows = ops.shape(condition)[0];
        let modulation = ops.broadcast_sum(condition, &time, rows);
        let Stem { mut h, mut picture } = stem.clone();
        let mut at = 0;
        match &self.body {
            Body::Alone { blocks, .. } => {
                for block in blocks {
                    h = self.residual(ops, &h, &modulation, &mut at, |ops, y| block.forward(ops, y));
                }
            }
            Body::Together { blocks, heads, window, .. } => {
                let layout = AttentionLayout { grid, segments: 1, heads: *heads, window: *window };
                for (index, (attention, block)) in blocks.iter().enumerate() {
                    if index == blocks.len() / 2 {
                        (picture, h) = self.exchange_in_the_middle(ops, picture, h, grid);
                    }
                    at = 0;
                    h = self.residual(ops, &h, &modulation, &mut at, |ops, y| attention.forward(ops, y, &layout));
                    h = self.residual(ops, &h, &modulation, &mut at, |ops, y| block.forward(ops, y));
                }
            }
        }
        let h = ops.modulated_norm(&h, &modulation, at, at + self.width);
        let mut velocity = ops.linear(&h, &self.output, Activation::None, None);
        if let (Some(local), Some(picture)) = (&self.local, picture) {
            (_, velocity) = local.end.forward(ops, &picture, &h, &velocity, grid);
        }
        ops.tap("head.velocity", &velocity);
        velocity
    }

    /// Picture and state after the exchange in the middle of the transformer, if there is one.
    fn exchange_in_the_middle<O: Ops>(
        &self,
        ops: &mut O,
        picture: Option<O::Tensor>,
        h: O::Tensor,
        grid: Grid,
    ) -> (Option<O::Tensor>, O::Tensor) {
        let exchange = self.local.as_ref().and_then(|local| local.middle.as_ref());
        match (exchange, picture) {
            (Some(exchange), Some(picture)) => {
                let (picture, h) = exchange.forward(ops, &picture, &h, &h, grid);
                (Some(picture), h)
            }
            (_, picture) => (picture, h),
        }
    }

    /// `h + gate * branch(norm(h) * (1 + scale) + shift)`; moves `at` past the columns that it uses.
    fn residual<O: Ops>(
        &self,
        ops: &mut O,
        h: &O::Tensor,
        modulation: &O::Tensor,
        at: &mut usize,
        branch: impl FnOnce(&mut O, &O::Tensor) -> O::Tensor,
    ) -> O::Tensor {
        let y = ops.modulated_norm(h, modulation, *at, *at + self.width);
        let y = branch(ops, &y);
        let sum = ops.gated_add(h, modulation, *at + 2 * self.width, &y);
        *at += PARTS * self.width;
        sum
    }
}

impl Body {
    fn declare(table: &mut ParamTable, config: &ModelConfig, latent: usize, width: usize) -> Self {
        let depth = config.head.depth;
        match config.head.mixing {
            HeadMixing::Alone => Self::Alone {
                input: Linear::declare(table, "input", latent, width),
                blocks: (0..depth)
                    .map(|index| {
                        table.scope(format!("blocks.{index}"), |table| Branch {
                            first: Linear::declare(table, "0", width, width),
                            second: Linear::declare(table, "1", width, width),
                        })
                    })
                    .collect(),
            },
            HeadMixing::Together { heads, window } => Self::Together {
                input: Conv::declare(table, "input", latent, width),
                blocks: (0..depth)
                    .map(|index| {
                        table.scope(format!("blocks.{index}"), |table| {
                            let offsets = (2 * window + 1) * (2 * window + 1);
                            let attention = Attention {
                                query_key_value: Linear::declare(table, "attention.query_key_value", width, 3 * width),
                                bias: table.add("attention.bias", [heads, offsets], Init::Zeros, Role::Vector),
                                projection: Linear::declare(table, "attention.projection", width, width),
                            };
                            let branch = Branch {
                                first: Linear::declare(table, "mlp.expand", width, 4 * width),
                                second: Linear::declare(table, "mlp.contract", 4 * width, width),
                            };
                            (attention, branch)
                        })
                    })
                    .collect(),
                heads,
                window,
            },
        }
    }
}

impl Branch {
    fn forward<O: Ops>(&self, ops: &mut O, x: &O::Tensor) -> O::Tensor {
        let h = ops.linear(x, &self.first, Activation::Silu, None);
        ops.linear(&h, &self.second, Activation::None, None)
    }
}

impl Attention {
    fn forward<O: Ops>(&self, ops: &mut O, x: &O::Tensor, layout: &AttentionLayout) -> O::Tensor {
        let h = ops.linear(x, &self.query_key_value, Activation::None, None);
        let h = ops.attention(&h, self.bias, layout);
        ops.linear(&h, &self.projection, Activation::None, None)
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
