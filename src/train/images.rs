//! Reading and preparing one picture.

use super::TrainError;
use crate::model::TOKEN_PIXELS;
use image::imageops::{FilterType, resize};
use image::{ImageReader, RgbImage, imageops};
use std::path::Path;

/// Pictures with a darker mean than this are brightened: dark game textures carry baked light, and
/// a tenth of the data would otherwise teach the model mud.
const DARK: f32 = 0.18;
/// Exponent of the strongest brightening.
const STRONGEST_GAMMA: f32 = 0.6;
/// Pixels at each border of a 128 px preview that hold colours of its neighbour on the sheet.
const BLEED: u32 = 3;
/// Side of a token in pixels.
const TOKEN: u32 = TOKEN_PIXELS as u32;
/// Largest ratio of the step across the border to the steps inside with which a picture counts as a tile.
const TILE_RATIO: f32 = 1.35;

/// A square picture at one scale; its side is a multiple of 16.
#[derive(Clone, Debug)]
pub struct Version {
    /// Pixels along a side.
    pub side: usize,
    /// RGB bytes, row by row.
    pub pixels: Vec<u8>,
    /// True if it may be continued past its border as a torus.
    pub wraps: bool,
}

impl Version {
    fn new(picture: &RgbImage, may_wrap: bool) -> Self {
        let side = picture.width() as usize;
        Self { side, pixels: picture.as_raw().clone(), wraps: may_wrap && tiles(picture) }
    }

    /// Share of the variance of brightness that squares of a token's size have by their means: it is high where shapes are
    /// larger than a token, and low where they are smaller or there are none. Range 0 to 1.
    pub fn coarse_share(&self) -> f32 {
        let tokens = self.side / TOKEN_PIXELS;
        let bright = |at: usize| self.pixels[3 * at..3 * at + 3].iter().map(|byte| f32::from(*byte)).sum::<f32>();
        let mut means = vec![0.0; tokens * tokens];
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for at in 0..self.side * self.side {
            let value = bright(at);
            means[at / self.side / TOKEN_PIXELS * tokens + at % self.side / TOKEN_PIXELS] += value;
            sum += f64::from(value);
            squares += f64::from(value * value);
        }
        let count = (self.side * self.side) as f64;
        let square_of_mean = (sum / count).powi(2);
        let per_token = (TOKEN_PIXELS * TOKEN_PIXELS) as f32;
        let between =
            means.iter().map(|value| f64::from((value / per_token).powi(2))).sum::<f64>() / means.len() as f64;
        // A level of one byte: flat pictures have no shapes.
        ((between - square_of_mean) / (squares / count - square_of_mean).max(1.0)).clamp(0.0, 1.0) as f32
    }

    /// Twice the size: shapes become larger than a token, and nothing is sharp.
    #[must_use]
    pub fn enlarged(&self) -> Self {
        // What the filter sees across a border.
        const MARGIN: usize = 4;
        let whole = self.side + 2 * MARGIN;
        let around = |at: u32| {
            let at = at as usize + self.side - MARGIN;
            if self.wraps { at % self.side } else { at.clamp(self.side, 2 * self.side - 1) - self.side }
        };
        let pixel = |x: u32, y: u32| {
            let at = 3 * (around(y) * self.side + around(x));
            image::Rgb([self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
        };
        let picture = RgbImage::from_fn(whole as u32, whole as u32, pixel);
        let picture = centre(&scale(&picture, 2 * whole as u32), 2 * self.side as u32);
        Self { side: 2 * self.side, pixels: picture.into_raw(), wraps: self.wraps }
    }

    /// A rectangle as values -1..1, from a corner, mirrored if asked; positions wrap around.
    pub fn crop(&self, at: (usize, usize), side: usize, flip: Flip) -> Vec<f32> {
        self.part(at, side, flip, (0, 0), side)
    }

    /// A square of such a rectangle of `whole` pixels, by its corner there; it goes on at the opposite border.
    pub fn part(&self, at: (usize, usize), whole: usize, flip: Flip, corner: (usize, usize), side: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            for x in 0..side {
                let (sy, sx) = flip.source((corner.0 + y) % whole, (corner.1 + x) % whole, whole);
                let index = ((at.0 + sy) % self.side * self.side + (at.1 + sx) % self.side) * 3;
                values.extend(self.pixels[index..index + 3].iter().map(|byte| f32::from(*byte) / 127.5 - 1.0));
            }
        }
        values
    }
}

/// Mirror images that keep a texture plausible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flip {
    /// Left and right exchanged.
    pub horizontal: bool,
    /// Top and bottom exchanged.
    pub vertical: bool,
    /// Rows and columns exchanged, before the others: all eight are the symmetries of a square.
    pub transposed: bool,
}

