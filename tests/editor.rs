//! Does the editor panel do what is clicked? Without a window and without a GPU.
#![cfg(feature = "editor")]

use bevy_discon::editor::{
    EditorAction, EditorState, EditorView, FileFormat, Notice, ShownTexture, Thumbnail, carry_out_file_actions,
    export_picture, load_preset, panel,
};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::prelude::*;
use bevy_egui::egui::{self, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::Path;
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

#[test]
fn a_click_on_a_class_changes_the_recipe_and_undo_and_redo_return_it() {
    let mut panel = harness(state());
    let asked = |panel: &mut Harness<'_, EditorState>| std::mem::take(&mut panel.state_mut().actions);
    let brick = panel.state().recipe.clone();
    assert_eq!(asked(&mut panel), [EditorAction::Generate(brick.clone())], "the first recipe is generated");
    click(&mut panel, "moss");
    let moss = Recipe { class: "moss".into(), ..brick.clone() };
    assert_eq!(panel.state().recipe, moss);
    assert_eq!(asked(&mut panel), [EditorAction::Generate(moss.clone())]);
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe, brick);
    assert_eq!(asked(&mut panel), [EditorAction::Generate(brick.clone())]);
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe, brick, "there is nothing more to undo");
    click(&mut panel, "Redo");
    assert_eq!(panel.state().recipe, moss);
    click(&mut panel, "Variation");
    assert_eq!(panel.state().recipe, Recipe { detail_seed: Some(1), ..moss.clone() });
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe, moss);
}

#[test]
fn an_invalid_value_is_explained_and_not_generated() {
    let mut panel = harness(state());
    panel.state_mut().actions.clear();
    panel.state_mut().recipe.size = (100, 64);
    panel.run();
    let text = "recipe: `size.0 (width)` is 100, expected a multiple of 16 from 64 to 1024";
    panel.get_by_label(text);
    assert_eq!(panel.state().actions, []);
    click(&mut panel, "Generate");
    assert_eq!(panel.state().actions, []);
    panel.state_mut().recipe.size = (64, 64);
    panel.run();
    assert!(panel.query_by_label(text).is_none());
}

#[test]
fn a_click_in_the_gallery_asks_for_refinement() {
    let mut panel = harness(state());
    panel.state_mut().actions.clear();
    click(&mut panel, "Show seeds 0 to 7");
    let actions = std::mem::take(&mut panel.state_mut().actions);
    let [EditorAction::FillGallery(recipes)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(recipes.iter().map(|recipe| recipe.seed).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    let coarse = ShownTexture { image: None, state: Some(TextureState::Coarse) };
    let thumbnail = |recipe: &Recipe| Thumbnail { recipe: recipe.clone(), texture: coarse.clone() };
    panel.state_mut().gallery = recipes.iter().map(thumbnail).collect();
    panel.run();
    click(&mut panel, "seed 3");
    assert_eq!(panel.state().recipe.seed, 3);
    assert_eq!(panel.state().actions, [EditorAction::Refine(3)], "and nothing is generated anew");
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe.seed, 0);
}

#[test]
fn a_click_on_the_token_grid_paints_a_cell() {
    let mut state = state();
    state.recipe.tokens = Some(vec![5; 16]);
    state.brush = 9;
    let mut panel = harness(state);
    // The middle of a grid of 4x4 cells is the corner of cell 10.
    click(&mut panel, "token grid");
    let mut expected = vec![5; 16];
    expected[10] = 9;
    assert_eq!(panel.state().recipe.tokens.as_ref(), Some(&expected));
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe.tokens, Some(vec![5; 16]));
    click(&mut panel, "Forget");
    assert_eq!(panel.state().recipe.tokens, None);
}

#[test]
fn failures_and_progress_are_shown_and_can_be_cancelled() {
    let mut panel = harness(state());
    panel.state_mut().actions.clear();
    let reason = GenerationError::Gpu("the device was lost".into());
    panel.state_mut().picture.state = Some(TextureState::Failed(reason));
    panel.run();
    panel.get_by_label("the device was lost");
    panel.state_mut().picture.state = Some(TextureState::Generating(0.5));
    click(&mut panel, "Cancel");
    assert_eq!(panel.state().actions, [EditorAction::Cancel]);
    click(&mut panel, "3x3");
    assert_eq!(panel.state().view, EditorView::Tiles(3));
}

#[test]
fn presets_are_saved_and_loaded_and_bad_ones_are_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut start = state();
    start.folder = folder.path().join("recipes");
    start.recipe.tokens = Some(vec![3; 16]);
    start.preset_name = "old wall".into();
    let saved = start.recipe.clone();
    let mut panel = harness(start);
    click(&mut panel, "Save preset");
    carry_out_file_actions(panel.state_mut());
    assert!(matches!(&panel.state().notice, Some(Notice::Done(text)) if text.contains("old wall.discon.ron")));
    assert_eq!(load_preset(&panel.state().folder, "old wall"), Ok(saved.clone()));
    panel.run();
    click(&mut panel, "Forget");
    click(&mut panel, "old wall");
    carry_out_file_actions(panel.state_mut());
    panel.run();
    assert_eq!(panel.state().recipe, saved);

    std::fs::write(folder.path().join("recipes/bad.discon.ron"), "(class: 3)").expect("the folder can be written");
    for (name, part) in [("bad", "1:"), ("../old wall", "letters"), ("gone", "gone.discon.ron"), ("", "1 to 64")] {
        panel.state_mut().actions = vec![EditorAction::LoadPreset(name.into())];
        carry_out_file_actions(panel.state_mut());
        let Some(Notice::Failed(reason)) = &panel.state().notice else { panic!("{name} cannot be loaded") };
        assert!(reason.contains(part), "{reason}");
        assert_eq!(panel.state().recipe, saved);
    }
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

