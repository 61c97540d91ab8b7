//! Equal cost: how many training steps and rounds of sampling an arm may have.

use super::arms::{Arm, Kind};
use crate::model::{Discon, Grid, HeadMixing, ParamTable, Wrap};
use crate::sampling::recipe::MAX_ROUNDS;
use crate::sampling::schedule::cosine_rounds;
use crate::sampling::{PlanShape, Step, count};
use crate::train::batches::{LARGE_BATCH, LARGE_EVERY, SMALL_BATCH};
use crate::train::continuous::{ALL_UNKNOWN, DRAWS};
use crate::train::run::PRIOR_SHARE;

/// Operations per second of a core of nominal speed. A constant, so that the same command trains the same number of steps
/// on every machine; what a minute really takes differs.
pub const NOMINAL_SPEED: f64 = 40e9;
/// Side of the textures that are measured, in tokens.
pub const SIDE: usize = 8;
/// Rounds of arm X; all others get what costs as much.
pub const TOKEN_ROUNDS: u32 = 8;
/// The same of the continuous model.
pub const LATENT_ROUNDS: u32 = 4;

/// A model that is only counted.
#[derive(Clone, Copy)]
pub struct Sizes<'a> {
    /// The parts.
    pub model: &'a Discon,
    /// Their parameters.
    pub table: &'a ParamTable,
}

impl Sizes<'_> {
    fn flops(&self, grid: Grid, flow_steps: u32, steps: Vec<Step>) -> f64 {
        let shape = PlanShape::of_whole_grid(grid, steps, flow_steps);
        count(self.model, self.table, &shape).iter().map(|(_, cost)| cost.flops as f64).sum()
    }

    /// Operations of one training step of the prior, on average over both kinds of batch.
    pub fn prior_step(&self, kind: Kind) -> f64 {
        self.step(kind, |positions| Step::TokenRound { pass: 0, round: 0, positions: 0..positions })
    }

    /// The same of the continuous model.
    pub fn continuous_step(&self, kind: Kind) -> f64 {
        // A head that samples alone learns from the hidden positions only: all, or the mean of a cosine.
        let hidden = f64::from(ALL_UNKNOWN) + f64::from(1.0 - ALL_UNKNOWN) * std::f64::consts::FRAC_2_PI;
        let share = if self.model.config.head.mixing == HeadMixing::Alone { hidden } else { 1.0 };
        self.step(kind, |positions| {
            let positions = (share * f64::from(positions)).round() as u32;
            Step::LatentRound { pass: 0, round: 0, positions: 0..positions }
        })
    }

    fn step(&self, kind: Kind, step: impl Fn(u32) -> Step) -> f64 {
        let batch = |(items, side): (usize, usize)| {
            let grid = grid(side, kind);
            // The way back costs two products for each one forward.
            3.0 * items as f64 * self.flops(grid, DRAWS as u32, vec![step(grid.positions() as u32)])
        };
        let large = 1.0 / LARGE_EVERY as f64;
        large * batch(LARGE_BATCH) + (1.0 - large) * batch(SMALL_BATCH)
    }

    /// Operations of sampling one texture without decoding it.
    pub fn texture(&self, arm: &Arm, [token_rounds, latent_rounds]: [u32; 2], flow_steps: u32) -> f64 {
        let grid = grid(SIDE, arm.kind);
        let ranges =
            |rounds: u32| if rounds == 0 { Vec::new() } else { cosine_rounds(grid.positions(), rounds as usize) };
        let tokens =
            ranges(token_rounds).into_iter().map(|positions| Step::TokenRound { pass: 0, round: 0, positions });
        let latents =
            ranges(latent_rounds).into_iter().map(|positions| Step::LatentRound { pass: 0, round: 0, positions });
        self.flops(grid, flow_steps, tokens.chain(latents).collect())
    }

    /// Rounds of both stages whose cost is nearest to `flops`; an arm with both networks keeps its token rounds.
    pub fn rounds(&self, arm: &Arm, flops: f64) -> [u32; 2] {
        let rounds = |free: u32| match arm.kind {
            Kind::Tokens | Kind::TokenPairs => [free, 0],
            Kind::Latents => [0, free],
            Kind::Both => [TOKEN_ROUNDS, free],
        };
        let off = |free: &u32| (self.texture(arm, rounds(*free), arm.flow_steps()) - flops).abs();
        let best = (1..=MAX_ROUNDS).min_by(|a, b| off(a).total_cmp(&off(b)));
        rounds(best.unwrap_or(1))
    }
}

/// The token grid of textures of `side` tokens.
pub fn grid(side: usize, kind: Kind) -> Grid {
    let width = if kind == Kind::TokenPairs { 2 * side } else { side };
    Grid { items: 1, height: side, width, wrap: Wrap::BOTH }
}

/// Shares of the training cost for the prior and for the continuous model.
pub fn shares(kind: Kind) -> [f64; 2] {
    match kind {
        Kind::Tokens | Kind::TokenPairs => [1.0, 0.0],
        Kind::Latents => [0.0, 1.0],
        Kind::Both => [PRIOR_SHARE, 1.0 - PRIOR_SHARE],
    }
}

#[cfg(test)]
mod tests {
    use super::super::arms::{LATENT_WIDTH, arms, tokenizer};
    use super::*;

    #[test]
    fn all_arms_cost_nearly_the_same_and_are_about_as_large() {
        let classes = ["a".to_string()];
        let sizes = tokenizer(LATENT_WIDTH);
        let declared = |arm: &Arm| Discon::declare(&arm.config(&classes, 1, &sizes)).expect("a valid configuration");
        let arms = arms();
        let (model, table) = declared(&arms[0]);
        let target = Sizes { model: &model, table: &table }.texture(
            &arms[0],
            [TOKEN_ROUNDS, LATENT_ROUNDS],
            arms[0].flow_steps(),
        );
        for arm in &arms {
            let (model, table) = declared(arm);
            let sizes = Sizes { model: &model, table: &table };
            let cost = sizes.texture(arm, sizes.rounds(arm, target), arm.flow_steps());
            assert!((cost / target - 1.0).abs() < 0.1, "{}: {cost} against {target}", arm.name);
            for prefixes in [["prior.", "prior."], ["mar.", "head."]] {
                let size: usize = table
                    .iter()
                    .filter(|(_, spec)| prefixes.iter().any(|prefix| spec.name.starts_with(prefix)))
                    .map(|(_, spec)| spec.len())
                    .sum();
                assert!((400_000..1_100_000).contains(&size), "{} {prefixes:?}: {size}", arm.name);
            }
        }
    }
}
