//! Passes of a plan: the first makes all cells of a texture, each edit makes some of them anew.
//!
//! A pass of an edit sees a window of the texture, so that its cost falls with its mask: the cells of the mask and
//! [`WINDOW_MARGIN`] cells around them. Positions inside the window are called places.

use super::plan::{LatentOrders, Step};
use super::recipe::Recipe;
use super::recipe_parts::Edit;
use super::rng::{Stream, random_words};
use super::schedule::{cosine_rounds, generation_order};
use super::structure::open_tokens;
use crate::model::{Grid, Wrap};
use std::ops::Range;

/// Cells around a mask that an edit sees: a quarter of a texture of 256x256 to each side.
pub const WINDOW_MARGIN: usize = 4;

/// The part of a pass that decides which operations run. Ranges without a list are empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PassShape {
    /// The grid that the networks see, one item for each texture of the batch.
    pub grid: Grid,
    /// Positions in the texture of all places: a range of [`super::JobInputs::lists`]; empty if the window is all of
    /// it.
    pub window: Range<u32>,
    /// Condition rows of all places, then as many times the empty row: a range of `lists`; empty for row 0 everywhere.
    pub conditions: Range<u32>,
    /// Part of the token order.
    pub tokens: Range<u32>,
    /// Places of that part: a range of `lists`.
    pub token_places: Range<u32>,
    /// Part of the latent order.
    pub latents: Range<u32>,
    /// Places of that part: a range of `lists`.
    pub latent_places: Range<u32>,
    /// Tokens that a pass of an edit starts with, one for each of `latents`: a range of `lists`; empty for the first
    /// pass.
    pub given_tokens: Range<u32>,
    /// As many mask tokens as there are places, for guidance by tokens: a range of `lists`; empty without it.
    pub no_tokens: Range<u32>,
}

impl PassShape {
    /// Entries of [`super::JobInputs::lists`] that belong to the pass.
    pub fn listed(&self) -> usize {
        let places = [&self.window, &self.conditions, &self.token_places, &self.latent_places];
        let tokens = [&self.given_tokens, &self.no_tokens];
        places.into_iter().chain(tokens).map(ExactSizeIterator::len).sum()
    }
}

/// A part of a grid, across borders that wrap.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    /// Column and row of its first place.
    origin: [usize; 2],
    grid: Grid,
    whole: Grid,
}

impl Window {
    fn all(whole: Grid) -> Self {
        Self { origin: [0, 0], grid: whole, whole }
    }

    /// The smallest window around `cells` with a margin; an axis that it would fill is taken whole.
    pub(super) fn around(cells: &[u16], whole: Grid) -> Self {
        let column = |cell: &u16| usize::from(*cell) % whole.width;
        let row = |cell: &u16| usize::from(*cell) / whole.width;
        let (x, width) = span(cells.iter().map(column), whole.width, whole.wrap.x);
        let (y, height) = span(cells.iter().map(row), whole.height, whole.wrap.y);
        // A cut-out has no neighbours on its other side.
        let wrap = Wrap { x: whole.wrap.x && width == whole.width, y: whole.wrap.y && height == whole.height };
        Self { origin: [x, y], grid: Grid { items: 1, height, width, wrap }, whole }
    }

    fn is_all(&self) -> bool {
        self.grid == self.whole
    }

    fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.grid.positions()).map(|place| {
            let x = (self.origin[0] + place % self.grid.width) % self.whole.width;
            let y = (self.origin[1] + place / self.grid.width) % self.whole.height;
            (y * self.whole.width + x) as u32
        })
    }

    fn place_of(&self, position: u32) -> u32 {
        let (x, y) = (position as usize % self.whole.width, position as usize / self.whole.width);
        let x = (x + self.whole.width - self.origin[0]) % self.whole.width;
        let y = (y + self.whole.height - self.origin[1]) % self.whole.height;
        (y * self.grid.width + x) as u32
    }
}

/// First coordinate and length of the shortest stretch that holds all coordinates and a margin.
fn span(taken: impl Iterator<Item = usize>, length: usize, wraps: bool) -> (usize, usize) {
    let mut occupied = vec![false; length];
    taken.for_each(|at| occupied[at] = true);
    let first = occupied.iter().position(|taken| *taken).unwrap_or(0);
    let last = occupied.iter().rposition(|taken| *taken).unwrap_or(0);
    if !wraps {
        let start = first.saturating_sub(WINDOW_MARGIN);
        return (start, (last + WINDOW_MARGIN + 1).min(length) - start);
    }
    // The stretch leaves out the longest gap, which may cross the border.
    let (mut gap, mut gap_end, mut previous) = (first + length - last, first, first);
    for at in (first + 1..=last).filter(|at| occupied[*at]) {
        if at - previous > gap {
            (gap, gap_end) = (at - previous, at);
        }
        previous = at;
    }
    let with_margin = length - gap + 1 + 2 * WINDOW_MARGIN;
    if with_margin >= length { (0, length) } else { ((gap_end + length - WINDOW_MARGIN) % length, with_margin) }
}

