//! Wang tiles: a small set of square pieces that fit wherever their edges have equal colours, laid without visible repetition.

use super::piece::{HALF_STRIP, Piece, PieceKind};
use super::{Area, Known, check_size, cut, decode_area, run_piece};
use crate::model::{Model, TOKEN_PIXELS};
use crate::reference::GeneratedTexture;
use crate::sampling::rng::{Stream, random_words};
use crate::sampling::{Recipe, RecipeError};
use std::collections::HashMap;

/// Colours of the edges along each axis.
const COLOURS: u32 = 2;
/// Tiles of a set: one for each combination of upper, lower, left and right colour.
pub const WANG_TILES: usize = COLOURS.pow(4) as usize;

type Known2d = HashMap<[i32; 2], Known>;

/// A complete set of tiles with two colours for each axis.
#[derive(Clone, Debug)]
pub struct WangTiles {
    /// The tiles; number `upper + 2 * lower + 4 * left + 8 * right`.
    pub tiles: Vec<GeneratedTexture>,
}

impl WangTiles {
    /// Makes all tiles, each of the size of `recipe`, on the processor: about thirty times the work of one texture. All
    /// tiles share their corners; tiles with an equal colour share the tokens and latents of that edge. Given tokens,
    /// blends and edits are dropped.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        let recipe = &super::plain(recipe);
        let size = check_size(model, recipe)?;
        let none = |_: [i32; 2]| None;
        let corner = run_piece(model, recipe, size, piece(0, PieceKind::Corner), &none)?;
        // Both corners of an edge are the same one.
        let at_corner = |[x, y]: [i32; 2]| corner.get(&[wrap(x, size[0]), wrap(y, size[1])]).cloned();
        let edges = |kind| -> Result<Vec<Known2d>, RecipeError> {
            (0..COLOURS).map(|colour| run_piece(model, recipe, size, piece(colour, kind), &at_corner)).collect()
        };
        let (upper, left) = (edges(PieceKind::Upper)?, edges(PieceKind::Left)?);
        let mut set = Pieces { size, corner: &corner, upper: &upper, left: &left, insides: Vec::new() };
        for number in 0..WANG_TILES {
            let inside = piece(number as u32, PieceKind::Inside);
            let inside = run_piece(model, recipe, size, inside, &|at| set.known(number, at))?;
            set.insides.push(inside);
        }
        // A tile has another neighbour at each place where it lies. They agree on half a strip beyond the border; what
        // decoding sees beyond that is taken from some tile that fits, which is nearer to any other one than nothing is.
        let halo = (model.discon.decoder.reach().div_ceil(TOKEN_PIXELS) as i32).min(size[0]).min(size[1]);
        let area = Area { start: [0, 0], size }.grown(halo);
        let tile = |number: usize| {
            let texture = decode_area(model, recipe, area, &|at| set.known(number, at))?;
            Ok(cut(&texture, halo as usize))
        };
        Ok(Self { tiles: (0..WANG_TILES).map(tile).collect::<Result<_, _>>()? })
    }

    /// Which tile lies where, row-major: a random field of `columns` x `rows` tiles that fit, also across its outer
    /// borders. The same seed gives the same field.
    pub fn index_map(columns: u32, rows: u32, seed: u64) -> Vec<u8> {
        let colours = |x: u32, y: u32| random_words(seed, Stream::Key, x % columns.max(1), y % rows.max(1));
        let tile = |x: u32, y: u32| {
            let (here, below, beside) = (colours(x, y), colours(x, y + 1), colours(x + 1, y));
            let bit = |word: u32| (word >> 31) as u8;
            bit(here[0]) + 2 * bit(below[0]) + 4 * bit(here[1]) + 8 * bit(beside[1])
        };
        (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))).map(|(x, y)| tile(x, y)).collect()
    }
}

/// What tiles are made of; places count from the upper left corner of a cell.
struct Pieces<'a> {
    size: [i32; 2],
    corner: &'a Known2d,
    upper: &'a [Known2d],
    left: &'a [Known2d],
    insides: Vec<Known2d>,
}

impl Pieces<'_> {
    /// What is at a place in or around a tile, whose neighbours are the fitting tiles with most edges of colour 0.
    fn known(&self, number: usize, at: [i32; 2]) -> Option<Known> {
        let colour = |bit: usize| number >> bit & 1;
        let cell: [i32; 2] = std::array::from_fn(|axis| (at[axis] + HALF_STRIP).div_euclid(self.size[axis]));
        let local: [i32; 2] = std::array::from_fn(|axis| at[axis] - cell[axis] * self.size[axis]);
        let upper = match cell {
            [0, 0] => colour(0),
            [0, 1] => colour(1),
            _ => 0,
        };
        let left = match cell {
            [0, 0] => colour(2),
            [1, 0] => colour(3),
            _ => 0,
        };
        let inside = match cell {
            [0, 0] => number,
            [0, -1] => colour(0) << 1,
            [0, 1] => colour(1),
            [-1, 0] => colour(2) << 3,
            [1, 0] => colour(3) << 2,
            _ => 0,
        };
        let pieces = [Some(self.corner), self.upper.get(upper), self.left.get(left), self.insides.get(inside)];
        pieces.into_iter().flatten().find_map(|piece| piece.get(&local)).cloned()
    }
}

/// A piece whose random numbers are its own: each lies elsewhere in the world.
fn piece(number: u32, kind: PieceKind) -> Piece {
    Piece { cell: [8 * number as i32, 8 * kind as i32], kind }
}

/// A coordinate of a tile from half a strip before it to half a strip before its end.
fn wrap(at: i32, length: i32) -> i32 {
    (at + HALF_STRIP).rem_euclid(length) - HALF_STRIP
}
