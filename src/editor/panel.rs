//! The panel as a whole.

use super::state::{EditorAction, EditorState, Notice};
use super::{fields, gallery, painter, picture};
use crate::export::FileFormat;
use crate::request::TextureState;
use bevy_egui::egui::{self, Button, ProgressBar, RichText, ScrollArea, TextEdit};

/// Width of the form in points.
const FORM_WIDTH: f32 = 330.0;
/// Width of two columns and what separates them.
const BOTH_COLUMNS: f32 = FORM_WIDTH + picture::SIDE + 22.0;

/// Draws the editor and notes in `state` what was changed and what is asked for. Put it into a window, a docked panel or a
/// tab, in a scroll area: in two columns it needs about 730x860 points, in one, which it takes where there is less room, 380
/// by twice the height.
pub fn panel(ui: &mut egui::Ui, state: &mut EditorState) {
    history_bar(ui, state);
    ui.separator();
    let before = state.recipe.clone();
    if ui.available_width() < BOTH_COLUMNS {
        look(ui, state);
        ui.separator();
        ui.vertical(|ui| form(ui, state));
        ui.separator();
        choose(ui, state);
    } else {
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| form(ui, state));
            ui.separator();
            ui.vertical(|ui| {
                look(ui, state);
                ui.separator();
                choose(ui, state);
            });
        });
    }
    note_changes(ui, state, before);
}

/// The recipe, and what is done with it.
fn form(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.set_width(FORM_WIDTH);
    fields::classes(ui, state);
    fields::fields(ui, state);
    presets(ui, state);
    export(ui, state);
    notice(ui, state);
}

/// What it makes.
fn look(ui: &mut egui::Ui, state: &mut EditorState) {
    picture::picture(ui, state);
    progress(ui, state);
}

/// Other seeds, other tokens.
fn choose(ui: &mut egui::Ui, state: &mut EditorState) {
    gallery::gallery(ui, state);
    ui.separator();
    painter::painter(ui, state);
}

/// Records what the widgets have changed, and asks for the new picture once nothing is being dragged.
fn note_changes(ui: &egui::Ui, state: &mut EditorState, before: crate::sampling::Recipe) {
    let dragged = ui.ctx().dragged_id().map(|id| id.value());
    // What is typed into one field is one change.
    let typed = ui.memory(|memory| memory.focused()).filter(|_| ui.ctx().text_edit_focused());
    let group = dragged.or(typed.map(|id| id.value()));
    if group.is_none() {
        state.history.end_group();
    }
    if state.recipe != before {
        state.history.record(before, group);
    }
    let new = state.asked.as_ref() != Some(&state.recipe);
    if state.live && new && dragged.is_none() && state.model.is_some() {
        state.generate();
    }
}

fn history_bar(ui: &mut egui::Ui, state: &mut EditorState) {
    // In one column it takes two lines.
    ui.horizontal_wrapped(|ui| {
        let (past, future) = (state.history.past().len(), state.history.redoable());
        if ui.add_enabled(past > 0, Button::new("Undo")).clicked() {
            state.undo();
        }
        if ui.add_enabled(future > 0, Button::new("Redo")).clicked() {
            state.redo();
        }
        egui::ComboBox::from_id_salt("history").selected_text(format!("history: {past}")).show_ui(ui, |ui| {
            let entries: Vec<_> = state.history.past().iter().rev().take(20).cloned().collect();
            for (steps, recipe) in entries.into_iter().enumerate() {
                let tokens = if recipe.tokens.is_some() { ", tokens" } else { "" };
                let detail = recipe.detail_seed.map(|seed| format!(", detail {seed}")).unwrap_or_default();
                let text = format!("{} back: {} {}{detail}{tokens}", steps + 1, recipe.class, recipe.seed);
                if ui.selectable_label(false, text).clicked() {
                    (0..=steps).for_each(|_| state.undo());
                }
            }
        });
        ui.separator();
        ui.checkbox(&mut state.live, "Generate on change");
        if ui.add_enabled(state.problem().is_none(), Button::new("Generate")).clicked() {
            state.generate();
        }
        let hint = "Another detail seed: the same tokens, other latents";
        if ui.button("Variation").on_hover_text(hint).clicked() {
            state.vary();
        }
        let hint = "Another seed with the style of this one: the same look, other tokens";
        if ui.button("New layout").on_hover_text(hint).clicked() {
            state.relayout();
        }
    });
}

