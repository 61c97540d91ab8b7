//! Several seeds at a glance.

use super::picture::fill;
use super::state::{EditorState, GALLERY_SEEDS, Thumbnail};
use crate::request::TextureState;
use bevy_egui::egui::{self, Align2, Color32, FontId, RichText, Sense, Stroke, StrokeKind, Vec2};

/// Sides of a thumbnail in points.
const SIDE: f32 = 84.0;
/// Thumbnails side by side.
const COLUMNS: usize = 4;

/// Coarse thumbnails; a click takes one and has it refined.
pub fn gallery(ui: &mut egui::Ui, state: &mut EditorState) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Seeds").strong());
        let first = state.gallery_seed;
        let last = first.wrapping_add(GALLERY_SEEDS - 1);
        let hint = "Coarse pictures of this recipe; click one to refine it";
        let button = egui::Button::new(format!("Show seeds {first} to {last}"));
        if ui.add_enabled(state.problem().is_none(), button).on_hover_text(hint).clicked() {
            state.fill_gallery();
        }
    });
    let mut picked = None;
    egui::Grid::new("gallery").spacing(Vec2::splat(5.0)).show(ui, |ui| {
        for (number, thumbnail) in state.gallery.iter().enumerate() {
            if show(ui, thumbnail, thumbnail.recipe.seed == state.recipe.seed).clicked() {
                picked = Some(number);
            }
            if number % COLUMNS == COLUMNS - 1 {
                ui.end_row();
            }
        }
    });
    if let Some(number) = picked {
        state.pick(number);
    }
}

fn show(ui: &mut egui::Ui, thumbnail: &Thumbnail, chosen: bool) -> egui::Response {
    let Thumbnail { recipe, texture } = thumbnail;
    let (response, painter) = ui.allocate_painter(Vec2::splat(SIDE), Sense::click());
    let name = format!("seed {}", recipe.seed);
    response.widget_info(|| egui::WidgetInfo::selected(egui::WidgetType::Button, true, chosen, &name));
    painter.rect_filled(response.rect, 0.0, Color32::from_gray(40));
    if let Some(image) = texture.image {
        fill(&painter, response.rect, image, recipe.size);
    }
    let text = match &texture.state {
        Some(TextureState::Ready(_)) => format!("{}", recipe.seed),
        Some(TextureState::Coarse) => format!("{} coarse", recipe.seed),
        Some(TextureState::Failed(_)) => format!("{} failed", recipe.seed),
        Some(TextureState::Waiting | TextureState::Generating(_)) | None => format!("{} ...", recipe.seed),
    };
    let corner = response.rect.left_bottom() + Vec2::new(3.0, -2.0);
    let shadow = painter.layout_no_wrap(text.clone(), FontId::proportional(11.0), Color32::WHITE);
    let back = Align2::LEFT_BOTTOM.anchor_size(corner, shadow.size()).expand(2.0);
    painter.rect_filled(back, 2.0, Color32::from_black_alpha(150));
    painter.text(corner, Align2::LEFT_BOTTOM, text, FontId::proportional(11.0), Color32::WHITE);
    if chosen || response.hovered() {
        let colour = ui.visuals().selection.bg_fill;
        painter.rect_stroke(response.rect, 0.0, Stroke::new(2.0, colour), StrokeKind::Inside);
    }
    match &texture.state {
        Some(TextureState::Failed(reason)) => response.on_hover_text(reason.to_string()),
        _ => response,
    }
}
