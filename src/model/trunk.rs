//! The transformer that the token prior and the continuous model are built on.
//!
//! No position is absolute: attention sees offsets only, so on a torus the trunk commutes with rolling the grid.

use super::config::TrunkConfig;
use super::layers::{Block, BlockShape, Norm};
use super::ops::{AttentionLayout, Grid, Ops};
use super::params::ParamTable;

/// Blocks and a last norm.
#[derive(Clone, Debug)]
pub struct Trunk {
    blocks: Vec<Block>,
    norm: Norm,
    shape: BlockShape,
}

impl Trunk {
    /// Declares `config.depth` blocks for sequences of `segments` segments.
    pub fn declare(table: &mut ParamTable, config: &TrunkConfig, segments: usize) -> Self {
        let shape = BlockShape { width: config.width, heads: config.heads, segments, window: config.window };
        let blocks = (0..config.depth).map(|index| Block::declare(table, &format!("blocks.{index}"), shape)).collect();
        Self { blocks, norm: Norm::declare(table, "norm", config.width), shape }
    }

    /// The layout of attention over `grid`.
    pub fn layout(&self, grid: Grid) -> AttentionLayout {
        let BlockShape { heads, segments, window, .. } = self.shape;
        AttentionLayout { grid, segments, heads, window }
    }

    /// `(B * segments * T, C) -> (B * segments * T, C)`, without the last norm.
    pub fn forward<O: Ops>(&self, ops: &mut O, mut x: O::Tensor, grid: Grid, name: &str) -> O::Tensor {
        let layout = self.layout(grid);
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(ops, &x, &layout);
            ops.tap(&format!("{name}.blocks.{index}"), &x);
        }
        x
    }

    /// The norm that ends the trunk; separate, so that it runs only on rows that are used.
    pub fn finish<O: Ops>(&self, ops: &mut O, x: &O::Tensor) -> O::Tensor {
        ops.rms_norm(x, &self.norm)
    }
}