/// A pass with its data.
#[derive(Clone, Debug)]
pub(super) struct Pass<'a> {
    pub shape: PassShape,
    pub edit: Option<&'a Edit>,
    window: Window,
}

/// Numbers taken of each list so far.
#[derive(Default)]
struct Ends {
    tokens: u32,
    latents: u32,
    lists: u32,
}

fn take(end: &mut u32, count: usize) -> Range<u32> {
    let start = *end;
    *end += count as u32;
    start..*end
}

/// The passes of a recipe from edit `first` on, or all, and the steps that run them.
pub(super) fn passes(
    recipe: &Recipe,
    whole: Grid,
    first: Option<usize>,
    has_layout: impl Fn(Option<usize>) -> bool,
) -> (Vec<Pass<'_>>, Vec<Step>) {
    let mut ends = Ends::default();
    let mut steps = Vec::new();
    let mut passes = Vec::new();
    let guided = recipe.token_guidance > 1.0;
    // As many cells at once, seen along one axis, as in the whole texture.
    let rounds = |whole_rounds: u32, cells: usize| {
        (whole_rounds as f32 * (cells as f32 / whole.positions() as f32).sqrt()).ceil() as usize
    };
    let mut add = |number: Option<usize>, differ: bool| -> (PassShape, Window) {
        let edit = number.map(|number| &recipe.edits[number]);
        let window = edit.map_or(Window::all(whole), |edit| Window::around(&edit.mask.cells, whole));
        let places = window.grid.positions();
        let count = edit.map_or(places, |edit| edit.mask.cells.len());
        let sampled = if has_layout(number) { open_tokens(recipe, count) } else { count };
        let listed = |count: usize| if window.is_all() { 0 } else { count };
        let shape = PassShape {
            grid: window.grid,
            window: take(&mut ends.lists, listed(places)),
            conditions: take(&mut ends.lists, if differ { 2 * places } else { 0 }),
            tokens: take(&mut ends.tokens, sampled),
            token_places: take(&mut ends.lists, listed(sampled)),
            latents: take(&mut ends.latents, count),
            latent_places: take(&mut ends.lists, listed(count)),
            given_tokens: take(&mut ends.lists, edit.map_or(0, |_| count)),
            no_tokens: take(&mut ends.lists, if guided { places } else { 0 }),
        };
        (shape, window)
    };
    if first.is_none() {
        let (shape, window) = add(None, cells_differ(recipe, 0));
        if recipe.tokens.is_none() && !shape.tokens.is_empty() {
            steps.extend(token_rounds(0, &shape.tokens, rounds(recipe.token_rounds, shape.tokens.len())));
        }
        steps.extend(latent_rounds(0, &shape.latents, recipe.latent_rounds as usize));
        passes.push(Pass { shape, edit: None, window });
    }
    for (index, edit) in recipe.edits.iter().enumerate().skip(first.unwrap_or(0)) {
        let (shape, window) = add(Some(index), cells_differ(recipe, index + 1));
        let pass = passes.len() as u32;
        steps.push(Step::Reopen { pass });
        if !shape.tokens.is_empty() {
            steps.extend(token_rounds(pass, &shape.tokens, rounds(recipe.token_rounds, shape.tokens.len())));
        }
        steps.extend(latent_rounds(pass, &shape.latents, rounds(recipe.latent_rounds, shape.latents.len())));
        passes.push(Pass { shape, edit: Some(edit), window });
    }
    steps.push(Step::Decode);
    (passes, steps)
}

/// Whether cells differ in what they are conditioned on after the first `edits` edits. Only those count: products of
/// one row and of many round differently, and a later edit must not change what was made before it.
pub(super) fn cells_differ(recipe: &Recipe, edits: usize) -> bool {
    !recipe.blends.is_empty() || recipe.edits[..edits].iter().any(|edit| edit.class.is_some())
}

fn shifted(range: &Range<u32>, rounds: usize) -> impl Iterator<Item = (u32, Range<u32>)> + use<> {
    let start = range.start;
    let rounds = cosine_rounds(range.len(), rounds).into_iter();
    (0..).zip(rounds.map(move |round| start + round.start..start + round.end))
}

