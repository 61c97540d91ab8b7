//! Measures of single images and of sets that need no pretrained network.

use crate::sampling::rng::{Stream, normal, random_words};

/// An RGB image with values 0..1, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `3 * width * height` values.
    pub values: Vec<f32>,
}

impl Picture {
    /// From bytes.
    pub fn from_bytes(width: usize, height: usize, bytes: &[u8]) -> Self {
        Self { width, height, values: bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect() }
    }

    fn difference(&self, a: (usize, usize), b: (usize, usize)) -> f64 {
        let at = |(x, y): (usize, usize)| 3 * (y * self.width + x);
        (0..3).map(|c| f64::from((self.values[at(a) + c] - self.values[at(b) + c]).abs())).sum()
    }

    /// The image at half the size, each pixel the mean of four.
    pub fn half(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut values = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let at = |dx, dy| self.values[3 * ((2 * y + dy) * self.width + 2 * x + dx) + channel];
                    values.push((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0);
                }
            }
        }
        Self { width, height, values }
    }

    /// Mean luminance of each 16x16 block: the structure that tokens decide.
    pub fn blocks(&self) -> Vec<f32> {
        let mut image = self.clone();
        for _ in 0..4 {
            image = image.half();
        }
        image.values.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect()
    }
}

/// Wrap-line gradient over the mean gradient of all interior lines that lie on a token border, along x and y.
///
/// 1.00 means that the border of the texture cannot be told from any other token border. `None` for
/// a direction without interior token borders or without any gradient.
pub fn seam_ratio(image: &Picture) -> [Option<f64>; 2] {
    let (width, height) = (image.width, image.height);
    let column = |x: usize| (0..height).map(|y| image.difference((x, y), ((x + 1) % width, y))).sum::<f64>();
    let row = |y: usize| (0..width).map(|x| image.difference((x, y), (x, (y + 1) % height))).sum::<f64>();
    let ratio = |line: &dyn Fn(usize) -> f64, length: usize| {
        let interior: Vec<f64> = (1..length / 16).map(|block| line(16 * block - 1)).collect();
        let mean = interior.iter().sum::<f64>() / interior.len() as f64;
        (mean > 0.0).then(|| line(length - 1) / mean)
    };
    [ratio(&column, width), ratio(&row, height)]
}

/// Mean squared Laplacian detail on three levels, finest first.
pub fn detail_energy(image: &Picture) -> [f64; 3] {
    let mut level = image.clone();
    std::array::from_fn(|_| {
        let half = level.half();
        let mut sum = 0.0;
        for y in 0..half.height * 2 {
            for x in 0..half.width * 2 {
                for channel in 0..3 {
                    let fine = level.values[3 * (y * level.width + x) + channel];
                    sum += f64::from(fine - half.values[3 * (y / 2 * half.width + x / 2) + channel]).powi(2);
                }
            }
        }
        let energy = sum / (half.values.len() * 4) as f64;
        level = half;
        energy
    })
}

/// Peak signal-to-noise ratio in decibels of two images of equal size.
pub fn psnr(a: &Picture, b: &Picture) -> f64 {
    let sum: f64 = a.values.iter().zip(&b.values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (sum / a.values.len() as f64).max(1e-12).log10()
}

/// Correlation of two equally long rows; 0 if one is constant.
pub fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|x| f64::from(*x)).sum::<f64>() / v.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// Sliced Wasserstein distance x 1000 of 7x7 patches on one level: the mean over 64 random directions of the distance
/// between the sorted projections of both sets (Rabin et al. 2011). `levels_down` halves the images first.
pub fn sliced_wasserstein(real: &[Picture], fake: &[Picture], levels_down: usize) -> f64 {
    const PATCHES: u32 = 4096;
    let patches = |set: &[Picture], salt: u32| -> Vec<[f32; 147]> {
        let level: Vec<Picture> =
            set.iter().map(|image| (0..levels_down).fold(image.clone(), |image, _| image.half())).collect();
        (0..PATCHES)
            .map(|index| {
                let [a, b, c, _] = random_words(u64::from(salt), Stream::Order, index, 0);
                let image = &level[a as usize % level.len()];
                let (x, y) = (b as usize % (image.width - 6), c as usize % (image.height - 6));
                std::array::from_fn(|i| image.values[3 * ((y + i / 21) * image.width + x) + i % 21])
            })
            .collect()
    };
    if real.is_empty() || fake.is_empty() {
        return f64::NAN;
    }
    let (real, fake) = (patches(real, 1), patches(fake, 2));
    let total: f64 = (0..64)
        .map(|direction| {
            let weights: [f32; 147] =
                std::array::from_fn(|i| normal(random_words(3, Stream::Latent, direction, i as u32)) / 147f32.sqrt());
            let project = |set: &[[f32; 147]]| {
                let mut values: Vec<f32> =
                    set.iter().map(|patch| patch.iter().zip(&weights).map(|(p, w)| p * w).sum()).collect();
                values.sort_by(f32::total_cmp);
                values
            };
            let (a, b) = (project(&real), project(&fake));
            a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / f64::from(PATCHES)
        })
        .sum();
    1000.0 * total / 64.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: impl Fn(usize, usize) -> f32) -> Picture {
        let values = (0..64 * 64).flat_map(|i| [value(i % 64, i / 64); 3]).collect();
        Picture { width: 64, height: 64, values }
    }

    #[test]
    fn a_ramp_has_a_seam_and_noise_has_none() {
        let [x, _] = seam_ratio(&picture(|x, _| x as f32 / 64.0));
        assert!(x.is_some_and(|ratio| ratio > 30.0), "{x:?}");
        // Noise has no border anywhere, so the border of the image is a line like any other.
        let noise = picture(|x, y| f32::from(crate::sampling::rng::pcg4d([x as u32, y as u32, 1, 2])[0] as u8) / 255.0);
        for ratio in seam_ratio(&noise) {
            assert!(ratio.is_some_and(|ratio| (0.7..1.4).contains(&ratio)), "{ratio:?}");
        }
    }

    #[test]
    fn blurring_loses_fine_detail_first_and_distance_sees_it() {
        let sharp = picture(|x, y| ((x * 7 + y * 13) % 5) as f32 / 5.0);
        let soft = picture(|x, y| (0..4).map(|i| (((x + i % 2) * 7 + (y + i / 2) * 13) % 5) as f32 / 20.0).sum());
        assert!(detail_energy(&soft)[0] < 0.7 * detail_energy(&sharp)[0]);
        let set = std::slice::from_ref::<Picture>;
        let same = sliced_wasserstein(set(&sharp), set(&sharp), 0);
        let other = sliced_wasserstein(set(&sharp), set(&soft), 0);
        assert!(other > 4.0 * same, "{same} {other}");
        assert!(psnr(&sharp, &sharp) > 100.0 && psnr(&sharp, &soft) < 30.0);
    }
}
