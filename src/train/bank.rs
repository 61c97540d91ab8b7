//! The banks of a model: styles and layouts of the pictures that it learns from.

use super::TrainError;
use super::latents::Latents;
use super::run::Session;
use super::token_grids::TokenGrid;
use crate::model::{Discon, Layout, Weights};

/// Declares the model again with room for the styles and layouts of `grids`; the other values stay.
///
/// # Errors
/// A bank larger than a model can have.
pub fn declare_bank(session: &mut Session, grids: &[TokenGrid]) -> Result<(), TrainError> {
    let mut config = session.model.config.clone();
    let bank = || grids.iter().filter(|grid| grid.in_bank());
    config.styles = bank().count();
    config.layout_tokens = match session.options.token_pairs {
        None => bank().map(|grid| grid.side * grid.side).sum(),
        // Pairs are numbered otherwise than single tokens.
        Some(_) => 0,
    };
    let (model, table) = Discon::declare(&config)?;
    let mut weights = Weights::fresh(&table, session.options.seed);
    for (id, spec) in table.iter() {
        let before = session.table.find(&spec.name).filter(|before| session.table.spec(*before).shape == spec.shape);
        if let Some(before) = before {
            *weights.get_mut(id) = std::mem::take(session.weights.get_mut(before));
        }
    }
    (session.model, session.table, session.weights) = (model, table, weights);
    Ok(())
}

/// Style rows, their classes and how to standardise them.
pub fn fill_styles(session: &mut Session, latents: &Latents) {
    let bank = session.model.styles.clone();
    let width = session.model.config.style_width();
    let rows: Vec<&TokenGrid> = latents.grids.iter().filter(|grid| grid.in_bank()).collect();
    let classes = rows.iter().map(|grid| session.data.textures[grid.texture].class as f32).collect();
    *session.weights.get_mut(bank.classes) = classes;
    *session.weights.get_mut(bank.rows) =
        rows.iter().flat_map(|grid| grid.bank_style.as_ref().unwrap_or(&grid.style).clone()).collect();
    if session.options.start.is_some() {
        return;
    }
    let learned: Vec<&TokenGrid> = rows.into_iter().filter(|grid| !grid.enlarged).collect();
    let count = learned.len().max(1) as f32;
    let mut standard = vec![0.0f32; 2 * width];
    for column in 0..width {
        let mean = learned.iter().map(|grid| grid.style[column]).sum::<f32>() / count;
        let variance = learned.iter().map(|grid| (grid.style[column] - mean).powi(2)).sum::<f32>() / count;
        standard[column] = mean;
        standard[width + column] = 1.0 / variance.sqrt().max(1e-3);
    }
    *session.weights.get_mut(bank.standard) = standard;
}

/// Token grids of the bank's pictures.
pub fn fill_layouts(session: &mut Session, latents: &Latents) {
    let Some(bank) = session.model.layouts.clone() else { return };
    let codes = session.model.config.codes();
    let (mut tokens, mut shapes, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for grid in latents.grids.iter().filter(|grid| grid.in_bank()) {
        let own = latents.tokens[grid.first..grid.first + grid.side * grid.side].to_vec();
        let layout = Layout { tokens: own, columns: grid.side, rows: grid.side, wraps: grid.wraps };
        tokens.extend(layout.tokens.iter().map(|token| codes.split(*token)));
        shapes.extend(layout.shape());
        weights.extend(grid.bank_weight);
    }
    let kinds = codes.columns().len();
    *session.weights.get_mut(bank.tokens) =
        (0..kinds).flat_map(|kind| tokens.iter().map(move |codes| codes[kind] as f32)).collect();
    *session.weights.get_mut(bank.shapes) = shapes;
    *session.weights.get_mut(bank.weights) = weights;
}
