//! A recipe: all choices that make one texture.

use super::recipe_bytes::MAX_CLASS_BYTES;
pub use super::recipe_error::RecipeError;
use super::recipe_parts::{Blend, Edit};
use crate::model::config::TOKEN_PIXELS;
use crate::model::{Model, ModelConfig, Wrap};
#[cfg(feature = "render")]
use bevy::reflect::{ReflectDeserialize, ReflectSerialize};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Which borders of the texture continue on the opposite side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect))]
pub enum Tiling {
    /// Seamless along both axes.
    #[default]
    Both,
    /// Left and right fit.
    X,
    /// Top and bottom fit.
    Y,
    /// A cut-out that need not tile.
    None,
}

impl Tiling {
    /// The border rule of grids.
    pub fn wrap(self) -> Wrap {
        Wrap { x: matches!(self, Self::Both | Self::X), y: matches!(self, Self::Both | Self::Y) }
    }
}

/// Smallest and largest side of a texture in pixels.
pub const SIZE_RANGE: RangeInclusive<u32> = 64..=1024;
/// Range of [`Recipe::layout_share`].
pub const LAYOUT_SHARE_RANGE: RangeInclusive<f32> = 0.0..=1.0;
/// Range of [`Recipe::guidance`] and [`Recipe::token_guidance`].
pub const GUIDANCE_RANGE: RangeInclusive<f32> = 1.0..=8.0;
/// Range of [`Recipe::token_temperature`] and [`Recipe::latent_temperature`].
pub const TEMPERATURE_RANGE: RangeInclusive<f32> = 0.0..=2.0;
/// Most rounds of either stage, and most steps of the flow.
pub const MAX_ROUNDS: u32 = 64;
/// Range of [`Recipe::token_rounds`], [`Recipe::latent_rounds`] and [`Recipe::flow_steps`].
pub const ROUNDS_RANGE: RangeInclusive<u32> = 1..=MAX_ROUNDS;

