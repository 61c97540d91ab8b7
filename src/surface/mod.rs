//! An endless surface: a grid of cells that continue each other, made where they are looked at.
//!
//! What a cell shows depends on the recipe and on its coordinates alone, not on the cells that were visited before. The
//! processor does the work ([`crate::native`]): about four times that of one texture for a cell without
//! neighbours, and less beside cells that are known. Call it on a task thread.

mod piece;
mod wang;

use crate::model::{Model, TOKEN_PIXELS};
use crate::native;
use crate::reference::GeneratedTexture;
use crate::sampling::{LatentState, Recipe, RecipeError, Step, plan};
use piece::{Area, Piece, set_grid};
use std::collections::HashMap;

pub use piece::HALF_STRIP;
pub use wang::{WANG_TILES, WangTiles};

/// Pieces that are kept; the farthest from the last cell go first.
const KEPT_PIECES: usize = 1024;

/// Largest coordinate of a cell: places of its tokens stay within 32 bits.
const FARTHEST_CELL: u32 = 1 << 24;

/// The token and the row of the context at one place.
#[derive(Clone, Debug)]
struct Known {
    token: u32,
    context: Vec<f32>,
}

/// An endless surface, with the pieces that were made so far.
#[derive(Debug)]
pub struct Surface {
    recipe: Recipe,
    /// Tokens of a cell along x and y.
    size: [i32; 2],
    /// Places of the tokens in the world, by piece.
    pieces: HashMap<Piece, HashMap<[i32; 2], Known>>,
}

impl Surface {
    /// A surface of cells of the size of `recipe`, whose seed is that of the world. Tiling does not matter; given tokens,
    /// blends and edits belong to one texture and are dropped.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        let recipe = plain(recipe);
        let size = check_size(model, &recipe)?;
        Ok(Self { recipe, size, pieces: HashMap::new() })
    }

    /// The picture and tokens of the cell in column `x` (to the right) and row `y` (down), both at most 2^24 from 0.
    ///
    /// # Errors
    /// Another model than the surface was made for, or a cell farther away.
    pub fn cell(&mut self, model: &Model, x: i32, y: i32) -> Result<GeneratedTexture, RecipeError> {
        for (field, at) in [("cell (column)", x), ("cell (row)", y)] {
            if at.unsigned_abs() > FARTHEST_CELL {
                let expected = format!("-{FARTHEST_CELL} to {FARTHEST_CELL}");
                return Err(RecipeError::OutOfRange { field, found: at.to_string(), expected });
            }
        }
        // Latents that the picture depends on; decoding a little more than the cell makes borders exact.
        let halo = model.discon.decoder.reach().div_ceil(TOKEN_PIXELS) as i32;
        let area = Area { start: [x * self.size[0], y * self.size[1]], size: self.size };
        let decoded = area.grown(halo);
        let mut pieces: Vec<Piece> = Vec::new();
        for token in decoded.tokens() {
            let piece = Piece::of(token, self.size);
            if pieces.last() != Some(&piece) && !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        for piece in pieces {
            self.make(model, piece)?;
        }
        let texture = decode_area(model, &self.recipe, decoded, &|at| self.known(at))?;
        let picture = cut(&texture, halo as usize);
        self.forget_far_pieces([x, y]);
        Ok(picture)
    }

    /// Makes a piece and what it depends on, unless they are known.
    fn make(&mut self, model: &Model, piece: Piece) -> Result<(), RecipeError> {
        if self.pieces.contains_key(&piece) {
            return Ok(());
        }
        // At most two deep: an inside needs edges, and those need corners.
        for need in piece.needs() {
            self.make(model, need)?;
        }
        let [x, y] = std::array::from_fn(|axis| piece.cell[axis] * self.size[axis]);
        let made = run_piece(model, &self.recipe, self.size, piece, &|[dx, dy]| self.known([x + dx, y + dy]))?;
        self.pieces.insert(piece, made.into_iter().map(|([dx, dy], known)| ([x + dx, y + dy], known)).collect());
        Ok(())
    }

    fn known(&self, at: [i32; 2]) -> Option<Known> {
        self.pieces.get(&Piece::of(at, self.size)).and_then(|piece| piece.get(&at)).cloned()
    }

    /// They can be made again, and will be the same.
    fn forget_far_pieces(&mut self, centre: [i32; 2]) {
        if self.pieces.len() <= KEPT_PIECES {
            return;
        }
        let distance = |piece: &Piece| (0..2).map(|axis| piece.cell[axis].abs_diff(centre[axis])).max().unwrap_or(0);
        let mut distances: Vec<u32> = self.pieces.keys().map(distance).collect();
        distances.sort_unstable();
        // Half of them, so that this does not happen at every cell.
        let limit = distances[KEPT_PIECES / 2];
        self.pieces.retain(|piece, _| distance(piece) <= limit);
    }
}

