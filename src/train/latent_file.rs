//! The file of the second stage, so that a resumed run need not encode everything again.

use super::TrainError;
use super::files::write_atomically;
use super::latents::{Latents, STAGE};
use super::run::Session;
use crate::model::ParamId;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Parameters that this stage sets.
fn own_parameters(session: &Session) -> Vec<ParamId> {
    let (bank, book) = (&session.model.styles, &session.model.codebook);
    let mut own = vec![bank.rows, bank.classes, bank.scale, bank.standard, book.centres, book.importance];
    own.extend(session.model.layouts.iter().flat_map(|layouts| [layouts.tokens, layouts.shapes, layouts.weights]));
    own
}

/// Writes the stage's results.
///
/// # Errors
/// If the file cannot be written.
pub fn save(session: &Session, latents: &Latents) -> Result<(), TrainError> {
    let path = session.checkpoint(STAGE);
    let width = session.model.config.tokenizer.latent_width;
    let relative: Vec<f16> = latents.relative.iter().map(|value| f16::from_f32(*value)).collect();
    let styles: Vec<f32> = latents.grids.iter().flat_map(|grid| grid.style.clone()).collect();
    let timing = [latents.seconds as f32];
    let mut parts: Vec<(String, Dtype, Vec<usize>, &[u8])> = vec![
        ("relative".into(), Dtype::F16, vec![relative.len() / width, width], bytemuck::cast_slice(&relative)),
        ("tokens".into(), Dtype::U32, vec![latents.tokens.len()], bytemuck::cast_slice(&latents.tokens)),
        ("styles".into(), Dtype::F32, vec![latents.grids.len(), 2 * width], bytemuck::cast_slice(&styles)),
        ("seconds".into(), Dtype::F32, vec![1], bytemuck::cast_slice(&timing)),
    ];
    for id in own_parameters(session) {
        let spec = session.table.spec(id);
        parts.push((spec.name.clone(), Dtype::F32, spec.shape.to_vec(), bytemuck::cast_slice(session.weights.get(id))));
    }
    let views = parts
        .into_iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(dtype, shape, bytes)
                .map(|view| (name, view))
                .map_err(|error| TrainError::format(&path, error))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = safetensors::serialize(views, None).map_err(|error| TrainError::format(&path, error))?;
    write_atomically(&path, &bytes)
}

/// Reads the stage's results into the session's weights and `latents`, whose grids are planned.
/// Returns false if there are none.
///
/// # Errors
/// A file that is damaged or belongs to other data.
pub fn load(session: &mut Session, latents: &mut Latents) -> Result<bool, TrainError> {
    let path = session.checkpoint(STAGE);
    if !path.exists() {
        return Ok(false);
    }
    let bytes = std::fs::read(&path).map_err(|error| TrainError::io(&path, error))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| TrainError::format(&path, error))?;
    let width = session.model.config.tokenizer.latent_width;
    let rows = latents.grids.last().map_or(0, |grid| grid.first + grid.side * grid.side);
    let floats = |name: &str, count: usize| -> Result<Vec<f32>, TrainError> {
        let view = file.tensor(name).map_err(|error| TrainError::format(&path, error))?;
        let size = if view.dtype() == Dtype::F16 { 2 } else { 4 };
        if view.data().len() != count * size {
            return Err(TrainError::Checkpoint {
                path: path.clone(),
                name: name.into(),
                found: format!("{} values", view.data().len() / size),
                expected: format!("{count}"),
            });
        }
        let chunks = view.data().chunks_exact(size);
        Ok(chunks
            .map(|b| {
                if size == 2 {
                    f16::from_le_bytes([b[0], b[1]]).to_f32()
                } else {
                    f32::from_le_bytes([b[0], b[1], b[2], b[3]])
                }
            })
            .collect())
    };
    latents.relative = floats("relative", rows * width)?;
    latents.tokens = floats("tokens", rows)?.into_iter().map(f32::to_bits).collect();
    latents.seconds = f64::from(floats("seconds", 1)?[0]);
    let styles = floats("styles", latents.grids.len() * 2 * width)?;
    for (grid, style) in latents.grids.iter_mut().zip(styles.chunks_exact(2 * width)) {
        grid.style = style.to_vec();
    }
    let codes = session.model.config.mask_token();
    if latents.tokens.iter().any(|token| *token >= codes) {
        return Err(TrainError::format(&path, format!("a token is not below {codes}")));
    }
    for id in own_parameters(session) {
        let spec = session.table.spec(id).clone();
        let found = floats(&spec.name, spec.len())?;
        *session.weights.get_mut(id) = found;
    }
    Ok(true)
}
