//! How the flow is followed from noise to latents in a few steps, and where it starts.
//!
//! Second order at the cost of first: each step also uses the velocity of the step before (Adams-Bashforth with two
//! points and steps of unequal length). Steps are shorter near the noise, where the velocity turns most.

use crate::model::Model;
use std::ops::Range;

/// How much nearer to the noise the times lie than in equal steps, where 1 is equal steps: measured on the bundled model,
/// 0.35 halves the distance of band statistics to those of real textures (timestep shifting of arXiv 2403.03206).
const SHIFT: f64 = 0.35;

/// Flow time at which sampling starts where tokens are known. Up to there the network is not asked: what is known of a
/// latent so near to the noise is its token, and a normal distribution around the token's centre is a sound start.
/// Measured on the bundled model, means of blocks then correlate 0.77 instead of 0.71 between two textures of equal
/// tokens; later starts bind more, and cost sharpness.
pub const START: f64 = 0.1;

/// One step: where the velocity is asked for, and what it and the one before count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowStep {
    /// Flow time of the velocity, from 0 (noise) to 1 (latents).
    pub time: f32,
    /// Weight of the velocity.
    pub weight: f32,
    /// Weight of the velocity of the step before; 0 in the first step.
    pub previous_weight: f32,
}

/// The steps of a flow of `count` evaluations, at least one, from the time `start` on.
pub fn flow_steps(count: u32, start: f64) -> Vec<FlowStep> {
    let count = count.max(1);
    let first = start / (SHIFT + (1.0 - SHIFT) * start);
    let time = |step: u32| {
        let even = first + (1.0 - first) * f64::from(step) / f64::from(count);
        SHIFT * even / (1.0 - (1.0 - SHIFT) * even)
    };
    (0..count)
        .map(|step| {
            let length = time(step + 1) - time(step);
            let extrapolated = match step {
                0 => 0.0,
                _ => length * length / (2.0 * (time(step) - time(step - 1))),
            };
            FlowStep {
                time: time(step) as f32,
                weight: (length + extrapolated) as f32,
                previous_weight: -extrapolated as f32,
            }
        })
        .collect()
}

/// What sampled latents are multiplied with: followed in few steps by a model that is not sure, the flow ends nearer to the
/// mean than pictures do. `assets/models/small/TRAINING.md` has the measurement.
pub const FLOW_GAIN: f32 = 1.18;

/// Style row `(1, 2D)` that makes noise the start of the flow around the centre of a token, with
/// [`crate::model::Ops::denormalise`]: zeros, then the logarithms of the deviations. The rest of a latent within its
/// token varies by what the centres leave of the channel's variance.
pub fn start_spread(model: &Model) -> Vec<f32> {
    let width = model.discon.config.tokenizer.latent_width;
    let centres = model.weights.get(model.discon.codebook.centres);
    let scale = model.weights.get(model.discon.styles.scale);
    let kinds = model.discon.config.codes().columns();
    let mut spread = vec![0.0; 2 * width];
    for channel in 0..width {
        let variance = |rows: &Range<usize>| {
            let values = || rows.clone().map(|row| centres[row * width + channel]);
            let count = rows.len() as f32;
            let mean = values().sum::<f32>() / count;
            values().map(|value| (value - mean).powi(2)).sum::<f32>() / count
        };
        let between = kinds.iter().map(variance).sum::<f32>();
        let within = (scale[channel].powi(2) - between).max(0.0);
        let variance = (1.0 - START as f32).powi(2) + (START as f32).powi(2) * within;
        spread[width + channel] = 0.5 * variance.ln();
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `dx/dt = velocity(t)` from 0 at the time `start` and returns where it ends.
    fn follow(start: f64, count: u32, velocity: impl Fn(f32) -> f32) -> f32 {
        let (mut x, mut previous) = (0.0, 0.0);
        for step in flow_steps(count, start) {
            let now = velocity(step.time);
            x += step.weight * now + step.previous_weight * previous;
            previous = now;
        }
        x
    }

    #[test]
    fn constant_velocities_are_followed_exactly() {
        for count in [1, 2, 3, 8, 64] {
            assert!((follow(0.0, count, |_| 1.5) - 1.5).abs() < 1e-5, "{count} steps");
            assert!((follow(0.2, count, |_| 1.5) - 1.2).abs() < 1e-5, "{count} steps");
        }
    }

    #[test]
    fn the_error_falls_with_the_square_of_the_number_of_steps() {
        let error = |count| (follow(0.0, count, |t| 3.0 * t * t) - 1.0).abs();
        let ratio = error(16) / error(32);
        assert!(ratio > 3.3, "twice the steps: error {} to {}", error(16), error(32));
    }

    #[test]
    fn steps_are_shorter_near_the_noise() {
        let times: Vec<f32> = flow_steps(8, 0.0).iter().map(|step| step.time).collect();
        assert_eq!(times[0], 0.0);
        assert!(times.windows(3).all(|t| t[1] - t[0] < t[2] - t[1]), "{times:?}");
    }
}
