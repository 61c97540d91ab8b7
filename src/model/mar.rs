//! Stage 2: the masked autoregressive model over continuous latents, conditioned on all tokens.
//!
//! Every position knows its token; some positions know their latent. The trunk gives each position a
//! condition from which the flow head samples the latents that are still unknown, several at once
//! (MAR, arXiv 2406.11838; tokens as conditions: DisCon, arXiv 2507.01756).

use super::codes::Codes;
use super::config::{Fusion, ModelConfig};
use super::layers::Linear;
use super::ops::{Activation, Grid, Ops};
use super::params::{Init, ParamId, ParamTable, Role};
use super::trunk::Trunk;

/// The continuous model without its head.
#[derive(Clone, Debug)]
pub struct Mar {
    tokens: ParamId,
    context: Linear,
    condition: Linear,
    trunk: Trunk,
    fusion: Fusion,
    codes: Codes,
}

impl Mar {
    /// Declares the model.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let width = config.mar.width;
        let segments = match config.fusion {
            Fusion::InPlace => 1,
            Fusion::Prefix => 2,
        };
        table.scope("mar", |table| Self {
            // The extra row stands for "no token": a model that was trained with dropped tokens can run without stage
            // 1.
            tokens: table.add("tokens", [config.codes().rows_with_mask(), width], Init::Normal(0.5), Role::Table),
            context: Linear::declare(table, "context", config.context_width(), width),
            condition: Linear::declare(table, "condition", config.condition_width(), width),
            trunk: Trunk::declare(table, &config.mar, segments),
            fusion: config.fusion,
            codes: config.codes(),
        })
    }

    /// Whether all positions of an item that knows nothing have one condition, so that one position stands for all.
    ///
    /// Attention over equal values is that value, whatever is in sight. With a prefix, values of two kinds are in sight.
    pub fn is_even_where_nothing_is_known(&self) -> bool {
        self.fusion == Fusion::InPlace
    }

    /// Conditions for the head at `positions`, rows of `grid`: `(N, C)`.
    ///
    /// `token_grid` has an entry for every row; `context` is `(items * T, context_width)`: the latent, then 1, where it
    /// is known; zeros where it is not.
    pub fn forward<O: Ops>(
        &self,
        ops: &mut O,
        token_grid: &O::Indices,
        context: &O::Tensor,
        condition: &O::Tensor,
        grid: Grid,
        positions: Option<&O::Indices>,
    ) -> O::Tensor {
        let items = grid.items;
        let tokens = ops.embed(self.tokens, token_grid, self.codes);
        let condition = ops.linear(condition, &self.condition, Activation::None, None);
        let tokens = ops.broadcast_sum(&tokens, &condition, grid.rows());
        let x = match self.fusion {
            Fusion::InPlace => ops.linear(context, &self.context, Activation::None, Some(&tokens)),
            Fusion::Prefix => {
                let latents = ops.linear(context, &self.context, Activation::None, None);
                let latents = ops.broadcast_sum(&latents, &condition, grid.rows());
                ops.join_segments(&tokens, &latents, items)
            }
        };
        ops.tap("mar.input", &x);
        let x = self.trunk.forward(ops, x, grid, "mar");
        let x = match self.fusion {
            Fusion::InPlace => x,
            Fusion::Prefix => ops.last_segment(&x, items),
        };
        let x = match positions {
            Some(positions) => ops.gather(&x, positions, 1),
            None => x,
        };
        let x = self.trunk.finish(ops, &x);
        ops.tap("mar.condition", &x);
        x
    }
}
