//! Decisions of a generation, without tensors: recipes, plans, schedules and random numbers, and the loop over a plan.

pub mod arrangement;
pub mod batch;
pub mod borders;
pub mod condition;
pub mod cost;

pub mod curated;
pub mod flow;
pub mod generate;
mod latent_round;
pub mod maps;
mod mixture;
pub mod pass;
pub mod plan;
mod quilt;
pub mod recipe;
pub mod recipe_bytes;
mod recipe_bytes_parts;
mod recipe_error;
pub mod recipe_file;
pub mod recipe_parts;
pub mod recipe_query;
pub mod rng;
pub mod schedule;
mod structure;

pub use arrangement::{
    Area, Arrangement, EndlessGrid, FARTHEST_CELL, HALF_STRIP, Piece, PieceKind, RunArrangement, Span, WANG_TILES,
    WangSet, Work, wang_index_map,
};
pub use batch::{BatchError, MAX_BATCH_POSITIONS};
pub use cost::{Cost, count};
pub use curated::{CuratedError, CuratedList, RecipeDigest};
pub use flow::{FLOW_GAIN, FlowStep, START, flow_steps};
pub use generate::{LATENT_LIMIT, SampleOps, Stage, decode_coarse, run_step};
pub use maps::{MapKind, MapRules};
pub use pass::PassShape;
pub use plan::{ItemInputs, JobInputs, LatentState, Plan, PlanShape, Step, continue_plan, plan, plan_edits};
pub use recipe::{Recipe, RecipeError, Tiling};
pub use recipe_parts::{Blend, Edit, TokenMask};

/// Counts changes of kernels or sampling that change pictures: part of every key of kept textures.
pub const KERNEL_VERSION: u32 = 10;
