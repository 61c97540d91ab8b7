//! A generation in steps, for those who must not hold a thread until its end.

use super::LOOPS;
use crate::model::Model;
use crate::reference::{CpuOps, GeneratedTexture};
use crate::sampling::{Plan, Step, count, decode_coarse, run_step};
use std::sync::Arc;

/// A texture between its first and its last step; each step may run on another thread.
#[derive(Debug)]
pub struct Generation {
    model: Arc<Model>,
    plan: Plan,
    tokens: Vec<u32>,
    context: Vec<f32>,
    picture: Vec<u8>,
    /// The next step.
    next: usize,
    /// Floating-point operations of each step; counted with the first one.
    costs: Vec<u64>,
}

impl Generation {
    /// The start of a plan for one texture.
    pub fn new(model: Arc<Model>, plan: Plan) -> Self {
        let CpuOps { tokens, context, .. } = CpuOps::for_job(&model, &plan);
        Self { tokens, context, picture: Vec::new(), next: 0, costs: Vec::new(), model, plan }
    }

    /// Runs the next step, if there is one.
    pub fn step(&mut self) {
        let Some(step) = self.plan.shape.steps.get(self.next).cloned() else { return };
        if self.costs.is_empty() {
            let costs = count(&self.model.discon, &self.model.table, &self.plan.shape);
            self.costs = costs.into_iter().map(|(_, cost)| cost.flops).collect();
        }
        self.run(|ops, model, plan| run_step(ops, &model.discon, &plan.shape, &step));
        self.next += 1;
    }

    /// The picture of the tokens alone; they must be there.
    pub fn coarse(&mut self) -> GeneratedTexture {
        self.run(|ops, model, plan| decode_coarse(ops, &model.discon, &plan.shape));
        self.texture()
    }

    /// True when no step is left.
    pub fn is_done(&self) -> bool {
        self.next == self.plan.shape.steps.len()
    }

    /// True when the tokens are complete; those from which edits start, if there are some.
    pub fn has_tokens(&self) -> bool {
        let samples = |step: &Step| matches!(step, Step::TokenRound { .. } | Step::Reopen { .. });
        self.plan.shape.steps.iter().take_while(|step| samples(step)).count() <= self.next
    }

    /// The tokens as they are now, row-major.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Part of the work that is done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        let done: u64 = self.costs.iter().take(self.next).sum();
        done as f32 / self.flops().max(1) as f32
    }

    /// Floating-point operations of the whole; 0 before the first step.
    pub fn flops(&self) -> u64 {
        self.costs.iter().sum()
    }

    /// The last picture and the tokens.
    pub fn texture(&self) -> GeneratedTexture {
        GeneratedTexture::of_item(self.plan.shape.grid, &self.picture, &self.tokens, 0)
    }

    /// Runs operations on the state. An executor is bound to its thread, so each call has its own.
    fn run(&mut self, work: impl FnOnce(&mut CpuOps<'_>, &Model, &Plan)) {
        let mut ops = CpuOps::for_job(&self.model, &self.plan).with_loops(LOOPS);
        ops.tokens = std::mem::take(&mut self.tokens);
        ops.context = std::mem::take(&mut self.context);
        work(&mut ops, &self.model, &self.plan);
        let CpuOps { tokens, context, picture, .. } = ops;
        (self.tokens, self.context) = (tokens, context);
        if !picture.is_empty() {
            self.picture = picture;
        }
    }
}

/// Threads on which products run, in place of all cores.
#[derive(Debug)]
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// So many threads, at least one. Where the system has none for them, those that all of the program shares.
    pub fn new(count: usize) -> Self {
        let name = |number| format!("discon {number}");
        Self(rayon::ThreadPoolBuilder::new().num_threads(count.max(1)).thread_name(name).build().ok())
    }

    /// Runs something on them; the caller waits.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