/// How far the picture is, and what went wrong.
fn progress(ui: &mut egui::Ui, state: &mut EditorState) {
    let error = |ui: &mut egui::Ui, text: String| ui.colored_label(ui.visuals().error_fg_color, text);
    ui.horizontal(|ui| {
        let (fraction, text) = match &state.picture.state {
            None => (0.0, "nothing asked for yet"),
            Some(TextureState::Waiting) => (0.0, "waiting"),
            Some(TextureState::Generating(fraction)) => (*fraction, "generating"),
            Some(TextureState::Coarse) => (1.0, "coarse"),
            Some(TextureState::Ready(_)) => (1.0, "ready"),
            Some(TextureState::Failed(_)) => (0.0, "failed"),
        };
        ui.add(ProgressBar::new(fraction).text(text).desired_width(240.0));
        let unfinished = |state: &Option<TextureState>| state.as_ref().is_some_and(|state| !state.is_finished());
        let thumbnails = state.gallery.iter().any(|thumbnail| unfinished(&thumbnail.texture.state));
        if ui.add_enabled(unfinished(&state.picture.state) || thumbnails, Button::new("Cancel")).clicked() {
            state.ask(EditorAction::Cancel);
        }
    });
    if let Some(reason) = &state.model_failure {
        error(ui, reason.clone());
    }
    if let Some(problem) = state.problem() {
        error(ui, problem.to_string());
    } else if let Some(TextureState::Failed(reason)) = &state.picture.state {
        error(ui, reason.to_string());
    }
}

fn presets(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.add_space(6.0);
    ui.label(RichText::new("Presets").strong());
    ui.horizontal(|ui| {
        ui.add(TextEdit::singleline(&mut state.preset_name).desired_width(180.0));
        let hint = format!("As NAME.discon.ron in {}", state.preset_folder.display());
        if ui.button("Save preset").on_hover_text(hint).clicked() {
            state.ask(EditorAction::SavePreset(state.preset_name.clone()));
        }
    });
    ScrollArea::vertical().id_salt("presets").max_height(66.0).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            for name in state.presets.clone() {
                if ui.selectable_label(name == state.preset_name, &name).clicked() {
                    state.ask(EditorAction::LoadPreset(name));
                }
            }
        });
    });
}

/// The picture and its maps as files, under the name of the preset.
fn export(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.add_space(6.0);
    ui.label(RichText::new("Export").strong());
    ui.horizontal(|ui| {
        ui.radio_value(&mut state.export_format, FileFormat::Png, "PNG");
        let hint = "BC7 blocks with mip levels, as GPUs read them";
        ui.radio_value(&mut state.export_format, FileFormat::Ktx2, "KTX2").on_hover_text(hint);
        let ready = matches!(state.picture.state, Some(TextureState::Ready(_)));
        let hint = format!(
            "Colour, normal, occlusion-roughness-metallic and height, under the name above, in {}",
            state.export_folder.display()
        );
        let button = Button::new("Export maps");
        if ui.add_enabled(ready && state.exporting == 0, button).on_hover_text(hint).clicked() {
            state.ask(EditorAction::Export(state.preset_name.clone(), state.export_format));
        }
        if state.exporting > 0 {
            ui.spinner();
        }
    });
}

/// What happened last.
fn notice(ui: &mut egui::Ui, state: &EditorState) {
    ui.add_space(4.0);
    match &state.notice {
        Some(Notice::Done(text)) => ui.label(text),
        Some(Notice::Failed(reason)) => ui.colored_label(ui.visuals().error_fg_color, reason),
        None => return,
    };
}
