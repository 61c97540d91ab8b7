//! Precision and recall by nearest neighbours (Kynkaanniemi et al., arXiv 1904.06991), on descriptions.

use super::features::distances;
use nalgebra::DMatrix;

/// Which neighbour's distance is the radius of an item.
pub const NEIGHBOUR: usize = 3;

/// Shares of one set that lie near the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Share of generated items within the radius of a real one, 0..=1: 1 if all are plausible.
    pub precision: f64,
    /// Share of real items within the radius of a generated one, 0..=1: 1 if every kind is generated.
    pub recall: f64,
}

/// Of sets with more than [`NEIGHBOUR`] rows; NaN for smaller ones.
pub fn coverage(real: &DMatrix<f64>, generated: &DMatrix<f64>) -> Coverage {
    if real.nrows().min(generated.nrows()) <= NEIGHBOUR {
        return Coverage { precision: f64::NAN, recall: f64::NAN };
    }
    let (of_real, of_generated) = (radii(real), radii(generated));
    let between = distances(real, generated);
    let plausible = (0..generated.nrows()).filter(|j| (0..real.nrows()).any(|i| between[(i, *j)] <= of_real[i]));
    let covered = (0..real.nrows()).filter(|i| (0..generated.nrows()).any(|j| between[(*i, j)] <= of_generated[j]));
    Coverage {
        precision: plausible.count() as f64 / generated.nrows() as f64,
        recall: covered.count() as f64 / real.nrows() as f64,
    }
}

fn radii(set: &DMatrix<f64>) -> Vec<f64> {
    let between = distances(set, set);
    (0..set.nrows())
        .map(|i| {
            let mut others: Vec<f64> = (0..set.nrows()).filter(|j| *j != i).map(|j| between[(i, j)]).collect();
            others.sort_by(f64::total_cmp);
            others[NEIGHBOUR - 1]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::features::made_up::{cloud, reversed};
    use super::*;

    #[test]
    fn a_set_covers_its_like_and_not_a_far_one() {
        let (a, b, far) = (cloud(200, 4, 0.0, 1), cloud(200, 4, 0.0, 2), cloud(200, 4, 9.0, 3));
        let like = coverage(&a, &b);
        assert!(like.precision > 0.8 && like.recall > 0.8, "{like:?}");
        assert_eq!(coverage(&a, &far), Coverage { precision: 0.0, recall: 0.0 });
        assert_eq!(like, coverage(&reversed(&a), &reversed(&b)));
    }

    #[test]
    fn a_set_of_one_kind_is_precise_and_recalls_little() {
        let real = cloud(200, 4, 0.0, 1);
        let narrow = coverage(&real, &(cloud(200, 4, 0.0, 2) * 0.1));
        assert!(narrow.precision > 0.95 && narrow.recall < 0.2, "{narrow:?}");
    }
}
