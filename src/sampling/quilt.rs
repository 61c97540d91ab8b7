//! Stage 1 from a layout: token grids of any size and tiling, stitched from blocks of one that exists.
//!
//! Image quilting (Efros and Freeman, SIGGRAPH 2001) on tokens instead of pixels: blocks are placed one after the other, each
//! from where the layout's surroundings differ least from what stands around the block already. Borders need not fit to the
//! pixel, since the continuous model makes one picture of the tokens. A block that would only continue its neighbour counts
//! as a bad fit, so that the result is another arrangement and no copy.
//!
//! It costs some thousand comparisons, is the same on every machine, and takes whatever is known as given: borders that wrap,
//! the cells around an edit, the neighbours of a cell of an endless surface.

use super::rng::{Stream, random_words, unit};
use crate::model::{Grid, Layout, TokenDistances, TokenParts};

/// Fewest and most tokens along the side of a block. In between it is half of the layout's shorter side, so that a block holds
/// a brick or a plank whole also where a layout shows few of them; and half of what is filled, or nothing would be arranged.
/// Pieces of surfaces are small and have the fewest, so that there are many ways to fill them.
const BLOCK: (i32, i32) = (4, 8);
/// What a block that continues its surroundings counts in excess, in mean distances of two tokens.
const CONTINUES: f32 = 3.0;
/// Largest random difference of two equal fits in a texture, in mean distances.
const CHANCE: f32 = 0.02;
/// The same in a piece of a surface: pieces with equal surroundings must differ, as the edges of Wang tiles do.
const CHANCE_IN_PIECES: f32 = 0.12;

/// A token that a block must fit.
struct Known {
    /// Offset from the corner of the block.
    at: [i32; 2],
    token: u32,
    /// Where in the layout it came from, if it did.
    origin: Option<[i32; 2]>,
}

/// A grid that is being filled.
pub(super) struct Quilt<'a> {
    layout: &'a Layout,
    distances: &'a TokenDistances,
    grid: Grid,
    seed: u64,
    chance: f32,
    /// Tokens along the side of a block.
    block: i32,
    /// Which of the best fits the first block takes, if not one with a random difference.
    rank: Option<usize>,
    /// Tokens of the layout.
    parts: Vec<TokenParts>,
    /// Where in the layout each token came from, if it did.
    origins: Vec<Option<[i32; 2]>>,
}

impl<'a> Quilt<'a> {
    /// A quilt of `layout` on one item of `grid`.
    pub fn new(layout: &'a Layout, distances: &'a TokenDistances, grid: Grid, seed: u64) -> Self {
        let parts = layout.tokens.iter().map(|token| distances.parts(*token)).collect();
        let sides = [layout.columns, layout.rows, grid.width, grid.height];
        let block = (sides.into_iter().min().unwrap_or(0) as i32 / 2).clamp(BLOCK.0, BLOCK.1);
        Self {
            layout,
            distances,
            grid,
            seed,
            chance: CHANCE,
            block,
            rank: None,
            parts,
            origins: vec![None; grid.positions()],
        }
    }

    /// The same for a piece of a surface, which is small and has much around it.
    pub fn of_piece(layout: &'a Layout, distances: &'a TokenDistances, grid: Grid, seed: u64) -> Self {
        Self { chance: CHANCE_IN_PIECES, block: BLOCK.0, ..Self::new(layout, distances, grid, seed) }
    }

    /// Fills with the best fit for rank 0, the next one for rank 1 and so on: pieces with equal surroundings and other ranks
    /// differ, unless the layout has but one way to go on.
    pub fn ranked(self, rank: Option<usize>) -> Self {
        Self { rank, ..self }
    }

    /// Fills the places of `tokens` that `wanted` names; other places with a token are what they must fit.
    pub fn fill(&mut self, tokens: &mut [Option<u32>], wanted: &[bool]) {
        for (token, _) in tokens.iter_mut().zip(wanted).filter(|(_, wanted)| **wanted) {
            *token = None;
        }
        let (width, height) = (self.grid.width as i32, self.grid.height as i32);
        let mut number = 0;
        for y in (0..height).step_by(self.block as usize) {
            for x in (0..width).step_by(self.block as usize) {
                let size = [self.block.min(width - x), self.block.min(height - y)];
                let places: Vec<[i32; 2]> = cells(size, 0)
                    .filter(|[dx, dy]| self.place([x + dx, y + dy]).is_some_and(|place| wanted[place]))
                    .collect();
                if !places.is_empty() {
                    let from = self.best_fit(tokens, [x, y], size, number, &places);
                    self.rank = None;
                    for [dx, dy] in places {
                        let Some(place) = self.place([x + dx, y + dy]) else { continue };
                        let origin = [from[0] + dx, from[1] + dy];
                        tokens[place] = Some(self.layout.at(origin[0], origin[1]));
                        self.origins[place] = Some(origin);
                    }
                }
                number += 1;
            }
        }
    }

