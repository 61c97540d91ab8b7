//! CPU twin of `shaders/linear.wgsl`.

use super::Product;
use crate::model::Activation;

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

/// `activation(x W + b) + residual`: x `(rows, inputs)`, weight `(inputs, outputs)`.
///
/// The product is taken of `parts` equal groups of rows, one after the other: a tuned one may round by their number.
#[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
pub fn linear(
    product: Product,
    parts: usize,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    outputs: usize,
    activation: Activation,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    let inputs = weight.len() / outputs;
    let rows = x.len() / inputs;
    let mut y = match bias {
        Some(bias) => bias.repeat(rows),
        None => vec![0.0; rows * outputs],
    };
    let rows = rows.div_ceil(parts).max(1);
    for (x, y) in x.chunks(rows * inputs).zip(y.chunks_mut(rows * outputs)) {
        product(x, weight, inputs, outputs, y);
    }
    for (index, sum) in y.iter_mut().enumerate() {
        *sum = activate(*sum, activation) + residual.map_or(0.0, |residual| residual[index]);
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
