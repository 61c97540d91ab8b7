//! Start of the tokenizer's linear path: principal components of 16x16 patches.

use super::dataset::Dataset;
use super::rng::Rng;
use super::workers::{Workers, values};
use crate::model::{Discon, TOKEN_PIXELS, Weights};
use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};

/// Numbers in one patch.
const PATCH: usize = TOKEN_PIXELS * TOKEN_PIXELS * 3;
/// Patches that are multiplied at a time.
const CHUNK: usize = 4096;

/// Mean, components by falling variance (one row each) and variances.
pub struct Pca {
    /// Mean patch.
    pub mean: Vec<f64>,
    /// Unit components, each of patch length.
    pub components: Vec<Vec<f64>>,
    /// Variance along each.
    pub variances: Vec<f64>,
}

/// Principal components of `count` random patches.
pub fn principal_components(data: &Dataset, workers: &Workers, count: usize, width: usize, seed: u64) -> Pca {
    let chunks = count.div_ceil(CHUNK);
    let parts = workers.map(chunks, |chunk| {
        let mut rng = Rng::new(&[seed, 0x9ca, chunk as u64]);
        let mut patches = Vec::with_capacity(CHUNK * PATCH);
        for _ in 0..CHUNK {
            let texture = &data.textures[data.draw(&mut rng)];
            let version = &texture.versions[rng.below(texture.versions.len())];
            let free = version.side - TOKEN_PIXELS + 1;
            patches.extend(version.crop((rng.below(free), rng.below(free)), TOKEN_PIXELS, Default::default()));
        }
        let device = Device::flex();
        let patches = Tensor::<2>::from_data(TensorData::new(patches, [CHUNK, PATCH]), &device);
        let sum = values(patches.clone().sum_dim(0));
        (sum, values(patches.clone().transpose().matmul(patches)))
    });
    let total = (chunks * CHUNK) as f64;
    let mut mean = vec![0.0f64; PATCH];
    let mut covariance = DMatrix::<f64>::zeros(PATCH, PATCH);
    for (sum, products) in parts {
        mean.iter_mut().zip(sum).for_each(|(mean, value)| *mean += f64::from(value) / total);
        covariance.iter_mut().zip(products).for_each(|(sum, value)| *sum += f64::from(value) / total);
    }
    for row in 0..PATCH {
        for column in 0..PATCH {
            covariance[(row, column)] -= mean[row] * mean[column];
        }
    }
    let eigen = SymmetricEigen::new(covariance);
    let mut order: Vec<usize> = (0..PATCH).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    order.truncate(width);
    Pca {
        mean,
        components: order.iter().map(|index| eigen.eigenvectors.column(*index).iter().copied().collect()).collect(),
        variances: order.iter().map(|index| eigen.eigenvalues[*index].max(1e-9)).collect(),
    }
}

/// Puts the components on both linear paths: the encoder whitens, the decoder's middle tap undoes it.
pub fn initialise(pca: &Pca, model: &Discon, weights: &mut Weights) {
    let width = pca.components.len();
    let encoder = &model.encoder.linear_path;
    let matrix = weights.get_mut(encoder.weight);
    for (channel, (component, variance)) in pca.components.iter().zip(&pca.variances).enumerate() {
        for (index, value) in component.iter().enumerate() {
            matrix[index * width + channel] = (value / variance.sqrt()) as f32;
        }
    }
    if let Some(bias) = encoder.bias {
        for (channel, (component, variance)) in pca.components.iter().zip(&pca.variances).enumerate() {
            let projected: f64 = component.iter().zip(&pca.mean).map(|(a, b)| a * b).sum();
            weights.get_mut(bias)[channel] = (-projected / variance.sqrt()) as f32;
        }
    }
    let decoder = &model.decoder.linear_path;
    let matrix = weights.get_mut(decoder.linear.weight);
    matrix.fill(0.0);
    for (channel, (component, variance)) in pca.components.iter().zip(&pca.variances).enumerate() {
        let row = (4 * width + channel) * PATCH;
        for (index, value) in component.iter().enumerate() {
            matrix[row + index] = (value * variance.sqrt()) as f32;
        }
    }
    if let Some(bias) = decoder.linear.bias {
        weights.get_mut(bias).iter_mut().zip(&pca.mean).for_each(|(bias, mean)| *bias = *mean as f32);
    }
}
