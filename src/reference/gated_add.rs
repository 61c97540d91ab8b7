//! CPU twin of `shaders/gated_add.wgsl`.

use super::buffers;

/// `x + gate * y` with the gate in columns of the modulation.
pub fn gated_add(x: &[f32], width: usize, modulation: &[f32], gate_at: usize, y: &[f32]) -> Vec<f32> {
    let modulation_width = modulation.len() / (x.len() / width);
    let mut sum = buffers::empty(x.len());
    let gates = modulation.chunks_exact(modulation_width).map(|row| &row[gate_at..gate_at + width]);
    for (gates, (x, y)) in gates.zip(x.chunks_exact(width).zip(y.chunks_exact(width))) {
        sum.extend(gates.iter().zip(x.iter().zip(y)).map(|(gate, (x, y))| x + gate * y));
    }
    sum
}
