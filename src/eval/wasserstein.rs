//! Sliced Wasserstein distance of patches of detail (Rabin et al. 2011; on pyramids: Karras et al., arXiv 1710.10196).

use super::metrics::Picture;
use crate::sampling::rng::{Stream, normal, random_words};

/// Patches drawn from each set, their side and numbers.
const PATCHES: u32 = 8192;
const SIDE: usize = 7;
const NUMBERS: usize = SIDE * SIDE * 3;
/// Random directions.
const DIRECTIONS: u32 = 96;
/// Levels of detail.
pub const LEVELS: usize = 3;

/// On each level of detail ([`Picture::detail`]), finest first: the mean over random unit directions of the mean
/// distance between the sorted projections of 7x7 patches of both sets, x 1000 for values 0..1.
///
/// 0 for equal sets of patches; two draws from one distribution stay a little above. NaN for an empty set.
pub fn sliced_wasserstein(real: &[&Picture], generated: &[&Picture]) -> [f64; LEVELS] {
    if real.is_empty() || generated.is_empty() {
        return [f64::NAN; LEVELS];
    }
    let (real, generated) = (levels(real), levels(generated));
    std::array::from_fn(|level| distance(&patches(&real[level], 1), &patches(&generated[level], 2)))
}

/// Detail of every picture, by level.
fn levels(set: &[&Picture]) -> [Vec<Picture>; LEVELS] {
    let mut pictures: Vec<Picture> = set.iter().map(|picture| (*picture).clone()).collect();
    std::array::from_fn(|_| {
        let detail = pictures.iter().map(Picture::detail).collect();
        pictures.iter_mut().for_each(|picture| *picture = picture.half());
        detail
    })
}

fn patches(set: &[Picture], salt: u64) -> Vec<[f32; NUMBERS]> {
    (0..PATCHES)
        .map(|index| {
            let [_, b, c, _] = random_words(salt, Stream::Order, index, 0);
            // All pictures in turn, so that no set depends on luck in the choice.
            let image = &set[index as usize % set.len()];
            let (x, y) = (b as usize % (image.width + 1 - SIDE), c as usize % (image.height + 1 - SIDE));
            let row = 3 * SIDE;
            std::array::from_fn(|i| image.values[3 * ((y + i / row) * image.width + x) + i % row])
        })
        .collect()
}

fn distance(real: &[[f32; NUMBERS]], generated: &[[f32; NUMBERS]]) -> f64 {
    let total: f64 = (0..DIRECTIONS)
        .map(|direction| {
            let mut weights: [f32; NUMBERS] =
                std::array::from_fn(|i| normal(random_words(3, Stream::Latent, direction, i as u32)));
            let norm = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
            weights.iter_mut().for_each(|weight| *weight /= norm);
            let project = |set: &[[f32; NUMBERS]]| {
                let mut values: Vec<f32> =
                    set.iter().map(|patch| patch.iter().zip(&weights).map(|(p, w)| p * w).sum()).collect();
                values.sort_by(f32::total_cmp);
                values
            };
            let (a, b) = (project(real), project(generated));
            a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / f64::from(PATCHES)
        })
        .sum();
    1000.0 * total / f64::from(DIRECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rng::Rng;

    fn noise(count: usize, scale: f32, seed: u64) -> Vec<Picture> {
        let mut rng = Rng::new(&[seed]);
        let mut values = || (0..64 * 64 * 3).map(|_| 0.5 + scale * rng.normal()).collect();
        (0..count).map(|_| Picture { width: 64, height: 64, values: values() }).collect()
    }

    #[test]
    fn equal_distributions_are_near_and_stronger_detail_is_far() {
        let sets = [noise(6, 0.1, 1), noise(6, 0.1, 2), noise(6, 0.15, 3)];
        let [a, b, c] = sets.each_ref().map(|set| set.iter().collect::<Vec<_>>());
        let (same, other) = (sliced_wasserstein(&a, &b), sliced_wasserstein(&a, &c));
        for level in 0..LEVELS {
            assert!(other[level] > 4.0 * same[level], "level {level}: {same:?} {other:?}");
        }
        assert!(sliced_wasserstein(&a, &[])[0].is_nan());
    }
}
