//! Memory for the work: how much is left, and what happens when none is.
//!
//! Slots of shapes that do not run and kept latents are given up first. They are free when the GPU is done with them,
//! and those of the running job when it has ended: until then nothing is made. What still finds no room fails with the
//! reason.

use super::active::Active;
use super::extract::RenderSettings;
use super::kept::KeptStates;
use super::prepare::GpuModel;
use super::run::Finishing;
use super::slots::Slots;
use super::surfaces::Surfaces;
use crate::gpu::GpuError;
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy::render::renderer::RenderQueue;

/// Whether something was given up that may not be free yet.
#[derive(Resource, Default)]
pub struct Shortage(bool);

/// What holds memory besides the slots, or waits for it.
#[derive(SystemParam)]
pub struct Memory<'w> {
    /// How much there may be.
    pub settings: Res<'w, RenderSettings>,
    /// Textures with layers, whose pages take memory.
    pub surfaces: ResMut<'w, Surfaces>,
    /// What edits go on from.
    pub kept: ResMut<'w, KeptStates>,
    shortage: ResMut<'w, Shortage>,
    active: Res<'w, Active>,
    finishing: Res<'w, Finishing>,
    /// Where work was submitted.
    pub queue: Res<'w, RenderQueue>,
}

impl Memory<'_> {
    /// Bytes that may still be used.
    pub fn left(&self, model: &GpuModel, slots: &Slots) -> u64 {
        left(&self.settings, model, slots, &self.kept, &self.surfaces)
    }

    /// True while memory that was given up is not free yet.
    pub fn must_wait(&mut self) -> bool {
        let waits = self.shortage.0 && (self.active.0.is_some() || !self.finishing.is_empty());
        if self.shortage.0 != waits {
            self.shortage.0 = waits;
        }
        waits
    }

    /// Gives up what is only kept if something found no room. False if it failed for another reason, or there is
    /// nothing to give up or to wait for: then it fails for good.
    pub fn try_again(&mut self, error: &GpuError, slots: &mut Slots) -> bool {
        if !error.is_memory() {
            return false;
        }
        let given_up = slots.give_up_idle() + self.kept.forget();
        if given_up == 0 && self.active.0.is_none() {
            return false;
        }
        debug!("{error}; {} kB that were only kept are given up", given_up / 1000);
        self.shortage.0 = true;
        // Buffers live until the GPU is done with all that was submitted for them.
        self.finishing.watch(&self.queue, || {});
        true
    }
}

/// Bytes that may still be used.
pub fn left(settings: &RenderSettings, model: &GpuModel, slots: &Slots, kept: &KeptStates, surfaces: &Surfaces) -> u64 {
    let used = model.weights.bytes() + slots.bytes() + kept.bytes() + surfaces.bytes();
    settings.work_memory_bytes.saturating_sub(used)
}

/// An error if something needs more bytes than are left; else they are taken.
pub fn afford(left: &mut u64, bytes: u64, what: impl FnOnce() -> String) -> Result<(), GpuError> {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => {
            let (needed, left, what) = (bytes.div_ceil(1000), *left / 1000, what());
            let what = format!("{what}: {needed} kB, and {left} kB of `work_memory_bytes` are left");
            Err(GpuError::Memory { what })
        }
    }
}