impl Flip {
    /// The four that keep rows level.
    pub const ALL: [Self; 4] = [
        Self { horizontal: false, vertical: false, transposed: false },
        Self { horizontal: true, vertical: false, transposed: false },
        Self { horizontal: false, vertical: true, transposed: false },
        Self { horizontal: true, vertical: true, transposed: false },
    ];

    fn source(self, y: usize, x: usize, side: usize) -> (usize, usize) {
        let (y, x) = if self.transposed { (x, y) } else { (y, x) };
        let along = |flip: bool, at: usize| if flip { side - 1 - at } else { at };
        (along(self.vertical, y), along(self.horizontal, x))
    }
}

/// A picture file as it is learned from.
pub struct Prepared {
    /// The picture at all the scales that it is learned at.
    pub versions: Vec<Version>,
    /// Made from a source of at least 256 px.
    pub sharp: bool,
    /// The file's own pixels, neither brightened nor enlarged, small ones first: what the styles of the bank are measured on,
    /// so that textures have the colours and the crispness of pictures as they are.
    pub own: Vec<Version>,
}

/// Reads and prepares a picture file.
///
/// # Errors
/// A file that is not a picture, or too small to be one.
pub fn prepare(path: &Path, may_wrap: bool) -> Result<Prepared, TrainError> {
    let failed = |message: String| TrainError::Picture { path: path.into(), message };
    // By what a file holds: textures are often renamed.
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let picture = reader.map_err(|error| failed(error.to_string()))?.decode();
    let mut picture = picture.map_err(|error| failed(error.to_string()))?.to_rgb8();
    let (width, height) = picture.dimensions();
    let side = width.min(height);
    if side < 32 {
        return Err(TrainError::Picture {
            path: path.into(),
            message: format!("it has {width} x {height} pixels, expected at least 32 x 32"),
        });
    }
    let may_wrap = may_wrap && width == height;
    if width != height {
        picture = centre(&picture, side);
    }
    if side <= 128 {
        let bleed = if side == 128 { BLEED } else { 0 };
        let inner = centre(&picture, side - 2 * bleed);
        let own = centre(&picture, (side - 2 * bleed) / TOKEN * TOKEN);
        let versions = vec![Version::new(&brighten(scale(&inner, 128)), may_wrap)];
        return Ok(Prepared { versions, sharp: false, own: vec![Version::new(&own, false)] });
    }
    if side < 256 {
        let picture = scale(&picture, 128);
        let own = vec![Version::new(&picture, false)];
        return Ok(Prepared { versions: vec![Version::new(&brighten(picture), may_wrap)], sharp: false, own });
    }
    let mut own = vec![Version::new(&scale(&picture, 256), false)];
    let bright = brighten(picture.clone());
    let mut versions = vec![Version::new(&scale(&bright, 256), may_wrap)];
    if side <= 512 {
        versions.push(Version::new(&scale(&bright, 128), may_wrap));
    } else {
        // An eighth of the size shows a pattern too small to read; half of the tile at a quarter does not wrap.
        versions.push(Version::new(&scale(&centre(&bright, side / 2), 128), false));
    }
    if side >= 512 {
        own.push(Version::new(&scale(&picture, 512), false));
        versions.push(Version::new(&scale(&bright, 512), may_wrap));
    }
    Ok(Prepared { versions, sharp: true, own })
}