    /// Where in the layout a block is taken from.
    fn best_fit(
        &self,
        tokens: &[Option<u32>],
        corner: [i32; 2],
        size: [i32; 2],
        number: u32,
        places: &[[i32; 2]],
    ) -> [i32; 2] {
        // Around the block and in it.
        let known: Vec<Known> = cells(size, 1)
            .filter_map(|at| {
                let place = self.place([corner[0] + at[0], corner[1] + at[1]])?;
                Some(Known { at, token: tokens[place]?, origin: self.origins[place] })
            })
            .collect();
        let choices = |length: usize, size: i32| {
            if self.layout.wraps { length } else { (length + 1).saturating_sub(size as usize).max(1) }
        };
        let [across, down] = [choices(self.layout.columns, size[0]), choices(self.layout.rows, size[1])];
        let misfits = self.misfits(&known, across, down);
        let corner_of = |choice: usize| [(choice % across) as i32, (choice / across) as i32];
        if let Some(rank) = self.rank {
            return self.of_rank(rank, &misfits, places, corner_of);
        }
        let mut best = (0, f32::INFINITY);
        for (choice, misfit) in misfits.into_iter().enumerate() {
            let chance = unit(random_words(self.seed, Stream::Layout, number, choice as u32)[0]);
            let misfit = misfit + self.chance * chance;
            if misfit < best.1 {
                best = (choice, misfit);
            }
        }
        corner_of(best.0)
    }

    /// The fit with `rank` better ones that have other tokens at `places`; the worst such fit if there are fewer.
    fn of_rank(
        &self,
        rank: usize,
        misfits: &[f32],
        places: &[[i32; 2]],
        corner_of: impl Fn(usize) -> [i32; 2],
    ) -> [i32; 2] {
        let mut order: Vec<usize> = (0..misfits.len()).collect();
        order.sort_by(|a, b| misfits[*a].total_cmp(&misfits[*b]));
        let mut found: Vec<([i32; 2], Vec<u32>)> = Vec::new();
        for from in order.into_iter().map(corner_of) {
            let tokens = places.iter().map(|[dx, dy]| self.layout.at(from[0] + dx, from[1] + dy)).collect();
            if found.iter().all(|(_, other)| *other != tokens) {
                found.push((from, tokens));
            }
            if found.len() > rank {
                break;
            }
        }
        found.pop().map_or([0, 0], |(from, _)| from)
    }

    /// Mean distance between what is known and what the layout has there, for blocks from each of `across` x `down`
    /// places of the layout.
    ///
    /// This runs where textures are asked for, over every place for everything that is known, so the inner loop has but
    /// three loads: no division by the sides of the layout, no split of a token into its codes.
    fn misfits(&self, known: &[Known], across: usize, down: usize) -> Vec<f32> {
        let layout = self.layout;
        let mut misfits = vec![0.0; across * down];
        let mut continued = vec![0usize; across * down];
        for Known { at, token, origin } in known {
            let distances = self.distances.of(&self.distances.parts(*token));
            let columns: Vec<usize> = (0..across as i32).map(|x| layout.place(x + at[0], at[1])[0]).collect();
            for (y, misfits) in misfits.chunks_exact_mut(across).enumerate() {
                let row = &self.parts[layout.place(at[0], y as i32 + at[1])[1] * layout.columns..][..layout.columns];
                misfits.iter_mut().zip(&columns).for_each(|(sum, column)| *sum += distances.to(&row[*column]));
            }
            if let Some(choice) = origin.and_then(|origin| self.continuing(origin, *at, across, down)) {
                continued[choice] += 1;
            }
        }
        let count = known.len().max(1) as f32;
        let excess = |continued: usize| if 2 * continued > known.len() { CONTINUES } else { 0.0 };
        misfits.into_iter().zip(continued).map(|(sum, continued)| sum / count + excess(continued)).collect()
    }

    /// The block for which what is known at `at` from `origin` just goes on in the layout.
    fn continuing(&self, origin: [i32; 2], at: [i32; 2], across: usize, down: usize) -> Option<usize> {
        let lengths = [self.layout.columns as i32, self.layout.rows as i32];
        let [x, y] = [0, 1].map(|axis| {
            let from = origin[axis] - at[axis];
            if self.layout.wraps { from.rem_euclid(lengths[axis]) } else { from }
        });
        let is_choice = (0..across as i32).contains(&x) && (0..down as i32).contains(&y);
        is_choice.then(|| y as usize * across + x as usize)
    }

    /// Place of a column and a row, across borders that wrap.
    fn place(&self, at: [i32; 2]) -> Option<usize> {
        let along = |at: i32, length: usize, wraps: bool| {
            let length = length as i32;
            let at = if wraps { at.rem_euclid(length) } else { at };
            (0..length).contains(&at).then_some(at as usize)
        };
        let x = along(at[0], self.grid.width, self.grid.wrap.x)?;
        Some(along(at[1], self.grid.height, self.grid.wrap.y)? * self.grid.width + x)
    }
}

/// Offsets of a block and `margin` cells around it.
fn cells(size: [i32; 2], margin: i32) -> impl Iterator<Item = [i32; 2]> {
    (-margin..size[1] + margin).flat_map(move |y| (-margin..size[0] + margin).map(move |x| [x, y]))
}

#[cfg(test)]
#[path = "quilt_tests.rs"]
mod tests;
