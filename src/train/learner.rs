//! What an executor must do besides running the network so that a generator can learn on it.

use super::ops::TrainOps;
use super::params::ParamSet;
use super::workers::{gradients, values};
use crate::model::{Codes, Ops, ParamId};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

/// An executor with parameters, losses and gradients.
pub trait Learner: Ops {
    /// A single number that can be walked back from.
    type Loss;

    /// Forgets all tensors and losses so far; parameters stay. Called before every step.
    fn reset(&mut self);

    /// Indices for the operations that look rows up.
    fn indices(&mut self, values: &[u32]) -> Self::Indices;

    /// Sets a parameter; with `differentiate` its gradient can be asked for.
    fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool);

    /// Mean cross entropy of tokens at `rows` of `logits`, the sum over both where they have two codes, and the share that
    /// is predicted right.
    fn cross_entropy(&mut self, logits: &Self::Tensor, rows: &[u32], tokens: &[u32], codes: Codes)
    -> (Self::Loss, f32);

    /// Mean over rows of the squares of `found - target`, `weights` weighing the columns:
    /// found and target `(R, D)`, weights `(D)`.
    fn weighted_square_error(&mut self, found: &Self::Tensor, target: &[f32], weights: &[f32]) -> Self::Loss;

    /// The sum of the products of `x` and `gradient`, of equal shapes: a loss whose gradient at `x` is computed
    /// elsewhere.
    fn inner_product(&mut self, x: &Self::Tensor, gradient: &[f32]) -> Self::Loss;

    /// The sum of two losses.
    fn add(&mut self, first: &Self::Loss, second: &Self::Loss) -> Self::Loss;

    /// Values of a matrix, row-major.
    fn read(&self, x: &Self::Tensor) -> Vec<f32>;

    /// The number.
    fn value(&self, loss: &Self::Loss) -> f32;

    /// Walks back from `loss`: one vector per parameter of `set`, empty where nothing depends on it. What `into`
    /// held is used again.
    fn gradients(&mut self, set: &ParamSet, loss: &Self::Loss, into: &mut Vec<Vec<f32>>);
}

impl Learner for TrainOps {
    type Loss = Tensor<1>;

    fn reset(&mut self) {}

    fn indices(&mut self, values: &[u32]) -> Tensor<1, Int> {
        Self::indices(self, values)
    }

    fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool) {
        Self::set(self, id, values, shape, differentiate);
    }

    fn cross_entropy(&mut self, logits: &Tensor<2>, rows: &[u32], tokens: &[u32], codes: Codes) -> (Tensor<1>, f32) {
        let rows = Self::indices(self, rows);
        let logits = logits.clone().select(0, rows);
        let mut right = vec![true; tokens.len()];
        let mut sum = Tensor::zeros([1], &logits.device());
        for (kind, columns) in codes.columns().into_iter().enumerate() {
            let logits = logits.clone().narrow(1, columns.start, columns.len());
            let targets: Vec<u32> = tokens.iter().map(|token| codes.split(*token)[kind]).collect();
            let best: Tensor<2, Int> = logits.clone().inner().argmax(1);
            let best = best.try_into_vec_as::<i32>().unwrap_or_default();
            let both = right.iter_mut().zip(best.iter().zip(&targets));
            both.for_each(|(right, (best, target))| *right &= *best as u32 == *target);
            let places = Self::indices(self, &targets).reshape([targets.len(), 1]);
            sum = sum - log_softmax(logits, 1).gather(1, places).mean();
        }
        let right = right.iter().filter(|right| **right).count();
        (sum, right as f32 / tokens.len().max(1) as f32)
    }

    fn weighted_square_error(&mut self, found: &Tensor<2>, target: &[f32], weights: &[f32]) -> Tensor<1> {
        let [rows, width] = found.dims();
        let target = self.constant(target, [rows, width]);
        let weights = self.constant(weights, [1, width]);
        ((found.clone() - target).square() * weights).sum().div_scalar(rows as f32)
    }

    fn inner_product(&mut self, x: &Tensor<2>, gradient: &[f32]) -> Tensor<1> {
        let gradient = self.constant(gradient, x.dims());
        (x.clone() * gradient).sum()
    }

    fn add(&mut self, first: &Tensor<1>, second: &Tensor<1>) -> Tensor<1> {
        first.clone() + second.clone()
    }

    fn read(&self, x: &Tensor<2>) -> Vec<f32> {
        values(x.clone())
    }

    fn value(&self, loss: &Tensor<1>) -> f32 {
        values(loss.clone())[0]
    }

    fn gradients(&mut self, set: &ParamSet, loss: &Tensor<1>, into: &mut Vec<Vec<f32>>) {
        *into = gradients(self, set, loss);
    }
}
