//! Two workers with one thread each finish sooner than one worker with two threads, because
//! burn's CPU backend runs everything but products on one thread.

use super::ops::TrainOps;
use super::params::ParamSet;
use burn::tensor::Tensor;

/// Threads that compute side by side, each with burn's inner parallelism switched off.
pub struct Workers {
    pools: Vec<rayon::ThreadPool>,
}

impl Workers {
    /// `count` workers.
    ///
    /// # Panics
    /// If the system cannot start threads.
    pub fn new(count: usize) -> Self {
        let pool = |_| rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("the system starts threads");
        Self { pools: (0..count.max(1)).map(pool).collect() }
    }

    /// Number of workers.
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Runs `work(worker)` on every worker and waits for all.
    pub fn run<T: Send>(&self, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let work = &work;
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .pools
                .iter()
                .enumerate()
                .map(|(index, pool)| scope.spawn(move || pool.install(|| work(index))))
                .collect();
            running
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    /// Splits `0..count` into one range per worker and joins the results in order.
    pub fn map<T: Send>(&self, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        self.map_with(count, || (), |(), index| work(index))
    }

    /// The same with something that each worker makes once and keeps.
    pub fn map_with<S, T: Send>(
        &self,
        count: usize,
        start: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize) -> T + Sync,
    ) -> Vec<T> {
        let parts = self.run(|worker| {
            let mut state = start();
            let (from, to) = (worker * count / self.count(), (worker + 1) * count / self.count());
            (from..to).map(|index| work(&mut state, index)).collect::<Vec<T>>()
        });
        parts.into_iter().flatten().collect()
    }
}

/// Walks `loss` back: one vector per parameter of `set`, empty where none was asked for.
pub fn gradients(ops: &TrainOps, set: &ParamSet, loss: &Tensor<1>) -> Vec<Vec<f32>> {
    let gradients = loss.backward();
    set.parameters
        .iter()
        .map(|parameter| ops.parameter(parameter.id).grad(&gradients).map(values).unwrap_or_default())
        .collect()
}

/// Values of a tensor, row-major.
///
/// # Panics
/// If the device fails.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("the device returns its values")
}

/// Mean of the workers' gradients.
pub fn mean_gradients(mut parts: Vec<Vec<Vec<f32>>>) -> Vec<Vec<f32>> {
    mean_into_first(&mut parts);
    parts.into_iter().next().unwrap_or_default()
}

/// The same, left in the first of `parts`.
pub fn mean_into_first(parts: &mut [Vec<Vec<f32>>]) {
    let scale = 1.0 / parts.len().max(1) as f32;
    let Some((sum, others)) = parts.split_first_mut() else { return };
    for (index, sum) in sum.iter_mut().enumerate() {
        for part in &*others {
            sum.iter_mut().zip(&part[index]).for_each(|(sum, value)| *sum += value);
        }
        sum.iter_mut().for_each(|value| *value *= scale);
    }
}
