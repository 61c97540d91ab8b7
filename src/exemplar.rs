//! A picture as an example: its tokens and style become a recipe, so that variations of it can be made.

use crate::model::style::{normalise, standardise, style_of};
use crate::model::{Grid, Model, TOKEN_PIXELS};
use crate::native::{self, LOOPS};
use crate::reference::{CpuOps, CpuTensor, GeneratedTexture};
use crate::sampling::generate::decode_coarse;
use crate::sampling::recipe::SIZE_RANGE;
use crate::sampling::{LATENT_LIMIT, LatentState, Recipe, RecipeError, Tiling, continue_plan};
use std::path::Path;

/// A picture in the terms of a model.
#[derive(Clone, Debug)]
pub struct Exemplar {
    /// Class, size, tokens and style of the picture; [`Recipe::variation`] makes textures with its layout, and
    /// [`Recipe::relayout`] with its look alone.
    pub recipe: Recipe,
    /// Tokens and latents of the picture itself: edits of it start here, see [`continue_plan`].
    pub state: LatentState,
    /// Peak signal-to-noise ratio of the picture after encoding and decoding, in decibels.
    pub psnr: f64,
    /// The same from the tokens alone.
    pub coarse_psnr: f64,
}

/// A picture that cannot be an example.
#[derive(Debug, thiserror::Error)]
pub enum ExemplarError {
    /// The file is no picture that can be read.
    #[error("exemplar {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        error: image::ImageError,
    },
    /// The number of bytes does not fit the size.
    #[error("exemplar: {found} bytes, expected {expected} for {width}x{height} RGB pixels")]
    Bytes {
        /// What came.
        found: usize,
        /// What the size asks for.
        expected: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The size or the class is not one that textures can have.
    #[error("exemplar: {0}")]
    Recipe(#[from] RecipeError),
}

impl Exemplar {
    /// Reads a picture file (PNG, JPEG or WebP). It is made smaller until no side is above 1024 pixels, and cut around its
    /// centre to sides that are multiples of 16. See [`Exemplar::encode`] for the rest.
    ///
    /// # Errors
    /// See [`ExemplarError`].
    pub fn open(model: &Model, path: &Path, class: Option<&str>, tiling: Tiling) -> Result<Self, ExemplarError> {
        let error = |error| ExemplarError::File { path: path.display().to_string(), error };
        let picture = image::ImageReader::open(path).map_err(|io| error(io.into()))?;
        let picture = picture.with_guessed_format().map_err(|io| error(io.into()))?.decode().map_err(error)?;
        Self::from_picture(model, &picture, class, tiling)
    }

    /// The same for a picture in memory, of any size and format.
    ///
    /// # Errors
    /// See [`ExemplarError`].
    pub fn from_picture(
        model: &Model,
        picture: &image::DynamicImage,
        class: Option<&str>,
        tiling: Tiling,
    ) -> Result<Self, ExemplarError> {
        let most = *SIZE_RANGE.end();
        let smaller;
        let picture = if picture.width().max(picture.height()) > most {
            smaller = picture.resize(most, most, image::imageops::FilterType::Triangle);
            &smaller
        } else {
            picture
        };
        let token = TOKEN_PIXELS as u32;
        let [width, height] = [picture.width(), picture.height()].map(|side| side / token * token);
        let picture = picture.crop_imm((picture.width() - width) / 2, (picture.height() - height) / 2, width, height);
        Self::encode(model, &picture.to_rgb8(), (width, height), class, tiling)
    }

    /// Encodes RGB bytes, row-major, sRGB-encoded; the sides of `size` are those a texture can have. Without a class it gets
    /// that of the model's style which is nearest to its own.
    ///
    /// Takes about as long as decoding a texture on the processor; nothing of it belongs into a frame.
    ///
    /// # Errors
    /// See [`ExemplarError`].
    pub fn encode(
        model: &Model,
        pixels: &[u8],
        size: (u32, u32),
        class: Option<&str>,
        tiling: Tiling,
    ) -> Result<Self, ExemplarError> {
        let (width, height) = size;
        // Before anything is believed about the size.
        let mut recipe = Recipe::new("class").with_size(width, height);
        recipe.check_ranges()?;
        recipe.tiling = tiling;
        let expected = 3 * width as usize * height as usize;
        if pixels.len() != expected {
            return Err(ExemplarError::Bytes { found: pixels.len(), expected, width, height });
        }
        let grid = Grid { items: 1, height: height as usize, width: width as usize, wrap: tiling.wrap() };
        let values = pixels.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
        let mut ops = CpuOps::new(model).with_loops(LOOPS);
        let latents = model.discon.encoder.forward(&mut ops, &CpuTensor::new(values, 3), grid);
        let style = style_of(&latents.values, model.weights.get(model.discon.styles.scale));
        let relative = normalise(&latents.values, &style);
        let tokens = nearest_centres(model, &relative);
        recipe.class = class.map_or_else(|| nearest_class(model, &style), ToString::to_string);
        // No codebook has more than 2^16 entries.
        recipe.tokens = Some(tokens.iter().map(|token| *token as u16).collect());
        recipe.style_row = Some(style);
        let state = LatentState { context: context_of(model, &relative), tokens };
        let plan = continue_plan(model, &recipe, 0, state.clone())?;
        let decoded = native::generate(model, &plan);
        let mut coarse = CpuOps::for_job(model, &plan).with_loops(LOOPS);
        decode_coarse(&mut coarse, &model.discon, &plan.shape);
        let (psnr, coarse_psnr) = (psnr(pixels, &decoded.pixels), psnr(pixels, &coarse.picture));
        Ok(Self { recipe, state, psnr, coarse_psnr })
    }

    /// The picture after encoding and decoding.
    ///
    /// # Errors
    /// Another model than the one that encoded it.
    pub fn decode(&self, model: &Model) -> Result<GeneratedTexture, RecipeError> {
        Ok(native::generate(model, &continue_plan(model, &self.recipe, 0, self.state.clone())?))
    }
}

/// The token of each row of style-relative latents.
fn nearest_centres(model: &Model, relative: &[f32]) -> Vec<u32> {
    let width = model.discon.config.tokenizer.latent_width;
    let codes = model.discon.config.codes();
    let (first, second) = model.weights.get(model.discon.codebook.centres).split_at(codes.first * width);
    let importance = model.weights.get(model.discon.codebook.importance);
    let distance = |row: &[f32], centre: &[f32]| -> f32 {
        row.iter().zip(centre).zip(importance).map(|((a, b), weight)| weight * (a - b) * (a - b)).sum()
    };
    let nearest = |row: &[f32], centres: &[f32]| {
        let distances = centres.chunks_exact(width).map(|centre| distance(row, centre)).enumerate();
        distances.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(code, _)| code)
    };
    relative
        .chunks_exact(width)
        .map(|row| {
            let code = nearest(row, first);
            let centre = &first[code * width..(code + 1) * width];
            let left: Vec<f32> = row.iter().zip(centre).map(|(value, centre)| value - centre).collect();
            codes.join(code as u32, nearest(&left, second) as u32)
        })
        .collect()
}

