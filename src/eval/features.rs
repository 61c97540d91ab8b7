//! Descriptions of a set as a matrix, in units of the real set's deviations.

use nalgebra::DMatrix;

/// Deviations are kept above this share of their median, or a nearly constant value would rule every distance.
const LEAST_DEVIATION: f64 = 0.05;

/// Values beyond this many deviations are cut: the kernel distance is a polynomial of third degree, and a single odd picture
/// would decide it.
const FARTHEST: f64 = 4.0;

/// Mean and deviation of every value over a set.
#[derive(Clone, Debug)]
pub struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    /// Of descriptions, which must not be empty.
    pub fn of(rows: &[Vec<f32>]) -> Self {
        let count = rows.len().max(1) as f64;
        let width = rows.first().map_or(0, Vec::len);
        let column = |at: usize| rows.iter().map(move |row| f64::from(row[at]));
        let mean: Vec<f64> = (0..width).map(|at| column(at).sum::<f64>() / count).collect();
        let deviation: Vec<f64> = (0..width)
            .map(|at| (column(at).map(|value| (value - mean[at]).powi(2)).sum::<f64>() / count).sqrt())
            .collect();
        let mut sorted = deviation.clone();
        sorted.sort_by(f64::total_cmp);
        let least = (LEAST_DEVIATION * sorted.get(width / 2).copied().unwrap_or(1.0)).max(1e-9);
        Self { mean, deviation: deviation.into_iter().map(|value| value.max(least)).collect() }
    }

    /// One row per description, in units of the deviations, cut at four of them.
    pub fn apply(&self, rows: &[Vec<f32>]) -> DMatrix<f64> {
        DMatrix::from_fn(rows.len(), self.mean.len(), |row, at| {
            ((f64::from(rows[row][at]) - self.mean[at]) / self.deviation[at]).clamp(-FARTHEST, FARTHEST)
        })
    }
}

/// Euclidean distances of all rows of `a` to all rows of `b`, over the root of the number of columns.
pub fn distances(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    let square = |m: &DMatrix<f64>| -> Vec<f64> { m.row_iter().map(|row| row.norm_squared()).collect() };
    let (lengths_a, lengths_b, products) = (square(a), square(b), a * b.transpose());
    let width = a.ncols().max(1) as f64;
    DMatrix::from_fn(a.nrows(), b.nrows(), |i, j| {
        ((lengths_a[i] + lengths_b[j] - 2.0 * products[(i, j)]).max(0.0) / width).sqrt()
    })
}

#[cfg(test)]
pub(super) mod made_up {
    use nalgebra::DMatrix;

    /// Normal numbers around `mean`.
    pub fn cloud(rows: usize, width: usize, mean: f64, seed: u64) -> DMatrix<f64> {
        let mut rng = crate::train::rng::Rng::new(&[seed]);
        DMatrix::from_fn(rows, width, |_, _| mean + f64::from(rng.normal()))
    }

    /// The same rows from the last to the first.
    pub fn reversed(set: &DMatrix<f64>) -> DMatrix<f64> {
        let rows: Vec<usize> = (0..set.nrows()).rev().collect();
        set.select_rows(&rows)
    }
}
