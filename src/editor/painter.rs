//! The token grid: the structure of a texture, one cell for each 16x16 pixels.

use super::state::{EditorAction, EditorState};
use super::token_picture::TokenColours;
use crate::model::TOKEN_BLOCKS;
use crate::request::TextureState;
use bevy_egui::egui::{
    self, Button, Color32, DragValue, PointerButton, Pos2, Rect, RichText, Sense, Stroke, StrokeKind, Vec2,
};

/// Longer side of the grid in points.
const SIDE: f32 = 160.0;
/// Side of the brush's picture.
const SWATCH: f32 = 32.0;

/// The tokens of the recipe; a click or a drag sets cells to the brush, the other button picks a cell's token.
pub fn painter(ui: &mut egui::Ui, state: &mut EditorState) {
    tools(ui, state);
    let (columns, rows) = state.recipe.token_grid();
    match &state.recipe.tokens {
        Some(tokens) if tokens.len() == columns * rows && !tokens.is_empty() => grid(ui, state, columns, rows),
        Some(_) => {
            ui.label("These belong to another size: forget them, or undo.");
        }
        None => {
            ui.label("The model chooses them by the seed.");
        }
    }
}

/// What is done with all tokens, and the brush.
fn tools(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Tokens").strong());
        let ready = matches!(state.picture.state, Some(TextureState::Ready(_)));
        let hint = "Keeps the structure of this picture as tokens of the recipe";
        if ui.add_enabled(ready, Button::new("Take from picture")).on_hover_text(hint).clicked() {
            state.ask(EditorAction::ReadTokens);
        }
        if ui.add_enabled(state.recipe.tokens.is_some(), Button::new("Forget")).clicked() {
            state.recipe.tokens = None;
        }
        // As long as there is no model, every token may be one.
        let last = state.tokens().checked_sub(1).unwrap_or(u16::MAX);
        let label = ui.label("brush");
        let number = DragValue::new(&mut state.brush).range(0..=last).clamp_existing_to_range(false);
        ui.add(number).labelled_by(label.id);
    });
}

/// The cells, what is under the pointer, and what the brush looks like.
fn grid(ui: &mut egui::Ui, state: &mut EditorState, columns: usize, rows: usize) {
    ui.horizontal(|ui| {
        let cell = SIDE / columns.max(rows) as f32;
        let size = Vec2::new(columns as f32, rows as f32) * cell;
        let (response, painter) = ui.allocate_painter(size, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Other, true, "token grid"));
        let corner = response.rect.min;
        let pointed = response.interact_pointer_pos().or(response.hover_pos());
        let at = pointed.and_then(|position| cell_at(position, corner, cell, (columns, rows)));
        if let (Some(at), Some(tokens)) = (at, &mut state.recipe.tokens) {
            let pressed = |button| ui.input(|input| input.pointer.button_down(button));
            if response.clicked() || response.dragged_by(PointerButton::Primary) {
                tokens[at] = state.brush;
            } else if response.hovered() && pressed(PointerButton::Secondary) {
                state.brush = tokens[at];
            }
        }
        let tokens = state.recipe.tokens.as_deref().unwrap_or_default();
        let model = state.model.as_deref();
        let colours = model.and_then(|model| Some((model, TokenColours::new(ui, model, &state.recipe)?)));
        match &colours {
            Some((model, colours)) => {
                let picture = colours.picture(ui, model, tokens, columns);
                let whole = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
                painter.image(picture.id(), Rect::from_min_size(corner, size), whole, Color32::WHITE);
            }
            None => flat(&painter, tokens, corner, cell, columns),
        }
        if let Some(at) = at {
            let place = corner + Vec2::new((at % columns) as f32, (at / columns) as f32) * cell;
            let stroke = Stroke::new(1.0, Color32::WHITE);
            painter.rect_stroke(Rect::from_min_size(place, Vec2::splat(cell)), 0.0, stroke, StrokeKind::Inside);
        }
        ui.vertical(|ui| {
            ui.label("A click sets a cell to the brush,\nthe other button takes its token.");
            if let Some((model, colours)) = &colours {
                swatch(ui, &colours.of(model, state.brush));
            }
            if let Some(token) = at.and_then(|at| state.recipe.tokens.as_ref()?.get(at)) {
                ui.label(format!("token {token}"));
            }
        });
    });
}

/// The blocks of a token, as large as they can be told apart.
fn swatch(ui: &mut egui::Ui, blocks: &[Color32]) {
    let (response, painter) = ui.allocate_painter(Vec2::splat(SWATCH), Sense::hover());
    let block = Vec2::splat(SWATCH / TOKEN_BLOCKS as f32);
    for (at, colour) in blocks.iter().enumerate() {
        let place = Vec2::new((at % TOKEN_BLOCKS) as f32, (at / TOKEN_BLOCKS) as f32) * block;
        painter.rect_filled(Rect::from_min_size(response.rect.min + place, block), 0.0, *colour);
    }
    response.on_hover_text("What the brush looks like in this style");
}

/// Cells in colours that only tell tokens apart, for a recipe that the model cannot follow.
fn flat(painter: &egui::Painter, tokens: &[u16], corner: Pos2, cell: f32, columns: usize) {
    for (at, token) in tokens.iter().enumerate() {
        let place = corner + Vec2::new((at % columns) as f32, (at / columns) as f32) * cell;
        painter.rect_filled(Rect::from_min_size(place, Vec2::splat(cell - 1.0)), 0.0, colour(*token));
    }
}

/// The cell under a position.
fn cell_at(position: Pos2, corner: Pos2, cell: f32, (columns, rows): (usize, usize)) -> Option<usize> {
    let place = (position - corner) / cell;
    let (column, row) = (place.x.floor(), place.y.floor());
    let inside = (0.0..columns as f32).contains(&column) && (0.0..rows as f32).contains(&row);
    inside.then(|| row as usize * columns + column as usize)
}

/// A colour for each token; tokens that follow each other look different.
fn colour(token: u16) -> Color32 {
    let hash = u32::from(token).wrapping_add(1).wrapping_mul(0x9e37_79b1);
    let channel = |shift: u32| 50 + ((hash >> shift) & 0x7f) as u8;
    Color32::from_rgb(channel(24), channel(15), channel(7))
}
