//! Arrangements: what a run is given of what was made before, what it makes, and what is kept of it.
//!
//! Tokens and latents that outlive a run lie in *pages*: `rows x columns` of one cell each, on whatever an executor keeps
//! them in. An [`Arrangement`] is data: a plan, stretches of pages that are copied into its grid before it runs, and
//! stretches of its grid that are copied into pages afterwards. Executors copy and run; which cells depend on which others,
//! and in which order they are made, is decided here and is the same for all of them.
//!
//! [`EndlessGrid`] arranges the cells of an endless surface, [`WangSet`] a set of Wang tiles.

mod endless;
mod orders;
mod piece;
mod wang;

use super::plan::{Plan, Step};
use super::quilt::Quilt;
use super::recipe::{Recipe, RecipeError};
use super::structure::layout_of;
use crate::model::{Layout, Model, TOKEN_PIXELS};
use std::collections::HashMap;

pub use endless::{EndlessGrid, FARTHEST_CELL};
pub use orders::Orders;
pub use piece::{Area, HALF_STRIP, Piece, PieceKind};
pub use wang::{WANG_TILES, WangSet, wang_index_map};

/// Positions that follow each other both in a page and in the grid of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of the page.
    pub page: u32,
    /// First position in the page.
    pub at: u32,
    /// First position in the grid of the plan.
    pub place: u32,
    /// Number of positions.
    pub count: u32,
}

/// A run and what surrounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrangement {
    /// What runs. Its tokens and context are unknown at the start, except where they are given.
    pub plan: Plan,
    /// What is copied from pages before the run.
    pub given: Vec<Span>,
    /// What is copied into pages after it.
    pub kept: Vec<Span>,
    /// Tokens at each side of the grid that a picture leaves out: they are decoded because pixels depend on them.
    pub halo: u32,
}

/// What a run of an [`Arrangement`] was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work<P> {
    /// Tokens and latents of a part.
    Piece(Piece),
    /// The picture of a cell or tile.
    Picture(P),
}

/// An executor with pages of its own.
pub trait RunArrangement {
    /// What a decoded picture is.
    type Picture;
    /// Why a run may fail.
    type Error: std::fmt::Debug + std::fmt::Display;

    /// Makes room for `pages` pages of `positions` positions each; contents are unknown.
    ///
    /// # Errors
    /// Not enough memory on the device.
    fn reserve(&mut self, model: &Model, pages: usize, positions: usize) -> Result<(), Self::Error>;

    /// Runs an arrangement that ends without a picture.
    ///
    /// # Errors
    /// A device that failed.
    fn make(&mut self, model: &Model, arrangement: Arrangement) -> Result<(), Self::Error>;

    /// Runs an arrangement that ends with a picture, and leaves its halo out.
    ///
    /// # Errors
    /// A device that failed.
    fn show(&mut self, model: &Model, arrangement: Arrangement) -> Result<Self::Picture, Self::Error>;
}

/// The page and the position in it that hold a place.
type Home = (u32, u32);

/// Cells of one recipe: what all arrangements of a surface or of a set share.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    recipe: Recipe,
    /// Columns and rows of tokens of a cell.
    size: [i32; 2],
    /// Tokens around a picture that its pixels depend on.
    halo: i32,
    /// The plan of a whole cell, for what it is conditioned on.
    template: Plan,
    orders: Orders,
    layout: Option<Layout>,
    /// Tokens that the layout gave to places of pages, which what is stitched next must fit.
    stitched: HashMap<Home, u32>,
}

