//! CPU twin of `shaders/gated_add.wgsl`.

/// `x + gate * y` with the gate in columns of the modulation.
pub fn gated_add(x: &[f32], width: usize, modulation: &[f32], gate_at: usize, y: &[f32]) -> Vec<f32> {
    let modulation_width = modulation.len() / (x.len() / width);
    x.iter()
        .zip(y)
        .enumerate()
        .map(|(index, (x, y))| x + modulation[index / width * modulation_width + gate_at + index % width] * y)
        .collect()
}
