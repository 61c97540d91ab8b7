//! What networks are conditioned on: the class, and a style of the bank.

use super::recipe::Recipe;
use super::rng::seed_of_class;
use super::schedule::choose_style;
use crate::model::Model;
use crate::model::style::standardise;

/// The condition of `class` with `style`, and the empty condition below it: `(2, condition_width)`.
pub fn condition_rows(model: &Model, class: usize, style: &[f32]) -> Vec<f32> {
    let mut rows = condition_row(model, &[(class, 1.0)], style);
    rows.resize(2 * rows.len(), 0.0);
    rows
}

/// The condition of a mixture of classes with `style`: `(1, condition_width)`.
pub(super) fn condition_row(model: &Model, classes: &[(usize, f32)], style: &[f32]) -> Vec<f32> {
    let config = &model.discon.config;
    let mut row = vec![0.0; config.condition_width()];
    for (class, share) in classes {
        row[*class] += share;
    }
    let standard = model.weights.get(model.discon.styles.standard);
    let start = config.classes.len();
    row[start..start + style.len()].copy_from_slice(&standardise(style, standard));
    row
}

/// A style of `class` that `seed` chooses; zeros for a model without styles of the class.
pub(super) fn choose_style_row(model: &Model, class: usize, seed: u64) -> Vec<f32> {
    let config = &model.discon.config;
    let classes = model.weights.get(model.discon.styles.classes);
    let weights = model.discon.layouts.as_ref().map(|layouts| model.weights.get(layouts.weights));
    let of_class: Vec<(u32, f32)> = (0..config.styles)
        .filter(|row| classes[*row] as usize == class)
        .map(|row| (row as u32, weights.map_or(1.0, |weights| weights[row].max(0.0))))
        .collect();
    match choose_style(&of_class, seed_of_class(seed, &config.classes[class])) {
        Some((first, second, share)) => {
            let (first, second) = (bank_row(model, first), bank_row(model, second));
            first.iter().zip(second).map(|(a, b)| a + share * (b - a)).collect()
        }
        None => vec![0.0; config.style_width()],
    }
}

fn bank_row(model: &Model, index: u32) -> &[f32] {
    let width = model.discon.config.style_width();
    &model.weights.get(model.discon.styles.rows)[index as usize * width..(index as usize + 1) * width]
}

impl Recipe {
    /// The style that the recipe gives, or that a seed chooses, in latent units: `2D` numbers. The recipe must be
    /// valid.
    pub fn style_in(&self, model: &Model) -> Vec<f32> {
        match (&self.style_row, self.style) {
            (Some(row), _) => row.clone(),
            (None, Some(index)) => bank_row(model, index).to_vec(),
            (None, None) => {
                let class = model.discon.config.classes.iter().position(|name| *name == self.class).unwrap_or(0);
                choose_style_row(model, class, self.style_seed.unwrap_or(self.seed))
            }
        }
    }
}
