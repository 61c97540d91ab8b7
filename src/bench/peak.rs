//! Yardsticks of the processor: its fused multiply-adds, and the `gemm` crate, both on one thread.

use super::clock::{Times, timed_here};
use crate::native::LOOPS;
use std::hint::black_box;

/// Sums that do not wait for each other: enough to fill the pipelines of any processor.
const CHAINS: usize = 12;
/// Steps of one measurement: some milliseconds.
const STEPS: usize = 2_000_000;

#[inline(always)]
fn multiply_add<const LANES: usize>(steps: usize) -> f32 {
    let (factor, term) = (black_box([0.999_f32; LANES]), black_box([0.001_f32; LANES]));
    let mut sums = black_box([[1.0_f32; LANES]; CHAINS]);
    for _ in 0..steps {
        for sum in &mut sums {
            for ((value, factor), term) in sum.iter_mut().zip(&factor).zip(&term) {
                *value = value.mul_add(*factor, *term);
            }
        }
    }
    sums.iter().flatten().sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn eight(steps: usize) -> f32 {
    multiply_add::<8>(steps)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn sixteen(steps: usize) -> f32 {
    multiply_add::<16>(steps)
}

/// Measured peak of one thread: name of the instructions and operations per second of the processor.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Which instructions.
    pub name: &'static str,
    /// Operations per second.
    pub rate: f64,
}

/// The peaks of the vectors that this machine has, the narrowest first: software rasterisers use vectors of 256 bits.
pub fn peaks() -> Vec<Peak> {
    let mut peaks = Vec::new();
    let mut add = |name, lanes: usize, run: &dyn Fn(usize) -> f32| {
        let ((), times) = timed_here(|| _ = black_box(run(black_box(STEPS))));
        peaks.push(Peak { name, rate: (2 * lanes * CHAINS * STEPS) as f64 / times.cpu });
    };
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the instructions were just found.
            add("256-bit FMA", 8, &|steps| unsafe { eight(steps) });
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the instructions were just found.
            add("512-bit FMA", 16, &|steps| unsafe { sixteen(steps) });
        }
    }
    if peaks.is_empty() {
        peaks.push(Peak { name: "FMA", rate: 2.0 * multiply_add_rate() });
    }
    peaks
}

/// Multiply-adds per second as the compiler makes them without a choice of instructions.
fn multiply_add_rate() -> f64 {
    let ((), times) = timed_here(|| _ = black_box(multiply_add::<4>(black_box(STEPS / 10))));
    (4 * CHAINS * STEPS / 10) as f64 / times.cpu
}

/// Matrices of one product for the `gemm` crate.
pub struct Product {
    /// Rows, terms of a sum, columns.
    pub shape: [usize; 3],
    left: Vec<f32>,
    right: Vec<f32>,
    result: Vec<f32>,
}

impl Product {
    /// Matrices of a shape.
    pub fn new(shape: [usize; 3]) -> Self {
        let [rows, terms, columns] = shape;
        let numbers = |count: usize| (0..count).map(|at| (at % 31) as f32 / 31.0 - 0.5).collect();
        Self { shape, left: numbers(rows * terms), right: numbers(terms * columns), result: vec![0.0; rows * columns] }
    }

    /// Operations of one product.
    pub fn flops(&self) -> u64 {
        2 * self.shape.iter().map(|side| *side as u64).product::<u64>()
    }

    /// Multiplies, on the threads of the calling pool.
    pub fn run(&mut self) {
        (LOOPS.product)(&self.left, &self.right, self.shape[1], self.shape[2], &mut self.result);
        black_box(&mut self.result);
    }
}

/// A pool of one thread, on which the `gemm` crate takes no other.
///
/// # Panics
/// If the system cannot start a thread.
pub fn one_thread() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("the system starts threads")
}

/// Times products that follow each other, `repeats` times, on one thread.
pub fn time_products(pool: &rayon::ThreadPool, products: &mut [Product], repeats: usize) -> Times {
    pool.install(|| timed_here(|| (0..repeats).for_each(|_| products.iter_mut().for_each(Product::run))).1)
}
