//! What the head of the continuous model learns: a flow's velocity, or to draw each latent in one pass by the energy score.
//!
//! The energy score of two draws `x`, `x'` for a true latent `y` is `(|x - y| + |x' - y| - |x - x'|) / 2`. Its mean is least where draws
//! are distributed as true latents are (a strictly proper scoring rule: Gneiting & Raftery 2007,
//! doi 10.1198/016214506000001437; as the loss of a head that generates continuous tokens: arXiv 2510.27688).

use super::learner::Learner;
use super::rng::Rng;

/// Share of a flow's times that are uniform; the others follow the sigmoid of a normal.
const UNIFORM_TIMES: f32 = 0.1;
/// Mean and deviation of that normal: nearer to the noise, where the layout inside a token is decided.
const TIME_NORMAL: (f32, f32) = (-0.7, 1.1);

/// What the head of the continuous model learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadLoss {
    /// The velocity of a rectified flow, at random times.
    #[default]
    Flow,
    /// The energy score of what one step from the noise reaches; such a head samples with one step that starts at time 0.
    Energy,
}

impl HeadLoss {
    /// A time on the way from noise to latent at which the head learns.
    pub fn time(self, rng: &mut Rng) -> f32 {
        let (mean, deviation) = TIME_NORMAL;
        match self {
            Self::Energy => 0.0,
            Self::Flow if rng.chance(UNIFORM_TIMES) => rng.unit(),
            Self::Flow => 1.0 / (1.0 + (-(mean + deviation * rng.normal())).exp()),
        }
    }
}

/// Mean energy score over rows of `(R, D)`, over the root of `D`.
///
/// `found` are the velocities at the noise of two draws, `targets` those that would lead to the true latent: a draw's
/// error `x - y` is the difference.
pub fn energy_score<L: Learner>(ops: &mut L, found: [&L::Tensor; 2], targets: [&[f32]; 2]) -> L::Loss {
    let [rows, width] = ops.shape(found[0]);
    let [first, second] = [0, 1].map(|draw| {
        let target: Vec<f32> = targets[draw].iter().map(|value| -value).collect();
        let target = ops.constant(&target, [rows, width]);
        ops.broadcast_sum(found[draw], &target, rows)
    });
    let [at_first, at_second] = gradients(&ops.read(&first), &ops.read(&second), width);
    // The score is homogeneous in the errors, so their product with its gradient is the score itself (Euler).
    let (first, second) = (ops.inner_product(&first, &at_first), ops.inner_product(&second, &at_second));
    ops.add(&first, &second)
}

/// Gradients of the mean score at both errors.
fn gradients(first: &[f32], second: &[f32], width: usize) -> [Vec<f32>; 2] {
    let scale = 0.5 * width as f32 / first.len().max(1) as f32 / (width as f32).sqrt();
    let length = |row: &mut dyn Iterator<Item = f32>| row.map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    let mut found = [Vec::with_capacity(first.len()), Vec::with_capacity(first.len())];
    for (a, b) in first.chunks_exact(width).zip(second.chunks_exact(width)) {
        let lengths = [length(&mut a.iter().copied()), length(&mut b.iter().copied())];
        let apart = length(&mut a.iter().zip(b).map(|(a, b)| a - b));
        for (a, b) in a.iter().zip(b) {
            found[0].push(scale * (a / lengths[0] - (a - b) / apart));
            found[1].push(scale * (b / lengths[1] - (b - a) / apart));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(errors: &[Vec<f32>; 2], width: usize) -> f32 {
        let gradients = gradients(&errors[0], &errors[1], width);
        errors.iter().zip(&gradients).flat_map(|(error, gradient)| error.iter().zip(gradient)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn gradients_are_those_of_the_score() {
        const WIDTH: usize = 5;
        let mut rng = Rng::new(&[7]);
        let errors: [Vec<f32>; 2] = std::array::from_fn(|_| (0..3 * WIDTH).map(|_| rng.normal()).collect());
        let found = gradients(&errors[0], &errors[1], WIDTH);
        for (draw, index) in [(0, 0), (0, 7), (1, 3), (1, 14)] {
            let moved = |by: f32| {
                let mut errors = errors.clone();
                errors[draw][index] += by;
                score(&errors, WIDTH)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - found[draw][index]).abs() < 1e-3, "{draw} {index}: {slope} and {}", found[draw][index]);
        }
    }

    #[test]
    fn the_score_is_least_for_draws_of_the_true_distribution() {
        const WIDTH: usize = 4;
        let mean_score = |shift: f32, spread: f32| {
            let mut rng = Rng::new(&[3]);
            let mut errors = [Vec::new(), Vec::new()];
            for _ in 0..20_000 * WIDTH {
                let truth = rng.normal();
                errors.iter_mut().for_each(|errors| errors.push(shift + spread * rng.normal() - truth));
            }
            score(&errors, WIDTH)
        };
        let right = mean_score(0.0, 1.0);
        for (shift, spread) in [(0.4, 1.0), (0.0, 0.5), (0.0, 0.0), (0.0, 1.5)] {
            let wrong = mean_score(shift, spread);
            assert!(wrong > right + 0.01, "shift {shift}, spread {spread}: {wrong} and {right}");
        }
    }
}
