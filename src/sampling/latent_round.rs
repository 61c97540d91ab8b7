//! A round of stage 2: conditions of the positions, then the flow from noise to latents.
//!
//! Guidance by tokens asks for velocities with and without tokens. Both run as one call on twice as many rows, and what
//! does not differ between them is computed once: the stem of the velocity and, where nothing is known yet, one position
//! without tokens for all of them.

use super::flow::{FlowStep, START, flow_steps};
use super::generate::{SampleOps, Stage, condition, round_positions, window};
use super::pass::PassShape;
use super::plan::PlanShape;
use crate::model::{Discon, Grid, Wrap, time_features};
use std::ops::Range;

/// Samples the latents at some positions.
pub(super) fn latent_round<O: SampleOps>(
    ops: &mut O,
    model: &Discon,
    shape: &PlanShape,
    pass_number: u32,
    range: Range<u32>,
) {
    let pass = &shape.passes[pass_number as usize];
    let (tokens, window) = window(ops, pass);
    let nothing_is_known = range.start == pass.latents.start && pass.latents.len() == pass.grid.rows();
    let (positions, places) = round_positions(ops, Stage::Latents, pass, range);
    // A joint head flows the whole grid, since positions see each other on the way; the round keeps its part.
    let joint = model.head.is_joint();
    let flowing = if joint { None } else { Some(&places) };
    let round = ConditionRound { model, shape, pass, window: window.as_ref(), flowing, nothing_is_known };
    let (with_tokens, both) = round.conditions(ops, &tokens);
    let mut x = ops.noise(if joint { window.as_ref() } else { Some(&positions) }, pass_number);
    let mut start = 0.0;
    if shape.starts_at_tokens {
        start = START;
        let tokens = if joint { tokens } else { ops.tokens_at(&positions) };
        x = start_around(ops, model, &x, &tokens);
    }
    let guidance = f32::from_bits(shape.token_guidance);
    let mut previous = None;
    for (number, step) in (0..).zip(flow_steps(shape.flow_steps, start)) {
        let features = time_features(step.time);
        let time = ops.constant(&features, [1, features.len()]);
        let stem = model.head.stem(ops, &x, pass.grid);
        let velocity = match both.as_ref().filter(|_| is_guided(number, shape.flow_steps)) {
            Some(both) => {
                let grid = Grid { items: 2 * pass.grid.items, ..pass.grid };
                let stem = stem.twice(ops);
                model.head.velocity_from(ops, &stem, &time, both, grid)
            }
            None => model.head.velocity_from(ops, &stem, &time, &with_tokens, pass.grid),
        };
        ops.tap("flow.point", &x);
        ops.tap("flow.velocity", &velocity);
        x = ops.flow_step(&x, &velocity, previous.as_ref().unwrap_or(&velocity), step, guidance);
        previous = Some(velocity);
    }
    ops.commit_latents(&positions, joint.then_some(&places), &x, f32::from_bits(shape.flow_gain));
}

/// What the conditions of the flow head are computed from in a round of latents.
struct ConditionRound<'a, O: SampleOps> {
    model: &'a Discon,
    shape: &'a PlanShape,
    pass: &'a PassShape,
    window: Option<&'a O::Indices>,
    flowing: Option<&'a O::Indices>,
    /// No latent of the grid is known yet.
    nothing_is_known: bool,
}

impl<O: SampleOps> ConditionRound<'_, O> {
    /// The rows with tokens, and with guidance the same followed by as many without.
    fn conditions(&self, ops: &mut O, tokens: &O::Indices) -> (O::Tensor, Option<O::Tensor>) {
        let context = ops.context();
        let context = self.window.map_or(context.clone(), |window| ops.gather(&context, window, 1));
        let condition = condition(ops, self.shape, self.pass, false);
        let with = self.of(ops, tokens, &context, &condition);
        if self.pass.no_tokens.is_empty() {
            return (with, None);
        }
        let one_condition = self.pass.conditions.is_empty();
        let without = if self.nothing_is_known && one_condition && self.model.mar.is_even_where_nothing_is_known() {
            self.of_one_position(ops, &condition, &with)
        } else {
            let none = ops.positions(Stage::Lists, self.pass.no_tokens.clone());
            self.of(ops, &none, &context, &condition)
        };
        let both = ops.join_segments(&with, &without, 1);
        (with, Some(both))
    }

    fn of(&self, ops: &mut O, tokens: &O::Indices, context: &O::Tensor, condition: &O::Tensor) -> O::Tensor {
        let state = self.model.mar.forward(ops, tokens, context, condition, self.pass.grid, self.flowing);
        self.model.head.condition(ops, &state)
    }

    /// Rows without tokens where no latent is known either: each item's are equal, so one is computed and copied to as
    /// many as `with` has.
    fn of_one_position(&self, ops: &mut O, condition: &O::Tensor, with: &O::Tensor) -> O::Tensor {
        let items = self.pass.grid.items;
        let start = self.pass.no_tokens.start;
        let none = ops.positions(Stage::Lists, start..start + items as u32);
        let width = self.model.config.context_width();
        let unknown = ops.constant(&vec![0.0; items * width], [items, width]);
        let grid = Grid { items, height: 1, width: 1, wrap: Wrap::NONE };
        let state = self.model.mar.forward(ops, &none, &unknown, condition, grid, None);
        let rows = self.model.head.condition(ops, &state);
        let [count, width] = ops.shape(with);
        let zeros = ops.constant(&vec![0.0; width], [1, width]);
        ops.broadcast_sum(&zeros, &rows, count)
    }
}

/// Whether a step of the flow is guided by tokens: the first half, which decides what is large. Later steps would gain
/// little (arXiv 2404.07724) and cost as much.
fn is_guided(number: u32, steps: u32) -> bool {
    number < steps.div_ceil(2)
}

/// Noise `(N, D)` moved and scaled to the start of the flow around the centres of `tokens`.
fn start_around<O: SampleOps>(ops: &mut O, model: &Discon, noise: &O::Tensor, tokens: &O::Indices) -> O::Tensor {
    let spread = ops.start_spread();
    let x = ops.denormalise(noise, &spread);
    let centres = ops.embed(model.codebook.centres, tokens, model.config.codes());
    let step = FlowStep { time: 0.0, weight: START as f32, previous_weight: 0.0 };
    ops.flow_step(&x, &centres, &centres, step, 1.0)
}
