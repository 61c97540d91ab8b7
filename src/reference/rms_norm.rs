//! CPU twin of `shaders/rms_norm.wgsl`.

use super::buffers;

/// Added to the mean square, so that a row of zeros stays finite.
pub const EPSILON: f32 = 1e-6;

/// `x / sqrt(mean(x^2) + 1e-6) * gain` for each row.
pub fn rms_norm(x: &[f32], gain: &[f32]) -> Vec<f32> {
    let mut y = buffers::empty(x.len());
    for row in x.chunks_exact(gain.len()) {
        let scale = inverse_rms(row);
        y.extend(row.iter().zip(gain).map(|(value, gain)| value * scale * gain));
    }
    y
}

/// `1 / sqrt(mean(x^2) + 1e-6)`.
pub fn inverse_rms(row: &[f32]) -> f32 {
    let mean = row.iter().map(|value| value * value).sum::<f32>() / row.len() as f32;
    1.0 / (mean + EPSILON).sqrt()
}
