//! The codebook: centres of style-relative latents, and the tokens that they give.

use super::TrainError;
use super::images::Flip;
use super::kmeans::{assign, k_means};
use super::latents::{Latents, decode};
use super::losses::psnr;
use super::options::Options;
use super::rng::Rng;
use super::run::Session;
use super::token_grids::TokenGrid;
use crate::model::{Codes, Grid, TOKEN_PIXELS, Wrap};
use crate::reference::rows::embed;
use std::path::PathBuf;
use std::sync::Arc;

/// How strongly the visibility of a channel counts for tokens: 0 is "all equal", 1 "as pixels do".
const IMPORTANCE_POWER: f32 = 1.2;
/// Iterations of k-means.
const ITERATIONS: usize = 15;
/// Latents that k-means runs on.
const ROWS: usize = 150_000;

/// Centres and tokens; returns the perplexity of the tokens.
pub fn build_codebook(session: &mut Session, latents: &mut Latents) -> f32 {
    let width = session.model.config.tokenizer.latent_width;
    let codes = session.model.config.codes();
    // Relative latents are scaled by visibility once already.
    let scale = session.weights.get(session.model.styles.scale);
    let weights: Vec<f32> = match session.options.start {
        Some(_) => session.weights.get(session.model.codebook.importance).iter().map(|value| value.sqrt()).collect(),
        None => scale.iter().map(|value| value.powf(IMPORTANCE_POWER - 1.0)).collect(),
    };
    let mut weighted: Vec<f32> =
        latents.relative.chunks_exact(width).flat_map(|row| row.iter().zip(&weights).map(|(a, b)| a * b)).collect();
    let book = session.model.codebook.clone();
    let mut centres = match session.options.start {
        Some(_) => {
            let rows = session.weights.get(book.centres).chunks_exact(width);
            rows.flat_map(|row| row.iter().zip(&weights).map(|(value, weight)| value * weight)).collect()
        }
        None => vec![0.0; codes.rows() * width],
    };
    let mut rng = Rng::new(&[session.options.seed, 0xc0de]);
    let mut tokens = vec![0; latents.tokens.len().max(weighted.len() / width)];
    for columns in codes.columns() {
        let part = &mut centres[columns.start * width..columns.end * width];
        // Codes that a model to start from lacks are found like those of a new one.
        if part.iter().all(|value| *value == 0.0) {
            let rows = sample_rows(session, latents, &weighted, width, &mut rng);
            part.copy_from_slice(&k_means(&rows, width, columns.len(), ITERATIONS, &mut rng, &session.workers));
        }
        let nearest = assign(&weighted, part, width, &session.workers);
        for ((token, row), (code, _)) in tokens.iter_mut().zip(weighted.chunks_exact_mut(width)).zip(nearest) {
            *token = if columns.start == 0 { codes.join(code, 0) } else { *token + code };
            // The next kind of code stands for what this one leaves.
            let centre = &part[code as usize * width..][..width];
            row.iter_mut().zip(centre).for_each(|(value, centre)| *value -= centre);
        }
    }
    latents.tokens = tokens;
    for row in centres.chunks_exact_mut(width) {
        row.iter_mut().zip(&weights).for_each(|(value, weight)| *value /= weight);
    }
    *session.weights.get_mut(book.centres) = centres;
    *session.weights.get_mut(book.importance) = weights.iter().map(|weight| weight * weight).collect();
    let mut counts = vec![0.0f64; codes.tokens()];
    latents.tokens.iter().for_each(|token| counts[*token as usize] += 1.0);
    let total = latents.tokens.len() as f64;
    let entropy: f64 =
        counts.iter().filter(|count| **count > 0.0).map(|count| -count / total * (count / total).ln()).sum();
    entropy.exp() as f32
}

/// A session with the weights of `base` and a codebook of other `codes` on its latents: the session, the latents with their
/// new tokens, and the perplexity of those.
///
/// # Errors
/// Codes that no model can have, or a folder `out` that cannot be used.
pub fn with_codes(
    base: &Session,
    latents: &Latents,
    codes: Codes,
    out: PathBuf,
) -> Result<(Session, Latents, f32), TrainError> {
    let mut config = base.model.config.clone();
    (config.tokenizer.codebook_size, config.tokenizer.second_codes) = (codes.first, codes.second);
    // Layouts are tokens of the other codebook.
    config.layout_tokens = 0;
    let mut session = Session::with_data(Options { config, out, ..base.options.clone() }, Arc::clone(&base.data))?;
    for (id, spec) in base.table.iter().filter(|(_, spec)| !spec.name.starts_with("codebook.")) {
        // Tables of tokens have other sizes; they belong to networks that are not trained yet.
        if let Some(own) = session.table.find(&spec.name).filter(|own| session.weights.get(*own).len() == spec.len()) {
            session.weights.get_mut(own).copy_from_slice(base.weights.get(id));
        }
    }
    let mut latents = latents.clone();
    let perplexity = build_codebook(&mut session, &mut latents);
    Ok((session, latents, perplexity))
}

/// Rows of training pictures, drawn as often as the generators will see them.
fn sample_rows(session: &Session, latents: &Latents, weighted: &[f32], width: usize, rng: &mut Rng) -> Vec<f32> {
    let ranges = latents.ranges(session.data.textures.len());
    let mut rows = Vec::with_capacity(ROWS * width);
    for _ in 0..ROWS {
        let grids = &latents.grids[ranges[session.data.draw(rng)].clone()];
        let grid = &grids[rng.below(grids.len())];
        let row = grid.first + rng.below(grid.side * grid.side);
        rows.extend_from_slice(&weighted[row * width..(row + 1) * width]);
    }
    rows
}

/// PSNR of pictures decoded from tokens and style alone.
pub fn token_quality(session: &Session, latents: &Latents) -> f32 {
    let width = session.model.config.tokenizer.latent_width;
    let centres = session.weights.get(session.model.codebook.centres);
    let codes = session.model.config.codes();
    let grids: Vec<&TokenGrid> = latents.grids.iter().filter(|grid| grid.in_bank_as_it_is()).collect();
    let grids: Vec<&TokenGrid> = grids.iter().copied().step_by((grids.len() / 64).max(1)).collect();
    let found = session.workers.map_with(
        grids.len(),
        || session.inference(),
        |ops, index| {
            let grid = grids[index];
            let tokens = &latents.tokens[grid.first..grid.first + grid.side * grid.side];
            let relative = embed(centres, width, tokens, codes);
            let versions = &session.data.textures[grid.texture].versions;
            let version = versions.iter().find(|version| version.side == grid.side * TOKEN_PIXELS)?;
            let wrap = if grid.wraps { Wrap::BOTH } else { Wrap::NONE };
            let shape = Grid { items: 1, height: grid.side, width: grid.side, wrap };
            let found = decode(session, ops, &relative, &grid.style, shape);
            Some(psnr(&found, &version.crop((0, 0), version.side, Flip::default())))
        },
    );
    let found: Vec<f32> = found.into_iter().flatten().collect();
    found.iter().sum::<f32>() / found.len().max(1) as f32
}
