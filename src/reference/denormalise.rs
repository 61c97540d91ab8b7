//! CPU twin of `shaders/denormalise.wgsl`.

use super::buffers;

/// `x[.., 0..D] * exp(style[.., D..2D]) + style[.., 0..D]`; x `(rows, width)`, style `(items or 1, 2D)`.
pub fn denormalise(x: &[f32], width: usize, style: &[f32], latent_width: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let items = style.len() / (2 * latent_width);
    let mut y = buffers::empty(rows * latent_width);
    for (row, values) in x.chunks_exact(width).enumerate() {
        let item = row / (rows / items);
        let style = &style[item * 2 * latent_width..(item + 1) * 2 * latent_width];
        for channel in 0..latent_width {
            y.push(values[channel] * style[latent_width + channel].exp() + style[channel]);
        }
    }
    y
}
