//! The tokenizer: image to latents and back, and latents to tokens.
//!
//! An unbroken linear path (a PCA of 16x16 patches at the start of training) carries the image;
//! convolutional branches beside it correct what a linear map of one patch cannot: the token grid,
//! edges that cross it, and detail beyond the first `D` components. No norm and no activation stand
//! on the linear path. All of it is local and border-agnostic, so on a torus it is exactly circular.

use super::config::{ModelConfig, TOKEN_PIXELS};
use super::layers::{Conv, Linear, ResBlock};
use super::ops::{Activation, Grid, Ops};
use super::params::{Init, ParamId, ParamTable, Role};

/// Image `(B*H*W, 3)`, values -1..1 -> latents `(B*H/16*W/16, D)`.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The PCA path: `768 -> D`.
    pub linear_path: Linear,
    conv_in: Conv,
    block_4: ResBlock,
    down_8: Linear,
    block_8: ResBlock,
    down_16: Linear,
    block_16: ResBlock,
    out: Linear,
}

impl Encoder {
    /// Declares the encoder.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let [w4, w8, w16] = config.tokenizer.encoder_widths;
        let width = config.tokenizer.latent_width;
        table.scope("encoder", |table| Self {
            linear_path: Linear::declare(table, "linear_path", TOKEN_PIXELS * TOKEN_PIXELS * 3, width),
            conv_in: Conv::declare(table, "conv_in", 4 * 4 * 3, w4),
            block_4: ResBlock::declare(table, "block_4", w4),
            down_8: Linear::declare(table, "down_8", 4 * w4, w8),
            block_8: ResBlock::declare(table, "block_8", w8),
            down_16: Linear::declare(table, "down_16", 4 * w8, w16),
            block_16: ResBlock::declare(table, "block_16", w16),
            out: Linear::declare_with(table, "out", w16, width, Init::Zeros),
        })
    }

    /// `grid` is the grid of pixels; its sides are multiples of 16.
    pub fn forward<O: Ops>(&self, ops: &mut O, pixels: &O::Tensor, grid: Grid) -> O::Tensor {
        let patches = ops.space_to_depth(pixels, grid, TOKEN_PIXELS);
        let linear = ops.linear(&patches, &self.linear_path, Activation::None, None);
        let h = ops.space_to_depth(pixels, grid, 4);
        let grid = grid.coarser(4);
        let h = ops.conv3x3(&h, &self.conv_in, grid, Activation::Silu, None);
        let h = self.block_4.forward(ops, &h, grid);
        let h = ops.space_to_depth(&h, grid, 2);
        let grid = grid.coarser(2);
        let h = ops.linear(&h, &self.down_8, Activation::Silu, None);
        let h = self.block_8.forward(ops, &h, grid);
        let h = ops.space_to_depth(&h, grid, 2);
        let grid = grid.coarser(2);
        let h = ops.linear(&h, &self.down_16, Activation::Silu, None);
        let h = self.block_16.forward(ops, &h, grid);
        let latents = ops.linear(&h, &self.out, Activation::None, Some(&linear));
        ops.tap("encoder.latents", &latents);
        latents
    }
}

/// Pixels on each side of a border of tokens over which a picture is smoothed after decoding, see
/// [`crate::sampling::borders`].
pub const SMOOTHED_PIXELS: usize = TOKEN_PIXELS / 2;

/// Latents `(B*h*w, D)` -> image `(B*16h*16w, 3)`, values -1..1 (not clamped).
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The linear path: a 3x3 convolution from latents to patches, a lapped transform once trained.
    pub linear_path: Conv,
    conv_in: Conv,
    blocks_16: Vec<ResBlock>,
    up_8: Linear,
    blocks_8: Vec<ResBlock>,
    up_4: Linear,
    blocks_4: Vec<ResBlock>,
    out: Conv,
    refine: Option<(Conv, Conv)>,
}

