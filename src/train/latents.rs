//! Second stage: latents of all pictures, their styles, the codebook and the tokens.

use super::TrainError;
use super::bank::{declare_bank, fill_layouts, fill_styles};
use super::codebook::{build_codebook, token_quality};
#[cfg(feature = "train-torch")]
use super::device::TrainingDevice;
use super::images::{Flip, Version};
use super::latent_file::{load, save};
use super::learner::Learner;
use super::ops::TrainOps;
use super::rng::Rng;
use super::run::Session;
use super::token_grids::{TokenGrid, enlarged_style, plan};
use super::workers::values;
use crate::model::style::{normalise, standardise, style_of};
use crate::model::{Grid, Ops, TOKEN_PIXELS, Wrap};
use half::f16;
use std::time::Instant;

/// Name of the stage in metrics and files.
pub const STAGE: &str = "codebook";
/// Style-relative latents are kept within this many deviations.
const LIMIT: f32 = 6.0;
/// Least scale of a channel.
const MIN_SCALE: f32 = 0.05;
/// Token grids on which the visibility of channels is measured.
const PROBES: usize = 12;

/// What the generators learn from.
#[derive(Clone, Debug, Default)]
pub struct Latents {
    /// All grids, ordered by picture.
    pub grids: Vec<TokenGrid>,
    /// Style-relative latents, `D` numbers a row.
    pub relative: Vec<f32>,
    /// Token of every row.
    pub tokens: Vec<u32>,
    /// Seconds that the stage took.
    pub seconds: f64,
}

/// Reads the stage's results, or computes them; then the session's model has styles and a codebook.
///
/// # Errors
/// Files that cannot be read or written.
pub fn prepare(session: &mut Session) -> Result<Latents, TrainError> {
    let started = Instant::now();
    let grids = plan(&session.data, session.options.copies);
    declare_bank(session, &grids)?;
    let mut latents = Latents { grids, ..Latents::default() };
    if load(session, &mut latents)? {
        return Ok(latents);
    }
    eprintln!("codebook: latents of {} token grids", latents.grids.len());
    encode(session, &mut latents)?;
    rescale(session, &mut latents);
    fill_styles(session, &latents);
    let perplexity = build_codebook(session, &mut latents);
    fill_layouts(session, &latents);
    // Runs that count steps instead of time must not depend on how long this took.
    latents.seconds = if session.options.seconds_per_step.is_some() { 0.0 } else { started.elapsed().as_secs_f64() };
    let quality = token_quality(session, &latents);
    let numbers = [("perplexity", perplexity), ("psnr_tokens", quality)];
    session.metrics.record(STAGE, 0, latents.seconds, &numbers)?;
    // As the file holds them, so that a resumed run goes on with the same numbers.
    latents.relative.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
    save(session, &latents)?;
    Ok(latents)
}

/// Encodes every grid where the session trains: on a card that is done within seconds.
fn encode(session: &Session, latents: &mut Latents) -> Result<(), TrainError> {
    #[cfg(feature = "train-torch")]
    if session.options.device == TrainingDevice::Cuda {
        let card = super::torch::card()?;
        encode_with(session, latents, || {
            let mut ops = super::torch::TorchOps::exact(card, session.table.len());
            session.set_tokenizer(&mut ops);
            ops
        });
        return Ok(());
    }
    encode_with(session, latents, || session.inference());
    Ok(())
}

fn encode_with<L: Learner>(session: &Session, latents: &mut Latents, start: impl Fn() -> L + Sync) {
    let width = session.model.config.tokenizer.latent_width;
    let grids = &latents.grids;
    let read = |ops: &mut L, pixels: &[f32], side: usize, wrap: Wrap| {
        ops.reset();
        let grid = Grid { items: 1, height: side, width: side, wrap };
        let pixels = ops.constant(pixels, [grid.rows(), 3]);
        let absolute = session.model.encoder.forward(ops, &pixels, grid);
        ops.read(&absolute)
    };
    let encoded = session.workers.map_with(grids.len(), start, |ops, index| {
        let grid = &grids[index];
        let texture = &session.data.textures[grid.texture];
        let version = grid.version(&session.data);
        let side = grid.side * TOKEN_PIXELS;
        let wrap = if version.wraps { Wrap::BOTH } else { Wrap::NONE };
        let absolute = read(ops, &version.crop(grid.corner, side, grid.flip), side, wrap);
        let style = style_of(&absolute, &vec![1.0; width]);
        let mut style_of_whole = |version: &Version| {
            let absolute = read(ops, &version.crop((0, 0), version.side, Flip::default()), version.side, Wrap::NONE);
            style_of(&absolute, &vec![1.0; width])
        };
        let own = texture.own(&texture.versions[grid.version]).filter(|_| grid.in_bank());
        let bank_style = own.map(|own| match grid.enlarged {
            true => enlarged_style(&style_of_whole(&own.enlarged()), &style_of_whole(own)),
            false => style_of_whole(own),
        });
        let mut relative = normalise(&absolute, &style);
        relative.iter_mut().for_each(|value| *value = value.clamp(-LIMIT, LIMIT));
        (style, bank_style, relative)
    });
    for (grid, (style, bank_style, relative)) in latents.grids.iter_mut().zip(encoded) {
        (grid.style, grid.bank_style) = (style, bank_style);
        latents.relative.extend(relative);
    }
}

