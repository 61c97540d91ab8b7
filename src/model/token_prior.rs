//! Stage 1: which token stands where.
//!
//! A masked transformer over the token grid (MaskGIT, arXiv 2202.04200): positions that are not sampled yet
//! hold the mask token, and every position's next token is predicted from all others. Any set of
//! positions can be sampled at once, in any order.

use super::codes::Codes;
use super::config::ModelConfig;
use super::layers::Linear;
use super::ops::{Activation, Grid, Ops};
use super::params::{Init, ParamId, ParamTable, Role};
use super::trunk::Trunk;

/// The token prior.
#[derive(Clone, Debug)]
pub struct TokenPrior {
    tokens: ParamId,
    condition: Linear,
    trunk: Trunk,
    logits: Linear,
    codes: Codes,
}

impl TokenPrior {
    /// Declares the prior.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Self {
        let width = config.prior.width;
        let codes = config.codes();
        table.scope("prior", |table| Self {
            // One row more than there are tokens: the mask token.
            tokens: table.add("tokens", [codes.rows_with_mask(), width], Init::Normal(0.5), Role::Table),
            condition: Linear::declare(table, "condition", config.condition_width(), width),
            trunk: Trunk::declare(table, &config.prior, 1),
            logits: Linear::declare_with(table, "logits", width, codes.rows(), Init::Normal(0.02)),
            codes,
        })
    }

    /// Logits at `positions`: `(N, K)`; for tokens of two codes those of the first, then those of the second, which are
    /// sampled independently of each other.
    ///
    /// `token_grid` has an entry for every row of `grid`, or for some of its items, which are then repeated, and
    /// `positions` with them; `condition` is `(items, condition_width)`; `grid` is the token grid with all items.
    pub fn forward<O: Ops>(
        &self,
        ops: &mut O,
        token_grid: &O::Indices,
        condition: &O::Tensor,
        grid: Grid,
        positions: Option<&O::Indices>,
    ) -> O::Tensor {
        let tokens = ops.embed(self.tokens, token_grid, self.codes);
        let repeats = grid.rows() / ops.shape(&tokens)[0];
        let condition = ops.linear(condition, &self.condition, Activation::None, None);
        let x = ops.broadcast_sum(&tokens, &condition, grid.rows());
        ops.tap("prior.input", &x);
        let x = self.trunk.forward(ops, x, grid, "prior");
        let x = match positions {
            Some(positions) => ops.gather(&x, positions, repeats),
            None => x,
        };
        let x = self.trunk.finish(ops, &x);
        let logits = ops.linear(&x, &self.logits, Activation::None, None);
        ops.tap("prior.logits", &logits);
        logits
    }
}
