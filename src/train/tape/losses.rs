//! What the generators minimise, on the tape.

use super::{Operation, TapeOps, TapeTensor, loops};
use crate::model::{Codes, Ops, ParamId};
use crate::train::learner::Learner;
use crate::train::params::ParamSet;
use std::sync::Arc;

/// A loss on the tape.
#[derive(Clone, Copy, Debug)]
pub struct TapeLoss {
    index: usize,
    value: f32,
}

impl TapeOps {
    fn loss(&mut self, x: &TapeTensor, gradient: super::buffers::Buffer, value: f32) -> TapeLoss {
        let mut values = self.pool.take(1);
        values[0] = value;
        let tracked = self.tracked(x);
        let node = self.push(values, [1, 1], Operation::Loss { x: x.index, gradient }, tracked);
        TapeLoss { index: node.index, value }
    }

    /// Room for the gradient of a loss; empty if nobody will ask for it.
    fn loss_gradient(&mut self, x: &TapeTensor) -> super::buffers::Buffer {
        if self.tracked(x) { self.pool.zeros(x.shape[0] * x.shape[1]) } else { super::buffers::Buffer::default() }
    }
}

impl Learner for TapeOps {
    type Loss = TapeLoss;

    fn reset(&mut self) {
        Self::reset(self);
    }

    fn indices(&mut self, values: &[u32]) -> Arc<[u32]> {
        values.into()
    }

    fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool) {
        Self::set(self, id, values, shape, differentiate);
    }

    fn cross_entropy(&mut self, logits: &TapeTensor, rows: &[u32], tokens: &[u32], codes: Codes) -> (TapeLoss, f32) {
        let width = self.shape(logits)[1];
        let scale = 1.0 / rows.len().max(1) as f32;
        let mut gradient = self.loss_gradient(logits);
        let mut scratch = self.pool.take(width);
        let values = &self.nodes[logits.index].values;
        let (mut total, mut right) = (0.0f64, 0usize);
        let kinds = codes.columns();
        for (row, token) in rows.iter().zip(tokens) {
            let mut all_right = true;
            for (columns, target) in kinds.iter().zip(codes.split(*token)) {
                let (from, to) = (*row as usize * width + columns.start, *row as usize * width + columns.end);
                let logits = &values[from..to];
                let part = if gradient.is_empty() { &mut [][..] } else { &mut gradient[from..to] };
                let scratch = &mut scratch[..columns.len()];
                total += f64::from(loops::entropy_row(logits, target as usize, part, scratch, scale));
                all_right &= loops::is_first_largest(logits, target as usize);
            }
            right += usize::from(all_right);
        }
        self.pool.give(scratch);
        let loss = self.loss(logits, gradient, (total * f64::from(scale)) as f32);
        (loss, right as f32 * scale)
    }

    fn weighted_square_error(&mut self, found: &TapeTensor, target: &[f32], weights: &[f32]) -> TapeLoss {
        let [rows, width] = self.shape(found);
        let scale = 1.0 / rows.max(1) as f32;
        let mut gradient = self.loss_gradient(found);
        let values = &self.nodes[found.index].values;
        let mut total = 0.0f64;
        for (row, (found, target)) in values.chunks_exact(width).zip(target.chunks_exact(width)).enumerate() {
            let part = if gradient.is_empty() { &mut [][..] } else { &mut gradient[row * width..][..width] };
            total += f64::from(loops::square_row(found, target, weights, part, scale));
        }
        self.loss(found, gradient, (total * f64::from(scale)) as f32)
    }

    fn inner_product(&mut self, x: &TapeTensor, gradient: &[f32]) -> TapeLoss {
        let products = self.nodes[x.index].values.iter().zip(gradient).map(|(x, y)| f64::from(*x) * f64::from(*y));
        let value = products.sum::<f64>() as f32;
        let gradient = self.pool.copy(gradient);
        self.loss(x, gradient, value)
    }

    fn add(&mut self, first: &TapeLoss, second: &TapeLoss) -> TapeLoss {
        let tensor = |loss: &TapeLoss| TapeTensor { index: loss.index, shape: [1, 1] };
        let sum = self.broadcast_sum(&tensor(first), &tensor(second), 1);
        TapeLoss { index: sum.index, value: first.value + second.value }
    }

    fn read(&self, x: &TapeTensor) -> Vec<f32> {
        self.values(x).to_vec()
    }

    fn value(&self, loss: &TapeLoss) -> f32 {
        loss.value
    }

    fn gradients(&mut self, set: &ParamSet, loss: &TapeLoss, into: &mut Vec<Vec<f32>>) {
        self.backward(loss.index);
        into.resize_with(set.parameters.len(), Vec::new);
        for (into, trained) in into.iter_mut().zip(&set.parameters) {
            let parameter = &mut self.parameters[trained.id.0];
            if std::mem::take(&mut parameter.touched) {
                std::mem::swap(into, &mut parameter.gradient);
            } else {
                into.clear();
            }
        }
    }
}
