//! Textures of an arm.

use super::arms::{Arm, Kind};
use super::budget::{SIDE, grid};
use super::shared::Book;
use crate::eval::EvalError;
use crate::eval::generate::{Detail, Sample, decode_latents, generate, keep_tokens, sample_tokens, without_tokens};
use crate::model::{Model, Ops, TOKEN_PIXELS, Wrap};
use crate::native::LOOPS;
use crate::reference::{CpuOps, CpuTensor};
use crate::sampling::condition::condition_rows;
use crate::sampling::{Plan, Recipe, plan};
use crate::train::dataset::Dataset;
use crate::train::head_loss::HeadLoss;
use crate::train::images::Flip;
use crate::train::pairs;
use crate::train::rng::Rng;
use crate::train::token_grids::TokenGrid;

/// Where the tokens of arm X come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// From the prior, as in use.
    Sampled,
    /// From pictures that were kept out of training, with their class and style: what a perfect prior would give.
    True,
    /// The same tokens at random places: what the continuous model makes of nonsense.
    Shuffled,
}

/// What is generated.
pub struct Draw<'a> {
    /// The arm.
    pub arm: &'a Arm,
    /// Its model.
    pub model: &'a Model,
    /// Its codebook.
    pub book: &'a Book,
    /// The pictures.
    pub data: &'a Dataset,
    /// Rounds of both stages.
    pub rounds: [u32; 2],
    /// Steps of the flow in each round.
    pub flow_steps: u32,
    /// Textures per class.
    pub count: usize,
    /// Start of the textures' seeds.
    pub seed: u64,
}

impl Draw<'_> {
    /// Plain settings: no guidance, temperatures of 1, so that arms differ in nothing else.
    fn recipe(&self, class: usize, number: usize) -> Recipe {
        let side = (SIDE * TOKEN_PIXELS) as u32;
        let [token_rounds, latent_rounds] = self.rounds;
        Recipe {
            layout_share: 0.0,
            guidance: 1.0,
            token_guidance: 1.0,
            token_temperature: 1.0,
            token_rounds: token_rounds.max(1),
            latent_rounds: latent_rounds.max(1),
            flow_steps: self.flow_steps,
            ..Recipe::new(self.data.classes[class].clone())
                .with_seed(self.seed * 10_000 + number as u64)
                .with_size(side, side)
        }
    }

    /// `count` textures of each class.
    ///
    /// # Errors
    /// If the model cannot follow the recipe.
    pub fn textures(&self) -> Result<Vec<(usize, Sample)>, EvalError> {
        let mut samples = Vec::new();
        for class in 0..self.data.classes.len() {
            for number in 0..self.count {
                samples.push((class, self.texture(&self.recipe(class, number))?));
            }
        }
        Ok(samples)
    }

    /// A plan for the arm's head: one that draws in one pass starts at the noise, and its draws are as wide as they should be.
    fn plan(&self, recipe: &Recipe) -> Result<Plan, EvalError> {
        let mut plan = plan(self.model, recipe)?;
        if self.arm.head_loss == HeadLoss::Energy {
            plan.shape.starts_at_tokens = false;
            plan.shape.flow_gain = 1f32.to_bits();
        }
        Ok(plan)
    }

    fn texture(&self, recipe: &Recipe) -> Result<Sample, EvalError> {
        let mut plan = self.plan(recipe)?;
        Ok(match self.arm.kind {
            Kind::Tokens => generate(self.model, &plan, Detail::Coarse),
            Kind::TokenPairs => self.pair_texture(recipe, plan)?,
            Kind::Latents => {
                without_tokens(&mut plan);
                generate(self.model, &plan, Detail::Refined)
            }
            Kind::Both => generate(self.model, &plan, Detail::Refined),
        })
    }

    /// Samples a grid of twice the width, and decodes the sum of both codes of each position.
    fn pair_texture(&self, recipe: &Recipe, square: Plan) -> Result<Sample, EvalError> {
        let codes = self.arm.codes as u32;
        let (width, height) = recipe.size;
        let mut wide = plan(self.model, &recipe.clone().with_size(2 * width, height))?;
        wide.shape.grid = grid(SIDE, Kind::TokenPairs);
        wide.inputs.tokens.iter_mut().skip(1).step_by(2).for_each(|token| *token = pairs::second_mask(codes as usize));
        let mut ops = CpuOps::for_job(self.model, &wide).with_loops(LOOPS);
        sample_tokens(&mut ops, self.model, &wide);
        // A prior that has learned little may put a code at a place of the other kind.
        let part = |skip: usize, from: u32| -> Vec<u32> {
            ops.tokens.iter().skip(skip).step_by(2).map(|token| from + token % codes).collect()
        };
        let (first, second) = (part(0, 0), part(1, codes));
        let mut ops = CpuOps::for_job(self.model, &square).with_loops(LOOPS);
        let centres = self.model.discon.codebook.centres;
        let book = self.model.discon.config.codes();
        let (first, second) = (ops.embed(centres, &first, book), ops.embed(centres, &second, book));
        let sum = first.values.iter().zip(second.values.iter()).map(|(a, b)| a + b).collect();
        let latents = CpuTensor::new(sum, first.shape[1]);
        Ok(decode_latents(&mut ops, self.model, &square, latents))
    }

    /// As many textures of each class with tokens of its real pictures.
    ///
    /// # Errors
    /// If the model cannot follow the recipe.
    pub fn with_real_tokens(&self, tokens: Tokens) -> Result<Vec<(usize, Sample)>, EvalError> {
        let mut samples = Vec::new();
        let sources: Vec<Vec<&TokenGrid>> = (0..self.data.classes.len()).map(|class| self.real_grids(class)).collect();
        for (class, number) in (0..sources.len()).flat_map(|class| (0..self.count).map(move |number| (class, number))) {
            let Some(source) = sources[class].get(number % sources[class].len().max(1)) else { continue };
            let mut plan = self.plan(&self.recipe(class, number))?;
            keep_tokens(&mut plan);
            plan.shape.grid.wrap = if source.wraps { Wrap::BOTH } else { Wrap::NONE };
            let own = &self.book.latents.tokens[source.first..source.first + SIDE * SIDE];
            let order = match tokens {
                Tokens::Shuffled => Rng::new(&[self.seed, number as u64]).permutation(own.len()),
                Tokens::Sampled | Tokens::True => (0..own.len()).collect(),
            };
            plan.inputs.tokens = order.into_iter().map(|at| own[at]).collect();
            plan.inputs.condition = condition_rows(self.model, class, &source.style);
            plan.inputs.style.clone_from(&source.style);
            samples.push((class, generate(self.model, &plan, Detail::Refined)));
        }
        Ok(samples)
    }

    /// Grids of the measured size of a class's pictures kept out of training, or of all where none are; mirror images
    /// left out.
    fn real_grids(&self, class: usize) -> Vec<&TokenGrid> {
        let kept = |grid: &TokenGrid| self.data.textures[grid.texture].validation;
        let of_class = |grid: &&TokenGrid| grid.side == SIDE && self.data.textures[grid.texture].class == class;
        let plain = |grid: &&TokenGrid| grid.flip == Flip::default() && !grid.enlarged;
        let all = self.book.latents.grids.iter().filter(plain).filter(of_class);
        let validation: Vec<&TokenGrid> = all.clone().filter(|grid| kept(grid)).collect();
        if validation.is_empty() { all.collect() } else { validation }
    }
}
