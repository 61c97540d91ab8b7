//! What a token looks like by itself: a picture of a few blocks, for tools.
//!
//! The decoder's linear path turns the centre of a token, in a style, into 16x16 pixels; their means over blocks of 4x4 pixels
//! show colours, edges and where they run. That is a few additions for a token, no run of the decoder.

use super::config::TOKEN_PIXELS;
use super::weights::Model;

/// Blocks along a token.
pub const TOKEN_BLOCKS: usize = 4;
const BLOCK_PIXELS: usize = TOKEN_PIXELS / TOKEN_BLOCKS;
/// Numbers of a token's picture.
const VALUES: usize = TOKEN_BLOCKS * TOKEN_BLOCKS * 3;

/// From latents to blocks.
#[derive(Clone, Debug)]
pub struct TokenBlocks {
    /// `(D, VALUES)`: what all neighbours give that hold the same latent.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl TokenBlocks {
    /// Those of a model; some milliseconds.
    pub fn new(model: &Model) -> Self {
        let linear = &model.discon.decoder.linear_path.linear;
        let means = |row: &[f32]| {
            let mut blocks = vec![0.0; VALUES];
            for (at, value) in row.iter().enumerate() {
                let (pixel, colour) = (at / 3, at % 3);
                let (y, x) = (pixel / TOKEN_PIXELS / BLOCK_PIXELS, pixel % TOKEN_PIXELS / BLOCK_PIXELS);
                blocks[(y * TOKEN_BLOCKS + x) * 3 + colour] += value / (BLOCK_PIXELS * BLOCK_PIXELS) as f32;
            }
            blocks
        };
        let channels = model.discon.config.tokenizer.latent_width;
        let mut weights = vec![0.0; channels * VALUES];
        // Rows are those of nine neighbours, one after the other.
        for (row, values) in model.weights.get(linear.weight).chunks_exact(3 * TOKEN_PIXELS * TOKEN_PIXELS).enumerate()
        {
            let sums = &mut weights[row % channels * VALUES..][..VALUES];
            sums.iter_mut().zip(means(values)).for_each(|(sum, value)| *sum += value);
        }
        let bias = linear.bias.map_or_else(|| vec![0.0; VALUES], |bias| means(model.weights.get(bias)));
        Self { weights, bias }
    }

    /// Colours of the blocks of a token, row-major, red, green and blue in -1..1 and sRGB-encoded as pixels are. `model` is
    /// that of [`TokenBlocks::new`], `style` a row of its [`super::ModelConfig::style_width`]; the token stands for itself, not
    /// for the mask token.
    pub fn of(&self, model: &Model, token: u32, style: &[f32]) -> Vec<f32> {
        let centres = model.weights.get(model.discon.codebook.centres);
        let (means, deviations) = style.split_at(style.len() / 2);
        let width = means.len();
        let (first, second) = model.discon.config.codes().rows_of(token, centres.len() / width);
        let mut values = self.bias.clone();
        for channel in 0..width {
            let centre = centres[first * width + channel] + second.map_or(0.0, |row| centres[row * width + channel]);
            let latent = means[channel] + deviations[channel].exp() * centre;
            let row = &self.weights[channel * VALUES..(channel + 1) * VALUES];
            values.iter_mut().zip(row).for_each(|(sum, weight)| *sum += latent * weight);
        }
        values
    }
}
