//! One widget for each field of a recipe.

use super::state::EditorState;
use super::style::style;
use crate::model::config::TOKEN_PIXELS;
use crate::sampling::recipe::{GUIDANCE_RANGE, LAYOUT_SHARE_RANGE, ROUNDS_RANGE, SIZE_RANGE, TEMPERATURE_RANGE};
use crate::sampling::{Recipe, Tiling};
use bevy_egui::egui::{self, DragValue, RichText, ScrollArea, Slider, SliderClamping, TextEdit};

/// The classes of the model as a list.
pub fn classes(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.label(RichText::new("Class").strong());
    if state.classes().is_empty() {
        ui.label(if state.model_failure.is_some() { "there is no model" } else { "the model is loading" });
        return;
    }
    let model = state.model.clone();
    ScrollArea::vertical().id_salt("classes").max_height(132.0).auto_shrink([false, true]).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            for class in model.iter().flat_map(|model| &model.discon.config.classes) {
                if ui.selectable_label(*class == state.recipe.class, class).clicked() {
                    state.recipe.class.clone_from(class);
                }
            }
        });
    });
}

/// All other fields but the tokens.
pub fn fields(ui: &mut egui::Ui, state: &mut EditorState) {
    let model = state.model.clone();
    let recipe = &mut state.recipe;
    ui.add_space(6.0);
    ui.label(RichText::new("Recipe").strong());
    egui::Grid::new("fields").num_columns(2).show(ui, |ui| {
        seeds(ui, recipe);
        style(ui, recipe, model.as_deref());
        shape(ui, recipe);
        // A preset may hold anything: what is out of range stays and is explained, where the progress is.
        let fraction = |value, range| Slider::new(value, range).fixed_decimals(2).clamping(SliderClamping::Edits);
        let rounds = |value| Slider::new(value, ROUNDS_RANGE).logarithmic(true).clamping(SliderClamping::Edits);
        row(ui, "layout share", "Share of the tokens from a layout of the model; stage 1 samples the others", |ui| {
            ui.add(fraction(&mut recipe.layout_share, LAYOUT_SHARE_RANGE))
        });
        row(ui, "guidance", "How strongly class and style steer the structure", |ui| {
            ui.add(fraction(&mut recipe.guidance, GUIDANCE_RANGE))
        });
        row(ui, "token guidance", "How strongly the tokens steer the detail", |ui| {
            ui.add(fraction(&mut recipe.token_guidance, GUIDANCE_RANGE))
        });
        row(ui, "token temperature", "Randomness of the tokens", |ui| {
            ui.add(fraction(&mut recipe.token_temperature, TEMPERATURE_RANGE))
        });
        row(ui, "latent temperature", "Scale of the start noise of the latents: lower is smoother", |ui| {
            ui.add(fraction(&mut recipe.latent_temperature, TEMPERATURE_RANGE))
        });
        row(ui, "token rounds", "Rounds of stage 1", |ui| ui.add(rounds(&mut recipe.token_rounds)));
        row(ui, "latent rounds", "Rounds of stage 2", |ui| ui.add(rounds(&mut recipe.latent_rounds)));
        row(ui, "flow steps", "Steps of the flow in each round of stage 2", |ui| {
            ui.add(rounds(&mut recipe.flow_steps))
        });
    });
}

/// A label with a hint, and the widget beside it.
pub fn row(ui: &mut egui::Ui, name: &str, hint: &str, widget: impl FnOnce(&mut egui::Ui) -> egui::Response) {
    let label = ui.label(name).on_hover_text(hint);
    widget(ui).labelled_by(label.id);
    ui.end_row();
}

fn seeds(ui: &mut egui::Ui, recipe: &mut Recipe) {
    row(ui, "seed", "Seed of style, structure and detail", |ui| seed(ui, "seed", &mut recipe.seed));
    row(ui, "detail seed", "Seed of the detail alone", |ui| {
        optional(ui, &mut recipe.detail_seed, recipe.seed, |ui, value| seed(ui, "detail seed", value))
    });
}