/// A recipe without what belongs to one texture.
fn plain(recipe: &Recipe) -> Recipe {
    Recipe { tokens: None, blends: Vec::new(), edits: Vec::new(), detail_seed: None, ..recipe.clone() }
}

/// Columns and rows of tokens of a cell, if the model can follow the recipe and a cell is large enough.
fn check_size(model: &Model, recipe: &Recipe) -> Result<[i32; 2], RecipeError> {
    recipe.validate(model)?;
    let (columns, rows) = recipe.token_grid();
    for (field, side, tokens) in [("size.0 (width)", recipe.size.0, columns), ("size.1 (height)", recipe.size.1, rows)]
    {
        // An inside of at least a strip.
        if (tokens as i32) < 4 * HALF_STRIP {
            let expected = format!("at least {} for the cells of a surface", 4 * HALF_STRIP as usize * TOKEN_PIXELS);
            return Err(RecipeError::OutOfRange { field, found: side.to_string(), expected });
        }
    }
    Ok([columns as i32, rows as i32])
}

/// Tokens and latents of a piece, given what is known around it; places count from the upper left corner of its cell.
fn run_piece(
    model: &Model,
    recipe: &Recipe,
    size: [i32; 2],
    piece: Piece,
    known: &dyn Fn([i32; 2]) -> Option<Known>,
) -> Result<HashMap<[i32; 2], Known>, RecipeError> {
    let window = piece.window(size);
    let local = |at: [i32; 2]| -> [i32; 2] { std::array::from_fn(|axis| at[axis] - piece.cell[axis] * size[axis]) };
    let mut plan = piece.plan(model, recipe, size)?;
    let state = gather(model, window, &|at| known(local(at)));
    (plan.inputs.tokens, plan.inputs.context) = (state.tokens, Some(state.context));
    let (_, state) = native::generate_with_state(model, &plan);
    let rows = state.context.chunks_exact(model.discon.config.context_width());
    let made = window.tokens().zip(state.tokens).zip(rows).filter(|((at, _), _)| Piece::of(*at, size) == piece);
    Ok(made.map(|((at, token), row)| (local(at), Known { token, context: row.to_vec() })).collect())
}

/// What is known of an area; the mask token and zeros elsewhere.
fn gather(model: &Model, area: Area, known: &dyn Fn([i32; 2]) -> Option<Known>) -> LatentState {
    let config = &model.discon.config;
    let mut state = LatentState { tokens: Vec::new(), context: Vec::new() };
    for at in area.tokens() {
        let unknown = || Known { token: config.mask_token(), context: vec![0.0; config.context_width()] };
        let Known { token, context } = known(at).unwrap_or_else(unknown);
        state.tokens.push(token);
        state.context.extend(context);
    }
    state
}

/// The picture of an area.
fn decode_area(
    model: &Model,
    recipe: &Recipe,
    area: Area,
    known: &dyn Fn([i32; 2]) -> Option<Known>,
) -> Result<GeneratedTexture, RecipeError> {
    let mut plan = plan(model, recipe)?;
    let state = gather(model, area, known);
    set_grid(&mut plan, area.grid(), 0);
    plan.shape.steps = vec![Step::Decode];
    (plan.inputs.tokens, plan.inputs.context) = (state.tokens, Some(state.context));
    Ok(native::generate(model, &plan))
}

/// A picture without the outer `halo` tokens of each side.
fn cut(texture: &GeneratedTexture, halo: usize) -> GeneratedTexture {
    fn inner<T: Copy>(values: &[T], width: usize, border: usize, parts: usize) -> Vec<T> {
        let rows = values.chunks_exact(width * parts);
        let count = rows.len().saturating_sub(2 * border);
        rows.skip(border).take(count).flat_map(|row| &row[parts * border..parts * (width - border)]).copied().collect()
    }
    let border = halo * TOKEN_PIXELS;
    let width = texture.width as usize;
    GeneratedTexture {
        width: texture.width - 2 * border as u32,
        height: texture.height - 2 * border as u32,
        pixels: inner(&texture.pixels, width, border, 3),
        tokens: inner(&texture.tokens, width / TOKEN_PIXELS, halo, 1),
    }
}
