//! The editor panel: classes and sliders, a gallery of seeds, the token painter, presets.
//!
//! ```text
//! cargo run --release --features editor,material --example editor -- [--screenshot FILE]
//! ```
//!
//! Presets are saved as `assets/recipes/NAME.discon.ron`, exported textures in `assets/textures`. A screenshot shows the
//! gallery and the tokens of the first picture, which is exported into a temporary folder.

mod common;

use bevy::prelude::*;
use bevy_discon::editor::{DisconEditorPlugin, EditorAction, EditorState, EditorView, FileFormat};
use bevy_discon::prelude::*;

fn main() -> AppExit {
    let window = Window { title: "Texture editor".into(), resolution: (880, 900).into(), ..default() };
    let mut app = App::new();
    app.add_plugins((
        DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() }),
        DisconPlugin::default(),
        DisconEditorPlugin { recipe: Recipe::new("stone_wall").with_seed(8), ..default() },
        common::ScreenshotPlugin,
    ))
    .add_systems(Startup, |mut commands: Commands| {
        commands.spawn(Camera2d);
    });
    if common::screenshot_file().is_some() {
        app.add_systems(Update, press_buttons);
    }
    app.run()
}

/// What a person would do first.
fn press_buttons(mut state: ResMut<EditorState>, mut done: Local<bool>) {
    if *done || !matches!(state.picture.state, Some(TextureState::Ready(_))) {
        return;
    }
    *done = true;
    state.view = EditorView::Tiles(2);
    state.ask(EditorAction::ReadTokens);
    // Not into the assets of this repository.
    state.export_folder = std::env::temp_dir().join("discon-editor");
    state.ask(EditorAction::Export("stone_wall".into(), FileFormat::Png));
    state.fill_gallery();
}
