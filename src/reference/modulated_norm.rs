//! CPU twin of `shaders/modulated_norm.wgsl`.

use super::buffers;
use super::rms_norm::inverse_rms;

/// Norm without gain, then `* (1 + scale) + shift` with columns of the modulation.
pub fn modulated_norm(x: &[f32], width: usize, modulation: &[f32], shift_at: usize, scale_at: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let modulation_width = modulation.len() / rows;
    let mut y = buffers::empty(x.len());
    for (row, modulation) in x.chunks_exact(width).zip(modulation.chunks_exact(modulation_width)) {
        let norm = inverse_rms(row);
        for (column, value) in row.iter().enumerate() {
            y.push(value * norm * (1.0 + modulation[scale_at + column]) + modulation[shift_at + column]);
        }
    }
    y
}
