//! What the critic compares: textures that the model samples, each just before the last step of its flow, and windows of real ones.

use crate::model::{Grid, Model, Wrap};
use crate::native;
use crate::reference::CpuOps;
use crate::sampling::{Recipe, RecipeError, Step, plan, run_step};
use crate::train::latents::{Latents, TokenGrid};
use crate::train::rng::Rng;
use crate::train::run::Session;

/// Tokens along the side of a texture or window.
pub(super) const SIDE: usize = 8;

/// A texture before the last step.
struct Sampled {
    class: usize,
    tokens: Vec<u32>,
    condition: Vec<f32>,
    style: Vec<f32>,
    /// Where the last step starts, `(T, D)`.
    points: Vec<f32>,
    /// The velocity of the step before, `(T, D)`.
    previous: Vec<f32>,
}

/// Sampled textures, and windows of real ones of the same classes.
pub(super) struct Pool<'a> {
    latents: &'a Latents,
    sampled: Vec<Sampled>,
    /// Grids of the bank, class by class.
    real: Vec<Vec<usize>>,
}

/// Equal grids of tokens with what belongs to them, items after items.
#[derive(Default)]
pub(super) struct Windows {
    pub classes: Vec<u32>,
    pub tokens: Vec<u32>,
    /// `(items, condition_width)`; of sampled ones only.
    pub condition: Vec<f32>,
    /// `(items, 2D)`.
    pub styles: Vec<f32>,
    /// Relative latents of real windows, or where the last step of sampled ones starts: `(items * T, D)`.
    pub points: Vec<f32>,
    /// Velocities before the last step; of sampled ones only.
    pub previous: Vec<f32>,
}

impl<'a> Pool<'a> {
    /// Samples `count` textures of `model`.
    ///
    /// # Errors
    /// A model that cannot make a texture of a class.
    pub fn sample(model: &Model, count: usize, session: &Session, latents: &'a Latents) -> Result<Self, RecipeError> {
        let classes = &model.discon.config.classes;
        let sampled = session
            .workers
            .map(count, |index| texture(model, index % classes.len(), session.options.seed.wrapping_add(index as u64)));
        let mut real = vec![Vec::new(); classes.len()];
        for (index, grid) in latents.grids.iter().enumerate().filter(|(_, grid)| grid.in_bank) {
            real[session.data.textures[grid.texture].class].push(index);
        }
        Ok(Self { latents, sampled: sampled.into_iter().collect::<Result<_, _>>()?, real })
    }

    /// Sampled textures, each rolled along both axes: on a torus every roll is as good.
    pub fn draw(&self, rng: &mut Rng, items: usize) -> Windows {
        let mut windows = Windows::default();
        for _ in 0..items {
            let from = &self.sampled[rng.below(self.sampled.len())];
            let (top, left) = (rng.below(SIDE), rng.below(SIDE));
            let width = from.points.len() / from.tokens.len();
            windows.classes.push(from.class as u32);
            windows.condition.extend(&from.condition);
            windows.styles.extend(&from.style);
            for at in 0..SIDE * SIDE {
                let row = (top + at / SIDE) % SIDE * SIDE + (left + at % SIDE) % SIDE;
                windows.tokens.push(from.tokens[row]);
                windows.points.extend(&from.points[row * width..(row + 1) * width]);
                windows.previous.extend(&from.previous[row * width..(row + 1) * width]);
            }
        }
        windows
    }

    /// Windows of real textures of these classes.
    pub fn real(&self, rng: &mut Rng, classes: &[u32]) -> Windows {
        let mut windows = Windows { classes: classes.to_vec(), ..Windows::default() };
        for class in classes {
            let grids = &self.real[*class as usize];
            let grid: &TokenGrid = &self.latents.grids[grids[rng.below(grids.len())]];
            let width = grid.style.len() / 2;
            let free = grid.side - SIDE + 1;
            let (top, left) = (rng.below(free), rng.below(free));
            windows.styles.extend(&grid.style);
            for at in 0..SIDE * SIDE {
                let row = grid.first + (top + at / SIDE) * grid.side + left + at % SIDE;
                windows.tokens.push(self.latents.tokens[row]);
                windows.points.extend(&self.latents.relative[row * width..(row + 1) * width]);
            }
        }
        windows
    }

    /// The grid of sampled windows.
    pub fn grid(items: usize) -> Grid {
        Grid { items, height: SIDE, width: SIDE, wrap: Wrap::BOTH }
    }
}

/// A texture of a class up to the last step of its flow.
fn texture(model: &Model, class: usize, seed: u64) -> Result<Sampled, RecipeError> {
    let side = (SIDE * crate::model::TOKEN_PIXELS) as u32;
    let recipe = Recipe::new(model.discon.config.classes[class].clone()).with_seed(seed).with_size(side, side);
    let plan = plan(model, &recipe)?;
    let mut ops = CpuOps::for_job(model, &plan).with_loops(native::LOOPS).record_taps();
    for step in plan.shape.steps.iter().filter(|step| **step != Step::Decode) {
        run_step(&mut ops, &model.discon, &plan.shape, step);
    }
    let from_the_end = |name: &str, back: usize| {
        let mut found = ops.taps.iter().rev().filter(|(tap, _)| tap == name);
        found.nth(back).map_or_else(Vec::new, |(_, tensor)| tensor.values.to_vec())
    };
    let config = &model.discon.config;
    Ok(Sampled {
        class,
        tokens: ops.tokens.clone(),
        condition: plan.inputs.condition[..config.condition_width()].to_vec(),
        style: plan.inputs.style[..config.style_width()].to_vec(),
        points: from_the_end("flow.point", 0),
        previous: from_the_end("flow.velocity", 1),
    })
}
