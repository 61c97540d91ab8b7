//! CPU twin of `shaders/conv3x3.wgsl`.

use super::Product;
use super::linear::linear;
use crate::model::{Activation, Grid};

/// 3x3 convolution with the border rule of `grid`; weight `(9 * inputs, outputs)`, rows ordered (ky, kx, input);
/// `parts` as in [`linear`].
#[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
pub fn conv3x3(
    product: Product,
    parts: usize,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    outputs: usize,
    grid: Grid,
    activation: Activation,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    let inputs = weight.len() / outputs / 9;
    let mut patches = Vec::with_capacity(9 * x.len());
    for item in 0..grid.items {
        for y in 0..grid.height as isize {
            for x_at in 0..grid.width as isize {
                for tap in 0..9 {
                    let (ny, nx) = grid.resolve(y + tap / 3 - 1, x_at + tap % 3 - 1);
                    let row = (item * grid.height + ny) * grid.width + nx;
                    patches.extend_from_slice(&x[row * inputs..(row + 1) * inputs]);
                }
            }
        }
    }
    linear(product, parts, &patches, weight, bias, outputs, activation, residual)
}
