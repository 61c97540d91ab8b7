//! What waits in the render world.

use super::active::Active;
use super::prepare::ModelOnGpu;
use crate::model::Model;
use crate::request::DisconSettings;
use crate::request::link::{Command, Job, Outbox, Ticket};
use bevy::prelude::*;
use bevy::render::MainWorld;
use std::collections::VecDeque;
use std::sync::Arc;

/// Commands that have not been carried out yet.
#[derive(Resource, Default)]
pub struct Queued {
    /// Textures that must show the neutral colour.
    pub clear: Vec<AssetId<Image>>,
    /// Pictures for textures.
    pub uploads: VecDeque<(Ticket, Vec<u8>)>,
    /// Textures to generate.
    pub jobs: Vec<Job>,
    /// A model to prepare.
    pub model: Option<Arc<Model>>,
}

impl Queued {
    /// The job to run next among those that `possible` accepts.
    pub fn next(&self, possible: impl Fn(&Job) -> bool) -> Option<usize> {
        let candidates = self.jobs.iter().enumerate().filter(|(_, job)| possible(job));
        candidates.max_by_key(|(_, job)| (job.priority, std::cmp::Reverse(job.ticket.number))).map(|(at, _)| at)
    }

    fn cancel(&mut self, image: AssetId<Image>) {
        self.clear.retain(|waiting| *waiting != image);
        self.uploads.retain(|(ticket, _)| ticket.image != image);
        self.jobs.retain(|job| job.ticket.image != image);
    }
}

/// The settings of this frame, within their ranges.
#[derive(Resource, Default, Deref)]
pub struct RenderSettings(DisconSettings);

/// Takes the commands of the frame.
pub fn extract_commands(
    mut main_world: ResMut<MainWorld>,
    mut queued: ResMut<Queued>,
    mut active: ResMut<Active>,
    mut settings: ResMut<RenderSettings>,
    gpu: Res<ModelOnGpu>,
) {
    if let Some(found) = main_world.get_resource_ref::<DisconSettings>()
        && found.is_changed()
    {
        settings.0 = found.clamped();
    }
    let Some(mut outbox) = main_world.get_resource_mut::<Outbox>().filter(|outbox| !outbox.0.is_empty()) else {
        return;
    };
    for command in outbox.0.drain(..) {
        match command {
            Command::UseModel(model) => queued.model = Some(model),
            Command::Clear(image) => queued.clear.push(image),
            // The main world hears of it and fails the request.
            Command::Generate(_) | Command::Upload(..) if gpu.is_unusable() => {}
            Command::Generate(job) => queued.jobs.push(*job),
            Command::Upload(ticket, pixels) => queued.uploads.push_back((ticket, pixels)),
            Command::Prioritise(image, priority) => {
                let mut jobs = queued.jobs.iter_mut();
                if let Some(job) = jobs.find(|job| job.ticket.image == image) {
                    job.priority = priority;
                }
            }
            Command::Cancel(image) => {
                queued.cancel(image);
                active.cancel(image);
            }
        }
    }
}