/// The class of the nearest style of the bank, by what the network sees of it; the first class without a bank.
fn nearest_class(model: &Model, style: &[f32]) -> String {
    let config = &model.discon.config;
    let standard = model.weights.get(model.discon.styles.standard);
    let own = standardise(style, standard);
    let distance =
        |row: &[f32]| -> f32 { standardise(row, standard).iter().zip(&own).map(|(a, b)| (a - b) * (a - b)).sum() };
    let rows = model.weights.get(model.discon.styles.rows).chunks_exact(style.len().max(1));
    let nearest = rows.map(distance).enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let classes = model.weights.get(model.discon.styles.classes);
    let class = nearest.map_or(0, |(row, _)| classes[row] as usize);
    config.classes.get(class).or(config.classes.first()).cloned().unwrap_or_default()
}

/// Rows of the continuous model's input with all latents known.
fn context_of(model: &Model, relative: &[f32]) -> Vec<f32> {
    let config = &model.discon.config;
    let (width, row_width) = (config.tokenizer.latent_width, config.context_width());
    let mut context = vec![0.0; relative.len() / width * row_width];
    for (row, latent) in context.chunks_exact_mut(row_width).zip(relative.chunks_exact(width)) {
        row.iter_mut().zip(latent).for_each(|(to, from)| *to = from.clamp(-LATENT_LIMIT, LATENT_LIMIT));
        row[width] = 1.0;
    }
    context
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / squares.max(1e-9)).log10()
}
