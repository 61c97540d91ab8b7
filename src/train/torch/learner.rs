//! Parameters, losses and gradients.

use super::{TorchOps, TorchTensor, indices};
use crate::model::{Codes, Ops, ParamId};
use crate::train::learner::Learner;
use crate::train::params::ParamSet;
use tch::{Device, Kind, Reduction, Tensor};

/// Numbers of a tensor, row-major.
fn numbers(x: &Tensor) -> Vec<f32> {
    let x = x.detach().to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; x.numel()];
    x.copy_data(&mut values, x.numel());
    values
}

impl TorchOps {
    /// A vector in the processor's memory, which lasts until the next one is fetched: pages that stay where they are, since a
    /// card writes to others at a tenth of the speed.
    fn fetched(&mut self, flat: &Tensor) -> Tensor {
        let count = flat.size()[0];
        let fits = self.fetched.as_ref().is_some_and(|kept| kept.size()[0] >= count);
        if !fits {
            let kept = Tensor::empty([count], (Kind::Float, Device::Cpu));
            self.fetched = Some(if self.device.is_cuda() { kept.pin_memory(self.device) } else { kept });
        }
        let mut part = self.fetched.as_ref().map_or_else(Tensor::new, |kept| kept.narrow(0, 0, count));
        part.copy_(&flat.to_kind(Kind::Float));
        part
    }
}

impl Learner for TorchOps {
    type Loss = TorchTensor;

    fn reset(&mut self) {
        self.parts.clear();
    }

    fn indices(&mut self, values: &[u32]) -> TorchTensor {
        TorchTensor(indices(values, self.device))
    }

    fn set(&mut self, id: ParamId, values: &[f32], shape: [usize; 2], differentiate: bool) {
        let TorchTensor(tensor) = self.constant(values, shape);
        self.parameters[id.0] = Some(tensor.set_requires_grad(differentiate));
    }

    fn cross_entropy(
        &mut self,
        logits: &TorchTensor,
        rows: &[u32],
        tokens: &[u32],
        codes: Codes,
    ) -> (TorchTensor, f32) {
        let logits = logits.0.index_select(0, &indices(rows, self.device)).to_kind(Kind::Float);
        let mut right = Tensor::ones([tokens.len() as i64], (Kind::Float, self.device));
        let mut sum = Tensor::zeros([], (Kind::Float, self.device));
        for (kind, columns) in codes.columns().into_iter().enumerate() {
            let logits = logits.narrow(1, columns.start as i64, columns.len() as i64);
            let targets: Vec<u32> = tokens.iter().map(|token| codes.split(*token)[kind]).collect();
            let targets = indices(&targets, self.device);
            right *= logits.argmax(1, false).eq_tensor(&targets).to_kind(Kind::Float);
            sum += logits.cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0);
        }
        (TorchTensor(sum), right.mean(Kind::Float).double_value(&[]) as f32)
    }

    fn weighted_square_error(&mut self, found: &TorchTensor, target: &[f32], weights: &[f32]) -> TorchTensor {
        let [rows, width] = self.shape(found);
        let target = self.constant(target, [rows, width]);
        let weights = self.constant(weights, [1, width]);
        let square = (found.0.to_kind(Kind::Float) - target.0).square() * weights.0;
        TorchTensor(square.sum(Kind::Float) / rows as f64)
    }

    fn inner_product(&mut self, x: &TorchTensor, gradient: &[f32]) -> TorchTensor {
        let shape = self.shape(x);
        let gradient = self.constant(gradient, shape);
        TorchTensor((x.0.to_kind(Kind::Float) * gradient.0).sum(Kind::Float))
    }

    fn add(&mut self, first: &TorchTensor, second: &TorchTensor) -> TorchTensor {
        TorchTensor(&first.0 + &second.0)
    }

    fn read(&self, x: &TorchTensor) -> Vec<f32> {
        numbers(&x.0)
    }

    fn value(&self, loss: &TorchTensor) -> f32 {
        loss.0.double_value(&[]) as f32
    }

    fn gradients(&mut self, set: &ParamSet, loss: &TorchTensor, into: &mut Vec<Vec<f32>>) {
        loss.0.backward();
        let found: Vec<Tensor> = set.parameters.iter().map(|parameter| self.value_of(parameter.id).grad()).collect();
        // One copy for all, since each would wait for the device.
        let defined = found.iter().filter(|gradient| gradient.defined());
        let flat: Vec<Tensor> = defined.map(|gradient| gradient.reshape([-1])).collect();
        let all = (!flat.is_empty()).then(|| self.fetched(&Tensor::cat(&flat, 0)));
        let mut at = 0;
        into.resize_with(found.len(), Vec::new);
        for (gradient, into) in found.iter().zip(into) {
            let count = if gradient.defined() { gradient.numel() } else { 0 };
            into.resize(count, 0.0);
            if let Some(all) = all.as_ref().filter(|_| count > 0) {
                all.narrow(0, at as i64, count as i64).copy_data(into, count);
            }
            at += count;
        }
        // libtorch adds the next loss's gradients to what it finds.
        for parameter in &set.parameters {
            if let Some(tensor) = &mut self.parameters[parameter.id.0] {
                tensor.zero_grad();
            }
        }
    }
}
