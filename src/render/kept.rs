//! Tokens and latents of finished textures, kept on the device: what edits of them go on from.

use super::extract::{Queued, Waiting};
use super::prepare::{GpuModel, ModelOnGpu};
use crate::gpu::GpuPages;
use crate::request::link::{Goal, Job};
use crate::sampling::{RecipeDigest, Span, plan_edits};
use bevy::prelude::*;

/// One page for each texture, least recently used first.
#[derive(Resource, Default)]
pub struct KeptStates(Vec<(RecipeDigest, GpuPages)>);

impl KeptStates {
    /// Forgets everything; the bytes that it took.
    pub fn forget(&mut self) -> u64 {
        let bytes = self.bytes();
        self.0.clear();
        bytes
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, pages)| pages.bytes()).sum()
    }

    /// Takes what a finished job keeps, within a number of bytes.
    pub fn finished(&mut self, waiting: &mut Waiting, limit: u64) {
        let Some(state) = &waiting.job.state else { return };
        let Some((pages, _)) = waiting.around.kept.take() else { return };
        self.0.retain(|(hash, _)| *hash != state.hash);
        self.0.push((state.hash, pages));
        let mut bytes = self.bytes();
        self.0.retain(|(_, pages)| {
            let surplus = bytes > limit;
            bytes -= if surplus { pages.bytes() } else { 0 };
            !surplus
        });
    }

    /// The last of some states that is kept, and its place among them.
    fn last_of(&mut self, hashes: &[RecipeDigest]) -> Option<(usize, GpuPages)> {
        let place = |hash: &RecipeDigest| self.0.iter().position(|(kept, _)| kept == hash);
        let (done, at) = hashes.iter().enumerate().rev().find_map(|(done, hash)| Some((done, place(hash)?)))?;
        self.0[at..].rotate_left(1);
        self.0.last().map(|(_, pages)| (done, pages.clone()))
    }
}

/// Lets waiting textures go on from what is kept of others.
pub fn continue_edits(gpu: Res<ModelOnGpu>, mut kept: ResMut<KeptStates>, mut queued: ResMut<Queued>) {
    let Some(gpu) = gpu.get() else { return };
    for Waiting { job, tokens, coarse_shown, around, .. } in &mut queued.jobs {
        // Only what was not begun, and what shows or gives back nothing on the way.
        let possible = job.goal == Goal::Full && !job.read_tokens && tokens.is_none() && !*coarse_shown;
        let Some(state) = job.state.as_ref().filter(|_| possible && around.given.is_none()) else { continue };
        let Some((done, pages)) = kept.last_of(&state.before) else { continue };
        // Fails for no recipe that could be planned from the start.
        if let Ok(plan) = plan_edits(&gpu.model, &state.recipe, done) {
            // The texture would show its coarse picture for a moment only.
            (job.plan, job.coarse) = (plan, false);
            around.given = Some((pages, whole(job)));
        }
    }
}

/// Makes room for what will be kept of a job that begins.
pub fn make_room(waiting: &mut Waiting, gpu: &GpuModel, device: &wgpu::Device, limit: u64) {
    let Waiting { job, around, .. } = waiting;
    if job.state.is_none() || job.goal != Goal::Full || around.kept.is_some() {
        return;
    }
    let config = &gpu.model.discon.config;
    let positions = job.plan.shape.grid.positions();
    if GpuPages::bytes_of(config, 1, positions) <= limit {
        // Without room nothing is kept.
        let pages = GpuPages::new(device, config, 1, positions);
        around.kept = pages.ok().map(|pages| (pages, whole(job)));
    }
}

/// All positions of a texture.
fn whole(job: &Job) -> Vec<Span> {
    vec![Span { page: 0, at: 0, place: 0, count: job.plan.shape.grid.positions() as u32 }]
}
