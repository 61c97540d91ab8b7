//! Does the editor do what is clicked? The panel without a window and without a GPU, and whole apps without a window.
#![cfg(feature = "editor")]

#[cfg(feature = "material")]
mod app;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod panel;
mod presets;
#[cfg(feature = "material")]
mod studio;

use bevy_discon::editor::{EditorState, panel};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::prelude::*;
use bevy_egui::egui::{self, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::sync::Arc;

fn state() -> EditorState {
    let model = Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound");
    let mut state = EditorState::new(Recipe::new("brick").with_size(64, 64), "no/such/folder");
    state.model = Some(Arc::new(model));
    state
}

fn harness(state: EditorState) -> Harness<'static, EditorState> {
    let mut harness = Harness::builder().with_size((900.0, 1100.0)).build_ui_state(panel, state);
    harness.run();
    harness
}

fn click(harness: &mut Harness<'_, EditorState>, label: &str) {
    harness.get_by_label(label).click();
    harness.run();
}

/// Replaces the text of a field.
fn type_into(harness: &mut Harness<'_, EditorState>, label: &str, text: &str) {
    harness.get_by_role_and_label(Role::TextInput, label).focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, label).type_text(text);
    harness.run();
}