/// All choices of one generation. Equal recipes and equal model files give equal textures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// By serde too, so that scenes need not name fields that have defaults.
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect, bevy::asset::Asset), reflect(Serialize, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of a class of the model, for example `"brick"`.
    pub class: String,
    /// Seed of style, structure and detail. Any value; default 0.
    #[serde(default)]
    pub seed: u64,
    /// Seed of the detail alone: the same tokens with other latents. Default: the value of `seed`.
    #[serde(default)]
    pub detail_seed: Option<u64>,
    /// Width and height in pixels: multiples of 16 in 64..=1024. Work grows with the area. Default 256x256.
    #[serde(default = "default_size")]
    pub size: (u32, u32),
    /// Which borders fit together. Costs nothing. Default both.
    #[serde(default)]
    pub tiling: Tiling,
    /// Row of the model's style bank (colours, contrast, amount of detail). Default: chosen by `seed` among the
    /// rows of the class, and mixed with a second one.
    #[serde(default)]
    pub style: Option<u32>,
    /// Row of the model's layout bank, which has the numbers of its styles. Default: chosen by `seed` among those of the
    /// styles that are nearest to the texture's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<u32>,
    /// Share of the tokens that are stitched from a layout of the model's bank; stage 1 samples the others between them. At 0,
    /// and for a model without a bank, it samples all. Range 0.0..=1.0, default 1.0.
    #[serde(default = "default_layout_share")]
    pub layout_share: f32,
    /// How strongly class and style steer the structure. Any value but 1.0 doubles the work of stage 1; higher
    /// values follow the class more closely and vary less. Range 1.0..=8.0, default 1.0.
    #[serde(default = "default_guidance")]
    pub guidance: f32,
    /// How strongly the tokens steer the detail: the difference that they make is taken so many times in the first half of the
    /// flow's steps. 1.0 is as trained and costs less; higher values give clearer structure and harder contrast. Range
    /// 1.0..=8.0, default 2.0.
    #[serde(default = "default_token_guidance")]
    pub token_guidance: f32,
    /// Randomness of the tokens: 0 always takes the likeliest token, 1 samples the model's distribution.
    /// Range 0.0..=2.0, default 0.9.
    #[serde(default = "default_token_temperature")]
    pub token_temperature: f32,
    /// Scale of the start noise of the latents: lower is smoother. Range 0.0..=2.0, default 1.0.
    #[serde(default = "default_latent_temperature")]
    pub latent_temperature: f32,
    /// Rounds of stage 1; work grows in proportion. Range 1..=64, default 8.
    #[serde(default = "default_token_rounds")]
    pub token_rounds: u32,
    /// Rounds of stage 2; work grows in proportion. Range 1..=64, default 1: a head that mixes positions
    /// gains nothing from more, one that samples them alone does.
    #[serde(default = "default_latent_rounds")]
    pub latent_rounds: u32,
    /// Steps of the flow in each round of stage 2: fewer are smoother. Range 1..=64, default 6.
    #[serde(default = "default_flow_steps")]
    pub flow_steps: u32,
    /// Tokens in row-major order, one for each 16x16 pixels, instead of stage 1. Default: sampled.
    #[serde(default)]
    pub tokens: Option<Vec<u16>>,
    /// Seed of the choice of the style alone: another layout with the same look. Default: the value of `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style_seed: Option<u64>,
    /// Style itself instead of a row of the bank: means and log deviations of the model's latent channels, as many as the
    /// model's style width. Range -64.0..=64.0; default: from `style` or the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style_row: Option<Vec<f32>>,
    /// Shares of further classes in each cell, at most 3. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blends: Vec<Blend>,
    /// Cells that are made anew, one edit after the other, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

fn default_size() -> (u32, u32) {
    (256, 256)
}
fn default_guidance() -> f32 {
    1.0
}
fn default_layout_share() -> f32 {
    1.0
}
fn default_token_guidance() -> f32 {
    2.0
}
fn default_token_temperature() -> f32 {
    0.9
}
fn default_latent_temperature() -> f32 {
    1.0
}
fn default_token_rounds() -> u32 {
    8
}
fn default_latent_rounds() -> u32 {
    1
}
fn default_flow_steps() -> u32 {
    6
}

impl Recipe {
    /// The recipe of a class with all defaults.
    pub fn new(class: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            seed: 0,
            detail_seed: None,
            size: default_size(),
            tiling: Tiling::Both,
            style: None,
            layout: None,
            layout_share: default_layout_share(),
            guidance: default_guidance(),
            token_guidance: default_token_guidance(),
            token_temperature: default_token_temperature(),
            latent_temperature: default_latent_temperature(),
            token_rounds: default_token_rounds(),
            latent_rounds: default_latent_rounds(),
            flow_steps: default_flow_steps(),
            tokens: None,
            style_seed: None,
            style_row: None,
            blends: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// The same recipe with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same recipe with another size in pixels.
    #[must_use]
    pub fn with_size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// The same recipe with these tokens instead of stage 1, one for each 16x16 pixels in row-major order.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Vec<u16>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Reads the text form; `origin` stands in messages.
    ///
    /// # Errors
    /// Position and reason, if the text is not a recipe. Ranges are checked by [`Recipe::validate`].
    pub fn from_ron(text: &str, origin: &str) -> Result<Self, RecipeError> {
        ron::from_str(text).map_err(|error| RecipeError::Syntax { origin: origin.into(), message: error.to_string() })
    }

    /// The text form, canonical: equal recipes have equal texts.
    pub fn to_ron(&self) -> String {
        ron::to_string(self).unwrap_or_default()
    }

    /// Columns and rows of the token grid.
    pub fn token_grid(&self) -> (usize, usize) {
        (self.size.0 as usize / TOKEN_PIXELS, self.size.1 as usize / TOKEN_PIXELS)
    }

    /// Checks what needs no model: sizes, numbers and the count of tokens.
    ///
    /// # Errors
    /// The first field that is out of range, with the range.
    pub fn check_ranges(&self) -> Result<(), RecipeError> {
        for (field, class) in std::iter::once(("class", &self.class)).chain(self.further_classes()) {
            if class.is_empty() || class.len() > MAX_CLASS_BYTES {
                let expected = format!("a name of 1 to {MAX_CLASS_BYTES} bytes");
                return Err(RecipeError::OutOfRange { field, found: format!("\"{class}\""), expected });
            }
        }
        for (field, side) in [("size.0 (width)", self.size.0), ("size.1 (height)", self.size.1)] {
            if !SIZE_RANGE.contains(&side) || !side.is_multiple_of(TOKEN_PIXELS as u32) {
                let expected = format!("a multiple of 16 from {} to {}", SIZE_RANGE.start(), SIZE_RANGE.end());
                return Err(RecipeError::OutOfRange { field, found: side.to_string(), expected });
            }
        }
        for (field, value, range) in [
            ("layout_share", self.layout_share, LAYOUT_SHARE_RANGE),
            ("guidance", self.guidance, GUIDANCE_RANGE),
            ("token_guidance", self.token_guidance, GUIDANCE_RANGE),
            ("token_temperature", self.token_temperature, TEMPERATURE_RANGE),
            ("latent_temperature", self.latent_temperature, TEMPERATURE_RANGE),
        ] {
            // A NaN is in no range.
            if !range.contains(&value) {
                let expected = format!("{} to {}", range.start(), range.end());
                return Err(RecipeError::OutOfRange { field, found: value.to_string(), expected });
            }
        }
        for (field, value) in [
            ("token_rounds", self.token_rounds),
            ("latent_rounds", self.latent_rounds),
            ("flow_steps", self.flow_steps),
        ] {
            if !ROUNDS_RANGE.contains(&value) {
                let expected = format!("{} to {}", ROUNDS_RANGE.start(), ROUNDS_RANGE.end());
                return Err(RecipeError::OutOfRange { field, found: value.to_string(), expected });
            }
        }
        self.check_token_count()?;
        self.check_parts()
    }

    fn check_token_count(&self) -> Result<(), RecipeError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let (columns, rows) = self.token_grid();
        if tokens.len() == columns * rows {
            return Ok(());
        }
        Err(RecipeError::OutOfRange {
            field: "tokens (count)",
            found: tokens.len().to_string(),
            expected: format!("{} for a texture of {}x{}", columns * rows, self.size.0, self.size.1),
        })
    }

    /// Checks every field against the model.
    ///
    /// # Errors
    /// The first field that is out of range, with the range.
    pub fn validate(&self, model: &Model) -> Result<(), RecipeError> {
        let config: &ModelConfig = &model.discon.config;
        let mut classes = std::iter::once(&self.class).chain(self.further_classes().map(|(_, class)| class));
        if let Some(class) = classes.find(|class| !config.classes.contains(class)) {
            return Err(RecipeError::UnknownClass { found: class.clone(), known: config.classes.join(", ") });
        }
        self.check_ranges()?;
        for (field, row) in [("style", self.style), ("layout", self.layout)] {
            if let Some(row) = row.filter(|row| *row as usize >= config.styles) {
                let expected = format!("below {}, the number of styles of the model", config.styles);
                return Err(RecipeError::OutOfRange { field, found: row.to_string(), expected });
            }
        }
        self.check_style_width(config.style_width())?;
        self.validate_tokens(config)
    }
}
