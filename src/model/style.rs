//! Styles: what an image has as a whole, so that tokens need not carry it.
//!
//! A style is the mean and the logarithm of the standard deviation of each latent channel over one
//! image: its colours, its contrast, and how much of each kind of detail it has. Tokens and the
//! continuous model work on latents *relative* to the style, so one token means "joint below, stone
//! above" in any colour, and an error of the generator scales with the contrast of the material.
//! The paper has no such split; it is this project's addition for textures, which are
//! nearly stationary. A channel's relative latents have the deviation of its *scale*, which says how much the channel
//! shows in the picture: so equal noise on all of them is equal noise on pixels, and the flow decides what is
//! large before what is small, as a diffusion of pixels does. A model carries the styles of its training images, without their pictures, as a bank.

use super::config::ModelConfig;
use super::params::{Init, ParamId, ParamTable, Role};

/// Deviations are kept above this share of a whitened channel, so that flat images do not blow up noise.
pub const MIN_DEVIATION: f32 = 0.02;

/// Rows of statistics with their classes, and how to standardise them.
#[derive(Clone, Debug)]
pub struct StyleBank {
    /// `(styles, 2D)`: means, then logarithms of deviation over scale.
    pub rows: ParamId,
    /// `(styles, 1)`: class index of each row.
    pub classes: ParamId,
    /// `(1, D)`: deviation of the relative latents of a picture, channel by channel; 1 on average.
    pub scale: ParamId,
    /// `(2, 2D)`: subtracted from a row, then multiplied, to make the network's style input.
    pub standard: ParamId,
}

impl StyleBank {
    /// Declares the bank.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let width = config.style_width();
        table.scope("styles", |table| Self {
            rows: table.add("rows", [config.styles, width], Init::Zeros, Role::Host),
            classes: table.add("classes", [config.styles, 1], Init::Zeros, Role::Host),
            scale: table.add("scale", [1, width / 2], Init::Ones, Role::Host),
            standard: table.add("standard", [2, width], Init::Zeros, Role::Host),
        })
    }
}

/// Style of one image from its latents `(T, D)`: `2D` numbers; `scale` holds `D`, see [`StyleBank::scale`].
pub fn style_of(latents: &[f32], scale: &[f32]) -> Vec<f32> {
    let width = scale.len();
    let count = (latents.len() / width).max(1) as f32;
    let mut style = vec![0.0; 2 * width];
    for row in latents.chunks_exact(width) {
        for (mean, value) in style.iter_mut().zip(row) {
            *mean += value / count;
        }
    }
    for channel in 0..width {
        let mean = style[channel];
        let variance =
            latents.iter().skip(channel).step_by(width).map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        style[width + channel] = (variance.sqrt().max(MIN_DEVIATION) / scale[channel]).ln();
    }
    style
}

/// Style-relative latents: the inverse of [`super::ops::Ops::denormalise`].
pub fn normalise(latents: &[f32], style: &[f32]) -> Vec<f32> {
    let width = style.len() / 2;
    latents
        .chunks_exact(width)
        .flat_map(|row| row.iter().enumerate().map(|(i, value)| (value - style[i]) * (-style[width + i]).exp()))
        .collect()
}

/// The network's style input: `(row - shift) * scale`.
pub fn standardise(style: &[f32], standard: &[f32]) -> Vec<f32> {
    let (shift, scale) = standard.split_at(style.len());
    style.iter().zip(shift).zip(scale).map(|((value, shift), scale)| (value - shift) * scale).collect()
}