fn centre(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    imageops::crop_imm(picture, (width - side) / 2, (height - side) / 2, side, side).to_image()
}

fn scale(picture: &RgbImage, side: u32) -> RgbImage {
    if picture.width() == side { picture.clone() } else { resize(picture, side, side, FilterType::CatmullRom) }
}

fn brighten(mut picture: RgbImage) -> RgbImage {
    let sum: f64 = picture
        .pixels()
        .map(|pixel| 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]))
        .sum();
    let mean = (sum / (255.0 * f64::from(picture.width()) * f64::from(picture.height()))) as f32;
    if mean < DARK {
        let gamma = (DARK.ln() / mean.max(1e-3).ln()).max(STRONGEST_GAMMA);
        for byte in picture.iter_mut() {
            *byte = (255.0 * (f32::from(*byte) / 255.0).powf(gamma)).round() as u8;
        }
    }
    picture
}

/// True if the step across both borders is like the steps inside.
fn tiles(picture: &RgbImage) -> bool {
    let side = picture.width();
    let step = |from: (u32, u32), to: (u32, u32)| -> f32 {
        let (a, b) = (picture.get_pixel(from.0, from.1), picture.get_pixel(to.0, to.1));
        (0..3).map(|channel| f32::from(a[channel].abs_diff(b[channel]))).sum()
    };
    let mut border = [0.0f32; 2];
    let mut inside = [0.0f32; 2];
    for along in 0..side {
        border[0] += step((side - 1, along), (0, along));
        border[1] += step((along, side - 1), (along, 0));
        for at in 1..side {
            inside[0] += step((at - 1, along), (at, along));
            inside[1] += step((along, at - 1), (along, at));
        }
    }
    (0..2).all(|axis| border[axis] <= TILE_RATIO * inside[axis] / (side - 1) as f32 + side as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn share(level: impl Fn(u32, u32) -> bool) -> f32 {
        let pixel = |x, y| Rgb([if level(x, y) { 200 } else { 60 }; 3]);
        Version::new(&RgbImage::from_fn(128, 128, pixel), false).coarse_share()
    }

    #[test]
    fn shapes_larger_than_a_token_are_coarse_and_smaller_ones_are_not() {
        assert!(share(|x, y| (x / 32 + y / 32) % 2 == 0) > 0.99, "squares of 32 pixels");
        assert!(share(|x, y| (x / 4 + y / 4) % 2 == 0) < 0.01, "squares of 4 pixels");
        let between = share(|x, y| (x / 24 + y / 24) % 2 == 0);
        assert!((0.2..0.9).contains(&between), "squares of 24 pixels: {between}");
        assert_eq!(share(|_, _| true), 0.0, "flat");
    }

    #[test]
    fn an_enlarged_tile_still_tiles_and_shows_larger_shapes() {
        let pixel = |x: u32, _| Rgb([if x % 16 < 8 { 200 } else { 60 }; 3]);
        let tile = Version { wraps: true, ..Version::new(&RgbImage::from_fn(32, 32, pixel), false) };
        let large = tile.enlarged();
        assert!(large.wraps && large.side == 64 && large.pixels.len() == 3 * 64 * 64);
        assert!(tile.coarse_share() < 0.01 && large.coarse_share() > 0.8, "stripes of 8, then 16 pixels");
        // Rolled by a period it is the same, across the border too; a picture that does not tile repeats its edge.
        let row = |version: &Version| version.crop((0, 0), 64, Flip::default())[..3 * 64].to_vec();
        let rolled = |version: &Version| version.crop((0, 32), 64, Flip::default())[..3 * 64].to_vec();
        assert_eq!(row(&large), rolled(&large));
        let cut = Version { wraps: false, ..tile }.enlarged();
        assert_ne!(row(&cut), rolled(&cut));
    }
}
