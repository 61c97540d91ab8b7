//! Layers: a few parameters and the formula over [`Ops`] that uses them.

use super::ops::{Activation, AttentionLayout, Grid, Ops};
use super::params::{Init, ParamId, ParamTable, Role};

/// `x W + b`. `weight` has shape `(inputs, outputs)`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Matrix.
    pub weight: ParamId,
    /// Row of `outputs` values, if any.
    pub bias: Option<ParamId>,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
}

impl Linear {
    /// A linear map with a bias; weights of standard deviation `1 / sqrt(inputs)`.
    pub fn declare(table: &mut ParamTable, name: &str, inputs: usize, outputs: usize) -> Self {
        Self::declare_with(table, name, inputs, outputs, Init::Normal(1.0 / (inputs as f32).sqrt()))
    }

    /// A linear map with a bias and the given start of the weights.
    pub fn declare_with(table: &mut ParamTable, name: &str, inputs: usize, outputs: usize, init: Init) -> Self {
        table.scope(name, |table| Self {
            weight: table.add("weight", [inputs, outputs], init, Role::Matrix),
            bias: Some(table.add("bias", [1, outputs], Init::Zeros, Role::Vector)),
            inputs,
            outputs,
        })
    }
}

/// 3x3 convolution; see [`Ops::conv3x3`] for the layout of the weights.
#[derive(Clone, Debug)]
pub struct Conv {
    /// The `(9 * inputs, outputs)` matrix and the bias.
    pub linear: Linear,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
}

impl Conv {
    /// A convolution with weights of standard deviation `1 / sqrt(9 * inputs)`.
    pub fn declare(table: &mut ParamTable, name: &str, inputs: usize, outputs: usize) -> Self {
        Self::declare_with(table, name, inputs, outputs, Init::Normal(1.0 / (9.0 * inputs as f32).sqrt()))
    }

    /// A convolution with the given start of the weights.
    pub fn declare_with(table: &mut ParamTable, name: &str, inputs: usize, outputs: usize, init: Init) -> Self {
        Self { linear: Linear::declare_with(table, name, 9 * inputs, outputs, init), inputs, outputs }
    }
}

/// Gain of a root-mean-square norm.
#[derive(Clone, Debug)]
pub struct Norm {
    /// Row of `width` gains.
    pub gain: ParamId,
    /// Width of the rows.
    pub width: usize,
}

impl Norm {
    /// A norm with gain 1.
    pub fn declare(table: &mut ParamTable, name: &str, width: usize) -> Self {
        table.scope(name, |table| Self { gain: table.add("gain", [1, width], Init::Ones, Role::Vector), width })
    }
}

/// Pre-norm transformer block: attention, then a two-layer network, each added to its input.
#[derive(Clone, Debug)]
pub struct Block {
    norm_1: Norm,
    query_key_value: Linear,
    bias: ParamId,
    projection: Linear,
    norm_2: Norm,
    expand: Linear,
    contract: Linear,
}

/// Sizes that all blocks of a trunk share.
#[derive(Clone, Copy, Debug)]
pub struct BlockShape {
    /// Width `C`.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// Segments of the sequence, 1 or 2.
    pub segments: usize,
    /// Largest visible offset.
    pub window: usize,
}

impl Block {
    /// Declares one block; the inner network is four times as wide.
    pub fn declare(table: &mut ParamTable, name: &str, shape: BlockShape) -> Self {
        let BlockShape { width, heads, segments, window } = shape;
        let offsets = (2 * window + 1) * (2 * window + 1);
        table.scope(name, |table| Self {
            norm_1: Norm::declare(table, "norm_1", width),
            query_key_value: Linear::declare(table, "attention.query_key_value", width, 3 * width),
            bias: table.add("attention.bias", [heads * segments * segments, offsets], Init::Zeros, Role::Vector),
            projection: Linear::declare_with(table, "attention.projection", width, width, Init::Zeros),
            norm_2: Norm::declare(table, "norm_2", width),
            expand: Linear::declare(table, "mlp.expand", width, 4 * width),
            contract: Linear::declare_with(table, "mlp.contract", 4 * width, width, Init::Zeros),
        })
    }

    /// `(rows, C) -> (rows, C)`.
    pub fn forward<O: Ops>(&self, ops: &mut O, x: &O::Tensor, layout: &AttentionLayout) -> O::Tensor {
        let h = ops.rms_norm(x, &self.norm_1);
        let h = ops.linear(&h, &self.query_key_value, Activation::None, None);
        let h = ops.attention(&h, self.bias, layout);
        let x = ops.linear(&h, &self.projection, Activation::None, Some(x));
        let h = ops.rms_norm(&x, &self.norm_2);
        let h = ops.linear(&h, &self.expand, Activation::Silu, None);
        ops.linear(&h, &self.contract, Activation::None, Some(&x))
    }
}

/// Residual convolution block: norm, convolution, SiLU, convolution, added to the input.
#[derive(Clone, Debug)]
pub struct ResBlock {
    norm: Norm,
    conv_1: Conv,
    conv_2: Conv,
}

impl ResBlock {
    /// Declares one block that keeps the number of channels; it starts as the identity.
    pub fn declare(table: &mut ParamTable, name: &str, channels: usize) -> Self {
        table.scope(name, |table| Self {
            norm: Norm::declare(table, "norm", channels),
            conv_1: Conv::declare(table, "conv_1", channels, channels),
            conv_2: Conv::declare_with(table, "conv_2", channels, channels, Init::Zeros),
        })
    }

    /// `(grid.rows(), channels) -> (grid.rows(), channels)`.
    pub fn forward<O: Ops>(&self, ops: &mut O, x: &O::Tensor, grid: Grid) -> O::Tensor {
        let h = ops.rms_norm(x, &self.norm);
        let h = ops.conv3x3(&h, &self.conv_1, grid, Activation::Silu, None);
        ops.conv3x3(&h, &self.conv_2, grid, Activation::None, Some(x))
    }
}
