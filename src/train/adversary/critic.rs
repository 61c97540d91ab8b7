//! The critic: which patches of a picture look like those of real textures.
//!
//! A discriminator of patches (PatchGAN, arXiv 1611.07004) at two sizes. It also sees the picture of the tokens alone, so that it judges
//! whether the detail belongs to that structure, and the class.

use crate::model::layers::{Conv, Linear};
use crate::model::{Activation, Grid, Init, Ops, ParamId, ParamTable, Role, Weights};
use crate::train::TrainError;
use crate::train::learner::Learner;
use crate::train::params::{AdamW, ParamSet};
use crate::train::rng::Rng;
use std::path::Path;

/// Pixels along the side of what one score of the finer kind stands for.
const FINE: usize = 4;
/// Channels at that resolution, and at half of it.
const WIDTHS: [usize; 2] = [64, 96];
/// Scores at each position of the coarser resolution: as many as finer ones fit there.
const SCORES: usize = 4;
/// Learning rate.
const RATE: f32 = 1e-3;
/// Deviation of noise on real pixels that must not change the critic's mind, and how much it counts: a gradient penalty without
/// second derivatives (arXiv 2501.08316).
const NOISE: f32 = 0.03;
const NOISE_WEIGHT: f32 = 5.0;
/// Little momentum, since what is right changes with every step of the generator (arXiv 1511.06434).
const OPTIMISER: AdamW = AdamW { beta_1: 0.5, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.01, clip: 1.0 };

/// The network.
#[derive(Clone, Debug)]
struct Network {
    picture_in: Conv,
    tokens_in: Conv,
    fine: Conv,
    fine_score: Conv,
    down: Linear,
    classes: ParamId,
    coarse: Conv,
    coarse_score: Conv,
}

/// The critic with its optimiser.
pub(super) struct Critic {
    network: Network,
    pub set: ParamSet,
}

/// Pictures to judge: pixels, and those of the tokens alone.
pub(super) struct Judged<'a, T> {
    pub pixels: &'a T,
    pub of_tokens: &'a T,
}

/// The same as numbers, `(grid.rows(), 3)` each, values -1..1.
pub(super) struct Pixels {
    pub pixels: Vec<f32>,
    pub of_tokens: Vec<f32>,
}

impl Network {
    fn declare(table: &mut ParamTable, classes: usize) -> Self {
        let [fine, coarse] = WIDTHS;
        let block = FINE * FINE * 3;
        table.scope("critic", |table| Self {
            picture_in: Conv::declare(table, "picture_in", block, fine),
            tokens_in: Conv::declare(table, "tokens_in", block, fine),
            fine: Conv::declare(table, "fine", fine, fine),
            fine_score: Conv::declare(table, "fine_score", fine, 1),
            down: Linear::declare(table, "down", 4 * fine, coarse),
            classes: table.add("classes", [classes, coarse], Init::Zeros, Role::Table),
            coarse: Conv::declare(table, "coarse", coarse, coarse),
            coarse_score: Conv::declare(table, "coarse_score", coarse, SCORES),
        })
    }

    /// Scores of finer patches, then of coarser ones, [`SCORES`] in each row; high means real.
    fn forward<O: Ops>(&self, ops: &mut O, judged: &Judged<O::Tensor>, classes: &O::Indices, grid: Grid) -> O::Tensor {
        let blocks = ops.space_to_depth(judged.of_tokens, grid, FINE);
        let pixels = ops.space_to_depth(judged.pixels, grid, FINE);
        let grid = grid.coarser(FINE);
        let tokens = ops.conv3x3(&blocks, &self.tokens_in, grid, Activation::None, None);
        let h = ops.conv3x3(&pixels, &self.picture_in, grid, Activation::Silu, Some(&tokens));
        let h = ops.conv3x3(&h, &self.fine, grid, Activation::Silu, Some(&h));
        let fine = ops.conv3x3(&h, &self.fine_score, grid, Activation::None, None);
        let fine = ops.space_to_depth(&fine, grid, 2);
        let h = ops.space_to_depth(&h, grid, 2);
        let grid = grid.coarser(2);
        let h = ops.linear(&h, &self.down, Activation::Silu, None);
        let class = ops.embed(self.classes, classes);
        let h = ops.broadcast_sum(&h, &class, grid.rows());
        let h = ops.conv3x3(&h, &self.coarse, grid, Activation::Silu, Some(&h));
        let coarse = ops.conv3x3(&h, &self.coarse_score, grid, Activation::None, None);
        ops.join_segments(&fine, &coarse, 1)
    }
}

/// The parameters of a model and, behind them, those of the critic: one executor holds both.
pub fn with_critic(table: &ParamTable, classes: usize) -> ParamTable {
    declare(table, classes).1
}

fn declare(table: &ParamTable, classes: usize) -> (Network, ParamTable) {
    let mut table = table.clone();
    let network = Network::declare(&mut table, classes);
    (network, table)
}

impl Critic {
    /// A fresh critic, or the one of a checkpoint.
    ///
    /// # Errors
    /// A damaged checkpoint.
    pub fn open(model: &ParamTable, classes: usize, seed: u64, path: &Path) -> Result<Self, TrainError> {
        let (network, table) = declare(model, classes);
        let mut set = ParamSet::new(&table, &Weights::fresh(&table, seed ^ 0xc417), &["critic."]);
        set.load(path)?;
        Ok(Self { network, set })
    }

