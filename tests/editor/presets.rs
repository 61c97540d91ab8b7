//! Presets and exported textures: files.

use super::*;
use bevy_discon::editor::{
    EditorAction, FileFormat, Notice, carry_out_file_actions, export_picture, load_preset, save_preset,
};
use std::path::Path;

#[test]
fn presets_are_saved_and_loaded_and_bad_ones_are_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut start = state();
    start.preset_folder = folder.path().join("recipes");
    start.recipe.tokens = Some(vec![3; 16]);
    start.preset_name = "old wall".into();
    let saved = start.recipe.clone();
    let mut panel = harness(start);
    click(&mut panel, "Save preset");
    carry_out_file_actions(panel.state_mut());
    assert!(matches!(&panel.state().notice, Some(Notice::Done(text)) if text.contains("old wall.discon.ron")));
    assert_eq!(load_preset(&panel.state().preset_folder, "old wall"), Ok(saved.clone()));
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

#[test]
fn names_are_those_of_files_on_every_system() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let save = |name: &str| save_preset(folder.path(), name, &Recipe::new("brick"));
    for name in ["con", "Aux", "NUL", "COM1", "lpt9", "com\u{b2}"] {
        assert!(save(name).is_err_and(|reason| reason.contains("device")), "{name}");
    }
    for name in ["wall ", " wall", "wall.", "a/b", "a\\b", "a:b", " "] {
        assert!(save(name).is_err_and(|reason| reason.contains("expected a name")), "{name}");
    }
    for name in ["console", "COM10", "com", "old wall", "Ziegel_ä-2"] {
        assert!(save(name).is_ok(), "{name}");
    }
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
