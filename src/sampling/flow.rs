//! How the flow is followed from noise to latents in a few steps.
//!
//! Second order at the cost of first: each step also uses the velocity of the step before (Adams-Bashforth with two
//! points and steps of unequal length). Steps are shorter near the noise, where the velocity turns most.

/// How much nearer to the noise the times lie than in equal steps, where 1 is equal steps: measured on the bundled model,
/// 0.35 halves the distance of band statistics to those of real textures (timestep shifting of arXiv 2403.03206).
const SHIFT: f64 = 0.35;

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

/// The steps of a flow of `count` evaluations; at least one.
pub fn flow_steps(count: u32) -> Vec<FlowStep> {
    let count = count.max(1);
    let time = |step: u32| {
        let even = f64::from(step) / f64::from(count);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `dx/dt = velocity(t)` from 0 and returns where it ends.
    fn follow(count: u32, velocity: impl Fn(f32) -> f32) -> f32 {
        let (mut x, mut previous) = (0.0, 0.0);
        for step in flow_steps(count) {
            let now = velocity(step.time);
            x += step.weight * now + step.previous_weight * previous;
            previous = now;
        }
        x
    }

    #[test]
    fn constant_velocities_are_followed_exactly() {
        for count in [1, 2, 3, 8, 64] {
            assert!((follow(count, |_| 1.5) - 1.5).abs() < 1e-5, "{count} steps");
        }
    }

    #[test]
    fn the_error_falls_with_the_square_of_the_number_of_steps() {
        let error = |count| (follow(count, |t| 3.0 * t * t) - 1.0).abs();
        let ratio = error(16) / error(32);
        assert!(ratio > 3.3, "twice the steps: error {} to {}", error(16), error(32));
    }

    #[test]
    fn steps_are_shorter_near_the_noise() {
        let times: Vec<f32> = flow_steps(8).iter().map(|step| step.time).collect();
        assert_eq!(times[0], 0.0);
        assert!(times.windows(3).all(|t| t[1] - t[0] < t[2] - t[1]), "{times:?}");
    }
}
