//! Parts of a recipe that treat some cells of the token grid differently from others: edits and blends.

use super::recipe::{Recipe, RecipeError};
use crate::model::{ModelConfig, TOKEN_PIXELS};
use serde::{Deserialize, Serialize};

/// Most edits of a recipe.
pub const MAX_EDITS: usize = 16;
/// Most further classes of a recipe.
pub const MAX_BLENDS: usize = 3;
/// Most numbers of a style row in a recipe.
pub const MAX_STYLE_WIDTH: usize = 2048;
/// Largest number of a style row: above it, the exponential of a log deviation would leave the range of f32.
pub const MAX_STYLE_VALUE: f32 = 64.0;

/// Some cells of a token grid: row-major positions, ascending, each once. A cell is 16x16 pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect))]
#[serde(transparent)]
pub struct TokenMask {
    /// The cells.
    pub cells: Vec<u16>,
}

impl TokenMask {
    /// The cells of `recipe` that `inside` accepts by the UV position of their centre: `u` to the right and `v`
    /// down, both 0..1.
    pub fn from_uv(recipe: &Recipe, mut inside: impl FnMut(f32, f32) -> bool) -> Self {
        let (columns, rows) = recipe.token_grid();
        let centre = |at: usize, length: usize| (at as f32 + 0.5) / length as f32;
        let cells = (0..columns * rows)
            .filter(|cell| inside(centre(cell % columns, columns), centre(cell / columns, rows)))
            // A grid has at most 64x64 cells.
            .map(|cell| cell as u16);
        Self { cells: cells.collect() }
    }

    /// The cells whose centres are within `radius` pixels of a UV position, across the borders that fit together.
    pub fn circle(recipe: &Recipe, centre: [f32; 2], radius: f32) -> Self {
        let wrap = recipe.tiling.wrap();
        let along = |at: f32, centre: f32, wraps: bool, length: u32| {
            let offset = at - centre;
            let offset = if wraps { offset - offset.round() } else { offset };
            offset * length as f32
        };
        Self::from_uv(recipe, |u, v| {
            let x = along(u, centre[0], wrap.x, recipe.size.0);
            let y = along(v, centre[1], wrap.y, recipe.size.1);
            x.hypot(y) <= radius
        })
    }
}

/// Cells that are made anew after the texture, so that they fit what is around them.
///
/// Pixels farther from the mask than [`Decoder::reach`](crate::model::Decoder::reach) stay as they are, bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The cells; at least one.
    pub mask: TokenMask,
    /// Seed of their tokens and latents. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// Name of the class of the model that they get. Default: the one that they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// How much of another class each cell has: one texture that passes from one material to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect))]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// Name of a class of the model.
    pub class: String,
    /// Its share of each cell in 255ths, row-major. The recipe's class has what all blends leave: their sum must not be
    /// above 255 in any cell.
    pub shares: Vec<u8>,
}

impl Blend {
    /// The share of a class by the UV position of a cell's centre, 0..=1: what lies outside is cut.
    pub fn from_uv(recipe: &Recipe, class: impl Into<String>, share: impl Fn(f32, f32) -> f32) -> Self {
        let mut shares = Vec::new();
        TokenMask::from_uv(recipe, |u, v| {
            // A NaN becomes 0.
            shares.push((share(u, v).clamp(0.0, 1.0) * 255.0).round() as u8);
            false
        });
        Self { class: class.into(), shares }
    }
}

fn error(field: &'static str, found: impl ToString, expected: impl ToString) -> RecipeError {
    RecipeError::OutOfRange { field, found: found.to_string(), expected: expected.to_string() }
}

