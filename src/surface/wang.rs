//! Wang tiles: a small set of square pieces that fit wherever their edges have equal colours, laid without visible repetition.

use super::piece::{HALF_STRIP, Piece, PieceKind};
use super::{Known, check_size, cut, decode_area, run_piece};
use crate::model::Model;
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
        let tile = |number: usize| {
            let colour = |bit: usize| number >> bit & 1;
            let around = |[x, y]: [i32; 2]| {
                let local = [wrap(x, size[0]), wrap(y, size[1])];
                let rows = &upper[colour(if y < size[1] / 2 { 0 } else { 1 })];
                let columns = &left[colour(if x < size[0] / 2 { 2 } else { 3 })];
                at_corner([x, y]).or_else(|| rows.get(&local).cloned()).or_else(|| columns.get(&local).cloned())
            };
            let inside = run_piece(model, recipe, size, piece(number as u32, PieceKind::Inside), &around)?;
            // The other half of each edge is known, whichever tile lies there.
            let area = piece(0, PieceKind::Inside).window(size);
            let area = super::Area { start: [-HALF_STRIP; 2], ..area };
            let known = |at: [i32; 2]| inside.get(&at).cloned().or_else(|| around(at));
            Ok(cut(&decode_area(model, recipe, area, &known)?, HALF_STRIP as usize))
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

/// A piece whose random numbers are its own: each lies elsewhere in the world.
fn piece(number: u32, kind: PieceKind) -> Piece {
    Piece { cell: [8 * number as i32, 8 * kind as i32], kind }
}

/// A coordinate of a tile from half a strip before it to half a strip before its end.
fn wrap(at: i32, length: i32) -> i32 {
    (at + HALF_STRIP).rem_euclid(length) - HALF_STRIP
}
