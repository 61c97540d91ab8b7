//! Which parts of the pictures the generators learn from: every version of every picture, mirrored and shifted.

use super::batches::SMALL_BATCH;
use super::dataset::Dataset;
use super::images::{Flip, Version};
use super::rng::Rng;
use super::run::Session;
use crate::model::TOKEN_PIXELS;

/// Side in pixels of the version of a picture that gives a row in the bank, or of the next smaller one.
const BANK_SIDE: usize = 256;
/// [`Version::coarse_share`] from which on shapes are large enough for the model to draw. A picture of smaller shapes
/// gives a further row by its larger version.
const LEGIBLE: f32 = 0.2;
/// Least weight of a row, where the share is near 0: classes without shapes have but such rows.
const LEAST_WEIGHT: f32 = 0.1;
/// Weight of a picture that is soft, against one that is sharp.
const SOFT_WEIGHT: f32 = 0.5;

/// Latents and tokens of one version of one picture, mirrored one way.
#[derive(Clone, Debug, Default)]
pub struct TokenGrid {
    /// Index of the picture.
    pub texture: usize,
    /// Index of its version.
    pub version: usize,
    /// How that is mirrored.
    pub flip: Flip,
    /// Corner in pixels of the part of it that is shown; see `window`.
    pub corner: (usize, usize),
    /// Positions along a side.
    pub side: usize,
    /// True if it may be continued as a torus.
    pub wraps: bool,
    /// First row in [`Latents::relative`](super::latents::Latents::relative) and its tokens.
    pub first: usize,
    /// Mean and log deviation per channel.
    pub style: Vec<f32>,
    /// The style of the picture's row in the bank, where it is not the grid's own.
    pub bank_style: Option<Vec<f32>>,
    /// Weight of its row in the bank, if it gives one.
    pub bank_weight: Option<f32>,
}

impl TokenGrid {
    /// Whether it gives a row of the bank.
    pub fn in_bank(&self) -> bool {
        self.bank_weight.is_some()
    }
}

/// Every grid that there will be, without contents.
pub(super) fn plan(session: &Session) -> Vec<TokenGrid> {
    let mut grids = Vec::new();
    let mut first = 0;
    for (index, texture) in session.data.textures.iter().enumerate() {
        let versions = || texture.versions.iter().enumerate();
        let sides = || texture.versions.iter().map(|version| version.side);
        let usual = sides().filter(|side| *side <= BANK_SIDE).max().or(sides().min());
        let shares: Vec<f32> = texture.versions.iter().map(Version::coarse_share).collect();
        let is_small = versions().any(|(number, version)| Some(version.side) == usual && shares[number] < LEGIBLE);
        for (number, version) in versions() {
            let gives_row = Some(version.side) == usual || (is_small && Some(version.side) > usual);
            let weight = (gives_row && !texture.validation).then(|| bank_weight(shares[number], texture.sharp));
            // Copies that cannot be shifted would be equal from the third on.
            let copies = session.options.copies.min(if can_shift(version) { usize::MAX } else { 2 });
            for (copy, flip) in (0..copies).flat_map(|copy| Flip::ALL.map(|flip| (copy, flip))) {
                // Every other copy lies on its side.
                let flip = Flip { transposed: copy % 2 == 1, ..flip };
                let (corner, side) = window(version, flip, copy, index);
                let side = side / TOKEN_PIXELS;
                grids.push(TokenGrid {
                    texture: index,
                    version: number,
                    flip,
                    corner,
                    side,
                    wraps: version.wraps,
                    first,
                    bank_weight: weight.filter(|_| copy == 0 && flip == Flip::default()),
                    ..TokenGrid::default()
                });
                first += side * side;
            }
        }
    }
    grids
}

/// How often seeds choose the row of a version with this [`Version::coarse_share`].
fn bank_weight(coarse_share: f32, sharp: bool) -> f32 {
    (if sharp { 1.0 } else { SOFT_WEIGHT }) * (coarse_share / LEGIBLE).clamp(LEAST_WEIGHT, 1.0)
}

/// Whether a version tiles, or has more than the eight tokens that the smallest batch takes.
fn can_shift(version: &Version) -> bool {
    version.wraps || version.side > SMALL_BATCH.1 * TOKEN_PIXELS
}

/// Corner and side of the part of a version that one mirror image shows, in pixels.
///
/// Each has its own shift below the size of a token, so that no place in a token is special. A picture that does not
/// tile loses a row and a column of tokens by that, and stays as it is where it has but eight.
fn window(version: &Version, flip: Flip, copy: usize, texture: usize) -> ((usize, usize), usize) {
    if (copy == 0 && flip == Flip::default()) || !can_shift(version) {
        return ((0, 0), version.side);
    }
    let flips = [flip.horizontal, flip.vertical].map(u64::from);
    let mut rng = Rng::new(&[0x9ba5, texture as u64, version.side as u64, flips[0], flips[1], copy as u64]);
    let corner = (rng.below(TOKEN_PIXELS), rng.below(TOKEN_PIXELS));
    (corner, if version.wraps { version.side } else { version.side - TOKEN_PIXELS })
}

/// Pixels `-1..1` of a square of a grid's picture, `corner` and `side` in pixels; it may cross borders that wrap.
pub fn pixels_of(data: &Dataset, grid: &TokenGrid, corner: (usize, usize), side: usize) -> Vec<f32> {
    let version = &data.textures[grid.texture].versions[grid.version];
    version.part(grid.corner, grid.side * TOKEN_PIXELS, grid.flip, corner, side)
}
