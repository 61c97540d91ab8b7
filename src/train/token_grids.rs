//! Which parts of the pictures the generators learn from: every version of every picture, mirrored and shifted.

use super::batches::SMALL_BATCH;
use super::dataset::Dataset;
use super::images::{Flip, Version};
use super::rng::Rng;
use crate::model::TOKEN_PIXELS;
use std::borrow::Cow;

/// Side in pixels of the version of a picture that gives a row in the bank, or of the next smaller one.
const BANK_SIDE: usize = 256;
/// [`Version::coarse_share`] from which on shapes are large enough for the model to draw. A picture of smaller shapes
/// gives a further row by its larger version, if there is one.
const LEGIBLE: f32 = 0.2;
/// [`Version::coarse_share`] below which a picture without a larger version gives a further row at twice its size.
const ENLARGED_BELOW: f32 = 0.35;
/// Share that it must have there: of what stays smaller, the row would show nothing new.
const ENLARGED_FROM: f32 = 0.1;
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
    /// True if it shows its version at twice the size: for a row of the bank alone, no network learns from it. See
    /// [`enlarged_style`].
    pub enlarged: bool,
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

    /// Whether it gives a row of the bank at its own size: its pixels are as crisp as the row's style.
    pub fn in_bank_as_it_is(&self) -> bool {
        self.in_bank() && !self.enlarged
    }

    /// The picture that it shows parts of.
    pub fn version<'a>(&self, data: &'a Dataset) -> Cow<'a, Version> {
        let version = &data.textures[self.texture].versions[self.version];
        if self.enlarged { Cow::Owned(version.enlarged()) } else { Cow::Borrowed(version) }
    }
}

/// The style of an enlarged picture with the crispness of the picture itself: every channel varies as much as it does in the
/// one that has more of it. So the layout is that of large shapes, and the continuous model draws their detail, as if the
/// material had been seen from nearby.
pub fn enlarged_style(enlarged: &[f32], itself: &[f32]) -> Vec<f32> {
    let means = enlarged.len() / 2;
    let style = enlarged.iter().zip(itself).enumerate();
    style.map(|(column, (large, own))| if column < means { *large } else { large.max(*own) }).collect()
}

/// Every grid that there will be of the pictures with each encoded `copies` times, without contents.
pub(super) fn plan(data: &Dataset, copies: usize) -> Vec<TokenGrid> {
    let mut grids = Vec::new();
    let mut first = 0;
    for (index, texture) in data.textures.iter().enumerate() {
        let versions = || texture.versions.iter().enumerate();
        let sides = || texture.versions.iter().map(|version| version.side);
        let usual = sides().filter(|side| *side <= BANK_SIDE).max().or(sides().min());
        let shares: Vec<f32> = texture.versions.iter().map(Version::coarse_share).collect();
        let is_small = versions().any(|(number, version)| Some(version.side) == usual && shares[number] < LEGIBLE);
        let alone = versions().find(|(number, version)| {
            let is_largest = Some(version.side) == usual && sides().all(|side| Some(side) <= usual);
            is_largest && shares[*number] < ENLARGED_BELOW && !texture.validation
        });
        for (number, version) in versions() {
            let gives_row = Some(version.side) == usual || (is_small && Some(version.side) > usual);
            let weight = (gives_row && !texture.validation).then(|| bank_weight(shares[number], texture.sharp));
            // Copies that cannot be shifted would be equal from the third on.
            let copies = copies.min(if can_shift(version) { usize::MAX } else { 2 });
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
        if let Some(grid) = alone.and_then(|(number, version)| enlarged(index, number, version, texture.sharp)) {
            first += grid.side * grid.side;
            grids.push(TokenGrid { first: first - grid.side * grid.side, ..grid });
        }
    }
    grids
}

/// The further row of a picture whose shapes are small, if they are larger than a token at twice the size.
fn enlarged(texture: usize, number: usize, version: &Version, sharp: bool) -> Option<TokenGrid> {
    let large = version.enlarged();
    let share = large.coarse_share();
    (share >= ENLARGED_FROM).then(|| TokenGrid {
        texture,
        version: number,
        enlarged: true,
        side: large.side / TOKEN_PIXELS,
        wraps: large.wraps,
        bank_weight: Some(bank_weight(share, sharp)),
        ..TokenGrid::default()
    })
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
    grid.version(data).part(grid.corner, grid.side * TOKEN_PIXELS, grid.flip, corner, side)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::dataset::Texture;
    use crate::train::latents::Latents;

    /// A picture of stripes of `width` pixels at the given sides.
    fn texture(width: usize, sides: &[usize], validation: bool) -> Texture {
        let version = |side: &usize| Version {
            side: *side,
            pixels: (0..side * side)
                .flat_map(|at| [if (at % side / width).is_multiple_of(2) { 200 } else { 60 }; 3])
                .collect(),
            wraps: true,
        };
        let versions: Vec<Version> = sides.iter().map(version).collect();
        Texture { name: String::new(), class: 0, validation, sharp: sides.len() > 1, own: versions.clone(), versions }
    }

    #[test]
    fn a_picture_of_small_shapes_without_a_larger_version_gives_a_row_at_twice_its_size_that_no_network_learns() {
        let textures = vec![
            texture(8, &[128], false),      // stripes that show at twice the size
            texture(32, &[128], false),     // large enough as they are
            texture(2, &[128], false),      // too small at twice the size too
            texture(8, &[256, 512], false), // seen larger in its own version
            texture(8, &[128], true),       // kept for validation
        ];
        let data = Dataset::new(vec!["a".into()], textures);
        let grids = plan(&data, 1);
        let further: Vec<(usize, usize)> = grids.iter().filter(|g| g.enlarged).map(|g| (g.texture, g.side)).collect();
        assert_eq!(further, [(0, 16)]);
        let rows = |texture| grids.iter().filter(|grid| grid.texture == texture && grid.in_bank()).count();
        assert_eq!([0, 1, 2, 3, 4].map(rows), [2, 1, 1, 2, 0]);
        let weights: Vec<f32> = grids.iter().filter(|g| g.texture == 0).filter_map(|g| g.bank_weight).collect();
        assert!(weights[1] > 5.0 * weights[0], "{weights:?}");
        // Rows of latents follow each other without a gap, and what is learned ends before the enlarged grid.
        let mut first = 0;
        for grid in &grids {
            assert_eq!(grid.first, first);
            first += grid.side * grid.side;
        }
        let latents = Latents { grids, ..Latents::default() };
        assert_eq!(latents.ranges(5)[..2], [0..4, 5..9]);
    }

    #[test]
    fn an_enlarged_style_has_the_means_of_the_large_picture_and_the_detail_of_the_crisper_one() {
        assert_eq!(enlarged_style(&[1.0, 2.0, 0.5, -3.0], &[8.0, 9.0, 0.1, -1.0]), [1.0, 2.0, 0.5, -1.0]);
    }
}
