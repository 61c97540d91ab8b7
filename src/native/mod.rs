//! The fast CPU path: the reference executor with its expensive loops replaced by the `gemm` crate, in bands on all cores.
//!
//! For build servers without a GPU, for tests, and for games on machines whose adapter cannot run the kernels: the plugin
//! runs a [`Generation`] step by step on a task thread then.
//! Same plan, same tokens; pixels differ from the plain reference by the rounding of sums in another order.

mod attention;
mod bands;
mod generation;
mod product;

use crate::model::Model;
use crate::reference::{CpuOps, GeneratedTexture, Loops};
use crate::sampling::{LatentState, Plan, run_step};

pub use generation::{Generation, Threads};

/// The tuned loops.
pub const LOOPS: Loops = Loops { bands: product::bands, product: product::product, attention: attention::attention };

/// Runs the plan of a batch on all cores. Not faster than one texture after the other, which fill them too.
pub fn generate_batch(model: &Model, plan: &Plan) -> Vec<GeneratedTexture> {
    run(model, plan).into_textures(plan)
}

/// Runs a plan on all cores; of a batch, the first texture is returned.
pub fn generate(model: &Model, plan: &Plan) -> GeneratedTexture {
    generate_with_state(model, plan).0
}

/// The same, and the tokens and latents: what [`continue_plan`](crate::sampling::continue_plan) starts from.
pub fn generate_with_state(model: &Model, plan: &Plan) -> (GeneratedTexture, LatentState) {
    let ops = run(model, plan);
    let state = ops.state();
    (ops.into_texture(plan), state)
}

fn run<'a>(model: &'a Model, plan: &'a Plan) -> CpuOps<'a> {
    let mut ops = CpuOps::for_job(model, plan).with_loops(LOOPS);
    for step in &plan.shape.steps {
        run_step(&mut ops, &model.discon, &plan.shape, step);
    }
    ops
}