/// Gives relative latents the deviation of their channel's visibility.
fn rescale(session: &mut Session, latents: &mut Latents) {
    let scale: Vec<f32> = match session.options.start {
        // Weights that exist mean the scale that they were trained with.
        Some(_) => session.weights.get(session.model.styles.scale).to_vec(),
        None => {
            let visibility = visibility(session, latents);
            let mean = visibility.iter().sum::<f32>() / visibility.len() as f32;
            visibility.iter().map(|value| (value / mean.max(1e-9)).max(MIN_SCALE)).collect()
        }
    };
    for row in latents.relative.chunks_exact_mut(scale.len()) {
        row.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
    }
    for grid in &mut latents.grids {
        for style in std::iter::once(&mut grid.style).chain(&mut grid.bank_style) {
            style[scale.len()..].iter_mut().zip(&scale).for_each(|(value, scale)| *value -= scale.ln());
        }
    }
    *session.weights.get_mut(session.model.styles.scale) = scale;
}

/// Visibility of every channel: rms pixel change per unit, times the channel's average deviation inside a picture.
fn visibility(session: &Session, latents: &Latents) -> Vec<f32> {
    const STEP: f32 = 0.5;
    let width = session.model.config.tokenizer.latent_width;
    let bank: Vec<&TokenGrid> = latents.grids.iter().filter(|grid| grid.in_bank_as_it_is()).collect();
    let probes: Vec<&TokenGrid> = bank.iter().copied().step_by((bank.len() / PROBES).max(1)).collect();
    let decode = |ops: &mut TrainOps, grid: &TokenGrid, relative: &[f32]| -> Vec<f32> {
        let shape = Grid { items: 1, height: grid.side, width: grid.side, wrap: Wrap::NONE };
        decode(session, ops, relative, &grid.style, shape)
    };
    let start = || session.inference();
    let base: Vec<Vec<f32>> = session
        .workers
        .map_with(probes.len(), start, |ops, index| decode(ops, probes[index], latents.rows(probes[index], width)));
    session.workers.map_with(width, start, |ops, channel| {
        let (mut square, mut count) = (0.0f64, 0usize);
        for (grid, base) in probes.iter().zip(&base) {
            let mut rng = Rng::new(&[channel as u64, grid.first as u64]);
            let mut moved = latents.rows(grid, width).to_vec();
            for row in moved.chunks_exact_mut(width) {
                row[channel] += if rng.chance(0.5) { STEP } else { -STEP };
            }
            let changed = decode(ops, grid, &moved);
            square += changed.iter().zip(base).map(|(a, b)| f64::from((a - b) / STEP).powi(2)).sum::<f64>();
            count += base.len();
        }
        (square / count.max(1) as f64).sqrt() as f32
    })
}

/// Picture of style-relative latents.
pub fn decode(session: &Session, ops: &mut TrainOps, relative: &[f32], style: &[f32], grid: Grid) -> Vec<f32> {
    let width = style.len() / 2;
    let relative = ops.constant(relative, [grid.rows(), width]);
    let style = ops.constant(style, [1, 2 * width]);
    let absolute = ops.denormalise(&relative, &style);
    values(session.model.decoder.forward(ops, &absolute, grid))
}

impl Latents {
    /// Style-relative latents of one grid.
    pub fn rows(&self, grid: &TokenGrid, width: usize) -> &[f32] {
        &self.relative[grid.first * width..(grid.first + grid.side * grid.side) * width]
    }

    /// Grids of each picture that networks learn from: all but an enlarged one, which is the picture's last.
    pub fn ranges(&self, textures: usize) -> Vec<std::ops::Range<usize>> {
        (0..textures)
            .map(|texture| {
                let from = self.grids.partition_point(|grid| grid.texture < texture);
                let to = self.grids.partition_point(|grid| grid.texture <= texture);
                from..to - self.grids[from..to].iter().filter(|grid| grid.enlarged).count()
            })
            .collect()
    }

    /// Styles as the networks see them, one per grid.
    pub fn standard_styles(&self, standard: &[f32]) -> Vec<Vec<f32>> {
        self.grids.iter().map(|grid| standardise(&grid.style, standard)).collect()
    }
}
