//! The part of the flow head that sees a picture instead of tokens.
//!
//! A latent says where inside its 16x16 pixels something is only by the values of all its numbers, so a transformer over
//! latents learns an edge at every place anew. Here latents are taken apart to blocks of 4x4 pixels, where
//! convolutions learn it once, and neighbouring tokens meet at their border. The picture and the transformer exchange
//! what they know twice, in the middle of the transformer and at its end; inside an exchange, convolutions at an eighth of
//! the resolution see further (a U-Net's levels, arXiv 1505.04597).
//!
//! Every part starts as "no change", so that a trained head can grow: see `discon-train --start`.

use super::config::{LocalConfig, TOKEN_PIXELS};
use super::layers::{Linear, ResBlock};
use super::ops::{Activation, Grid, Ops};
use super::params::{Init, ParamTable};

/// Pixels along a block of the picture, and its channels: one for each colour of each pixel.
pub const BLOCK_PIXELS: usize = 4;
const BLOCK_CHANNELS: usize = BLOCK_PIXELS * BLOCK_PIXELS * 3;
/// Blocks along a token.
const SIDE: usize = TOKEN_PIXELS / BLOCK_PIXELS;
/// Columns of the picture in the layout of tokens.
const COLUMNS: usize = SIDE * SIDE * BLOCK_CHANNELS;
/// Columns of four neighbouring blocks.
const FOUR_BLOCKS: usize = 4 * BLOCK_CHANNELS;

/// The picture's part of the flow head.
#[derive(Clone, Debug)]
pub struct Local {
    /// Noisy latents to a noisy picture, `D -> 16 * 48`; the trainer starts it as the tokenizer's linear decoder.
    pub input: Linear,
    /// In the middle of the transformer; `None` if it has no blocks.
    pub middle: Option<Exchange>,
    /// After the transformer.
    pub end: Exchange,
}

/// State of the transformer into the picture, convolutions there, and the picture back into the state.
#[derive(Clone, Debug)]
pub struct Exchange {
    state: Linear,
    eighth: Option<Eighth>,
    quarter: Vec<ResBlock>,
    output: Linear,
}

/// Convolutions at an eighth of the resolution.
#[derive(Clone, Debug)]
struct Eighth {
    input: Linear,
    blocks: Vec<ResBlock>,
    output: Linear,
}

impl Local {
    /// Declares the part for latents of `latent` numbers and a head of `width`.
    pub fn declare(table: &mut ParamTable, config: &LocalConfig, latent: usize, width: usize) -> Self {
        let [middle, end] = [0, 1].map(|index| (config.quarter_blocks[index], config.eighth_blocks[index]));
        let eighth_width = config.eighth_width;
        table.scope("local", |table| Self {
            input: Linear::declare(table, "input", latent, COLUMNS),
            middle: (middle != (0, 0))
                .then(|| Exchange::declare(table, "middle", middle, eighth_width, [width, width])),
            end: Exchange::declare(table, "end", end, eighth_width, [width, latent]),
        })
    }

    /// The noisy picture of noisy latents: `(grid.rows(), D) -> (grid.rows(), 16 * 48)`.
    pub fn picture<O: Ops>(&self, ops: &mut O, x: &O::Tensor) -> O::Tensor {
        ops.linear(x, &self.input, Activation::None, None)
    }
}

impl Exchange {
    /// `widths` are those of the state that comes in and of what the picture is added to.
    fn declare(
        table: &mut ParamTable,
        name: &str,
        (quarter, eighth): (usize, usize),
        eighth_width: usize,
        widths: [usize; 2],
    ) -> Self {
        table.scope(name, |table| Self {
            state: Linear::declare_with(table, "state", widths[0], COLUMNS, Init::Zeros),
            eighth: (eighth > 0).then(|| table.scope("eighth", |table| Eighth::declare(table, eighth, eighth_width))),
            quarter: (0..quarter)
                .map(|index| ResBlock::declare(table, &format!("blocks.{index}"), BLOCK_CHANNELS))
                .collect(),
            output: Linear::declare_with(table, "output", COLUMNS, widths[1], Init::Zeros),
        })
    }

    /// The changed picture, `(grid.rows(), 16 * 48)`, and `sum` with what it says added, all rows of `grid`.
    pub fn forward<O: Ops>(
        &self,
        ops: &mut O,
        picture: &O::Tensor,
        state: &O::Tensor,
        sum: &O::Tensor,
        grid: Grid,
    ) -> (O::Tensor, O::Tensor) {
        let fine = grid.finer(SIDE);
        let h = ops.linear(state, &self.state, Activation::None, Some(picture));
        let mut h = ops.depth_to_space(&h, grid, SIDE);
        if let Some(eighth) = &self.eighth {
            h = eighth.forward(ops, &h, fine);
        }
        for block in &self.quarter {
            h = block.forward(ops, &h, fine);
        }
        let picture = ops.space_to_depth(&h, fine, SIDE);
        let sum = ops.linear(&picture, &self.output, Activation::None, Some(sum));
        (picture, sum)
    }
}

impl Eighth {
    fn declare(table: &mut ParamTable, blocks: usize, width: usize) -> Self {
        Self {
            input: Linear::declare(table, "input", FOUR_BLOCKS, width),
            blocks: (0..blocks).map(|index| ResBlock::declare(table, &format!("blocks.{index}"), width)).collect(),
            output: Linear::declare_with(table, "output", width, FOUR_BLOCKS, Init::Zeros),
        }
    }

    /// `(grid.rows(), 48) -> (grid.rows(), 48)`.
    fn forward<O: Ops>(&self, ops: &mut O, x: &O::Tensor, grid: Grid) -> O::Tensor {
        let half = grid.coarser(2);
        let x = ops.space_to_depth(x, grid, 2);
        let mut h = ops.linear(&x, &self.input, Activation::None, None);
        for block in &self.blocks {
            h = block.forward(ops, &h, half);
        }
        let x = ops.linear(&h, &self.output, Activation::None, Some(&x));
        ops.depth_to_space(&x, half, 2)
    }
}