impl Recipe {
    /// Checks the optional parts, as far as that needs no model.
    pub(super) fn check_parts(&self) -> Result<(), RecipeError> {
        let (columns, rows) = self.token_grid();
        let cells = columns * rows;
        if self.edits.len() > MAX_EDITS {
            return Err(error("edits (count)", self.edits.len(), format!("at most {MAX_EDITS}")));
        }
        for Edit { mask, .. } in &self.edits {
            if mask.cells.is_empty() {
                return Err(error("edits.mask", "empty", "at least one cell"));
            }
            if mask.cells.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(error("edits.mask", "not in order", "ascending cells, each once"));
            }
            if let Some(cell) = mask.cells.last().filter(|cell| usize::from(**cell) >= cells) {
                return Err(error(
                    "edits.mask",
                    cell,
                    format!("below {cells}, the number of {TOKEN_PIXELS}-pixel cells"),
                ));
            }
        }
        self.check_blends(cells)?;
        self.check_style_row()
    }

    fn check_blends(&self, cells: usize) -> Result<(), RecipeError> {
        if self.blends.len() > MAX_BLENDS {
            return Err(error("blends (count)", self.blends.len(), format!("at most {MAX_BLENDS}")));
        }
        if let Some(blend) = self.blends.iter().find(|blend| blend.shares.len() != cells) {
            let expected = format!("{cells} for a texture of {}x{}", self.size.0, self.size.1);
            return Err(error("blends.shares (count)", blend.shares.len(), expected));
        }
        let sum = |cell: usize| self.blends.iter().map(|blend| u32::from(blend.shares[cell])).sum::<u32>();
        match (0..cells).map(sum).find(|sum| *sum > 255) {
            Some(sum) => Err(error("blends.shares", sum, "at most 255 in each cell, all blends together")),
            None => Ok(()),
        }
    }

    fn check_style_row(&self) -> Result<(), RecipeError> {
        let Some(row) = &self.style_row else { return Ok(()) };
        if self.style.is_some() {
            return Err(error("style_row", "there beside `style`", "one of the two"));
        }
        if row.is_empty() || row.len() > MAX_STYLE_WIDTH {
            return Err(error("style_row (count)", row.len(), format!("1 to {MAX_STYLE_WIDTH}")));
        }
        // Written so that a NaN is outside.
        match row.iter().find(|value| !(-MAX_STYLE_VALUE..=MAX_STYLE_VALUE).contains(*value)) {
            Some(value) => Err(error("style_row", value, format!("-{MAX_STYLE_VALUE} to {MAX_STYLE_VALUE}"))),
            None => Ok(()),
        }
    }

    pub(super) fn check_style_width(&self, width: usize) -> Result<(), RecipeError> {
        match self.style_row.as_ref().filter(|row| row.len() != width) {
            Some(row) => Err(error("style_row (count)", row.len(), format!("{width}, the style width of the model"))),
            None => Ok(()),
        }
    }

    pub(super) fn validate_tokens(&self, config: &ModelConfig) -> Result<(), RecipeError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let size = config.mask_token() as usize;
        if let Some(token) = tokens.iter().find(|token| usize::from(**token) >= size) {
            let expected = format!("below {size}, the size of the codebook");
            return Err(error("tokens", token, expected));
        }
        Ok(())
    }

    /// Names of the classes of edits and blends.
    pub(super) fn further_classes(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let edits = self.edits.iter().filter_map(|edit| edit.class.as_ref()).map(|class| ("edits.class", class));
        edits.chain(self.blends.iter().map(|blend| ("blends.class", &blend.class)))
    }

    /// The same texture with other detail: tokens, style and colours stay, latents are new.
    #[must_use]
    pub fn variation(&self, seed: u64) -> Self {
        Self { detail_seed: Some(seed), ..self.clone() }
    }

    /// Another texture with the same look: the style stays, tokens and latents are new. Edits are dropped, since they
    /// belong to the layout; blends stay.
    #[must_use]
    pub fn relayout(&self, seed: u64) -> Self {
        Self {
            seed,
            style_seed: Some(self.style_seed.unwrap_or(self.seed)),
            detail_seed: None,
            tokens: None,
            edits: Vec::new(),
            ..self.clone()
        }
    }

    /// The same texture with some cells made anew; see [`Edit`].
    #[must_use]
    pub fn with_edit(mut self, mask: TokenMask, seed: u64) -> Self {
        self.edits.push(Edit { mask, seed, class: None });
        self
    }

    /// The same texture with some cells of another class; see [`Edit`].
    #[must_use]
    pub fn with_edit_of(mut self, class: impl Into<String>, mask: TokenMask, seed: u64) -> Self {
        self.edits.push(Edit { mask, seed, class: Some(class.into()) });
        self
    }

    /// The same recipe with a share of another class in each cell; see [`Blend`].
    #[must_use]
    pub fn with_blend(mut self, blend: Blend) -> Self {
        self.blends.push(blend);
        self
    }
}
