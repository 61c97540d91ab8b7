//! Decisions of a generation, without tensors: recipes, plans, schedules and random numbers, and the loop over a plan.

pub mod cost;
pub mod generate;
pub mod maps;
pub mod plan;
pub mod recipe;
pub mod recipe_bytes;
pub mod recipe_file;
pub mod recipe_query;
pub mod rng;
pub mod schedule;

pub use cost::{Cost, count};
pub use generate::{LATENT_LIMIT, SampleOps, Stage, decode_coarse, run_step};
pub use maps::{MapKind, MapRules};
pub use plan::{JobInputs, Plan, PlanShape, Step, plan};
pub use recipe::{Recipe, RecipeError, Tiling};

/// Counts changes of kernels or sampling that change pictures: part of every key of kept textures.
pub const KERNEL_VERSION: u32 = 1;
