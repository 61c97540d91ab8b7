//! The trained values of one stage with optimiser moments and moving average, on the host.
//!
//! AdamW (arXiv 1711.05101) is written here instead of taken from burn: one pass over plain vectors costs a
//! tenth of the tensor form, gradients of several workers are summed where they are used, and everything a
//! checkpoint must hold is a vector by parameter name.

use super::TrainError;
use super::learner::Learner;
use super::wide::wide;
use crate::model::{ParamId, ParamTable, Role, Weights};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// Constants of the optimiser.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decay of matrices towards 0 per unit of learning rate.
    pub weight_decay: f32,
    /// Largest norm of the whole gradient.
    pub clip: f32,
}

impl AdamW {
    /// For transformers.
    pub const GENERATOR: Self = Self { beta_1: 0.9, beta_2: 0.95, epsilon: 1e-8, weight_decay: 0.02, clip: 1.0 };
    /// For the tokenizer.
    pub const TOKENIZER: Self = Self { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.02, clip: 1.0 };
}

/// One trained parameter.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Which one.
    pub id: ParamId,
    /// Its path.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// True if weight decay applies.
    pub decays: bool,
    /// Factor on the learning rate.
    pub rate: f32,
    /// Current value.
    pub value: Vec<f32>,
    /// Mean gradient.
    pub moment_1: Vec<f32>,
    /// Mean squared gradient.
    pub moment_2: Vec<f32>,
    /// Moving average of the value; what is exported.
    pub average: Vec<f32>,
}

/// All parameters of a stage and how far it has come.
#[derive(Clone, Debug, Default)]
pub struct ParamSet {
    /// The parameters, in order of declaration.
    pub parameters: Vec<Trained>,
    /// Optimiser steps so far.
    pub step: u64,
    /// Seconds of training so far, over all runs.
    pub seconds: f64,
    /// Further numbers of the stage that must survive a restart.
    pub notes: HashMap<String, String>,
}

/// The numbers of one optimiser step of one parameter.
struct Step<'a> {
    adam: &'a AdamW,
    /// Factor on the gradient.
    scale: f32,
    rate: f32,
    /// Factor on the value.
    decay: f32,
    /// Share of the average that stays.
    keep: f32,
    /// Corrections of the moments for their start at 0.
    correct_1: f32,
    correct_2: f32,
}