impl Cells {
    fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        // What belongs to one texture.
        let (tokens, blends, edits) = (None, Vec::new(), Vec::new());
        let recipe = Recipe { tokens, blends, edits, detail_seed: None, ..recipe.clone() };
        let template = super::plan(model, &recipe)?;
        let size = check_size(&recipe)?;
        let halo = model.discon.decoder.reach().div_ceil(TOKEN_PIXELS) as i32;
        let layout = layout_of(model, &recipe);
        let stitched = HashMap::new();
        Ok(Self { recipe, size, halo, template, orders: Orders::default(), layout, stitched })
    }

    /// Positions of a page.
    fn positions(&self) -> usize {
        (self.size[0] * self.size[1]) as usize
    }

    /// Tokens and latents of a piece; `home` says where the places of its window are kept, its own ones too. Pieces that must
    /// differ, though their surroundings are equal, have a `rank`, see [`Quilt::ranked`].
    fn piece(
        &mut self,
        model: &Model,
        piece: Piece,
        rank: Option<usize>,
        home: impl Fn([i32; 2]) -> Option<Home>,
    ) -> Arrangement {
        let window = piece.window(self.size);
        let own = |token: [i32; 2]| Piece::of(token, self.size) == piece;
        let given = spans(window, |token| home(token).filter(|_| !own(token)));
        let kept = spans(window, |token| home(token).filter(|_| own(token)));
        let config = &model.discon.config;
        let tokens = self.stitch(model, piece, rank, &home);
        let lattice = piece::Lattice { config, recipe: &self.recipe, size: self.size };
        let plan = piece.plan(self.template.clone(), &lattice, tokens, &mut self.orders);
        self.keep_stitched(&plan, piece, &home, config.mask_token());
        Arrangement { plan, given, kept, halo: 0 }
    }

    /// Tokens of a piece's window as far as a layout gives them.
    fn stitch(
        &self,
        model: &Model,
        piece: Piece,
        rank: Option<usize>,
        home: impl Fn([i32; 2]) -> Option<Home>,
    ) -> Option<Vec<Option<u32>>> {
        let layout = self.layout.as_ref()?;
        let window = piece.window(self.size);
        let wanted: Vec<bool> = window.tokens().map(|token| Piece::of(token, self.size) == piece).collect();
        let known = |token| self.stitched.get(&home(token)?).copied();
        let mut tokens: Vec<Option<u32>> = window.tokens().map(known).collect();
        let seed = piece.number(self.recipe.seed);
        let mut quilt = Quilt::of_piece(layout, model.token_distances(), window.grid(), seed).ranked(rank);
        quilt.fill(&mut tokens, &wanted);
        Some(tokens)
    }

    /// Notes the tokens that a plan starts with at the places of a piece.
    fn keep_stitched(&mut self, plan: &Plan, piece: Piece, home: impl Fn([i32; 2]) -> Option<Home>, mask_token: u32) {
        let window = piece.window(self.size);
        let own = |token: &[i32; 2]| Piece::of(*token, self.size) == piece;
        for (token, value) in window.tokens().zip(&plan.inputs.tokens).filter(|(token, _)| own(token)) {
            let Some(home) = home(token) else { continue };
            match *value == mask_token {
                true => self.stitched.remove(&home),
                false => self.stitched.insert(home, *value),
            };
        }
    }

    /// The picture of a cell.
    fn picture(&self, area: Area, halo: i32, home: impl Fn([i32; 2]) -> Option<Home>) -> Arrangement {
        let area = area.grown(halo);
        let mut plan = self.template.clone();
        piece::set_grid(&mut plan, area.grid(), [0, 0], 0);
        plan.shape.steps = vec![Step::Decode];
        let inputs = &mut plan.inputs;
        inputs.tokens = vec![0; plan.shape.grid.positions()];
        inputs.keys = vec![0; plan.shape.grid.positions()];
        (inputs.token_order, inputs.latent_order) = (Vec::new(), Vec::new());
        Arrangement { plan, given: spans(area, home), kept: Vec::new(), halo: halo as u32 }
    }
}

/// Columns and rows of tokens of a cell, if it is large enough.
fn check_size(recipe: &Recipe) -> Result<[i32; 2], RecipeError> {
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

/// The position in a page of a place that counts from the upper left corner of any cell.
fn in_page(at: [i32; 2], size: [i32; 2]) -> u32 {
    let [x, y]: [i32; 2] = std::array::from_fn(|axis| (at[axis] + HALF_STRIP).rem_euclid(size[axis]));
    (y * size[0] + x) as u32
}

/// The stretches of an area that have a home.
fn spans(area: Area, home: impl Fn([i32; 2]) -> Option<Home>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (place, token) in (0..).zip(area.tokens()) {
        let Some((page, at)) = home(token) else { continue };
        match spans.last_mut() {
            Some(last) if last.page == page && last.at + last.count == at && last.place + last.count == place => {
                last.count += 1;
            }
            _ => spans.push(Span { page, at, place, count: 1 }),
        }
    }
    spans
}
