//! The critic: which patches of a picture look like those of real textures.
//!
//! A discriminator of patches (PatchGAN, arXiv 1611.07004) at two sizes. It also sees the picture of the tokens alone, so that it judges
//! whether the detail belongs to that structure, and the class.

use crate::model::layers::{Conv, Linear};
use crate::model::{Activation, Grid, Init, Ops, ParamId, ParamTable, Role, Weights};
use crate::train::TrainError;
use crate::train::params::{AdamW, ParamSet};
use std::path::Path;

/// Pixels along the side of what one score of the finer kind stands for.
const FINE: usize = 4;
/// Channels at that resolution, and at half of it.
const WIDTHS: [usize; 2] = [64, 96];
/// Scores at each position of the coarser resolution: as many as finer ones fit there.
pub(super) const SCORES: usize = 4;
/// Learning rate.
const RATE: f32 = 4e-4;
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

    /// One step of the critic.
    pub fn update(&mut self, gradients: &[Vec<f32>]) {
        self.set.update(gradients, RATE, &OPTIMISER);
    }
}