/// A whole number of 64 bits as text, and the numbers beside it: widgets for numbers hold 53 bits and would lose
/// digits.
pub fn seed(ui: &mut egui::Ui, label: &str, value: &mut u64) -> egui::Response {
    ui.vertical(|ui| seed_lines(ui, label, value)).inner
}

fn seed_lines(ui: &mut egui::Ui, label: &str, value: &mut u64) -> egui::Response {
    let id = ui.make_persistent_id(label);
    // What is being typed is kept as long as it is no number; else the value may have changed by other means.
    let typed: Option<String> = ui.data(|data| data.get_temp(id));
    let mut text = typed.filter(|text| text.parse::<u64>().is_err()).unwrap_or_else(|| value.to_string());
    let field = ui.horizontal(|ui| {
        let field = ui.add(TextEdit::singleline(&mut text).id(id.with("text")).desired_width(150.0));
        if let Ok(number) = text.parse() {
            *value = number;
        }
        for (sign, name, step) in [("-", format!("{label} before"), u64::MAX), ("+", format!("next {label}"), 1)] {
            let button = ui.small_button(sign);
            button.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, &name));
            if button.clicked() {
                *value = value.wrapping_add(step);
            }
        }
        field
    });
    if text.parse::<u64>().is_err() {
        let text = format!("the {label} is a whole number from 0 to {}", u64::MAX);
        ui.colored_label(ui.visuals().error_fg_color, text);
    }
    if field.inner.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, text));
    } else {
        ui.data_mut(|data| data.remove::<String>(id));
    }
    field.inner
}

fn shape(ui: &mut egui::Ui, recipe: &mut Recipe) {
    row(ui, "width and height", "Pixels, multiples of 16", |ui| {
        ui.horizontal(|ui| {
            // Typed values stay as they are, so that what is wrong with them can be said.
            let side = |side| {
                let range = 0..=2 * SIZE_RANGE.end();
                let number = DragValue::new(side).speed(TOKEN_PIXELS as f64).range(range).suffix(" px");
                number.clamp_existing_to_range(false)
            };
            let width = ui.add(side(&mut recipe.size.0));
            let height = ui.add(side(&mut recipe.size.1));
            // A drag snaps to what is allowed.
            let snap = |side: u32| {
                let token = TOKEN_PIXELS as u32;
                (side / token * token).clamp(*SIZE_RANGE.start(), *SIZE_RANGE.end())
            };
            if width.dragged() || height.dragged() {
                recipe.size = (snap(recipe.size.0), snap(recipe.size.1));
            }
            width.union(height)
        })
        .inner
    });
    row(ui, "tiling", "Which borders fit together", |ui| {
        let names = |tiling| match tiling {
            Tiling::Both => "both axes",
            Tiling::X => "left and right",
            Tiling::Y => "top and bottom",
            Tiling::None => "none",
        };
        egui::ComboBox::from_id_salt("tiling")
            .selected_text(names(recipe.tiling))
            .show_ui(ui, |ui| {
                for tiling in [Tiling::Both, Tiling::X, Tiling::Y, Tiling::None] {
                    ui.selectable_value(&mut recipe.tiling, tiling, names(tiling));
                }
            })
            .response
    });
}

/// A number that may be left to the seed.
pub fn optional<Number>(
    ui: &mut egui::Ui,
    value: &mut Option<Number>,
    start: Number,
    widget: impl FnOnce(&mut egui::Ui, &mut Number) -> egui::Response,
) -> egui::Response {
    ui.horizontal(|ui| {
        let mut own = value.is_some();
        let mut response = ui.checkbox(&mut own, if value.is_some() { "" } else { "by seed" });
        match value {
            Some(number) if own => response = widget(ui, number),
            Some(_) => *value = None,
            None if own => *value = Some(start),
            None => {}
        }
        response
    })
    .inner
}
