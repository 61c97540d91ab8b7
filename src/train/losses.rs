//! Losses on pictures.

use burn::tensor::Tensor;

/// Weights of the absolute gradient error at full, half and quarter resolution.
const GRADIENT_WEIGHTS: [f32; 3] = [0.7, 0.5, 0.3];

/// Mean absolute error plus the error of gradients at three scales, of pictures `(items * side^2, 3)`.
///
/// Both are linear in the error before the absolute value, so the error is scaled down, not both pictures.
pub fn picture_loss(error: Tensor<2>, items: usize, side: usize) -> Tensor<1> {
    let mut loss = absolute_loss(error.clone());
    let mut error = error.reshape([items, side, side, 3]);
    let mut side = side;
    for (level, weight) in GRADIENT_WEIGHTS.into_iter().enumerate() {
        if level > 0 {
            side /= 2;
            error = error
                .reshape([items * side, 2, side, 6])
                .mean_dim(1)
                .reshape([items * side * side, 2, 3])
                .mean_dim(1)
                .reshape([items, side, side, 3]);
        }
        for dim in [1, 2] {
            let step = error.clone().narrow(dim, 1, side - 1) - error.clone().narrow(dim, 0, side - 1);
            loss = loss + step.abs().mean().mul_scalar(0.5 * weight);
        }
    }
    loss
}

/// Mean absolute error.
pub fn absolute_loss(error: Tensor<2>) -> Tensor<1> {
    error.abs().mean()
}

/// Keeps each column of `latents` near mean 0 and variance 1 without forcing it.
pub fn unit_loss(latents: &Tensor<2>) -> Tensor<1> {
    let mean = latents.clone().mean_dim(0);
    let variance = (latents.clone() - mean.clone()).square().mean_dim(0);
    mean.square().mean() + variance.sub_scalar(1.0).square().mean()
}

/// Peak signal-to-noise ratio of values -1..1, in dB.
pub fn psnr(found: &[f32], expected: &[f32]) -> f32 {
    let square: f64 = found.iter().zip(expected).map(|(a, b)| f64::from(a.clamp(-1.0, 1.0) - b).powi(2)).sum::<f64>()
        / found.len().max(1) as f64;
    (10.0 * (4.0 / square.max(1e-12)).log10()) as f32
}

/// Energy of the finest detail: mean square of what a 3x3 box blur removes from a picture of `side` pixels.
pub fn detail_energy(picture: &[f32], side: usize) -> f64 {
    let mut sum = 0.0;
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            for channel in 0..3 {
                let at = |y: usize, x: usize| picture[(y * side + x) * 3 + channel];
                let around: f32 = (0..9).map(|index| at(y + index / 3 - 1, x + index % 3 - 1)).sum();
                sum += f64::from(at(y, x) - around / 9.0).powi(2);
            }
        }
    }
    sum / ((side - 2) * (side - 2) * 3) as f64
}
