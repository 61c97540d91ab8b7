//! Maps derived from a picture, and their mip levels: the twins of `derive_normal`, `derive_orm`, `derive_height` and
//! `downsample_map`; and the mip levels of the picture itself.

use crate::model::Wrap;
use crate::sampling::maps::{MapKind, MapRules};

/// A picture to derive maps from.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// RGB bytes, `(height * width, 3)`.
    pub pixels: &'a [u8],
    /// Width and height.
    pub size: (usize, usize),
    /// Which borders continue on the opposite side.
    pub wrap: Wrap,
}

impl Picture<'_> {
    /// Height at a pixel that may lie outside: the lightness as encoded.
    fn height(&self, x: i64, y: i64, rules: &MapRules) -> f32 {
        let along = |at: i64, size: usize, wrap: bool| {
            if wrap { at.rem_euclid(size as i64) } else { at.clamp(0, size as i64 - 1) }
        };
        let (x, y) = (along(x, self.size.0, self.wrap.x), along(y, self.size.1, self.wrap.y));
        let start = 3 * (y as usize * self.size.0 + x as usize);
        let [red, green, blue] = [0, 1, 2].map(|channel| f32::from(self.pixels[start + channel]) / 255.0);
        let light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if rules.relief < 0.0 { 1.0 - light } else { light }
    }

    /// 3x3 pixels around one, row by row.
    fn patch(&self, x: i64, y: i64, rules: &MapRules) -> [f32; 9] {
        std::array::from_fn(|at| self.height(x + at as i64 % 3 - 1, y + at as i64 / 3 - 1, rules))
    }
}

/// A map of a picture: RGB bytes.
pub fn derive(picture: Picture<'_>, kind: MapKind, rules: &MapRules) -> Vec<u8> {
    let rules = &rules.clamped();
    let (width, height) = picture.size;
    let pixels = (0..height as i64).flat_map(|y| (0..width as i64).map(move |x| (x, y)));
    let value = |(x, y)| match kind {
        MapKind::Normal => normal(picture, x, y, rules),
        MapKind::OcclusionRoughnessMetallic => orm(picture, x, y, rules),
        MapKind::Height => {
            let p = picture.patch(x, y, rules);
            [(4.0 * p[4] + 2.0 * (p[1] + p[3] + p[5] + p[7]) + p[0] + p[2] + p[6] + p[8]) / 16.0; 3]
        }
    };
    pixels.flat_map(|at| value(at).map(byte)).collect()
}

/// Sobel slopes in units of the picture's width.
fn normal(picture: Picture<'_>, x: i64, y: i64, rules: &MapRules) -> [f32; 3] {
    let p = picture.patch(x, y, rules);
    let scale = rules.relief.abs() * picture.size.0 as f32 / 8.0;
    let right = (p[2] + 2.0 * p[5] + p[8] - p[0] - 2.0 * p[3] - p[6]) * scale;
    let down = (p[6] + 2.0 * p[7] + p[8] - p[0] - 2.0 * p[1] - p[2]) * scale;
    let length = (right * right + down * down + 1.0).sqrt();
    [-right / length, down / length, 1.0 / length].map(|value| 0.5 + 0.5 * value)
}

/// Hollows are dark, and parts that stand out are smooth.
fn orm(picture: Picture<'_>, x: i64, y: i64, rules: &MapRules) -> [f32; 3] {
    let own = picture.height(x, y, rules);
    let near = i64::from(MapRules::radius(picture.size.0 as u32));
    let (mut above, mut mean) = (0.0, 0.0);
    for radius in [near, 2 * near] {
        // The diagonal has about the same length.
        let diagonal = (radius * 181 + 128) / 256;
        for (dx, dy) in [(radius, 0), (diagonal, diagonal), (0, radius), (-diagonal, diagonal)] {
            for sign in [1, -1] {
                let other = picture.height(x + sign * dx, y + sign * dy, rules);
                above += (other - own).max(0.0) / 16.0;
                mean += other / 16.0;
            }
        }
    }
    let occlusion = 1.0 - rules.occlusion * (4.0 * above).min(1.0);
    let roughness = (rules.roughness - 2.0 * rules.wear * (own - mean)).clamp(0.0, 1.0);
    [occlusion, roughness, rules.metallic]
}

