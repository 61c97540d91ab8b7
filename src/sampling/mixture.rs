//! What each cell of a texture is conditioned on: classes and styles, mixed by blends and replaced by edits.

use super::condition::{choose_style_row, condition_row};
use super::recipe::Recipe;
use super::recipe_parts::Edit;
use super::structure::Material;
use crate::model::{Grid, Model};

/// Rows of the condition that a recipe needs besides its own and the empty one.
pub(super) fn further_rows(recipe: &Recipe, grid: Grid) -> usize {
    let blended = if recipe.blends.is_empty() { 0 } else { grid.positions() };
    blended + recipe.edits.iter().filter(|edit| edit.class.is_some()).count()
}

/// Shares of classes, and the style that goes with them.
struct Row {
    classes: Vec<(usize, f32)>,
    style: Vec<f32>,
}

/// The rows of the condition, and which one each position has.
pub(super) struct Mixture {
    /// None is the empty row.
    rows: Vec<Option<Row>>,
    /// The row of each position before the first edit.
    pub first_rows: Vec<u32>,
    /// The row of each edit, if it has a class.
    edit_rows: Vec<Option<u32>>,
    /// Class and style of each blend.
    blends: Vec<(usize, Vec<f32>)>,
}

impl Mixture {
    /// The rows of a valid recipe.
    pub fn new(model: &Model, recipe: &Recipe, grid: Grid) -> Self {
        let names = &model.discon.config.classes;
        let class_of = |name: &String| names.iter().position(|known| known == name).unwrap_or(0);
        let style_seed = recipe.style_seed.unwrap_or(recipe.seed);
        let base = Row { classes: vec![(class_of(&recipe.class), 1.0)], style: recipe.style_in(model) };
        let blends: Vec<(usize, Vec<f32>)> = recipe
            .blends
            .iter()
            .map(|blend| (class_of(&blend.class), choose_style_row(model, class_of(&blend.class), style_seed)))
            .collect();
        let mut mixed = Vec::new();
        if !blends.is_empty() {
            for cell in 0..grid.positions() {
                let shares = recipe.blends.iter().map(|blend| f32::from(blend.shares[cell]) / 255.0);
                let mut row = Row { classes: base.classes.clone(), style: base.style.clone() };
                for (share, (class, style)) in shares.zip(&blends) {
                    row.classes[0].1 -= share;
                    row.classes.push((*class, share));
                    // Means and log deviations both mix linearly: the contrast passes evenly, too.
                    let parts = row.style.iter_mut().zip(&base.style).zip(style);
                    parts.for_each(|((mixed, own), other)| *mixed += share * (other - own));
                }
                mixed.push(Some(row));
            }
        }
        let mut rows = vec![Some(base), None];
        let first_rows = match mixed.len() {
            0 => vec![0; grid.positions()],
            count => (2..2 + count as u32).collect(),
        };
        rows.extend(mixed);
        let mut edit_row = |edit: &Edit| {
            let class = class_of(edit.class.as_ref()?);
            rows.push(Some(Row { classes: vec![(class, 1.0)], style: choose_style_row(model, class, edit.seed) }));
            Some(rows.len() as u32 - 1)
        };
        let edit_rows = recipe.edits.iter().map(&mut edit_row).collect();
        Self { rows, first_rows, edit_rows, blends }
    }

    /// Gives the cells of an edit its row, if it has a class.
    pub fn apply(&self, index: usize, edit: &Edit, rows: &mut [u32]) {
        if let Some(row) = self.edit_rows[index] {
            edit.mask.cells.iter().for_each(|cell| rows[usize::from(*cell)] = row);
        }
    }

    /// The recipe's material, then those of its blends.
    pub fn materials(&self) -> Vec<Material<'_>> {
        let own = self.rows[0].iter().map(|row| Material { class: row.classes[0].0, style: &row.style });
        own.chain(self.blends.iter().map(|(class, style)| Material { class: *class, style })).collect()
    }

    /// The material of an edit: that of its class, or the recipe's.
    pub fn edit_material(&self, index: usize) -> Option<Material<'_>> {
        let row = self.edit_rows[index].unwrap_or(0);
        self.rows[row as usize].as_ref().map(|row| Material { class: row.classes[0].0, style: &row.style })
    }

    /// `(rows, condition_width)`.
    pub fn conditions(&self, model: &Model) -> Vec<f32> {
        let width = model.discon.config.condition_width();
        let row = |row: &Option<Row>| match row {
            Some(row) => condition_row(model, &row.classes, &row.style),
            None => vec![0.0; width],
        };
        self.rows.iter().flat_map(row).collect()
    }

    /// Styles of the first `count` positions, each in the row that it has at the end: `(count, 2D)`.
    pub fn styles(&self, rows: &[u32], count: usize) -> Vec<f32> {
        let style = |row: &u32| self.rows[*row as usize].iter().flat_map(|row| &row.style);
        rows[..count].iter().flat_map(style).copied().collect()
    }
}
