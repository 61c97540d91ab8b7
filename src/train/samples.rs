//! Pictures of what the model generates so far.

use super::TrainError;
use super::metrics::write_grid;
use crate::model::Model;
use crate::native::generate;
use crate::sampling::{Recipe, plan};
use std::path::Path;

/// Classes and textures of each in one grid.
const CLASSES: usize = 12;
const SEEDS: usize = 3;
/// Side of one texture: smaller ones show no pattern, larger ones cost too much.
const SIDE: u32 = 128;

/// Writes a grid of generated textures, one column per class, evenly spread over the classes.
///
/// # Errors
/// If the file cannot be written.
pub fn write_samples(model: &Model, path: &Path) -> Result<(), TrainError> {
    let classes = &model.discon.config.classes;
    let columns = classes.len().min(CLASSES);
    let mut pictures = Vec::with_capacity(columns * SEEDS);
    for seed in 0..SEEDS {
        for column in 0..columns {
            let class = &classes[column * classes.len() / columns];
            let recipe = Recipe::new(class.clone()).with_seed(seed as u64 + 1).with_size(SIDE, SIDE);
            let plan = plan(model, &recipe).map_err(|error| TrainError::format(path, error))?;
            let texture = generate(model, &plan);
            pictures.push(texture.pixels.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect());
        }
    }
    write_grid(path, &pictures, SIDE as usize, columns)
}