/// One mip level of a picture from the level above it, averaged in linear light: the twin of `downsample`.
pub fn downsample_colour(finer: &[u8], size: (usize, usize)) -> Vec<u8> {
    // The transfer functions of IEC 61966-2-1.
    let decode = |byte: u8| match f32::from(byte) / 255.0 {
        low if low <= 0.040_45 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    };
    let encode = |value: f32| match value.clamp(0.0, 1.0) {
        low if low <= 0.003_130_8 => low * 12.92,
        high => 1.055 * high.powf(1.0 / 2.4) - 0.055,
    };
    let table: [f32; 256] = std::array::from_fn(|byte| decode(byte as u8));
    means(finer, size, |byte| table[usize::from(byte)], |mean| mean.map(encode))
}

/// One mip level of a map from the level above it: means of areas; directions get length 1 again.
pub fn downsample(finer: &[u8], size: (usize, usize), kind: MapKind) -> Vec<u8> {
    means(
        finer,
        size,
        |byte| f32::from(byte) / 255.0,
        |mean| match kind {
            MapKind::Normal => {
                let n = mean.map(|value| 2.0 * value - 1.0);
                let length = n.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
                n.map(|value| 0.5 + 0.5 * value / length)
            }
            MapKind::OcclusionRoughnessMetallic | MapKind::Height => mean,
        },
    )
}

/// A picture in one size: RGB bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// RGB bytes, `(height * width, 3)`.
    pub pixels: Vec<u8>,
    /// Width and height.
    pub size: (usize, usize),
}

/// All mip levels of a picture, or of a map of a kind, down to 1x1, as the GPU makes them. The first is the given one.
pub fn levels(pixels: Vec<u8>, size: (usize, usize), kind: Option<MapKind>) -> Vec<Level> {
    let mut levels = vec![Level { pixels, size }];
    while let Some(Level { pixels, size }) = levels.last().filter(|level| level.size != (1, 1)) {
        let coarser = match kind {
            None => downsample_colour(pixels, *size),
            Some(map) => downsample(pixels, *size, map),
        };
        let size = ((size.0 / 2).max(1), (size.1 / 2).max(1));
        levels.push(Level { pixels: coarser, size });
    }
    levels
}

/// The means of the areas that the pixels of a level half as large cover, each `finish`ed.
fn means(
    finer: &[u8],
    (width, height): (usize, usize),
    value: impl Fn(u8) -> f32,
    finish: impl Fn([f32; 3]) -> [f32; 3],
) -> Vec<u8> {
    let (w, h) = ((width / 2).max(1), (height / 2).max(1));
    let mut out = Vec::with_capacity(3 * w * h);
    for y in 0..h {
        for x in 0..w {
            let mut mean = [0.0f32; 3];
            for (sy, share_y) in shares(y, height, h) {
                for (sx, share_x) in shares(x, width, w) {
                    for (channel, mean) in mean.iter_mut().enumerate() {
                        *mean += share_x * share_y * value(finer[3 * (sy * width + sx) + channel]);
                    }
                }
            }
            out.extend(finish(mean).map(byte));
        }
    }
    out
}

/// The finer pixels that a coarser one covers along one axis, and how much of it each fills.
fn shares(at: usize, length: usize, coarse: usize) -> impl Iterator<Item = (usize, f32)> {
    let scale = length as f32 / coarse as f32;
    let (low, high) = (at as f32 * scale, (at + 1) as f32 * scale);
    (low as usize..(high.ceil() as usize).min(length))
        .map(move |i| (i, (high.min((i + 1) as f32) - low.max(i as f32)) / scale))
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5).floor() as u8
}
