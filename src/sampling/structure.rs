//! What stage 1 starts from: the tokens that layouts of the model's bank give, see [`super::quilt`].

use super::mixture::Mixture;
use super::quilt::Quilt;
use super::recipe::Recipe;
use super::rng::{Stream, random_words, seed_of_class};
use super::schedule::{generation_order, weighted};
use crate::model::{Grid, Layout, Model};

/// Layouts among which a seed chooses, by their weights: those of the styles nearest to that of the texture. So a texture is neither
/// bound to the one image that its style comes from, nor are glazed tiles laid like cobbles.
const CHOICES: usize = 3;
/// Share of a blend above which a cell has the blend's layout, in 255ths.
const MOST: u8 = 127;

/// What a layout is chosen for: a class, and a style as the bank has it.
pub(super) struct Material<'a> {
    pub class: usize,
    pub style: &'a [f32],
}

/// Tokens that layouts give to a texture and to its edits.
pub(super) struct Stitched {
    /// Tokens before the first edit as far as they are known, the open ones left out.
    start: Vec<Option<u32>>,
    /// Stitched tokens of the texture and of each edit at the positions that it makes, the open ones too; other
    /// positions hold anything. None where there is no layout.
    passes: Vec<Option<Vec<u32>>>,
}

impl Stitched {
    /// Stitches what a valid recipe asks for.
    pub fn new(model: &Model, recipe: &Recipe, grid: Grid, mixture: &Mixture) -> Self {
        let tokens = match &recipe.tokens {
            Some(tokens) => tokens.iter().map(|token| Some(u32::from(*token))).collect(),
            None => vec![None; grid.positions()],
        };
        let mut stitched = Self { start: tokens, passes: vec![None; 1 + recipe.edits.len()] };
        if recipe.layout_share <= 0.0 || model.discon.layouts.is_none() {
            return stitched;
        }
        if recipe.tokens.is_none() {
            stitched.passes[0] = whole(model, recipe, grid, mixture);
            if let Some(tokens) = &stitched.passes[0] {
                stitched.start = tokens.iter().copied().map(Some).collect();
                let order = generation_order(grid.width, grid.height, recipe.seed, 0);
                open_places(&mut stitched.start, order.into_iter(), recipe, grid.positions());
            }
        }
        let mut known = stitched.start.clone();
        for (index, edit) in recipe.edits.iter().enumerate() {
            let mut wanted = vec![false; grid.positions()];
            edit.mask.cells.iter().for_each(|cell| wanted[usize::from(*cell)] = true);
            let own = edit.class.as_ref().map(|class| (None, seed_of_class(edit.seed, class)));
            let (row, seed) = own.unwrap_or((recipe.layout, seed_of_class(recipe.seed, &recipe.class)));
            let layout = mixture.edit_material(index).and_then(|material| chosen(model, &material, row, seed));
            for (place, _) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted) {
                known[place] = None;
            }
            let Some(layout) = layout else { continue };
            Quilt::new(&layout, model.token_distances(), grid, seed ^ edit.seed).fill(&mut known, &wanted);
            stitched.passes[1 + index] = Some(known.iter().map(|token| token.unwrap_or(0)).collect());
            let order = generation_order(grid.width, grid.height, edit.seed, 0);
            let taken = order.into_iter().filter(|position| wanted[*position as usize]);
            open_places(&mut known, taken, recipe, edit.mask.cells.len());
        }
        stitched
    }

    /// Tokens of the pass of an edit, or of the first one.
    pub fn of(&self, edit: Option<usize>) -> Option<&[u32]> {
        self.passes[edit.map_or(0, |edit| 1 + edit)].as_deref()
    }

    /// The token grid at the start, with the mask token where stage 1 samples.
    pub fn start(&self, mask_token: u32) -> Vec<u32> {
        self.start.iter().map(|token| token.unwrap_or(mask_token)).collect()
    }
}

/// Forgets the tokens that the prior samples: the first of the order in which it takes them.
fn open_places(known: &mut [Option<u32>], order: impl Iterator<Item = u32>, recipe: &Recipe, count: usize) {
    order.take(open_tokens(recipe, count)).for_each(|position| known[position as usize] = None);
}

/// Tokens of all positions, each from the layout of the class that it has most of.
fn whole(model: &Model, recipe: &Recipe, grid: Grid, mixture: &Mixture) -> Option<Vec<u32>> {
    let materials = mixture.materials();
    let (own, blends) = materials.split_first()?;
    let mut tokens = vec![None; grid.positions()];
    let seed = seed_of_class(recipe.seed, &recipe.class);
    let layout = chosen(model, own, recipe.layout, seed)?;
    Quilt::new(&layout, model.token_distances(), grid, seed).fill(&mut tokens, &vec![true; grid.positions()]);
    for (blend, material) in recipe.blends.iter().zip(blends) {
        let seed = seed_of_class(recipe.seed, &blend.class);
        let Some(layout) = chosen(model, material, None, seed) else { continue };
        let wanted: Vec<bool> = blend.shares.iter().map(|share| *share > MOST).collect();
        Quilt::new(&layout, model.token_distances(), grid, seed).fill(&mut tokens, &wanted);
    }
    tokens.into_iter().collect()
}

/// Number of tokens that the prior samples, of `count`.
pub(super) fn open_tokens(recipe: &Recipe, count: usize) -> usize {
    count - (recipe.layout_share * count as f32).round() as usize
}

/// The layout of a texture of one class, as [`Stitched`] chooses it.
pub(super) fn layout_of(model: &Model, recipe: &Recipe) -> Option<Layout> {
    let class = model.discon.config.classes.iter().position(|name| *name == recipe.class)?;
    let material = Material { class, style: &recipe.style_in(model) };
    if recipe.layout_share <= 0.0 {
        return None;
    }
    chosen(model, &material, recipe.layout, seed_of_class(recipe.seed, &recipe.class))
}

/// The layout of a row of the bank, or that which `seed` chooses among the nearest ones.
fn chosen(model: &Model, material: &Material, row: Option<u32>, seed: u64) -> Option<Layout> {
    let bank = model.discon.layouts.as_ref()?;
    let layout = |row: usize| bank.layout(&model.weights, &model.discon.config, row);
    if let Some(row) = row {
        return layout(row as usize);
    }
    let nearest = nearest(model, material);
    let weights = model.weights.get(bank.weights);
    let rows: Vec<(u32, f32)> = nearest.iter().map(|row| (*row as u32, weights[*row].max(0.0))).collect();
    let first = weighted(&rows, random_words(seed, Stream::Layout, u32::MAX, 0)[0])?;
    // A row may be empty.
    std::iter::once(first as usize).chain(nearest).find_map(layout)
}

/// Rows of a class whose styles are nearest, the nearest first.
fn nearest(model: &Model, material: &Material) -> Vec<usize> {
    let bank = &model.discon.styles;
    let (rows, classes) = (model.weights.get(bank.rows), model.weights.get(bank.classes));
    let width = model.discon.config.style_width();
    let scales = &model.weights.get(bank.standard)[width..];
    let distance = |row: &[f32]| -> f32 {
        let parts = row.iter().zip(material.style).zip(scales);
        parts.map(|((a, b), scale)| ((a - b) * scale).powi(2)).sum()
    };
    let mut found: Vec<(f32, usize)> = (rows.chunks_exact(width).zip(classes).enumerate())
        .filter(|(_, (_, class))| **class as usize == material.class)
        .map(|(index, (row, _))| (distance(row), index))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.into_iter().take(CHOICES).map(|(_, index)| index).collect()
}
