//! Several textures as one generation: on a GPU that one texture cannot fill, a batch takes little longer than one of
//! them.
//!
//! A batch is a plan like any other, on a grid with one item for each texture. Positions count on from texture to
//! texture: those of the second begin at `T`. Orders and lists are arranged so that what a step reads of all textures
//! lies together: first the part of the first texture, then that of the second, and so on. Random numbers depend on
//! seeds and keys, which each texture keeps, so it has the pixels that it would have alone.

use super::pass::PassShape;
use super::plan::{JobInputs, Plan, PlanShape, Step};
use crate::model::Grid;
use std::ops::Range;

/// Most positions of a batch: those of the largest texture, so that no buffer or dispatch of a batch is larger than one
/// of that. 16 textures of 256x256.
pub const MAX_BATCH_POSITIONS: usize = 4096;

/// Why plans cannot run as one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// There are none.
    Empty,
    /// A plan has another shape than the first, or is a batch itself.
    Shape {
        /// Number of the plan.
        index: usize,
    },
    /// All textures together have too many positions.
    TooLarge {
        /// Positions of all textures.
        found: usize,
    },
}

impl std::fmt::Display for BatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "a batch needs at least one plan"),
            Self::Shape { index } => write!(
                f,
                "plan {index} of the batch is not of the shape of the first, or is a batch; expected single textures of equal \
                 size, tiling, rounds, steps, kind of guidance and edits of equal windows"
            ),
            Self::TooLarge { found } => {
                write!(f, "a batch of {found} positions of 16x16 pixels; expected at most {MAX_BATCH_POSITIONS}")
            }
        }
    }
}

impl std::error::Error for BatchError {}

impl PlanShape {
    /// How many textures of this shape fit into a batch, at least one.
    pub fn largest_batch(&self) -> usize {
        (MAX_BATCH_POSITIONS / self.grid.rows()).max(1)
    }

    /// The shape of a batch of `items` textures of this shape, which is that of one.
    #[must_use]
    pub fn batched(&self, items: usize) -> Self {
        let of_batch = |grid: Grid| Grid { items, ..grid };
        let scaled = |range: &Range<u32>| range.start * items as u32..range.end * items as u32;
        let step = |step: &Step| match step.clone() {
            Step::TokenRound { pass, round, positions } => {
                Step::TokenRound { pass, round, positions: scaled(&positions) }
            }
            Step::LatentRound { pass, round, positions } => {
                Step::LatentRound { pass, round, positions: scaled(&positions) }
            }
            other @ (Step::Reopen { .. } | Step::Decode) => other,
        };
        let pass = |pass: &PassShape| PassShape {
            grid: of_batch(pass.grid),
            window: scaled(&pass.window),
            conditions: scaled(&pass.conditions),
            tokens: scaled(&pass.tokens),
            token_places: scaled(&pass.token_places),
            latents: scaled(&pass.latents),
            latent_places: scaled(&pass.latent_places),
            given_tokens: scaled(&pass.given_tokens),
            no_tokens: scaled(&pass.no_tokens),
        };
        Self {
            grid: of_batch(self.grid),
            steps: self.steps.iter().map(step).collect(),
            passes: self.passes.iter().map(pass).collect(),
            condition_rows: self.condition_rows * items,
            style_rows: self.style_rows * items,
            ..self.clone()
        }
    }
}

impl Plan {
    /// One plan for all textures of `plans`, whose shapes are equal; seeds, classes, styles and strengths may differ.
    ///
    /// # Errors
    /// No plans, different shapes, or more than [`MAX_BATCH_POSITIONS`].
    pub fn batch<'a>(plans: impl IntoIterator<Item = &'a Self>) -> Result<Self, BatchError> {
        let plans: Vec<&Self> = plans.into_iter().collect();
        let Some(shape) = plans.first().map(|plan| &plan.shape) else { return Err(BatchError::Empty) };
        let fits = |plan: &&Self| plan.shape == *shape && plan.shape.grid.items == 1;
        if let Some(index) = plans.iter().position(|plan| !fits(plan)) {
            return Err(BatchError::Shape { index });
        }
        let found = plans.len() * shape.grid.positions();
        if found > MAX_BATCH_POSITIONS && plans.len() > 1 {
            return Err(BatchError::TooLarge { found });
        }
        let members = Members { shape, inputs: plans.iter().map(|plan| &plan.inputs).collect() };
        Ok(Self { shape: shape.batched(plans.len()), inputs: members.inputs() })
    }
}

/// Plans that become one.
struct Members<'a> {
    shape: &'a PlanShape,
    inputs: Vec<&'a JobInputs>,
}

