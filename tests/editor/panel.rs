//! The panel as a whole.

use super::*;
use bevy_discon::editor::{Body, EditorAction, EditorView, ShownTexture, Thumbnail};

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
}

#[test]
fn the_picture_is_shown_once_or_side_by_side_and_on_every_body() {
    let mut panel = harness(state());
    for (label, count) in [("2x2", 2), ("3x3", 3), ("1x1", 1)] {
        click(&mut panel, label);
        assert_eq!(panel.state().view, EditorView::Tiles(count));
    }
    panel.state_mut().can_light = true;
    panel.run();
    for (label, body) in [("sphere", Body::Sphere), ("cube", Body::Cube), ("plane", Body::Plane)] {
        click(&mut panel, label);
        assert_eq!(panel.state().view, EditorView::Lit(body));
    }
}

#[test]
fn variations_keep_the_tokens_and_new_layouts_the_look() {
    let mut panel = harness(state());
    click(&mut panel, "Variation");
    assert_eq!(panel.state().recipe, state().recipe.variation(1));
    click(&mut panel, "New layout");
    assert_eq!(panel.state().recipe, state().recipe.relayout(1), "with detail of its own");
    click(&mut panel, "New layout");
    assert_eq!(panel.state().recipe, state().recipe.relayout(2), "the style stays that of the first");
    click(&mut panel, "Undo");
    assert_eq!(panel.state().recipe.seed, 1);
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
