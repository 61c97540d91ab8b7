//! An endless grid of cells, each of which continues its neighbours.
//!
//! What a cell shows depends on the recipe and on its coordinates alone, not on the cells that were visited before.

use super::piece::{Area, Piece};
use super::{Arrangement, Cells, Home, Work};
use crate::model::Model;
use crate::sampling::{Recipe, RecipeError};
use std::collections::HashMap;

/// Largest coordinate of a cell: places of its tokens stay within 32 bits.
pub const FARTHEST_CELL: u32 = 1 << 24;

/// What is kept of one cell.
#[derive(Clone, Copy, Debug)]
struct Page {
    number: u32,
    /// The parts that were made, by [`super::PieceKind`].
    made: [bool; 4],
    used: u64,
}

/// Which parts of an endless surface were made, where they are kept, and what is to do for a cell.
#[derive(Clone, Debug)]
pub struct EndlessGrid {
    cells: Cells,
    pages: HashMap<[i32; 2], Page>,
    capacity: usize,
    clock: u64,
}

impl EndlessGrid {
    /// A grid of cells of the size of `recipe`, whose seed is that of the world. Tiling does not matter; given tokens,
    /// blends and edits belong to one texture and are dropped. What the pictures within `radius` cells of one depend on
    /// is kept, most recently used; the rest is the same when it is made again.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe, radius: u32) -> Result<Self, RecipeError> {
        let cells = Cells::new(model, recipe)?;
        let mut grid = Self { cells, pages: HashMap::new(), capacity: 0, clock: 0 };
        let around = grid.cells_of([0, 0]);
        let along = |axis: usize| {
            let coordinates = || around.iter().map(|cell| cell[axis]);
            let needed = coordinates().max().unwrap_or(0) - coordinates().min().unwrap_or(0);
            needed as usize + 1 + 2 * radius as usize
        };
        grid.capacity = along(0) * along(1);
        Ok(grid)
    }

    /// Pages that an executor must reserve.
    pub fn page_count(&self) -> usize {
        self.capacity
    }

    /// Positions of a page.
    pub fn page_positions(&self) -> usize {
        self.cells.positions()
    }

    /// What to run next for the picture in column `x` (to the right) and row `y` (down), both at most 2^24 from 0: a
    /// piece that is missing, then the picture. Call [`EndlessGrid::made`] when a piece was run.
    ///
    /// # Errors
    /// A cell farther away.
    pub fn next(&mut self, model: &Model, cell: [i32; 2]) -> Result<(Work<[i32; 2]>, Arrangement), RecipeError> {
        for (field, at) in ["cell (column)", "cell (row)"].into_iter().zip(cell) {
            if at.unsigned_abs() > FARTHEST_CELL {
                let expected = format!("-{FARTHEST_CELL} to {FARTHEST_CELL}");
                return Err(RecipeError::OutOfRange { field, found: at.to_string(), expected });
            }
        }
        self.clock += 1;
        for cell in self.cells_of(cell) {
            if let Some(page) = self.pages.get_mut(&cell) {
                page.used = self.clock;
            }
        }
        let missing = self.pieces_of(cell).find_map(|piece| self.first_missing(piece));
        Ok(match missing {
            Some(piece) => {
                self.give_page(piece.cell);
                let home = home(&self.pages, self.cells.size);
                (Work::Piece(piece), self.cells.piece(model, piece, None, home))
            }
            None => {
                let home = home(&self.pages, self.cells.size);
                (Work::Picture(cell), self.cells.picture(self.area(cell), self.cells.halo, home))
            }
        })
    }

    /// Notes that a piece was run.
    pub fn made(&mut self, piece: Piece) {
        if let Some(page) = self.pages.get_mut(&piece.cell) {
            page.made[piece.kind as usize] = true;
        }
    }

    /// Forgets everything: the contents of the pages are gone.
    pub fn forget(&mut self) {
        self.pages.clear();
    }

    fn area(&self, cell: [i32; 2]) -> Area {
        let size = self.cells.size;
        Area { start: std::array::from_fn(|axis| cell[axis] * size[axis]), size }
    }

    /// The pieces that a picture shows or depends on.
    fn pieces_of(&self, cell: [i32; 2]) -> impl Iterator<Item = Piece> + use<> {
        let size = self.cells.size;
        let mut pieces: Vec<Piece> = Vec::new();
        for token in self.area(cell).grown(self.cells.halo).tokens() {
            let piece = Piece::of(token, size);
            if pieces.last() != Some(&piece) && !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        pieces.into_iter()
    }

    /// The cells whose pages a picture and its pieces need.
    fn cells_of(&self, cell: [i32; 2]) -> Vec<[i32; 2]> {
        let pieces = self.pieces_of(cell).flat_map(|piece| piece.depends_on().into_iter().chain([piece]));
        let mut cells: Vec<[i32; 2]> = pieces.map(|piece| piece.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The piece itself, or what must be made before it; none if nothing is missing.
    fn first_missing(&self, piece: Piece) -> Option<Piece> {
        if self.has(piece) {
            return None;
        }
        piece.depends_on().into_iter().chain([piece]).find(|piece| !self.has(*piece))
    }

    fn has(&self, piece: Piece) -> bool {
        self.pages.get(&piece.cell).is_some_and(|page| page.made[piece.kind as usize])
    }

    /// Makes sure that a cell has a page.
    fn give_page(&mut self, cell: [i32; 2]) {
        if self.pages.contains_key(&cell) {
            return;
        }
        let oldest = || self.pages.iter().min_by_key(|(cell, page)| (page.used, **cell)).map(|(cell, _)| *cell);
        let number = match oldest().filter(|_| self.pages.len() >= self.capacity) {
            Some(oldest) => self.pages.remove(&oldest).map_or(0, |page| page.number),
            None => self.pages.len() as u32,
        };
        self.pages.insert(cell, Page { number, made: [false; 4], used: self.clock });
    }
}

/// Where the places of the world are kept.
fn home(pages: &HashMap<[i32; 2], Page>, size: [i32; 2]) -> impl Fn([i32; 2]) -> Option<Home> + '_ {
    move |token| {
        let piece = Piece::of(token, size);
        let page = pages.get(&piece.cell)?;
        let local = std::array::from_fn(|axis| token[axis] - piece.cell[axis] * size[axis]);
        Some((page.number, super::in_page(local, size)))
    }
}