    /// Scores, see [`Network::forward`]; `grid` is that of the pixels, a multiple of 8 along each side.
    pub fn scores<O: Ops>(
        &self,
        ops: &mut O,
        judged: &Judged<O::Tensor>,
        classes: &O::Indices,
        grid: Grid,
    ) -> O::Tensor {
        self.network.forward(ops, judged, classes, grid)
    }

    /// Gradients of the critic on sampled and on real pictures of the same classes, and the mean scores of both.
    pub fn gradients<L: Learner>(
        &self,
        ops: &mut L,
        [sampled, real]: [&Pixels; 2],
        classes: &[u32],
        grid: Grid,
        rng: &mut Rng,
    ) -> (Vec<Vec<f32>>, [f32; 2]) {
        ops.reset();
        self.set.upload(ops, |_| true);
        let classes = ops.indices(classes);
        let noisy: Vec<f32> = real.pixels.iter().map(|value| value + NOISE * rng.normal()).collect();
        let judged =
            [(&sampled.pixels, &sampled.of_tokens), (&real.pixels, &real.of_tokens), (&noisy, &real.of_tokens)];
        let scores = judged.map(|(pixels, of_tokens)| {
            let pixels = ops.constant(pixels, [grid.rows(), 3]);
            let of_tokens = ops.constant(of_tokens, [grid.rows(), 3]);
            self.scores(ops, &Judged { pixels: &pixels, of_tokens: &of_tokens }, &classes, grid)
        });
        let [on_sampled, on_real, on_noisy] = [0, 1, 2].map(|kind| ops.read(&scores[kind]));
        let count = on_real.len();
        let scale = 1.0 / count as f32;
        // Hinge losses, and the square of what noise changes; the last quarter only fills the shape.
        let mut gradient = vec![0.0; 4 * count];
        for at in 0..count {
            let change = 2.0 * NOISE_WEIGHT * (on_real[at] - on_noisy[at]);
            gradient[at] = if on_sampled[at] > -1.0 { scale } else { 0.0 };
            gradient[count + at] = scale * (change - f32::from(u8::from(on_real[at] < 1.0)));
            gradient[2 * count + at] = -scale * change;
        }
        let first = ops.join_segments(&scores[0], &scores[1], 1);
        let second = ops.join_segments(&scores[2], &scores[2], 1);
        let all = ops.join_segments(&first, &second, 1);
        let loss = ops.inner_product(&all, &gradient);
        let mut gradients = Vec::new();
        ops.gradients(&self.set, &loss, &mut gradients);
        let mean = |scores: &[f32]| scores.iter().sum::<f32>() * scale;
        (gradients, [mean(&on_sampled), mean(&on_real)])
    }

    /// One step of the critic.
    pub fn update(&mut self, gradients: &[Vec<f32>]) {
        self.set.update(gradients, RATE, &OPTIMISER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wrap;
    use crate::train::ops::TrainOps;
    use crate::train::tape::{Products, TapeOps};
    use burn::tensor::Device;

    const GRID: Grid = Grid { items: 2, height: 16, width: 24, wrap: Wrap::NONE };

    fn critic() -> (Critic, usize) {
        let model = ParamTable::default();
        let critic = Critic::open(&model, 3, 1, Path::new("no such checkpoint")).expect("a fresh critic");
        (critic, with_critic(&model, 3).len())
    }

    /// Noise of one deviation on a picture that the tokens show too.
    fn pixels(deviation: f32, seed: u64) -> Pixels {
        let mut rng = Rng::new(&[seed]);
        let of_tokens: Vec<f32> = (0..GRID.rows() * 3).map(|at| (at / 9 % 5) as f32 / 5.0 - 0.4).collect();
        let pixels = of_tokens.iter().map(|value| value + deviation * rng.normal()).collect();
        Pixels { pixels, of_tokens }
    }

    #[test]
    fn it_learns_to_tell_smooth_pictures_from_grainy_ones() {
        let (mut critic, count) = critic();
        let mut ops = TapeOps::new(count, true, Products::exact());
        let mut scores = [0.0; 2];
        for step in 0..60 {
            let (sampled, real) = (pixels(0.05, 2 * step), pixels(0.3, 2 * step + 1));
            let mut rng = Rng::new(&[99, step]);
            let (gradients, found) = critic.gradients(&mut ops, [&sampled, &real], &[0, 2], GRID, &mut rng);
            critic.update(&gradients);
            scores = found;
        }
        assert!(scores[1] - scores[0] > 1.0, "sampled and real pictures score {scores:?}");
    }

    #[test]
    fn the_tape_finds_the_gradients_that_autodiff_finds() {
        let (critic, count) = critic();
        let (sampled, real) = (pixels(0.1, 1), pixels(0.3, 2));
        let mut tape = TapeOps::new(count, true, Products::exact());
        let mut burn = TrainOps::new(Device::flex().autodiff(), count);
        let found = critic.gradients(&mut tape, [&sampled, &real], &[1, 0], GRID, &mut Rng::new(&[3]));
        let expected = critic.gradients(&mut burn, [&sampled, &real], &[1, 0], GRID, &mut Rng::new(&[3]));
        for (parameter, (found, expected)) in critic.set.parameters.iter().zip(found.0.iter().zip(&expected.0)) {
            let size = expected.iter().fold(1e-2f32, |size, value| size.max(value.abs()));
            let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= 2e-4 * size, "{}: off by {off} of {size}", parameter.name);
        }
    }
}
