//! Measures of single images and of sets that need no pretrained network.

use image::{Rgb, RgbImage};

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

    /// The pixel at a position as bytes.
    pub fn pixel(&self, x: usize, y: usize) -> Rgb<u8> {
        let start = 3 * (y * self.width + x);
        Rgb(std::array::from_fn(|channel| (self.values[start + channel].clamp(0.0, 1.0) * 255.0 + 0.5) as u8))
    }

    /// All of it as bytes.
    pub fn to_image(&self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| self.pixel(x as usize, y as usize))
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

    /// The part that halving loses: the image minus its half, enlarged bilinearly. Sides must be even.
    pub fn detail(&self) -> Self {
        let half = self.half();
        // Pixel `x` of the image lies a quarter of a pixel before or behind the middle of pixel `x / 2` of the half.
        let beside = |x: usize, length: usize| {
            if x.is_multiple_of(2) { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(length - 1) }
        };
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..2 * half.height {
            let (near_y, far_y) = (y / 2, beside(y, half.height));
            for x in 0..2 * half.width {
                let (near_x, far_x) = (x / 2, beside(x, half.width));
                for channel in 0..3 {
                    let at = |y: usize, x: usize| half.values[3 * (y * half.width + x) + channel];
                    let near = 0.75 * at(near_y, near_x) + 0.25 * at(near_y, far_x);
                    let far = 0.75 * at(far_y, near_x) + 0.25 * at(far_y, far_x);
                    values.push(self.values[3 * (y * self.width + x) + channel] - 0.75 * near - 0.25 * far);
                }
            }
        }
        Self { width: 2 * half.width, height: 2 * half.height, values }
    }

    /// A square cut from a corner; positions wrap around.
    pub fn cut(&self, left: usize, top: usize, side: usize) -> Self {
        let mut values = Vec::with_capacity(3 * side * side);
        for y in 0..side {
            for x in 0..side {
                let at = 3 * ((top + y) % self.height * self.width + (left + x) % self.width);
                values.extend_from_slice(&self.values[at..at + 3]);
            }
        }
        Self { width: side, height: side, values }
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

/// Mean gradient of the token borders inside the image over that of all lines between, the mean of both axes.
///
/// 1.00 means that tokens cannot be seen. `None` for an image of one token or without any gradient between.
pub fn border_ratio(image: &Picture) -> Option<f64> {
    let (width, height) = (image.width, image.height);
    let (mut border, mut between) = ((0.0, 0usize), (0.0, 0usize));
    let mut add = |at: usize, difference: f64| {
        let sum = if at % 16 == 15 { &mut border } else { &mut between };
        *sum = (sum.0 + difference, sum.1 + 1);
    };
    for y in 0..height {
        (0..width - 1).for_each(|x| add(x, image.difference((x, y), (x + 1, y))));
    }
    for y in 0..height - 1 {
        (0..width).for_each(|x| add(y, image.difference((x, y), (x, y + 1))));
    }
    (border.1 > 0 && between.0 > 0.0).then(|| border.0 / border.1 as f64 / (between.0 / between.1 as f64))
}

/// Mean square of the detail that halving loses ([`Picture::detail`]) on three levels, finest first.
pub fn detail_energy(image: &Picture) -> [f64; 3] {
    let mut level = image.clone();
    std::array::from_fn(|_| {
        let detail = level.detail();
        level = level.half();
        let sum: f64 = detail.values.iter().map(|value| f64::from(*value).powi(2)).sum();
        sum / detail.values.len().max(1) as f64
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
    fn a_ramp_has_no_detail_and_a_token_grid_shows() {
        let ramp = picture(|x, y| (x + 2 * y) as f32 / 200.0).detail();
        let inner = |x: usize, y: usize| ramp.values[3 * (y * 64 + x)];
        assert!((2..62).all(|at| inner(at, 30).abs() < 1e-6 && inner(30, at).abs() < 1e-6));
        let noise = |x: usize, y: usize| f32::from(crate::sampling::rng::pcg4d([x as u32, y as u32, 1, 2])[0] as u8);
        let plain = border_ratio(&picture(|x, y| noise(x, y) / 255.0));
        let tokens = border_ratio(&picture(|x, y| noise(x, y) / 2550.0 + noise(x / 16, y / 16) / 255.0));
        assert!(plain.is_some_and(|ratio| (0.9..1.1).contains(&ratio)), "{plain:?}");
        assert!(tokens.is_some_and(|ratio| ratio > 3.0), "{tokens:?}");
    }

    #[test]
    fn blurring_loses_fine_detail_first() {
        let sharp = picture(|x, y| ((x * 7 + y * 13) % 5) as f32 / 5.0);
        let soft = picture(|x, y| (0..4).map(|i| (((x + i % 2) * 7 + (y + i / 2) * 13) % 5) as f32 / 20.0).sum());
        assert!(detail_energy(&soft)[0] < 0.7 * detail_energy(&sharp)[0]);
        assert!(psnr(&sharp, &sharp) > 100.0 && psnr(&sharp, &soft) < 30.0);
    }
}
