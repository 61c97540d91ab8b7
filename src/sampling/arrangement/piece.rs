//! Pieces of an endless grid of tokens, and their plans.
//!
//! Every token belongs to one piece. A corner depends on nothing, an edge on its two corners, and an inside on the four
//! edges and corners around it, so what stands at a place cannot depend on the order in which places are visited.

use super::orders::Orders;
use crate::model::{Grid, ModelConfig, Wrap};
use crate::sampling::rng::{Stream, random_words};
use crate::sampling::schedule::cosine_rounds;
use crate::sampling::structure::open_tokens;
use crate::sampling::{PassShape, Plan, Recipe, Step};
use std::ops::Range;

/// Tokens from the border of a cell to the inner end of its corners and edges.
pub const HALF_STRIP: i32 = 2;

/// Which part of the cell to the lower right of a corner of the lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// Tokens around the upper left corner.
    Corner,
    /// Tokens along the upper border, without the corners.
    Upper,
    /// Tokens along the left border, without the corners.
    Left,
    /// What is left.
    Inside,
}

/// A piece of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Column and row of the cell.
    pub cell: [i32; 2],
    /// Which part.
    pub kind: PieceKind,
}

/// What all pieces of a surface or of a set share.
pub struct Lattice<'a> {
    pub config: &'a ModelConfig,
    pub recipe: &'a Recipe,
    /// Columns and rows of tokens of a cell.
    pub size: [i32; 2],
}

/// A rectangle of the endless grid of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Column and row of the first token.
    pub start: [i32; 2],
    /// Columns and rows.
    pub size: [i32; 2],
}

impl Area {
    /// All tokens, row-major.
    pub fn tokens(self) -> impl Iterator<Item = [i32; 2]> {
        let [columns, rows] = self.size;
        (0..rows).flat_map(move |y| (0..columns).map(move |x| [self.start[0] + x, self.start[1] + y]))
    }

    /// The rectangle with a margin on all sides.
    pub fn grown(self, margin: i32) -> Self {
        Self { start: self.start.map(|at| at - margin), size: self.size.map(|length| length + 2 * margin) }
    }

    /// The grid of the rectangle; nothing wraps.
    pub fn grid(self) -> Grid {
        Grid { items: 1, height: self.size[1] as usize, width: self.size[0] as usize, wrap: Wrap::NONE }
    }
}

impl Piece {
    /// The piece that has a token, for cells of `size` tokens.
    pub fn of(token: [i32; 2], size: [i32; 2]) -> Self {
        // A strip reaches half a strip into the cell before its border.
        let shifted: [i32; 2] = std::array::from_fn(|axis| token[axis] + HALF_STRIP);
        let cell = std::array::from_fn(|axis| shifted[axis].div_euclid(size[axis]));
        let on: [bool; 2] = std::array::from_fn(|axis| shifted[axis].rem_euclid(size[axis]) < 2 * HALF_STRIP);
        let kind = match on {
            [true, true] => PieceKind::Corner,
            [false, true] => PieceKind::Upper,
            [true, false] => PieceKind::Left,
            [false, false] => PieceKind::Inside,
        };
        Self { cell, kind }
    }

    /// Its tokens and all that it depends on.
    pub fn window(self, size: [i32; 2]) -> Area {
        let wide = |axis: usize| match (self.kind, axis) {
            (PieceKind::Inside, _) | (PieceKind::Upper, 0) | (PieceKind::Left, 1) => size[axis] + 2 * HALF_STRIP,
            _ => 2 * HALF_STRIP,
        };
        let start = std::array::from_fn(|axis| self.cell[axis] * size[axis] - HALF_STRIP);
        Area { start, size: [wide(0), wide(1)] }
    }

    /// What must be known before it.
    pub fn needs(self) -> Vec<Self> {
        let [x, y] = self.cell;
        let piece = |x, y, kind| Self { cell: [x, y], kind };
        use PieceKind::{Corner, Inside, Left, Upper};
        match self.kind {
            Corner => vec![],
            Upper => vec![piece(x, y, Corner), piece(x + 1, y, Corner)],
            Left => vec![piece(x, y, Corner), piece(x, y + 1, Corner)],
            Inside => {
                vec![piece(x, y, Upper), piece(x, y + 1, Upper), piece(x, y, Left), piece(x + 1, y, Left)]
            }
        }
    }

