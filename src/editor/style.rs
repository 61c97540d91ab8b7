//! Which colours and which arrangement: rows of the model's banks, the seed that chooses them, or numbers.

use super::fields::{optional, row, seed};
use crate::model::Model;
use crate::sampling::Recipe;
use crate::sampling::recipe_parts::MAX_STYLE_VALUE;
use bevy_egui::egui::{self, Checkbox, DragValue, ScrollArea};

/// Numbers of a style side by side.
const COLUMNS: usize = 4;

/// The fields about style and layout.
pub fn style(ui: &mut egui::Ui, recipe: &mut Recipe, model: Option<&Model>) {
    row(ui, "style seed", "Seed of the style alone: with it, another seed is another layout of the same look", |ui| {
        optional(ui, &mut recipe.style_seed, recipe.seed, |ui, value| seed(ui, "style seed", value))
    });
    let rows = model.map_or(0, |model| model.discon.config.styles as u32);
    let had_style = recipe.style.is_some();
    row(ui, "style", "Row of the style bank: colours and contrast", |ui| {
        optional(ui, &mut recipe.style, 0, |ui, value| bank_row(ui, value, rows))
    });
    if !had_style && recipe.style.is_some() {
        // A recipe has one of the two.
        recipe.style_row = None;
    }
    row(
        ui,
        "style row",
        "The style itself, as of a picture that was encoded: a mean and a deviation of each channel",
        |ui| own_style(ui, recipe, model),
    );
    row(ui, "layout", "Row of the layout bank: where bricks, planks and veins lie", |ui| {
        optional(ui, &mut recipe.layout, 0, |ui, value| bank_row(ui, value, rows))
    });
}

/// The row of a bank of so many rows; 0 if that is not known. A row of a preset that the model lacks, or does not have
/// yet, stays as it is: what is wrong with it can be said.
fn bank_row(ui: &mut egui::Ui, value: &mut u32, rows: u32) -> egui::Response {
    let last = rows.checked_sub(1).unwrap_or(u32::MAX);
    ui.add(DragValue::new(value).speed(0.1).range(0..=last).clamp_existing_to_range(false))
}

/// A style in numbers, which begins as the one that the recipe has by other means.
fn own_style(ui: &mut egui::Ui, recipe: &mut Recipe, model: Option<&Model>) -> egui::Response {
    ui.vertical(|ui| {
        let mut own = recipe.style_row.is_some();
        let known = model.filter(|model| own || recipe.validate(model).is_ok());
        let text = if own { "own numbers" } else { "by style or seed" };
        let response = ui.add_enabled(own || known.is_some(), Checkbox::new(&mut own, text));
        match (own, &mut recipe.style_row, known) {
            (true, Some(numbers), _) => show_numbers(ui, numbers),
            (true, None, Some(model)) => {
                recipe.style_row = Some(recipe.style_in(model));
                recipe.style = None;
            }
            (false, Some(_), _) => recipe.style_row = None,
            _ => {}
        }
        response
    })
    .inner
}

/// Means of all channels, then logarithms of their deviations: hundreds, of which those in sight are drawn.
fn show_numbers(ui: &mut egui::Ui, numbers: &mut [f32]) {
    let channels = numbers.len() / 2;
    let (height, rows) = (ui.spacing().interact_size.y, numbers.len().div_ceil(COLUMNS));
    ScrollArea::vertical().id_salt("style row").max_height(4.0 * height).show_rows(ui, height, rows, |ui, seen| {
        for line in seen {
            ui.horizontal(|ui| {
                for (at, number) in numbers.iter_mut().enumerate().skip(line * COLUMNS).take(COLUMNS) {
                    let (what, channel) = if at < channels { ("mean", at) } else { ("log deviation", at - channels) };
                    let range = -MAX_STYLE_VALUE..=MAX_STYLE_VALUE;
                    let number = DragValue::new(number).speed(0.02).range(range).fixed_decimals(2);
                    let hint = format!("{what} of channel {channel}");
                    ui.add(number.clamp_existing_to_range(false)).on_hover_text(hint);
                }
            });
        }
    });
}