wide! {
    /// Sum of squares, in f64: the gradient of a whole network has millions of small terms.
    fn sum_of_squares(values: &[f32]) -> f64 {
        const LANES: usize = 8;
        let mut lanes = [0.0f64; LANES];
        let chunks = values.chunks_exact(LANES);
        let rest: f64 = chunks.remainder().iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        for chunk in chunks {
            for lane in 0..LANES {
                lanes[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
            }
        }
        rest + lanes.iter().sum::<f64>()
    }

    /// One step of AdamW and of the moving average.
    fn move_values(
        value: &mut [f32],
        average: &mut [f32],
        moment_1: &mut [f32],
        moment_2: &mut [f32],
        gradient: &[f32],
        step: &Step,
    ) {
        let Step { adam, scale, rate, decay, keep, correct_1, correct_2 } = *step;
        let (new_1, new_2, epsilon) = (1.0 - adam.beta_1, 1.0 - adam.beta_2, adam.epsilon);
        let values = value.iter_mut().zip(average.iter_mut());
        let moments = moment_1.iter_mut().zip(moment_2.iter_mut());
        for (((value, average), (first, second)), gradient) in values.zip(moments).zip(gradient) {
            let gradient = gradient * scale;
            *first += new_1 * (gradient - *first);
            *second += new_2 * (gradient * gradient - *second);
            let step = *first * correct_1 / ((*second * correct_2).sqrt() + epsilon);
            *value = *value * decay - rate * step;
            *average += (1.0 - keep) * (*value - *average);
        }
    }
}

/// Length of the gradient of a whole network.
pub(super) fn norm(gradients: &[Vec<f32>]) -> f32 {
    // Each on its own thread, added in order: the same on every machine.
    let squares: Vec<f64> = gradients.par_iter().map(|gradient| sum_of_squares(gradient)).collect();
    squares.iter().sum::<f64>().sqrt() as f32
}

/// Decay of the moving average once it is warm.
const AVERAGE_DECAY: f32 = 0.999;

impl ParamSet {
    /// The parameters of `table` whose name begins with one of `prefixes`, at the values of `weights`.
    pub fn new(table: &ParamTable, weights: &Weights, prefixes: &[&str]) -> Self {
        let parameters = table
            .iter()
            .filter(|(_, spec)| spec.role != Role::Host && prefixes.iter().any(|prefix| spec.name.starts_with(prefix)))
            .map(|(id, spec)| Trained {
                id,
                name: spec.name.clone(),
                shape: spec.shape,
                decays: spec.role == Role::Matrix,
                rate: 1.0,
                value: weights.get(id).to_vec(),
                moment_1: vec![0.0; spec.len()],
                moment_2: vec![0.0; spec.len()],
                average: weights.get(id).to_vec(),
            })
            .collect();
        Self { parameters, ..Self::default() }
    }

    /// Hands current values to an executor; `differentiate` decides by name which ones get gradients.
    pub fn upload(&self, ops: &mut impl Learner, differentiate: impl Fn(&str) -> bool) {
        for parameter in &self.parameters {
            ops.set(parameter.id, &parameter.value, parameter.shape, differentiate(&parameter.name));
        }
    }

    /// Hands the moving averages to an executor, for inference.
    pub fn upload_average(&self, ops: &mut impl Learner) {
        for parameter in &self.parameters {
            ops.set(parameter.id, &parameter.average, parameter.shape, false);
        }
    }

    /// Copies the moving averages into `weights`.
    pub fn export(&self, weights: &mut Weights) {
        for parameter in &self.parameters {
            weights.get_mut(parameter.id).copy_from_slice(&parameter.average);
        }
    }

    /// One optimiser step. A gradient is empty where the stage does not train the parameter; then nothing
    /// of it changes. Returns the norm of the gradient before clipping. One that is not finite moves nothing, but the
    /// step counts, so that the next one sees other inputs.
    pub fn update(&mut self, gradients: &[Vec<f32>], rate: f32, adam: &AdamW) -> f32 {
        let norm = norm(gradients);
        self.step += 1;
        if !norm.is_finite() {
            return norm;
        }
        let scale = if norm > adam.clip { adam.clip / norm } else { 1.0 };
        let count = self.step as f32;
        let keep = AVERAGE_DECAY.min((1.0 + count) / (10.0 + count));
        let correct_1 = 1.0 / (1.0 - adam.beta_1.powi(self.step.min(100_000) as i32));
        let correct_2 = 1.0 / (1.0 - adam.beta_2.powi(self.step.min(100_000) as i32));
        let trained = self.parameters.par_iter_mut().zip(gradients).filter(|(_, gradient)| !gradient.is_empty());
        trained.for_each(|(parameter, gradient)| {
            let rate = rate * parameter.rate;
            let decay = if parameter.decays { 1.0 - rate * adam.weight_decay } else { 1.0 };
            let numbers = Step { adam, scale, rate, decay, keep, correct_1, correct_2 };
            let Trained { value, moment_1, moment_2, average, .. } = parameter;
            move_values(value, average, moment_1, moment_2, gradient, &numbers);
        });
        norm
    }

    /// Writes everything into one file, replaced only when the new one is complete.
    ///
    /// # Errors
    /// The file that could not be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut views = Vec::with_capacity(4 * self.parameters.len());
        for parameter in &self.parameters {
            let parts = [
                ("value", &parameter.value),
                ("moment_1", &parameter.moment_1),
                ("moment_2", &parameter.moment_2),
                ("average", &parameter.average),
            ];
            for (part, values) in parts {
                let view = TensorView::new(Dtype::F32, parameter.shape.to_vec(), bytemuck::cast_slice(values))
                    .map_err(|error| TrainError::format(path, error))?;
                views.push((format!("{part}/{}", parameter.name), view));
            }
        }
        let mut notes = self.notes.clone();
        notes.insert("step".into(), self.step.to_string());
        notes.insert("seconds".into(), self.seconds.to_string());
        let bytes = safetensors::serialize(views, Some(notes)).map_err(|error| TrainError::format(path, error))?;
        super::files::write_atomically(path, &bytes)
    }

    /// Reads a checkpoint into this set, which must list the same parameters. Returns false if there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or that belongs to another configuration.
    pub fn load(&mut self, path: &Path) -> Result<bool, TrainError> {
        if !path.exists() {
            return Ok(false);
        }
        let bytes = std::fs::read(path).map_err(|error| TrainError::io(path, error))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| TrainError::format(path, error))?;
        for parameter in &mut self.parameters {
            let parts = [
                ("value", &mut parameter.value),
                ("moment_1", &mut parameter.moment_1),
                ("moment_2", &mut parameter.moment_2),
                ("average", &mut parameter.average),
            ];
            for (part, values) in parts {
                let name = format!("{part}/{}", parameter.name);
                let view = tensors.tensor(&name).map_err(|error| TrainError::format(path, error))?;
                if view.dtype() != Dtype::F32 || view.shape() != parameter.shape {
                    return Err(TrainError::Checkpoint {
                        path: path.into(),
                        name,
                        found: format!("{:?} {:?}", view.dtype(), view.shape()),
                        expected: format!("F32 {:?}", parameter.shape),
                    });
                }
                *values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            }
        }
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| TrainError::format(path, error))?;
        self.notes = metadata.metadata().clone().unwrap_or_default();
        self.step = self.note("step").unwrap_or(0.0) as u64;
        self.seconds = self.note("seconds").unwrap_or(0.0);
        Ok(true)
    }

    /// A number among the notes.
    pub fn note(&self, name: &str) -> Option<f64> {
        self.notes.get(name).and_then(|text| text.parse().ok())
    }
}

/// Learning rate: a linear start over 200 steps, then half a cosine over the share of time that has passed.
pub fn learning_rate(step: u64, progress: f64, peak: f32, last: f32) -> f32 {
    let warm = ((step + 1) as f32 / 200.0).min(1.0);
    let cosine = 0.5 + 0.5 * (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos();
    warm * (last + (peak - last) * cosine as f32)
}