impl Decoder {
    /// Declares the decoder.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let [w16, w8, w4] = config.tokenizer.decoder_widths;
        let [n16, n8, n4] = config.tokenizer.decoder_blocks;
        let latent = config.tokenizer.latent_width;
        let refine = config.tokenizer.refine_width;
        let blocks = |table: &mut ParamTable, level: usize, count: usize, width: usize| {
            (0..count).map(|index| ResBlock::declare(table, &format!("blocks_{level}.{index}"), width)).collect()
        };
        table.scope("decoder", |table| Self {
            linear_path: Conv::declare(table, "linear_path", latent, TOKEN_PIXELS * TOKEN_PIXELS * 3),
            conv_in: Conv::declare(table, "conv_in", latent, w16),
            blocks_16: blocks(table, 16, n16, w16),
            up_8: Linear::declare(table, "up_8", w16, 4 * w8),
            blocks_8: blocks(table, 8, n8, w8),
            up_4: Linear::declare(table, "up_4", w8, 4 * w4),
            blocks_4: blocks(table, 4, n4, w4),
            out: Conv::declare_with(table, "out", w4, 4 * 4 * 3, Init::Zeros),
            refine: (refine > 0).then(|| {
                (
                    Conv::declare(table, "refine.0", 2 * 2 * 3, refine),
                    Conv::declare_with(table, "refine.1", refine, 2 * 2 * 3, Init::Zeros),
                )
            }),
        })
    }

    /// Largest distance in pixels, along an axis, between a pixel and the border of a latent's 16x16 pixels over which the
    /// latent can change the pixel: one step of each 3x3 convolution, at its resolution, all paths together; and pixels
    /// beside the nearest border of tokens, which smoothing mixes.
    pub fn reach(&self) -> usize {
        // Every residual block has two convolutions.
        let own = 1 + 2 * self.blocks_16.len();
        let refine = if self.refine.is_some() { 2 } else { 0 };
        let decoded = TOKEN_PIXELS * own + 8 * 2 * self.blocks_8.len() + 4 * (2 * self.blocks_4.len() + 1) + 2 * refine;
        // A pixel takes part in the border at most SMOOTHED_PIXELS away, whose other side a latent reaches from the start of
        // a token.
        let past_border = (decoded + SMOOTHED_PIXELS - 1) / TOKEN_PIXELS * TOKEN_PIXELS;
        decoded.max(past_border + SMOOTHED_PIXELS)
    }

    /// `grid` is the grid of latents.
    pub fn forward<O: Ops>(&self, ops: &mut O, latents: &O::Tensor, grid: Grid) -> O::Tensor {
        let linear = ops.conv3x3(latents, &self.linear_path, grid, Activation::None, None);
        // Columns of a patch are (y, x, channel) with y = 4 * block row + row in the block, so the patch is taken
        // apart to pixels and put together again as 4x4 blocks at quarter resolution.
        let pixels = ops.depth_to_space(&linear, grid, TOKEN_PIXELS);
        let linear = ops.space_to_depth(&pixels, grid.finer(TOKEN_PIXELS), 4);

        let mut h = ops.conv3x3(latents, &self.conv_in, grid, Activation::Silu, None);
        for block in &self.blocks_16 {
            h = block.forward(ops, &h, grid);
        }
        let h = ops.linear(&h, &self.up_8, Activation::Silu, None);
        let mut h = ops.depth_to_space(&h, grid, 2);
        let grid = grid.finer(2);
        for block in &self.blocks_8 {
            h = block.forward(ops, &h, grid);
        }
        let h = ops.linear(&h, &self.up_4, Activation::Silu, None);
        let mut h = ops.depth_to_space(&h, grid, 2);
        let grid = grid.finer(2);
        for block in &self.blocks_4 {
            h = block.forward(ops, &h, grid);
        }
        let blocks = ops.conv3x3(&h, &self.out, grid, Activation::None, Some(&linear));
        ops.tap("decoder.quarter", &blocks);
        let pixels = match &self.refine {
            None => ops.depth_to_space(&blocks, grid, 4),
            Some((first, second)) => {
                let pixels = ops.depth_to_space(&blocks, grid, 4);
                let half = grid.finer(2);
                let blocks = ops.space_to_depth(&pixels, grid.finer(4), 2);
                let h = ops.conv3x3(&blocks, first, half, Activation::Silu, None);
                let blocks = ops.conv3x3(&h, second, half, Activation::None, Some(&blocks));
                ops.depth_to_space(&blocks, half, 2)
            }
        };
        ops.tap("decoder.pixels", &pixels);
        pixels
    }
}

/// Discrete tokens of style-relative latents: the nearest of the first centres, and the nearest of the second ones to
/// what that leaves, see [`super::codes`].
#[derive(Clone, Debug)]
pub struct Codebook {
    /// Centres in style-relative units, [`super::Codes::rows`] rows: their sum is what a token alone decodes to.
    pub centres: ParamId,
    /// Row of `D` weights of the squared distance: how much each channel shows in the picture.
    pub importance: ParamId,
}

impl Codebook {
    /// Declares the codebook.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let tokenizer = &config.tokenizer;
        table.scope("codebook", |table| Self {
            centres: table.add(
                "centres",
                [config.codes().rows(), tokenizer.latent_width],
                Init::Normal(1.0),
                Role::Table,
            ),
            importance: table.add("importance", [1, tokenizer.latent_width], Init::Ones, Role::Host),
        })
    }
}
