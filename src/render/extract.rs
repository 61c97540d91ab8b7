//! What waits in the render world.

use super::active::Active;
use super::prepare::ModelOnGpu;
use super::surfaces::{SurfaceWork, Surfaces};
use crate::gpu::{GpuError, GpuPages, ImagePlace};
use crate::model::Model;
use crate::request::DisconSettings;
use crate::request::link::{Command, Goal, Job, MapJob, Outbox, Report, ReportSender, Shown, Ticket, Turn};
use crate::request::surface_link::SurfaceReport;
use crate::sampling::Span;
use bevy::prelude::*;
use bevy::render::MainWorld;
use std::collections::VecDeque;
use std::sync::Arc;

/// Commands that have not been carried out yet.
#[derive(Resource, Default)]
pub struct Queued {
    /// Textures that must show a colour, by default the neutral one.
    pub clear: Vec<(AssetId<Image>, Option<[u8; 4]>)>,
    /// Maps to derive.
    pub maps: Vec<MapJob>,
    /// Pictures for textures.
    pub uploads: VecDeque<(Ticket, Vec<u8>)>,
    /// Pictures with all their levels.
    pub shown: Vec<Shown>,
    /// Textures to generate.
    pub jobs: Vec<Waiting>,
    /// A model to prepare.
    pub model: Option<Arc<Model>>,
}

/// A job that does not run, from the beginning or further on.
pub struct Waiting {
    /// What was asked for.
    pub job: Job,
    /// Its tokens, if stage 1 is done.
    pub tokens: Option<wgpu::Buffer>,
    /// Whether its coarse picture is shown.
    pub coarse_shown: bool,
    /// What was made before it, and what is kept of it.
    pub around: Around,
    /// Whether it runs in no batch: one that it was in could not be started.
    pub alone: bool,
}

/// What surrounds a job: tokens and latents that it is given and that are kept of it.
#[derive(Debug, Default)]
pub struct Around {
    /// Copied into its slot before it runs.
    pub given: Option<(GpuPages, Vec<Span>)>,
    /// Copied out of its slot afterwards.
    pub kept: Option<(GpuPages, Vec<Span>)>,
    /// Where its picture goes.
    pub place: ImagePlace,
    /// What it is for, if it belongs to a surface.
    pub work: Option<SurfaceWork>,
}

impl Waiting {
    /// The report of a job that fails.
    pub fn failure(&self, reason: String) -> Report {
        match self.around.work {
            Some(_) => Report::Surface(self.job.ticket, SurfaceReport::Failed(reason)),
            None => Report::Failed(self.job.ticket, self.job.goal, reason),
        }
    }

    /// Whether there is anything to do now.
    pub fn can_run(&self) -> bool {
        !self.job.paused && !self.job.goal.rests(self.coarse_shown)
    }

    /// Whether a slot for its coarse picture is needed.
    pub fn needs_coarse(&self) -> bool {
        self.job.coarse && !self.coarse_shown && self.job.goal != Goal::Tokens
    }

    /// When it runs; work of surfaces and tiles counts as what is refined.
    pub fn turn(&self) -> Turn {
        let shows_nothing = !self.coarse_shown && self.around.work.is_none();
        Turn { shows_nothing, priority: self.job.priority, number: self.job.ticket.number }
    }
}

impl Queued {
    /// The job to run next among those that `possible` accepts.
    pub fn next(&self, possible: impl Fn(&Waiting) -> bool) -> Option<usize> {
        let candidates = self.jobs.iter().enumerate().filter(|(_, waiting)| waiting.can_run() && possible(waiting));
        candidates.max_by(|(_, a), (_, b)| a.turn().order(&b.turn())).map(|(at, _)| at)
    }

    /// Fails all jobs that wait, but for what rests or is paused.
    pub fn fail_jobs(&mut self, error: &GpuError, sender: &ReportSender) {
        for waiting in self.jobs.extract_if(.., |waiting| waiting.can_run()) {
            sender.send(waiting.failure(error.to_string()));
        }
    }

    /// Fails all pictures that wait for their textures.
    pub fn fail_uploads(&mut self, error: &GpuError, sender: &ReportSender) {
        for (ticket, _) in self.uploads.drain(..) {
            sender.send(Report::Failed(ticket, Goal::Full, error.to_string()));
        }
    }

    fn cancel(&mut self, image: AssetId<Image>) {
        self.clear.retain(|(waiting, _)| *waiting != image);
        self.maps.retain(|map| map.base != image && map.target != image);
        self.uploads.retain(|(ticket, _)| ticket.image != image);
        self.shown.retain(|shown| shown.image != image);
        self.jobs.retain(|waiting| waiting.job.ticket.image != image);
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
    mut surfaces: ResMut<Surfaces>,
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
        let mut change = |image: AssetId<Image>, change: &dyn Fn(&mut Job)| {
            let running = active.jobs_mut();
            let waiting = queued.jobs.iter_mut().map(|waiting| &mut waiting.job);
            running.chain(waiting).filter(|job| job.ticket.image == image).for_each(change);
        };
        match command {
            Command::UseModel(model) => queued.model = Some(model),
            Command::Clear(image, colour) => queued.clear.push((image, colour)),
            Command::Derive(_) if gpu.is_unusable() => {}
            Command::Derive(map) => {
                // Only the newest picture counts.
                queued.maps.retain(|waiting| waiting.target != map.target);
                queued.maps.push(map);
            }
            // The main world hears of it and starts the request anew, or fails it.
            Command::Generate(_) | Command::Upload(..) if gpu.is_unusable() => {}
            Command::Generate(job) => {
                let around = Around::default();
                queued.jobs.push(Waiting { job: *job, tokens: None, coarse_shown: false, around, alone: false });
            }
            Command::Show(shown) => queued.shown.push(*shown),
            Command::Upload(ticket, pixels) => queued.uploads.push_back((ticket, pixels)),
            Command::Prioritise(image, priority) => change(image, &|job| job.priority = priority),
            Command::Pause(image, paused) => change(image, &|job| job.paused = paused),
            Command::Refine(image) => change(image, &|job| {
                if job.goal == Goal::Coarse {
                    job.goal = Goal::Full;
                }
            }),
            Command::Surface(command) => surfaces.apply(command, &mut queued, &mut active),
            Command::Cancel(image) => {
                queued.cancel(image);
                active.cancel(image);
            }
        }
    }
}