#[test]
fn seeds_of_64_bits_keep_every_digit() {
    let mut start = state();
    start.recipe.seed = u64::MAX - 1;
    let mut panel = harness(start);
    assert_eq!(panel.state().recipe.seed, u64::MAX - 1, "showing it changes nothing");
    let field = |panel: &Harness<'_, EditorState>| panel.get_by_role_and_label(Role::TextInput, "seed").value();
    assert_eq!(field(&panel).as_deref(), Some("18446744073709551614"));
    // 2^53 + 1 is the first number that a widget for numbers cannot hold.
    type_into(&mut panel, "seed", "9007199254740993");
    assert_eq!(panel.state().recipe.seed, 9_007_199_254_740_993);
    // What is no number is shown and changes nothing.
    type_into(&mut panel, "seed", "18446744073709551616");
    assert_eq!(panel.state().recipe.seed, 9_007_199_254_740_993);
    assert_eq!(field(&panel).as_deref(), Some("18446744073709551616"));
    panel.get_by_label("the seed is a whole number from 0 to 18446744073709551615");
    type_into(&mut panel, "seed", "18446744073709551615");
    assert_eq!(panel.state().recipe.seed, u64::MAX);
    click(&mut panel, "next seed");
    assert_eq!(panel.state().recipe.seed, 0, "it goes round");
    click(&mut panel, "seed before");
    assert_eq!(panel.state().recipe.seed, u64::MAX);
}

#[test]
fn the_picture_is_exported_with_its_maps_and_failures_are_told() {
    let mut panel = harness(state());
    panel.state_mut().actions.clear();
    click(&mut panel, "Export maps");
    assert_eq!(panel.state().actions, [], "there is no picture yet");
    panel.state_mut().picture.state = Some(TextureState::Ready(TextureSource::Generated));
    panel.state_mut().preset_name = "old wall".into();
    panel.run();
    click(&mut panel, "Export maps");
    click(&mut panel, "KTX2");
    click(&mut panel, "Export maps");
    let exports = [FileFormat::Png, FileFormat::Ktx2].map(|format| EditorAction::Export("old wall".into(), format));
    assert_eq!(panel.state().actions, exports);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let recipe = panel.state().recipe.clone();
    let rgba = [200, 100, 50, 255].repeat(64 * 64);
    for (format, extension) in [(FileFormat::Png, "png"), (FileFormat::Ktx2, "ktx2")] {
        let told =
            export_picture(&recipe, &rgba, folder.path(), "old wall", format).expect("the folder can be written");
        assert!(told.contains("old wall") && told.contains("4 files"), "{told}");
        for suffix in ["", "_normal", "_orm", "_height"] {
            assert!(folder.path().join(format!("old wall{suffix}.{extension}")).exists(), "{suffix}.{extension}");
        }
    }
    let export = |rgba: &[u8], folder: &Path, name: &str| export_picture(&recipe, rgba, folder, name, FileFormat::Png);
    std::fs::write(folder.path().join("file"), "").expect("the folder can be written");
    for (result, part) in [
        (export(&rgba[..40], folder.path(), "a"), "30 bytes, expected 12288"),
        (export(&rgba, &folder.path().join("file"), "a"), "a.png: "),
        (export(&rgba, folder.path(), "../a"), "letters"),
    ] {
        assert!(result.as_ref().is_err_and(|reason| reason.contains(part)), "{result:?}");
    }
    panel.state_mut().notice = Some(Notice::Failed("the disk is full".into()));
    panel.run();
    panel.get_by_label("the disk is full");
}

#[test]
fn the_panel_can_stand_beside_a_game_and_shows_its_history() {
    // Docked at a side, as an app with a layout of its own does it.
    let draw = |ui: &mut egui::Ui, state: &mut EditorState| {
        egui::Panel::right("editor").default_size(760.0).show(ui, |ui| {
            egui::ScrollArea::vertical().show(ui, |ui| panel(ui, state));
        });
        egui::CentralPanel::default().show(ui, |ui| ui.label("the game"));
    };
    let mut harness = Harness::builder().with_size((1280.0, 1000.0)).build_ui_state(draw, state());
    harness.run();
    click(&mut harness, "moss");
    click(&mut harness, "Variation");
    harness.get_by_label("the game");
    harness.get_by_value("history: 2").click();
    harness.run();
    click(&mut harness, "2 back: brick 0");
    let state = harness.state();
    assert_eq!((state.recipe.class.as_str(), state.recipe.detail_seed), ("brick", None));
    assert_eq!(state.history.redoable(), 2);
}
