//! Steps whose batch is shared by threads: each computes the gradient of its part.

use super::learner::Learner;
use super::params::ParamSet;
use super::workers::mean_into_first;
use std::sync::{Mutex, PoisonError};

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

    /// Runs `work` for every part on its own thread, by its number and with its executor.
    pub fn each<T: Send>(&mut self, work: impl Fn(usize, &mut L) -> T + Sync) -> Vec<T> {
        let work = &work;
        std::thread::scope(|scope| {
            let executors = self.executors.iter_mut().enumerate();
            let running: Vec<_> = executors.map(|(share, ops)| scope.spawn(move || work(share, ops))).collect();
            running
                .into_iter()
                .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    /// Mean loss and mean gradients of the parts; `loss` computes the loss of one part, by its number.
    pub fn step(&mut self, set: &ParamSet, loss: impl Fn(usize, &mut L) -> L::Loss + Sync) -> (f32, &[Vec<f32>]) {
        // What was found before is used again, so that large buffers are made once.
        let found: Vec<Mutex<Vec<Vec<f32>>>> = self.found.drain(..).map(Mutex::new).collect();
        let losses = self.each(|share, ops| {
            ops.reset();
            set.upload(ops, |_| true);
            let loss = loss(share, ops);
            ops.gradients(set, &loss, &mut found[share].lock().unwrap_or_else(PoisonError::into_inner));
            ops.value(&loss)
        });
        self.found =
            found.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        mean_into_first(&mut self.found);
        (losses.iter().sum::<f32>() / SHARES as f32, &self.found[0])
    }
}
