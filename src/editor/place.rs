//! Where the panel stands in an app.

use super::panel::panel;
use super::state::EditorState;
use bevy::prelude::*;
use bevy_egui::{EguiContexts, egui};

/// Size of a window in points, at first.
const WINDOW: egui::Vec2 = egui::Vec2::new(744.0, 900.0);
/// Width of one column with a scroll bar: the least that shows everything, and that of a docked panel at first.
const COLUMN: f32 = 390.0;

/// Where the plugin shows the panel. A resource while the app runs: writing to it moves, hides and shows the panel.
///
/// ```
/// # use bevy::prelude::*;
/// # use bevy_discon::editor::PanelPlace;
/// fn toggle(keys: Res<ButtonInput<KeyCode>>, mut place: ResMut<PanelPlace>) {
///     if keys.just_pressed(KeyCode::F10) {
///         *place = if *place == PanelPlace::None { PanelPlace::Right } else { PanelPlace::None };
///     }
/// }
/// # bevy::ecs::system::assert_is_system(toggle);
/// ```
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanelPlace {
    /// A window that can be moved, resized and closed up.
    #[default]
    Window,
    /// Along the left side of the screen, over the game, with a width that can be changed.
    Left,
    /// The same along the right side.
    Right,
    /// Not shown: the app calls [`panel()`] itself, for example beside panels of its own, or hides the editor.
    None,
}

/// Shows the panel.
pub fn show_panel(mut contexts: EguiContexts, place: Res<PanelPlace>, mut state: ResMut<EditorState>) {
    // Without a camera there is nothing to draw on.
    let Ok(context) = contexts.ctx_mut() else { return };
    match *place {
        PanelPlace::Window => {
            let window = egui::Window::new("Texture editor").default_pos((8.0, 8.0));
            let window = window.default_size(WINDOW).min_width(COLUMN).resizable(true).scroll([true, true]);
            window.show(context, |ui| panel(ui, &mut state));
        }
        PanelPlace::Left => dock(context, egui::Panel::left("discon editor left"), &mut state),
        PanelPlace::Right => dock(context, egui::Panel::right("discon editor right"), &mut state),
        PanelPlace::None => {}
    }
}

fn dock(context: &egui::Context, side: egui::Panel, state: &mut EditorState) {
    let screen = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(context.content_rect());
    let mut screen = egui::Ui::new(context.clone(), "discon editor".into(), screen);
    side.resizable(true).default_size(COLUMN).min_size(COLUMN).show(&mut screen, |ui| {
        egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| panel(ui, state));
    });
}
