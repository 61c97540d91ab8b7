//! Two workers with one thread each finish sooner than one worker with two threads, because
//! burn's CPU backend runs everything but products on one thread.

use super::ops::TrainOps;
use super::params::ParamSet;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

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

impl Workers {
    /// The results of `work` in order; each worker takes the next index when it is free, since some take far longer than
    /// others.
    ///
    /// # Errors
    /// Those of `work`: a worker that meets one takes no more.
    pub fn in_turn<T: Send, E: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        let next = AtomicUsize::new(0);
        let parts = self.run(|_| {
            let indices = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            indices
                .take_while(|index| *index < count)
                .map(|index| Ok((index, work(index)?)))
                .collect::<Result<Vec<_>, E>>()
        });
        let mut found = parts.into_iter().collect::<Result<Vec<_>, E>>()?.into_iter().flatten().collect::<Vec<_>>();
        found.sort_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, result)| result).collect())
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
    sum.par_iter_mut().enumerate().for_each(|(index, sum)| {
        for part in &*others {
            sum.iter_mut().zip(&part[index]).for_each(|(sum, value)| *sum += value);
        }
        sum.iter_mut().for_each(|value| *value *= scale);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_the_first_error_ends_it() {
        let workers = Workers::new(3);
        let slow_first = |index: usize| {
            std::thread::sleep(std::time::Duration::from_millis(if index == 0 { 30 } else { 1 }));
            if index < 7 { Ok(10 * index) } else { Err(index) }
        };
        assert_eq!(workers.in_turn(5, slow_first), Ok(vec![0, 10, 20, 30, 40]));
        assert_eq!(workers.in_turn(8, slow_first), Err(7));
        assert_eq!(workers.in_turn(0, slow_first), Ok(Vec::new()));
    }
}
