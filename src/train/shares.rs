//! Steps whose batch is shared by threads: each computes the gradient of its part.

use super::learner::Learner;
use super::params::ParamSet;
use super::workers::mean_into_first;

/// Parts of a batch, each on its own thread. A constant, so that a run gives the same weights on every machine.
pub const SHARES: usize = 2;

/// Executors of the parts with the gradients that they found.
pub struct Shares<L> {
    executors: Vec<L>,
    found: Vec<Vec<Vec<f32>>>,
}

impl<L: Learner + Send> Shares<L> {
    /// Makes an executor for every part.
    pub fn new(executor: impl Fn() -> L) -> Self {
        Self { executors: (0..SHARES).map(|_| executor()).collect(), found: vec![Vec::new(); SHARES] }
    }

    /// Mean loss and mean gradients of the parts; `loss` computes the loss of one part, by its number.
    pub fn step(&mut self, set: &ParamSet, loss: impl Fn(usize, &mut L) -> L::Loss + Sync) -> (f32, &[Vec<f32>]) {
        let loss = &loss;
        let sum: f32 = std::thread::scope(|scope| {
            let running: Vec<_> = self
                .executors
                .iter_mut()
                .zip(&mut self.found)
                .enumerate()
                .map(|(share, (ops, found))| {
                    scope.spawn(move || {
                        ops.reset();
                        set.upload(ops, |_| true);
                        let loss = loss(share, ops);
                        ops.gradients(set, &loss, found);
                        ops.value(&loss)
                    })
                })
                .collect();
            running.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
        });
        mean_into_first(&mut self.found);
        (sum / SHARES as f32, &self.found[0])
    }
}
