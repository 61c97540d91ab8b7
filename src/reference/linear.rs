//! CPU twin of `shaders/linear.wgsl`.

use super::{Loops, buffers};
use crate::model::Activation;

/// Rows of a result that are computed together: enough that a product is worth its start, few enough that the smallest
/// textures have bands for several cores.
const BAND_ROWS: usize = 64;

/// `y += x w`: x `(rows, inputs)`, w `(inputs, outputs)`, y `(rows, outputs)`.
pub fn product(x: &[f32], w: &[f32], inputs: usize, outputs: usize, y: &mut [f32]) {
    for (input, output) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
        // The inner loop runs along the outputs, so that it reads the weights in order.
        for (value, weights) in input.iter().zip(w.chunks_exact(outputs)) {
            for (sum, weight) in output.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
}

/// Calls `work` with pieces of `size` values and their number, one after the other.
pub fn bands(values: &mut [f32], size: usize, work: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    values.chunks_mut(size).enumerate().for_each(|(number, piece)| work(number, piece));
}

/// What a product ends with.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Added to each row.
    pub bias: Option<&'a [f32]>,
    /// Then applied.
    pub activation: Activation,
    /// Then added: as large as the result.
    pub residual: Option<&'a [f32]>,
}

/// `activation(x W + b) + residual`: x `(rows, inputs)`, weight `(inputs, outputs)`.
///
/// Rows are `parts` equal groups whose bands do not mix: a tuned product may round by its number of rows.
pub fn linear(loops: &Loops, parts: usize, x: &[f32], weight: &[f32], outputs: usize, ending: Ending) -> Vec<f32> {
    let inputs = weight.len() / outputs;
    in_bands(loops, parts, x.len() / inputs, outputs, ending, &|first, y| {
        let rows = y.len() / outputs;
        (loops.product)(&x[first * inputs..][..rows * inputs], weight, inputs, outputs, y);
    })
}

/// Makes `rows` rows of a result band by band; `add` adds the product for the rows from a number on.
pub fn in_bands(
    loops: &Loops,
    parts: usize,
    rows: usize,
    outputs: usize,
    ending: Ending,
    add: &(dyn Fn(usize, &mut [f32]) + Sync),
) -> Vec<f32> {
    let Ending { bias, activation, residual } = ending;
    let mut y = buffers::zeros(rows * outputs);
    let part_rows = rows.div_ceil(parts).max(1);
    for (part, values) in y.chunks_mut(part_rows * outputs).enumerate() {
        (loops.bands)(values, BAND_ROWS * outputs, &|band, y| {
            if let Some(bias) = bias {
                y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            }
            let first = part * part_rows + band * BAND_ROWS;
            add(first, y);
            match residual {
                None => y.iter_mut().for_each(|sum| *sum = activate(*sum, activation)),
                Some(residual) => {
                    let residual = &residual[first * outputs..];
                    y.iter_mut().zip(residual).for_each(|(sum, more)| *sum = activate(*sum, activation) + more);
                }
            }
        });
    }
    y
}

/// One activation.
pub fn activate(x: f32, activation: Activation) -> f32 {
    match activation {
        Activation::None => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}