    /// All that must be known before it, corners first.
    pub fn depends_on(self) -> Vec<Self> {
        let needs = self.needs();
        let mut all: Vec<Self> = Vec::new();
        for piece in needs.iter().flat_map(|need| need.needs()).chain(needs.iter().copied()) {
            if !all.contains(&piece) {
                all.push(piece);
            }
        }
        all
    }

    /// What its order and its stitches are drawn with.
    pub fn number(self, seed: u64) -> u64 {
        let [x, y] = self.cell.map(|at| at as u32);
        let words = random_words(seed ^ self.kind as u64, Stream::Order, x, y);
        u64::from(words[0]) << 32 | u64::from(words[1])
    }

    /// The plan of its tokens and latents on its window, given that of a whole texture of the recipe and the tokens that
    /// a layout gives. It ends without a picture.
    pub fn plan(
        self,
        mut plan: Plan,
        &Lattice { config, recipe, size }: &Lattice,
        stitched: Option<Vec<Option<u32>>>,
        orders: &mut Orders,
    ) -> Plan {
        let window = self.window(size);
        let grid = window.grid();
        let own: Vec<bool> = window.tokens().map(|token| Self::of(token, size) == self).collect();
        let number = self.number(recipe.seed);
        let mut order = |stage| -> Vec<u32> {
            let mut order = orders.get(grid.width, grid.height, number, stage);
            order.retain(|position| own[*position as usize]);
            order
        };
        let inputs = &mut plan.inputs;
        (inputs.token_order, inputs.latent_order) = (order(0), order(1));
        inputs.keys = window.tokens().map(key).collect();
        let count = inputs.latent_order.len();
        inputs.tokens = vec![config.mask_token(); grid.positions()];
        if let Some(stitched) = stitched {
            inputs.token_order.truncate(open_tokens(recipe, count));
            for (place, token) in stitched.into_iter().enumerate().filter(|(place, _)| own[*place]) {
                inputs.tokens[place] = token.unwrap_or(config.mask_token());
            }
            inputs.token_order.iter().for_each(|place| inputs.tokens[*place as usize] = config.mask_token());
        }
        let counts = [inputs.token_order.len(), count];
        let rounds = |whole: u32, count: usize| {
            let share = (count as f32 / (size[0] * size[1]) as f32).sqrt();
            let ranges =
                if count == 0 { Vec::new() } else { cosine_rounds(count, (whole as f32 * share).ceil() as usize) };
            (0..).zip(ranges)
        };
        let tokens = |(round, positions): (u32, Range<u32>)| Step::TokenRound { pass: 0, round, positions };
        let latents = |(round, positions): (u32, Range<u32>)| Step::LatentRound { pass: 0, round, positions };
        plan.shape.steps = rounds(recipe.token_rounds, counts[0]).map(tokens).collect();
        plan.shape.steps.extend(rounds(recipe.latent_rounds, counts[1]).map(latents));
        set_grid(&mut plan, grid, counts, config.mask_token());
        plan
    }
}

/// One pass over a grid, which samples some tokens and some latents.
pub fn set_grid(plan: &mut Plan, grid: Grid, [tokens, latents]: [usize; 2], mask_token: u32) {
    let guided = f32::from_bits(plan.shape.token_guidance) > 1.0 && latents > 0;
    let no_tokens = if guided { grid.positions() } else { 0 };
    plan.inputs.lists = vec![mask_token; no_tokens];
    plan.shape.grid = grid;
    plan.shape.passes = vec![PassShape {
        grid,
        window: 0..0,
        conditions: 0..0,
        tokens: 0..tokens as u32,
        token_places: 0..0,
        latents: 0..latents as u32,
        latent_places: 0..0,
        given_tokens: 0..0,
        no_tokens: 0..no_tokens as u32,
    }];
}

/// What the random numbers of a place of the world are drawn with, besides the seed of the world.
fn key([x, y]: [i32; 2]) -> u32 {
    random_words(0, Stream::Key, x as u32, y as u32)[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_one_piece_and_pieces_lie_in_windows_with_all_that_they_need() {
        let size = [9, 7];
        for token in (Area { start: [-20, -20], size: [40, 40] }).tokens() {
            let piece = Piece::of(token, size);
            let mut known = piece.depends_on();
            known.push(piece);
            let window: Vec<[i32; 2]> = piece.window(size).tokens().collect();
            assert!(window.contains(&token), "{token:?} {piece:?}");
            assert!(window.iter().all(|token| known.contains(&Piece::of(*token, size))), "{piece:?}");
        }
    }
}