fn token_rounds(pass: u32, range: &Range<u32>, rounds: usize) -> impl Iterator<Item = Step> + use<> {
    shifted(range, rounds).map(move |(round, positions)| Step::TokenRound { pass, round, positions })
}

fn latent_rounds(pass: u32, range: &Range<u32>, rounds: usize) -> impl Iterator<Item = Step> + use<> {
    shifted(range, rounds).map(move |(round, positions)| Step::LatentRound { pass, round, positions })
}

/// The key of a position for an edit: what its random numbers are drawn with, besides the seeds of the recipe.
fn edit_key(seed: u64, position: u32) -> u32 {
    random_words(seed, Stream::Key, position, 0)[0]
}

impl Pass<'_> {
    /// Keys of all positions of the texture.
    pub fn keys(&self) -> Vec<u32> {
        let positions = 0..self.window.whole.positions() as u32;
        match self.edit {
            None => positions.collect(),
            Some(edit) => positions.map(|position| edit_key(edit.seed, position)).collect(),
        }
    }

    /// Appends the orders and lists, in the order in which their ranges were taken.
    ///
    /// `seeds` are those of the orders of the first pass; `rows` says which condition row a position has, `stitched`
    /// which token a layout gives it.
    pub fn append(
        &self,
        seeds: [u64; 2],
        rows: &[u32],
        stitched: Option<&[u32]>,
        mask_token: u32,
        orders: &mut LatentOrders,
        lists: &mut Vec<u32>,
    ) {
        let whole = self.window.whole;
        let order = |stage: u32| -> Vec<u32> {
            let seed = self.edit.map_or(seeds[stage as usize], |edit| edit.seed);
            let mut order = generation_order(whole.width, whole.height, seed, stage);
            if let Some(edit) = self.edit {
                order.retain(|position| edit.mask.cells.binary_search(&(*position as u16)).is_ok());
            }
            order
        };
        if !self.shape.window.is_empty() {
            lists.extend(self.window.positions());
        }
        if !self.shape.conditions.is_empty() {
            lists.extend(self.window.positions().map(|position| rows[position as usize]));
            lists.extend(std::iter::repeat_n(super::plan::EMPTY_ROW, self.shape.grid.positions()));
        }
        let counts = [self.shape.tokens.len(), self.shape.latents.len()];
        for (stage, target) in [(0, &mut orders.tokens), (1, &mut orders.latents)] {
            let mut order = order(stage);
            order.truncate(counts[stage as usize]);
            if !self.shape.window.is_empty() {
                lists.extend(order.iter().map(|position| self.window.place_of(*position)));
            }
            target.extend(order);
        }
        if !self.shape.given_tokens.is_empty() {
            let open = &orders.tokens[self.shape.tokens.start as usize..self.shape.tokens.end as usize];
            let taken = &orders.latents[self.shape.latents.start as usize..self.shape.latents.end as usize];
            let given = |position: &u32| match stitched {
                Some(tokens) if !open.contains(position) => tokens[*position as usize],
                _ => mask_token,
            };
            lists.extend(taken.iter().map(given));
        }
        lists.extend(std::iter::repeat_n(mask_token, self.shape.no_tokens.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(wrap: Wrap) -> Grid {
        Grid { items: 1, height: 32, width: 24, wrap }
    }

    #[test]
    fn a_window_holds_its_mask_and_a_margin_across_borders_and_no_more() {
        let cell = |x: u16, y: u16| y * 24 + x;
        // Two cells left and right of the border of a torus: two columns and a row, with margins.
        let window = Window::around(&[cell(0, 31), cell(23, 31)], whole(Wrap::BOTH));
        assert_eq!((window.origin, window.grid.width, window.grid.height), ([19, 27], 10, 9));
        assert_eq!(window.grid.wrap, Wrap::NONE);
        // Without wrapping the same cells are far apart, and the window ends at the border.
        let window = Window::around(&[cell(0, 31), cell(23, 31)], whole(Wrap::NONE));
        assert_eq!((window.origin, window.grid.width, window.grid.height), ([0, 27], 24, 5));
        for (place, position) in window.positions().enumerate() {
            assert_eq!(window.place_of(position), place as u32);
        }
        // What fills an axis wraps along it.
        let all: Vec<u16> = (0..24).map(|x| cell(x, 3)).collect();
        assert_eq!(Window::around(&all, whole(Wrap::BOTH)).grid.wrap, Wrap { x: true, y: false });
    }
}
