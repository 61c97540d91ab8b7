//! What the loss compares: textures that the model samples, each just before the last step of its flow, and windows of
//! the real textures whose styles and layouts they have.

use super::INNER;
use crate::model::{Grid, Model, TOKEN_PIXELS, Wrap};
use crate::native;
use crate::reference::CpuOps;
use crate::sampling::{Recipe, RecipeError, Step, plan, run_step};
use crate::train::dataset::Dataset;
use crate::train::images::Flip;
use crate::train::latents::Latents;
use crate::train::rng::Rng;
use crate::train::run::Session;

/// Tokens along the side of a texture or window.
pub(in crate::train) const SIDE: usize = 8;

/// Sampled textures, and the latents of real ones.
pub(super) struct Pool<'a> {
    latents: &'a Latents,
    /// Textures of one item with the index of the real grid.
    sampled: Vec<(Windows, usize)>,
}

/// Sampled textures before the last step, with windows of the real ones, items after items.
#[derive(Default)]
pub(super) struct Windows {
    pub tokens: Vec<u32>,
    /// `(items, condition_width)`.
    pub condition: Vec<f32>,
    /// Of both, `(items, 2D)`.
    pub styles: Vec<f32>,
    /// Where the last step starts: `(items * T, D)`.
    pub points: Vec<f32>,
    /// Velocities before the last step.
    pub previous: Vec<f32>,
    /// Pixels of the real windows that are compared; none before [`Pool::draw`].
    pub real: Vec<f32>,
}

impl<'a> Pool<'a> {
    /// Samples `count` textures of `model`, class after class, each with the style and the layout of a row of the bank.
    ///
    /// # Errors
    /// A model that cannot make a texture of a class.
    pub fn sample(model: &Model, count: usize, session: &Session, latents: &'a Latents) -> Result<Self, RecipeError> {
        let mut rows: Vec<Vec<(u32, usize)>> = vec![Vec::new(); model.discon.config.classes.len()];
        let bank = latents.grids.iter().enumerate().filter(|(_, grid)| grid.in_bank());
        // An enlarged picture has no pixels as crisp as its style.
        for (row, (index, grid)) in (0..).zip(bank).filter(|(_, (_, grid))| !grid.enlarged) {
            rows[session.data.textures[grid.texture].class].push((row, index));
        }
        // All pictures of a class may have been kept for validation.
        let classes: Vec<(usize, &Vec<(u32, usize)>)> =
            rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty()).collect();
        let sampled = session.workers.map(count, |index| {
            let (class, rows) = classes[index % classes.len()];
            let mut rng = Rng::new(&[session.options.seed, 0x9001, index as u64]);
            let (row, real) = rows[rng.below(rows.len())];
            before_the_last_step(model, &recipe(model, class, row, rng.next_u64())).map(|sampled| (sampled, real))
        });
        Ok(Self { latents, sampled: sampled.into_iter().collect::<Result<_, _>>()? })
    }

    /// Sampled textures, each rolled along both axes, since on a torus every roll is as good, and windows of the real
    /// ones.
    pub fn draw(&self, data: &Dataset, rng: &mut Rng, items: usize) -> Windows {
        let mut windows = Windows::default();
        for _ in 0..items {
            let (from, real) = &self.sampled[rng.below(self.sampled.len())];
            let (top, left) = (rng.below(SIDE), rng.below(SIDE));
            let width = from.points.len() / from.tokens.len();
            windows.condition.extend(&from.condition);
            windows.styles.extend(&from.styles);
            for at in 0..SIDE * SIDE {
                let row = (top + at / SIDE) % SIDE * SIDE + (left + at % SIDE) % SIDE;
                windows.tokens.push(from.tokens[row]);
                windows.points.extend(&from.points[row * width..(row + 1) * width]);
                windows.previous.extend(&from.previous[row * width..(row + 1) * width]);
            }
            let grid = &self.latents.grids[*real];
            let texture = &data.textures[grid.texture];
            let version = &texture.versions[grid.version];
            // The pixels that the row's style is measured on: a brightened or enlarged picture has another contrast.
            let shown = texture.own(version).filter(|own| own.side >= INNER).unwrap_or(version);
            let free = shown.side - INNER + 1;
            let corner = (rng.below(free), rng.below(free));
            windows.real.extend(shown.crop(corner, INNER, Flip::default()));
        }
        windows
    }

    /// The grid of windows; real ones do not wrap, but what their borders see is not compared.
    pub fn grid(items: usize) -> Grid {
        Grid { items, height: SIDE, width: SIDE, wrap: Wrap::BOTH }
    }
}

/// A texture with the style and the layout of a row of the bank.
pub(super) fn recipe(model: &Model, class: usize, row: u32, seed: u64) -> Recipe {
    let side = (SIDE * TOKEN_PIXELS) as u32;
    let recipe = Recipe::new(model.discon.config.classes[class].clone()).with_seed(seed).with_size(side, side);
    Recipe { style: Some(row), layout: Some(row), ..recipe }
}

/// A texture up to the last step of its flow: one item.
pub(super) fn before_the_last_step(model: &Model, recipe: &Recipe) -> Result<Windows, RecipeError> {
    let plan = plan(model, recipe)?;
    let mut ops = CpuOps::for_job(model, &plan).with_loops(native::LOOPS).record_taps();
    for step in plan.shape.steps.iter().filter(|step| **step != Step::Decode) {
        run_step(&mut ops, &model.discon, &plan.shape, step);
    }
    let from_the_end = |name: &str, back: usize| {
        let mut found = ops.taps.iter().rev().filter(|(tap, _)| tap == name);
        found.nth(back).map_or_else(Vec::new, |(_, tensor)| tensor.values.to_vec())
    };
    let config = &model.discon.config;
    Ok(Windows {
        tokens: ops.tokens.clone(),
        condition: plan.inputs.condition[..config.condition_width()].to_vec(),
        styles: plan.inputs.style[..config.style_width()].to_vec(),
        points: from_the_end("flow.point", 0),
        previous: from_the_end("flow.velocity", 1),
        real: Vec::new(),
    })
}
