//! Near copies: for each generated texture the training picture that is described most alike.

use super::features::distances;
use super::metrics::{Picture, correlation};
use nalgebra::DMatrix;

/// Halvings before pictures are compared point by point: 128 pixels become 32.
const HALVINGS: usize = 2;

/// A generated texture and its nearest training picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Index of the generated texture.
    pub sample: usize,
    /// Index of the training picture.
    pub picture: usize,
    /// Distance of the descriptions in real deviations, 0 for a copy.
    pub distance: f64,
}

/// The nearest of `gallery` for each row of `samples`, in order of the samples.
pub fn nearest(samples: &DMatrix<f64>, gallery: &DMatrix<f64>) -> Vec<Pair> {
    let between = distances(samples, gallery);
    let best = |row: usize| {
        (0..gallery.nrows())
            .map(|at| Pair { sample: row, picture: at, distance: between[(row, at)] })
            .min_by(|a, b| a.distance.total_cmp(&b.distance))
    };
    (0..samples.nrows()).filter_map(best).collect()
}

/// The closest `count` pairs, closest first.
pub fn closest(pairs: &[Pair], count: usize) -> Vec<Pair> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    sorted.truncate(count);
    sorted
}

/// Percentage of `pairs` that are closer than all but five percent of `expected` are: about 5 if generated textures are
/// no nearer to training pictures than pictures that were kept out of training, far more if they are copies.
pub fn share_of_near(pairs: &[Pair], expected: &[Pair]) -> f64 {
    let mut distances: Vec<f64> = expected.iter().map(|pair| pair.distance).collect();
    distances.sort_by(f64::total_cmp);
    let Some(limit) = distances.get(distances.len() / 20) else { return f64::NAN };
    100.0 * pairs.iter().filter(|pair| pair.distance < *limit).count() as f64 / pairs.len().max(1) as f64
}

/// Largest correlation of the luminance of two square pictures of equal size over all shifts and both mirrors, at a quarter of
/// their resolution, -1..=1: near 1 for a copy, moved or mirrored.
pub fn aligned_correlation(a: &Picture, b: &Picture) -> f64 {
    let small = |picture: &Picture| {
        let picture = (0..HALVINGS).fold(picture.clone(), |picture, _| picture.half());
        let values: Vec<f32> =
            picture.values.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect();
        (values, picture.width, picture.height)
    };
    let ((a, width, height), (b, ..)) = (small(a), small(b));
    let mut best = -1.0f64;
    for shift in 0..width * height {
        for (mirror_x, mirror_y) in [(false, false), (true, false), (false, true), (true, true)] {
            let along = |at: usize, by: usize, length: usize, mirror: bool| {
                let at = (at + by) % length;
                if mirror { length - 1 - at } else { at }
            };
            let moved: Vec<f32> = (0..width * height)
                .map(|at| {
                    let x = along(at % width, shift % width, width, mirror_x);
                    b[along(at / width, shift / width, height, mirror_y) * width + x]
                })
                .collect();
            best = best.max(correlation(&a, &moved));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::features::made_up::cloud;
    use super::*;

    #[test]
    fn a_copy_is_found_and_others_are_not_near() {
        let gallery = cloud(50, 12, 0.0, 1);
        let mut samples = cloud(8, 12, 0.0, 2);
        samples.set_row(5, &gallery.row(17));
        let pairs = closest(&nearest(&samples, &gallery), 3);
        assert_eq!((pairs[0].sample, pairs[0].picture), (5, 17));
        assert!(pairs[0].distance < 1e-6 && pairs[1].distance > 0.3, "{pairs:?}");
    }

    #[test]
    fn copies_raise_the_share_of_near_pairs() {
        let gallery = cloud(100, 12, 0.0, 1);
        let expected = nearest(&cloud(200, 12, 0.0, 2), &gallery);
        let fresh = share_of_near(&nearest(&cloud(200, 12, 0.0, 3), &gallery), &expected);
        assert!(fresh < 15.0, "{fresh}");
        assert_eq!(share_of_near(&nearest(&gallery, &gallery), &expected), 100.0);
    }

    #[test]
    fn a_moved_mirror_image_correlates() {
        let value = |x: usize, y: usize| {
            f32::from(crate::sampling::rng::pcg4d([x as u32 / 4, y as u32 / 4, 1, 2])[0] as u8) / 255.0
        };
        let make = |f: &dyn Fn(usize, usize) -> f32| Picture {
            width: 64,
            height: 64,
            values: (0..64 * 64).flat_map(|i| [f(i % 64, i / 64); 3]).collect(),
        };
        let (a, b) = (make(&value), make(&|x, y| value(63 - (x + 12) % 64, (y + 20) % 64)));
        let other = make(&|x, y| value(x + 999, y));
        assert!(aligned_correlation(&a, &b) > 0.99);
        assert!(aligned_correlation(&a, &other) < 0.7);
    }
}
