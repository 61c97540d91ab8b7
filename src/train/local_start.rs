//! Start of the flow head's local branch: its input is the tokenizer's linear decoder, so that from the first step its
//! convolutions see a noisy picture and not a random mixture of latents.

use super::latents::Latents;
use super::params::ParamSet;
use super::run::Session;
use crate::model::TOKEN_PIXELS;
use crate::model::local::BLOCK_PIXELS;

/// Writes the start of the branch's input into `set`; does nothing for a head without one.
pub fn start_local_branch(session: &Session, latents: &Latents, set: &mut ParamSet) {
    let Some(local) = &session.model.head.local else { return };
    let width = session.model.config.tokenizer.latent_width;
    let patch = TOKEN_PIXELS * TOKEN_PIXELS * 3;
    let decoder = session.weights.get(session.model.decoder.linear_path.linear.weight);
    let deviations = mean_deviations(latents, width);
    let mut start = vec![0.0f32; width * patch];
    for channel in 0..width {
        // The middle tap of the 3x3 convolution: the patch of the latent itself.
        let from = &decoder[(4 * width + channel) * patch..][..patch];
        let to = &mut start[channel * patch..][..patch];
        for (index, value) in from.iter().enumerate() {
            to[block_column(index)] = value * deviations[channel];
        }
    }
    // Scaled so that unit latents give unit blocks.
    let square = start.iter().map(|value| value * value).sum::<f32>() / patch as f32;
    let scale = 1.0 / square.sqrt().max(1e-9);
    start.iter_mut().for_each(|value| *value *= scale);
    for parameter in set.parameters.iter_mut().filter(|parameter| parameter.id == local.input.weight) {
        parameter.value.clone_from(&start);
        parameter.average.clone_from(&start);
    }
}

/// Column of the branch for a value of a 16x16 patch: blocks row by row, in each block pixels row by row.
fn block_column(index: usize) -> usize {
    let (pixel, colour) = (index / 3, index % 3);
    let (y, x) = (pixel / TOKEN_PIXELS, pixel % TOKEN_PIXELS);
    let block = y / BLOCK_PIXELS * (TOKEN_PIXELS / BLOCK_PIXELS) + x / BLOCK_PIXELS;
    ((block * BLOCK_PIXELS + y % BLOCK_PIXELS) * BLOCK_PIXELS + x % BLOCK_PIXELS) * 3 + colour
}

/// Mean deviation of each latent channel inside a picture.
fn mean_deviations(latents: &Latents, width: usize) -> Vec<f32> {
    let count = latents.grids.len().max(1) as f32;
    (0..width)
        .map(|channel| latents.grids.iter().map(|grid| grid.style[width + channel].exp()).sum::<f32>() / count)
        .collect()
}