impl Members<'_> {
    fn inputs(&self) -> JobInputs {
        let (mut token_order, mut latent_order, mut lists, mut keys) = (vec![], vec![], vec![], vec![]);
        let positions = self.shape.grid.positions() as u32;
        let number = |item: u32, position: u32| item * positions + position;
        for (pass, shape) in (0..).zip(&self.shape.passes) {
            token_order.extend(self.take(|inputs| &inputs.token_order, &self.rounds(pass).tokens, number));
            latent_order.extend(self.take(|inputs| &inputs.latent_order, &self.rounds(pass).latents, number));
            let all = pass * positions..(pass + 1) * positions;
            keys.extend(self.take(|inputs| &inputs.keys, &[all], |_, key| key));
            self.append_lists(shape, &self.rounds(pass), &mut lists);
        }
        JobInputs {
            condition: self.conditions(),
            style: self.inputs.iter().flat_map(|inputs| &inputs.style).copied().collect(),
            tokens: self.inputs.iter().flat_map(|inputs| &inputs.tokens).copied().collect(),
            context: self.context(),
            token_order,
            latent_order,
            lists,
            keys,
            items: self.inputs.iter().flat_map(|inputs| &inputs.items).copied().collect(),
        }
    }

    /// Some ranges of a list of every texture, range after range; `change` is given the number of the texture and a
    /// value.
    fn take<'a>(
        &'a self,
        list: impl Fn(&'a JobInputs) -> &'a Vec<u32>,
        ranges: &[Range<u32>],
        change: impl Fn(u32, u32) -> u32,
    ) -> Vec<u32> {
        let mut taken = Vec::new();
        for range in ranges {
            for (item, inputs) in (0..).zip(&self.inputs) {
                let values = &list(inputs)[range.start as usize..range.end as usize];
                taken.extend(values.iter().map(|value| change(item, *value)));
            }
        }
        taken
    }

    /// The parts of both orders that the steps of a pass take at once.
    fn rounds(&self, number: u32) -> Rounds {
        let shape = &self.shape.passes[number as usize];
        let (mut tokens, mut latents) = (Vec::new(), Vec::new());
        for step in &self.shape.steps {
            match step {
                Step::TokenRound { pass, positions, .. } if *pass == number => tokens.push(positions.clone()),
                Step::LatentRound { pass, positions, .. } if *pass == number => latents.push(positions.clone()),
                _ => {}
            }
        }
        // What no step takes, as the order of tokens that are given, only has to be there.
        let or_all =
            |rounds: Vec<Range<u32>>, all: &Range<u32>| if rounds.is_empty() { vec![all.clone()] } else { rounds };
        Rounds { tokens: or_all(tokens, &shape.tokens), latents: or_all(latents, &shape.latents) }
    }

    /// The lists of a pass, in the order of [`PassShape`]'s ranges.
    fn append_lists(&self, pass: &PassShape, rounds: &Rounds, target: &mut Vec<u32>) {
        let items = self.inputs.len() as u32;
        let (positions, places) = (self.shape.grid.positions() as u32, pass.grid.positions() as u32);
        let half = pass.conditions.start + pass.conditions.len() as u32 / 2;
        let halves = [pass.conditions.start..half, half..pass.conditions.end];
        let place = |item: u32, place: u32| item * places + place;
        let mut append = |ranges: &[Range<u32>], change: &dyn Fn(u32, u32) -> u32| {
            target.extend(self.take(|inputs| &inputs.lists, ranges, change));
        };
        append(std::slice::from_ref(&pass.window), &|item, position| item * positions + position);
        append(&halves, &|item, row| row * items + item);
        append(&along(&rounds.tokens, &pass.tokens, &pass.token_places), &place);
        append(&along(&rounds.latents, &pass.latents, &pass.latent_places), &place);
        append(&along(&rounds.latents, &pass.latents, &pass.given_tokens), &|_, token| token);
        append(std::slice::from_ref(&pass.no_tokens), &|_, token| token);
    }

    /// Each row of the condition of all textures, then the next.
    fn conditions(&self) -> Vec<f32> {
        let rows = self.shape.condition_rows;
        let row = |inputs: &JobInputs, row: usize| {
            let width = inputs.condition.len() / rows;
            inputs.condition[row * width..(row + 1) * width].to_vec()
        };
        (0..rows).flat_map(|number| self.inputs.iter().flat_map(move |inputs| row(inputs, number))).collect()
    }

    /// Contexts one after the other; none if no texture has one.
    fn context(&self) -> Option<Vec<f32>> {
        let values = self.inputs.iter().find_map(|inputs| inputs.context.as_ref())?.len();
        let of_item = |inputs: &&JobInputs| inputs.context.clone().unwrap_or_else(|| vec![0.0; values]);
        Some(self.inputs.iter().flat_map(of_item).collect())
    }
}

/// Ranges of both orders.
struct Rounds {
    tokens: Vec<Range<u32>>,
    latents: Vec<Range<u32>>,
}

/// Rounds of an order as ranges of a list that goes along with it; none if there is no list.
fn along(rounds: &[Range<u32>], order: &Range<u32>, list: &Range<u32>) -> Vec<Range<u32>> {
    if list.is_empty() {
        return Vec::new();
    }
    let moved = |at: u32| list.start + at - order.start;
    rounds.iter().map(|round| moved(round.start)..moved(round.end)).collect()
}
