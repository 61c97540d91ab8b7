//! The picture, flat and repeated or on a body.

use super::state::{Body, EditorState, EditorView};
use bevy_egui::egui::{self, Color32, Pos2, Rect, Sense, TextureId, Vec2};

/// Sides of the picture in points.
pub const SIDE: f32 = 352.0;
/// The part of a texture that is its whole.
const WHOLE: Rect = Rect { min: Pos2::ZERO, max: Pos2::new(1.0, 1.0) };

/// Choice of the view, and the picture.
pub fn picture(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.horizontal(|ui| {
        for (count, name) in [(1, "1x1"), (2, "2x2"), (3, "3x3")] {
            ui.selectable_value(&mut state.view, EditorView::Tiles(count), name);
        }
        ui.separator();
        let hint = "Needs the feature `material`";
        for (body, name) in [(Body::Sphere, "sphere"), (Body::Cube, "cube"), (Body::Plane, "plane")] {
            ui.add_enabled_ui(state.can_light, |ui| {
                ui.selectable_value(&mut state.view, EditorView::Lit(body), name).on_disabled_hover_text(hint);
            });
        }
    });
    let (response, painter) = ui.allocate_painter(Vec2::splat(SIDE), Sense::hover());
    let frame = response.rect;
    painter.rect_filled(frame, 0.0, Color32::from_gray(40));
    match state.view {
        EditorView::Tiles(count) => tiles(&painter, frame, state, count),
        EditorView::Lit(_) => {
            if let Some(image) = state.lit {
                painter.image(image, frame, WHOLE, Color32::WHITE);
            }
        }
    }
}

fn tiles(painter: &egui::Painter, frame: Rect, state: &EditorState, count: u32) {
    let Some(image) = state.picture.image else { return };
    let shown = fitted(frame, state.asked.as_ref().unwrap_or(&state.recipe).size);
    let tile = shown.size() / count as f32;
    for (column, row) in (0..count).flat_map(|row| (0..count).map(move |column| (column, row))) {
        let corner = shown.min + tile * Vec2::new(column as f32, row as f32);
        painter.image(image, Rect::from_min_size(corner, tile), WHOLE, Color32::WHITE);
    }
}

/// The largest rectangle of a texture's proportions in the middle of `frame`.
pub fn fitted(frame: Rect, (width, height): (u32, u32)) -> Rect {
    let size = Vec2::new(width.max(1) as f32, height.max(1) as f32);
    Rect::from_center_size(frame.center(), size * (frame.width() / size.x).min(frame.height() / size.y))
}

/// A texture within a frame of its own, with its proportions.
pub fn fill(painter: &egui::Painter, frame: Rect, image: TextureId, size: (u32, u32)) {
    painter.image(image, fitted(frame, size), WHOLE, Color32::WHITE);
}
