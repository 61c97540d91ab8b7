//! Wang tiles: a small set of square pieces that fit wherever their edges have equal colours, laid without visible
//! repetition.

use super::piece::{Area, Piece, PieceKind};
use super::{Arrangement, Cells, Home, Work};
use crate::model::Model;
use crate::sampling::rng::{Stream, random_words};
use crate::sampling::{Recipe, RecipeError};

/// Colours of the edges along each axis.
const COLOURS: u32 = 2;
/// Tiles of a set: one for each combination of upper, lower, left and right colour. Tile number
/// `upper + 2 * lower + 4 * left + 8 * right`.
pub const WANG_TILES: usize = COLOURS.pow(4) as usize;

/// What is made, one after the other: what a later one depends on comes first. The number is that of a tile that has it.
const STEPS: [(Option<PieceKind>, u32); 5 + 2 * WANG_TILES] = steps();

const fn steps() -> [(Option<PieceKind>, u32); 5 + 2 * WANG_TILES] {
    let mut steps = [(None, 0); 5 + 2 * WANG_TILES];
    steps[0] = (Some(PieceKind::Corner), 0);
    steps[1] = (Some(PieceKind::Upper), 0);
    steps[2] = (Some(PieceKind::Upper), 1);
    steps[3] = (Some(PieceKind::Left), 0);
    steps[4] = (Some(PieceKind::Left), 4);
    let mut tile = 0;
    while tile < WANG_TILES {
        steps[5 + tile] = (Some(PieceKind::Inside), tile as u32);
        steps[5 + WANG_TILES + tile] = (None, tile as u32);
        tile += 1;
    }
    steps
}

/// What is to do for a complete set of tiles with two colours for each axis. All tiles share their corners; tiles with an
/// equal colour share the tokens and latents of that edge.
#[derive(Clone, Debug)]
pub struct WangSet {
    cells: Cells,
    done: usize,
}

impl WangSet {
    /// Tiles of the size of `recipe`. Given tokens, blends and edits are dropped.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        Ok(Self { cells: Cells::new(model, recipe)?, done: 0 })
    }

    /// Pages that an executor must reserve.
    pub fn page_count(&self) -> usize {
        WANG_TILES
    }

    /// Positions of a page.
    pub fn page_positions(&self) -> usize {
        self.cells.positions()
    }

    /// Number of runs, and how many were done.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, STEPS.len())
    }

    /// What to run next; none when all pictures were made. Call [`WangSet::made`] when it was run.
    pub fn next(&mut self, model: &Model) -> Option<(Work<u32>, Arrangement)> {
        let (kind, number) = *STEPS.get(self.done)?;
        let size = self.cells.size;
        Some(match kind {
            Some(kind) => {
                let piece = own_piece(kind, number);
                let start: [i32; 2] = std::array::from_fn(|axis| piece.cell[axis] * size[axis]);
                let local = |token: [i32; 2]| std::array::from_fn(|axis| token[axis] - start[axis]);
                let home = |token| home(number, local(token), size);
                (Work::Piece(piece), self.cells.piece(model, piece, rank(kind, number), home))
            }
            None => {
                // A tile has another neighbour at each place where it lies. They agree on half a strip beyond the
                // border; what decoding sees beyond that is taken from some tile that fits, which is nearer to any
                // other one than nothing is.
                let halo = self.cells.halo.min(size[0]).min(size[1]);
                let area = Area { start: [0, 0], size };
                (Work::Picture(number), self.cells.picture(area, halo, |at| home(number, at, size)))
            }
        })
    }

    /// Notes that what [`WangSet::next`] gave was run.
    pub fn made(&mut self) {
        self.done += 1;
    }

    /// Starts again: the contents of the pages are gone.
    pub fn forget(&mut self) {
        self.done = 0;
    }
}

/// Which tile lies where, row-major: a random field of `columns` x `rows` tiles that fit, also across its outer
/// borders. The same seed gives the same field.
pub fn wang_index_map(columns: u32, rows: u32, seed: u64) -> Vec<u8> {
    let colours = |x: u32, y: u32| random_words(seed, Stream::Key, x % columns.max(1), y % rows.max(1));
    let tile = |x: u32, y: u32| {
        let (here, below, beside) = (colours(x, y), colours(x, y + 1), colours(x + 1, y));
        let bit = |word: u32| (word >> 31) as u8;
        bit(here[0]) + 2 * bit(below[0]) + 4 * bit(here[1]) + 8 * bit(beside[1])
    };
    (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))).map(|(x, y)| tile(x, y)).collect()
}

/// The page and position of a place in or around a tile, whose neighbours are the fitting tiles with most edges of
/// colour 0. A place counts from the upper left corner of the tile.
fn home(number: u32, at: [i32; 2], size: [i32; 2]) -> Option<Home> {
    let colour = |bit: u32| number >> bit & 1;
    let Piece { cell, kind } = Piece::of(at, size);
    let page = match (kind, cell) {
        (PieceKind::Upper, [0, 0]) => colour(0),
        (PieceKind::Upper, [0, 1]) => colour(1),
        (PieceKind::Left, [0, 0]) => colour(2) << 2,
        (PieceKind::Left, [1, 0]) => colour(3) << 2,
        (PieceKind::Inside, [0, 0]) => number,
        (PieceKind::Inside, [0, -1]) => colour(0) << 1,
        (PieceKind::Inside, [0, 1]) => colour(1),
        (PieceKind::Inside, [-1, 0]) => colour(2) << 3,
        (PieceKind::Inside, [1, 0]) => colour(3) << 2,
        _ => 0,
    };
    Some((page, super::in_page(at, size)))
}

/// The colour of an edge: edges of other colours have other tokens.
fn rank(kind: PieceKind, number: u32) -> Option<usize> {
    match kind {
        PieceKind::Upper => Some(number as usize),
        PieceKind::Left => Some((number >> 2) as usize),
        PieceKind::Corner | PieceKind::Inside => None,
    }
}

/// A piece whose random numbers are its own: each lies elsewhere in the world.
fn own_piece(kind: PieceKind, number: u32) -> Piece {
    let number = if kind == PieceKind::Left { number >> 2 } else { number };
    Piece { cell: [8 * number as i32, 8 * kind as i32], kind }
}

#[cfg(test)]
mod tests {
    use super::super::HALF_STRIP;
    use super::*;

    #[test]
    fn places_of_shared_edges_and_corners_have_one_home() {
        let size = [8, 9];
        let homes = |number: u32, area: Area| -> Vec<_> { area.tokens().map(|at| home(number, at, size)).collect() };
        let strip = |start, size| Area { start, size };
        let (wide, tall) = ([size[0], 2 * HALF_STRIP], [2 * HALF_STRIP, size[1]]);
        for a in 0..WANG_TILES as u32 {
            for b in 0..WANG_TILES as u32 {
                let above = homes(a, strip([-HALF_STRIP, size[1] - HALF_STRIP], wide));
                let below = homes(b, strip([-HALF_STRIP, -HALF_STRIP], wide));
                assert_eq!(above == below, a >> 1 & 1 == b & 1, "tile {a} above {b}");
                let left = homes(a, strip([size[0] - HALF_STRIP, -HALF_STRIP], tall));
                let right = homes(b, strip([-HALF_STRIP, -HALF_STRIP], tall));
                assert_eq!(left == right, a >> 3 & 1 == b >> 2 & 1, "tile {a} left of {b}");
            }
        }
    }
}
