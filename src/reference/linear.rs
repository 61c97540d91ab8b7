//! CPU twin of `shaders/linear.wgsl`.

use crate::model::Activation;

/// `activation(x W + b) + residual`: x `(rows, inputs)`, weight `(inputs, outputs)`.
pub fn linear(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    outputs: usize,
    activation: Activation,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    let inputs = weight.len() / outputs;
    let rows = x.len() / inputs;
    let mut y = vec![0.0; rows * outputs];
    for (row, (input, output)) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)).enumerate() {
        if let Some(bias) = bias {
            output.copy_from_slice(bias);
        }
        // The inner loop runs along the outputs, so that it reads the weights in order.
        for (value, weights) in input.iter().zip(weight.chunks_exact(outputs)) {
            if *value != 0.0 {
                for (sum, weight) in output.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
        }
        for (column, sum) in output.iter_mut().enumerate() {
            *sum = activate(*sum, activation) + residual.map_or(0.0, |residual| residual[row * outputs + column]);
        }
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
