//! Kernel distance of two sets (Binkowski et al., arXiv 1801.01401), on descriptions instead of Inception features.

use nalgebra::DMatrix;

/// Blocks of the error estimate.
const BLOCKS: usize = 10;

/// A distance with its standard error, both x 1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kid {
    /// `1000 * (mean k(a, a') + mean k(b, b') - 2 mean k(a, b))` over different items with the kernel
    /// `k(x, y) = (x y / width + 1)^3`. Without bias: 0 on average for two sets of one distribution, so it may be negative.
    pub value: f64,
    /// Root of the sum of two variances: that under leaving out a tenth of both sets (jackknife), and that which the value
    /// has for sets of one distribution, where leaving out says too little. NaN for sets of fewer than 20.
    pub error: f64,
}

/// Sums of the kernel between blocks of two sets, and the items of each block.
struct Sums {
    kernel: [[f64; BLOCKS]; BLOCKS],
    same: [f64; BLOCKS],
    rows: [f64; BLOCKS],
    columns: [f64; BLOCKS],
    /// Mean square of the kernel without the means of its rows and columns, over the number of pairs.
    spread: f64,
}

impl Sums {
    fn new(a: &DMatrix<f64>, b: &DMatrix<f64>, drop_same: bool) -> Self {
        let width = a.ncols().max(1) as f64;
        let kernel = (a * b.transpose()).map(|product| (product / width + 1.0).powi(3));
        let mut sums = Self {
            kernel: Default::default(),
            same: [0.0; BLOCKS],
            rows: [0.0; BLOCKS],
            columns: [0.0; BLOCKS],
            spread: spread(&kernel, drop_same),
        };
        for j in 0..b.nrows() {
            for i in 0..a.nrows() {
                sums.kernel[i % BLOCKS][j % BLOCKS] += kernel[(i, j)];
                if drop_same && i == j {
                    sums.same[i % BLOCKS] += kernel[(i, j)];
                }
            }
        }
        (0..a.nrows()).for_each(|i| sums.rows[i % BLOCKS] += 1.0);
        (0..b.nrows()).for_each(|j| sums.columns[j % BLOCKS] += 1.0);
        sums
    }

    /// Mean of the kernel without one block, or over all; pairs of an item with itself left out if `inside`.
    fn mean(&self, without: Option<usize>, inside: bool) -> f64 {
        let kept = |block: &usize| Some(*block) != without;
        let count = |items: &[f64; BLOCKS]| (0..BLOCKS).filter(kept).map(|block| items[block]).sum::<f64>();
        let mut sum: f64 =
            (0..BLOCKS).filter(kept).map(|i| (0..BLOCKS).filter(kept).map(|j| self.kernel[i][j]).sum::<f64>()).sum();
        if !inside {
            return sum / (count(&self.rows) * count(&self.columns));
        }
        sum -= count(&self.same);
        sum / (count(&self.rows) * (count(&self.rows) - 1.0))
    }
}

fn spread(kernel: &DMatrix<f64>, drop_same: bool) -> f64 {
    let (rows, columns) = (kernel.column_mean(), kernel.row_mean());
    let (mean, mut sum) = (kernel.mean(), 0.0);
    for j in 0..kernel.ncols() {
        for i in (0..kernel.nrows()).filter(|i| !drop_same || *i != j) {
            sum += (kernel[(i, j)] - rows[i] - columns[j] + mean).powi(2);
        }
    }
    let pairs = (kernel.nrows() * kernel.ncols()) as f64;
    sum / (pairs * pairs)
}

/// The distance of two sets of at least two rows; NaN for smaller ones.
pub fn kid(a: &DMatrix<f64>, b: &DMatrix<f64>) -> Kid {
    if a.nrows() < 2 || b.nrows() < 2 {
        return Kid { value: f64::NAN, error: f64::NAN };
    }
    let (aa, bb, ab) = (Sums::new(a, a, true), Sums::new(b, b, true), Sums::new(a, b, false));
    let value = |without| 1000.0 * (aa.mean(without, true) + bb.mean(without, true) - 2.0 * ab.mean(without, false));
    if a.nrows().min(b.nrows()) < 2 * BLOCKS {
        return Kid { value: value(None), error: f64::NAN };
    }
    let parts: Vec<f64> = (0..BLOCKS).map(|block| value(Some(block))).collect();
    let mean = parts.iter().sum::<f64>() / BLOCKS as f64;
    let square: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
    let jackknife = square * (BLOCKS - 1) as f64 / BLOCKS as f64;
    // Each pair of one set counts twice in its sum; the sum between the sets has the factor 2.
    let at_equality = 1e6 * (2.0 * aa.spread + 2.0 * bb.spread + 4.0 * ab.spread);
    Kid { value: value(None), error: (jackknife + at_equality).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::super::features::made_up::{cloud, reversed};
    use super::*;

    #[test]
    fn equal_distributions_are_near_and_shifted_ones_far() {
        let (a, b, c) = (cloud(300, 20, 0.0, 1), cloud(300, 20, 0.0, 2), cloud(300, 20, 0.5, 3));
        let (same, shifted) = (kid(&a, &b), kid(&a, &c));
        assert!(same.value.abs() < 3.0 * same.error && same.error < 15.0, "{same:?}");
        // Five standard errors are beyond chance.
        assert!(shifted.value > 5.0 * shifted.error && shifted.value > 300.0, "{shifted:?}");
    }

    #[test]
    fn the_order_of_a_set_does_not_matter() {
        let (a, b) = (cloud(60, 10, 0.0, 1), cloud(50, 10, 0.2, 2));
        assert!((kid(&a, &b).value - kid(&reversed(&a), &reversed(&b)).value).abs() < 1e-6);
        assert!((kid(&a, &b).value - kid(&b, &a).value).abs() < 1e-6);
    }

    #[test]
    fn a_set_without_pairs_has_no_distance() {
        assert!(kid(&cloud(1, 4, 0.0, 1), &cloud(9, 4, 0.0, 2)).value.is_nan());
    }
}
