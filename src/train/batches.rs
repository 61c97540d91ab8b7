//! Training batches of the generators.

use super::dataset::Dataset;
use super::latents::Latents;
use super::pairs;
use super::rng::Rng;
use super::run::Session;
use crate::model::{Grid, ModelConfig, Wrap};

/// Sizes of the two kinds of batch by default: `(items, side in tokens)`.
pub const SMALL_BATCH: (usize, usize) = (16, 8);
/// The other kind.
pub const LARGE_BATCH: (usize, usize) = (4, 16);
/// One batch of this many is large, so that offsets beyond eight are learned.
pub const LARGE_EVERY: u64 = 6;
/// Share of batches that are whole tiles on a torus, where there are tiles.
const TORUS_SHARE: f32 = 0.6;
/// Chances to hide the class, the style, and both.
const DROP: (f32, f32, f32) = (0.10, 0.20, 0.05);

/// What batches are drawn from.
pub struct Source<'a> {
    latents: &'a Latents,
    data: &'a Dataset,
    config: &'a ModelConfig,
    style_jitter: f32,
    /// Factor on the items of a batch.
    scale: usize,
    token_pairs: Option<usize>,
    styles: Vec<Vec<f32>>,
    ranges: Vec<std::ops::Range<usize>>,
}

/// A batch: equal grids with one border rule.
pub struct Batch {
    /// The grids.
    pub grid: Grid,
    /// True tokens, `items * T`.
    pub tokens: Vec<u32>,
    /// Style-relative latents, `(items * T, D)`.
    pub relative: Vec<f32>,
    /// Condition rows, `(items, condition_width)`.
    pub condition: Vec<f32>,
}

/// Which pictures a batch is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The training pictures, with all augmentations.
    Training,
    /// The validation pictures, as they are.
    Validation,
}

impl<'a> Source<'a> {
    /// Batches of a session's data.
    pub fn new(session: &'a Session, latents: &'a Latents) -> Self {
        let standard = session.weights.get(session.model.styles.standard);
        Self {
            latents,
            data: &session.data,
            config: &session.model.config,
            style_jitter: session.options.corruption.style_jitter,
            scale: session.options.scale(),
            token_pairs: session.options.token_pairs,
            styles: latents.standard_styles(standard),
            ranges: latents.ranges(session.data.textures.len()),
        }
    }

    /// The batch of a step.
    pub fn draw(&self, rng: &mut Rng, step: u64, split: Split) -> Batch {
        self.draw_share(rng, step, split, 1)
    }

    /// One of `shares` equal parts of the batch of a step, each with pictures and a border rule of its own.
    pub fn draw_share(&self, rng: &mut Rng, step: u64, split: Split, shares: usize) -> Batch {
        let large = step % LARGE_EVERY == LARGE_EVERY - 1;
        let (items, side) = if large { LARGE_BATCH } else { SMALL_BATCH };
        let items = self.scale * items / shares;
        let wrap = if rng.chance(TORUS_SHARE) { Wrap::BOTH } else { Wrap::NONE };
        self.batch(rng, items, side, wrap, split)
            .or_else(|| self.batch(rng, items, side, Wrap::NONE, split))
            .or_else(|| self.batch(rng, self.scale * SMALL_BATCH.0 / shares, SMALL_BATCH.1, Wrap::NONE, split))
            .unwrap_or_else(|| unreachable!("every picture has a version of eight tokens or more"))
    }

    /// A batch of one shape, or `None` if the data has nothing of it.
    fn batch(&self, rng: &mut Rng, items: usize, side: usize, wrap: Wrap, split: Split) -> Option<Batch> {
        let width = self.config.tokenizer.latent_width;
        let grid = Grid { items, height: side, width: side, wrap };
        let mut batch = Batch { grid, tokens: Vec::new(), relative: Vec::new(), condition: Vec::new() };
        for _ in 0..items {
            let index = self.find(rng, side, wrap, split)?;
            let source = &self.latents.grids[index];
            // On a torus every roll is as good; otherwise a window that fits.
            let free = if wrap == Wrap::BOTH || source.wraps { source.side } else { source.side - side + 1 };
            let (top, left) = (rng.below(free), rng.below(free));
            for y in 0..side {
                for x in 0..side {
                    let row = source.first + (top + y) % source.side * source.side + (left + x) % source.side;
                    batch.tokens.push(self.latents.tokens[row]);
                    batch.relative.extend_from_slice(&self.latents.relative[row * width..(row + 1) * width]);
                }
            }
            batch.condition.extend(self.condition(rng, index, split));
        }
        if let Some(codes) = self.token_pairs {
            pairs::spread(&mut batch, codes);
        }
        Some(batch)
    }

    /// A random grid that can give a window of `side` tokens with this border rule.
    fn find(&self, rng: &mut Rng, side: usize, wrap: Wrap, split: Split) -> Option<usize> {
        const TRIES: usize = 2000;
        for _ in 0..TRIES {
            let texture = match split {
                Split::Training => self.data.draw(rng),
                Split::Validation => rng.below(self.data.textures.len()),
            };
            if split == Split::Validation && !self.data.textures[texture].validation && self.has_validation() {
                continue;
            }
            let range = self.ranges[texture].clone();
            let fits: Vec<usize> = range
                .filter(|index| {
                    let grid = &self.latents.grids[*index];
                    if wrap == Wrap::BOTH { grid.wraps && grid.side == side } else { grid.side >= side }
                })
                .collect();
            if !fits.is_empty() {
                return Some(fits[rng.below(fits.len())]);
            }
        }
        None
    }

    fn has_validation(&self) -> bool {
        self.data.textures.iter().any(|texture| texture.validation)
    }

    fn condition(&self, rng: &mut Rng, index: usize, split: Split) -> Vec<f32> {
        let classes = self.config.classes.len();
        let mut row = vec![0.0; self.config.condition_width()];
        let style = &self.styles[index];
        let jitter = if split == Split::Training { self.style_jitter } else { 0.0 };
        row[self.data.textures[self.latents.grids[index].texture].class] = 1.0;
        for (value, style) in row[classes..].iter_mut().zip(style) {
            *value = style + jitter * rng.normal();
        }
        if split == Split::Training {
            let (no_class, no_style, neither) = DROP;
            let dice = rng.unit();
            if dice < no_class || dice >= 1.0 - neither {
                row[..classes].fill(0.0);
            }
            if (no_class..no_class + no_style).contains(&dice) || dice >= 1.0 - neither {
                row[classes..].fill(0.0);
            }
        }
        row
    }
}
