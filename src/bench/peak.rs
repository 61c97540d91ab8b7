//! Yardsticks of the processor: its fused multiply-adds, and the `gemm` crate, both on one thread.

use super::clock::{Times, timed_here};
use crate::native::LOOPS;
use std::hint::black_box;

/// Sums that do not wait for each other: enough to fill the pipelines of any processor.
const CHAINS: usize = 12;
/// Steps of one measurement: some milliseconds.
const STEPS: usize = 2_000_000;

/// What every processor can do: one number at a time as far as the compiler finds no more.
fn multiply_add(steps: usize) -> f32 {
    let (factor, term) = (black_box(0.999_f32), black_box(0.001_f32));
    let mut sums = black_box([1.0_f32; CHAINS]);
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = *sum * factor + term;
        }
    }
    sums.iter().sum()
}

/// Vectors of eight; written out, since compilers do not find the best form of such a loop.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,fma")]
fn eight(steps: usize) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let (factor, term) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
    let mut sums = [_mm256_set1_ps(black_box(1.0)); CHAINS];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += _mm256_cvtss_f32(sum);
    }
    total
}

/// Vectors of sixteen.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sixteen(steps: usize) -> f32 {
    use std::arch::x86_64::{_mm512_cvtss_f32, _mm512_fmadd_ps, _mm512_set1_ps};
    let (factor, term) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
    let mut sums = [_mm512_set1_ps(black_box(1.0)); CHAINS];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, term);
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += _mm512_cvtss_f32(sum);
    }
    total
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
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx") && is_x86_feature_detected!("fma") {
            // SAFETY: the instructions were just found.
            peaks.push(measured("256-bit FMA", 8, |steps| unsafe { eight(steps) }));
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the instructions were just found.
            peaks.push(measured("512-bit FMA", 16, |steps| unsafe { sixteen(steps) }));
        }
    }
    if peaks.is_empty() {
        peaks.push(measured("multiplications and additions", 1, multiply_add));
    }
    peaks
}

fn measured(name: &'static str, lanes: usize, run: impl Fn(usize) -> f32) -> Peak {
    let ((), times) = timed_here(|| _ = black_box(run(black_box(STEPS))));
    Peak { name, rate: (2 * lanes * CHAINS * STEPS) as f64 / times.cpu }
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
