//! What pictures should be, and what they are on the whole.

use super::common;
use super::game::{Recipe, model, plan};

/// The picture that the executor makes without Bevy, RGB.
pub fn expected(recipe: &Recipe) -> Vec<u8> {
    let model = model();
    let plan = plan(&model, recipe).expect("the recipe is sound");
    let mut gpu = common::gpu().expect("the caller has checked");
    gpu.generate(&model, &plan).expect("the device works").pixels
}

/// Mean of a channel of RGBA bytes in linear light.
pub fn linear_mean(pixels: &[u8], channel: usize) -> f64 {
    let linear = |byte: u8| {
        let value = f64::from(byte) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let values = pixels.chunks_exact(4).map(|pixel| linear(pixel[channel]));
    values.sum::<f64>() / (pixels.len() / 4) as f64
}

pub fn rgb(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect()
}
