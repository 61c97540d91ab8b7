//! What tokens look like: small pictures for the painter.

use crate::model::{Model, TOKEN_BLOCKS, TokenBlocks};
use crate::sampling::Recipe;
use bevy_egui::egui::{self, Color32, ColorImage, TextureHandle, TextureOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The blocks of a model, and which model that is.
type Known = ([u8; 32], Arc<TokenBlocks>);

/// The tokens of a recipe as colours, `TOKEN_BLOCKS` times as many along each axis as there are tokens.
pub struct TokenColours {
    blocks: Arc<TokenBlocks>,
    style: Vec<f32>,
}

impl TokenColours {
    /// What is needed for a recipe; none if the model cannot follow it.
    pub fn new(ui: &egui::Ui, model: &Model, recipe: &Recipe) -> Option<Self> {
        recipe.validate(model).ok()?;
        let id = egui::Id::new("discon token blocks");
        let known = ui.data(|data| data.get_temp::<Known>(id)).filter(|(digest, _)| *digest == model.digest);
        let (_, blocks) = known.unwrap_or_else(|| {
            let known: Known = (model.digest, Arc::new(TokenBlocks::new(model)));
            ui.data_mut(|data| data.insert_temp(id, known.clone()));
            known
        });
        Some(Self { blocks, style: recipe.style_in(model) })
    }

    /// Blocks of a token, row-major.
    pub fn of(&self, model: &Model, token: u16) -> Vec<Color32> {
        let values = self.blocks.of(model, token.into(), &self.style);
        let byte = |value: &f32| ((value + 1.0) * 127.5).clamp(0.0, 255.0) as u8;
        values.chunks_exact(3).map(|rgb| Color32::from_rgb(byte(&rgb[0]), byte(&rgb[1]), byte(&rgb[2]))).collect()
    }

    /// A picture of a whole grid, drawn anew when something of it has changed.
    pub fn picture(&self, ui: &egui::Ui, model: &Model, tokens: &[u16], columns: usize) -> TextureHandle {
        let mut hasher = DefaultHasher::new();
        (tokens, columns, model.digest).hash(&mut hasher);
        self.style.iter().for_each(|value| value.to_bits().hash(&mut hasher));
        let (key, id) = (hasher.finish(), egui::Id::new("discon token picture"));
        let known = ui.data(|data| data.get_temp::<(u64, TextureHandle)>(id)).filter(|(of, _)| *of == key);
        if let Some((_, picture)) = known {
            return picture;
        }
        let rows = tokens.len() / columns;
        let mut image = ColorImage::filled([columns * TOKEN_BLOCKS, rows * TOKEN_BLOCKS], Color32::BLACK);
        for (at, token) in tokens.iter().enumerate() {
            for (block, colour) in self.of(model, *token).into_iter().enumerate() {
                let x = at % columns * TOKEN_BLOCKS + block % TOKEN_BLOCKS;
                let y = at / columns * TOKEN_BLOCKS + block / TOKEN_BLOCKS;
                image.pixels[y * columns * TOKEN_BLOCKS + x] = colour;
            }
        }
        let picture = ui.ctx().load_texture("discon tokens", image, TextureOptions::NEAREST);
        ui.data_mut(|data| data.insert_temp(id, (key, picture.clone())));
        picture
    }
}
