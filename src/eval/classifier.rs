//! Can a simple classifier tell real from generated? (Classifier two-sample test, arXiv 1610.06545.)

use crate::train::rng::Rng;
use nalgebra::{DMatrix, DVector};

/// Weight of the squared coefficients, in units of the number of items.
const RIDGE: f64 = 0.1;

/// Percentage of items that a ridge classifier gets right when it has learned on the other half, the mean of both sets:
/// 50 if it cannot tell, 100 if it always can.
///
/// Items of one owner, for example crops of one picture, never stand on both sides. NaN if a half has no item of a set.
pub fn told_apart(a: &DMatrix<f64>, b: &DMatrix<f64>, owners_a: &[usize], owners_b: &[usize]) -> f64 {
    let fold = |owner: usize, set: u64| (Rng::new(&[set, owner as u64]).next_u64() >> 32) % 2;
    let rows = |owners: &[usize], set: u64, half: u64| -> Vec<usize> {
        (0..owners.len()).filter(|row| fold(owners[*row], set) == half).collect()
    };
    let mut right = 0.0;
    for half in [0, 1] {
        let learn = (a.select_rows(&rows(owners_a, 1, half)), b.select_rows(&rows(owners_b, 2, half)));
        let ask = (a.select_rows(&rows(owners_a, 1, 1 - half)), b.select_rows(&rows(owners_b, 2, 1 - half)));
        let Some((weights, middle)) = fit(&learn.0, &learn.1) else { return f64::NAN };
        let share = |set: &DMatrix<f64>, positive: bool| {
            let scores = set * &weights;
            scores.iter().filter(|score| (**score > middle) == positive).count() as f64 / set.nrows() as f64
        };
        right += (share(&ask.0, true) + share(&ask.1, false)) / 4.0;
    }
    100.0 * right
}

/// Direction and threshold; both sets weigh the same.
fn fit(a: &DMatrix<f64>, b: &DMatrix<f64>) -> Option<(DVector<f64>, f64)> {
    if a.nrows() == 0 || b.nrows() == 0 {
        return None;
    }
    let (mean_a, mean_b) = (a.row_mean().transpose(), b.row_mean().transpose());
    let middle = (&mean_a + &mean_b) / 2.0;
    let width = a.ncols();
    let mut scatter = DMatrix::<f64>::identity(width, width) * RIDGE;
    for set in [a, b] {
        let centred = DMatrix::from_fn(set.nrows(), width, |i, j| set[(i, j)] - middle[j]);
        scatter += centred.transpose() * &centred / (2 * set.nrows()) as f64;
    }
    let weights = scatter.cholesky()?.solve(&((&mean_a - &mean_b) / 2.0));
    let threshold = weights.dot(&middle);
    Some((weights, threshold))
}

#[cfg(test)]
mod tests {
    use super::super::features::made_up::cloud;
    use super::*;

    #[test]
    fn half_of_equal_sets_is_right_and_nearly_all_of_shifted_ones() {
        let owners: Vec<usize> = (0..400).collect();
        let told = |mean| told_apart(&cloud(400, 10, 0.0, 1), &cloud(400, 10, mean, 2), &owners, &owners);
        // The deviation of a share of 800 fair coins is 1.8 %.
        assert!((told(0.0) - 50.0).abs() < 6.0, "{}", told(0.0));
        assert!(told(1.5) > 97.0, "{}", told(1.5));
    }

    #[test]
    fn copies_of_one_owner_do_not_help() {
        // Both sets are 40 rows, ten times each: a classifier that saw copies would know them all.
        let ten_times = |seed| {
            let rows: Vec<usize> = (0..400).map(|row| row / 10).collect();
            cloud(40, 30, 0.0, seed).select_rows(&rows)
        };
        let owners: Vec<usize> = (0..400).map(|row| row / 10).collect();
        let apart = told_apart(&ten_times(5), &ten_times(6), &owners, &owners);
        let leaky: Vec<usize> = (0..400).collect();
        let mixed = told_apart(&ten_times(5), &ten_times(6), &leaky, &leaky);
        assert!(apart < 75.0 && mixed > apart + 10.0, "apart {apart}, mixed {mixed}");
    }
}
