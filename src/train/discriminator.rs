//! The late adversarial part of the tokenizer: a small patch discriminator and the gradient it gives the decoder.
//!
//! Hinge losses on patches of some 22 pixels (PatchGAN, arXiv 1611.07004). The adversarial gradient is scaled to
//! a fixed share of the picture loss's gradient at the decoded pixels (the adaptive weight of VQGAN, arXiv
//! 2012.09841, taken at the output), so that it adds texture without a schedule of its own to tune.

use super::TrainError;
use super::ops::TrainOps;
use super::params::{AdamW, ParamSet};
use super::workers::{gradients, mean_gradients};
use crate::model::layers::{Conv, Linear};
use crate::model::{Activation, Grid, Ops, ParamTable, Weights};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use std::path::Path;

/// Norm of the adversarial gradient over that of the picture loss: more sharpens, and then adds grain.
const SHARE: f32 = 0.15;
/// Learning rate of the discriminator.
const RATE: f32 = 4e-4;
/// Channels at half and at quarter resolution.
const WIDTHS: [usize; 2] = [32, 64];

/// The discriminator's network.
#[derive(Clone, Debug)]
pub struct Discriminator {
    conv_in: Conv,
    down: Linear,
    conv: Conv,
    score: Conv,
}

impl Discriminator {
    fn declare(table: &mut ParamTable) -> Self {
        let [half, quarter] = WIDTHS;
        table.scope("discriminator", |table| Self {
            conv_in: Conv::declare(table, "conv_in", 2 * 2 * 3, half),
            down: Linear::declare(table, "down", 4 * half, quarter),
            conv: Conv::declare(table, "conv", quarter, quarter),
            score: Conv::declare(table, "score", quarter, 1),
        })
    }

    /// Pixels `(grid.rows(), 3)` -> one score for each 4x4 pixels; high means real.
    fn forward(&self, ops: &mut TrainOps, pixels: &Tensor<2>, grid: Grid) -> Tensor<2> {
        let h = ops.space_to_depth(pixels, grid, 2);
        let grid = grid.coarser(2);
        let h = ops.conv3x3(&h, &self.conv_in, grid, Activation::Silu, None);
        let h = ops.space_to_depth(&h, grid, 2);
        let grid = grid.coarser(2);
        let h = ops.linear(&h, &self.down, Activation::Silu, None);
        let h = ops.conv3x3(&h, &self.conv, grid, Activation::Silu, None);
        ops.conv3x3(&h, &self.score, grid, Activation::None, None)
    }
}

/// The discriminator with its optimiser.
pub struct Critic {
    network: Discriminator,
    set: ParamSet,
    count: usize,
}

/// What one worker found: the loss and the gradients of the discriminator.
pub struct CriticStep {
    /// Hinge loss: 2 when it knows nothing, 0 when it is sure.
    pub loss: f32,
    gradients: Vec<Vec<f32>>,
}

impl Critic {
    /// A fresh discriminator, or the one of a checkpoint.
    ///
    /// # Errors
    /// A damaged checkpoint.
    pub fn open(path: &Path, seed: u64) -> Result<Self, TrainError> {
        let mut table = ParamTable::default();
        let network = Discriminator::declare(&mut table);
        let mut set = ParamSet::new(&table, &Weights::fresh(&table, seed ^ 0xd15c), &["discriminator."]);
        set.load(path)?;
        Ok(Self { network, set, count: table.len() })
    }

    /// Judges real and decoded pixels. Returns the discriminator's step and, for the decoder, the gradient of the
    /// whole loss at the decoded pixels; `picture` is the picture loss of a decoded tensor.
    pub fn judge(
        &self,
        device: &burn::tensor::Device,
        real: &Tensor<2>,
        decoded: &Tensor<2>,
        grid: Grid,
        picture: impl Fn(Tensor<2>) -> Tensor<1>,
    ) -> (CriticStep, Tensor<2>) {
        let mut ops = TrainOps::new(device.clone(), self.count);
        self.set.upload(&mut ops, |_| true);
        let on_real = self.network.forward(&mut ops, &real.clone().detach(), grid);
        let on_decoded = self.network.forward(&mut ops, &decoded.clone().detach(), grid);
        let hinge = relu(on_real.neg().add_scalar(1.0)).mean() + relu(on_decoded.add_scalar(1.0)).mean();
        let loss = super::workers::values(hinge.clone())[0];
        let step = CriticStep { loss, gradients: gradients(&ops, &self.set, &hinge) };

        // Gradients at the pixels, each from its own graph: burn walks a graph back only once.
        let at_pixels = |loss: &mut dyn FnMut(Tensor<2>) -> Tensor<1>| {
            let leaf = decoded.clone().detach().require_grad();
            let gradients = loss(leaf.clone()).backward();
            leaf.grad(&gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like())
        };
        let plain = at_pixels(&mut |leaf| picture(leaf));
        self.set.upload(&mut ops, |_| false);
        let adversarial = at_pixels(&mut |leaf| self.network.forward(&mut ops, &leaf, grid).mean().neg());
        let norm = |gradient: &Tensor<2>| super::workers::values(gradient.clone().square().sum())[0].sqrt();
        let weight = SHARE * norm(&plain) / norm(&adversarial).max(1e-12);
        (step, plain + adversarial.mul_scalar(weight))
    }

    /// One step on the workers' gradients; returns the mean loss.
    pub fn update(&mut self, steps: Vec<CriticStep>) -> f32 {
        let count = steps.len().max(1) as f32;
        let loss = steps.iter().map(|step| step.loss).sum::<f32>() / count;
        let parts = steps.into_iter().map(|step| step.gradients).collect();
        self.set.update(&mean_gradients(parts), RATE, &AdamW::TOKENIZER);
        loss
    }

    /// Writes the checkpoint.
    ///
    /// # Errors
    /// The file that could not be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        self.set.save(path)
    }
}
