//! What the main world and the render world say to each other.

use super::disk::DiskFile;
use crate::model::Model;
use crate::sampling::Plan;
use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;

/// Names one attempt to fill a texture, so that reports of a cancelled attempt do not count for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The texture.
    pub image: AssetId<Image>,
    /// Number of the attempt.
    pub number: u64,
}

/// From the main world to the render world, in order.
#[derive(Debug)]
pub enum Command {
    /// Compile the kernels and upload the weights of this model.
    UseModel(Arc<Model>),
    /// Show the neutral colour in a new texture as soon as it exists.
    Clear(AssetId<Image>),
    /// Generate a texture.
    Generate(Box<Job>),
    /// Fill a texture with a picture: RGBA bytes of level 0.
    Upload(Ticket, Vec<u8>),
    /// Change the priority of a texture that waits.
    Prioritise(AssetId<Image>, i32),
    /// Forget a texture: nobody wants it any more.
    Cancel(AssetId<Image>),
}

/// One texture to generate.
#[derive(Debug)]
pub struct Job {
    /// Where the picture goes.
    pub ticket: Ticket,
    /// What runs.
    pub plan: Plan,
    /// Higher is sooner; equal priorities in the order of requests.
    pub priority: i32,
    /// Where the picture is kept on disk.
    pub file: Option<DiskFile>,
}

/// From the render world, or from a task, to the main world.
#[derive(Debug)]
pub enum Report {
    /// The graphics device is a new one: contents of textures are lost.
    DeviceReplaced,
    /// The graphics device cannot run the model; every job fails.
    Unusable(String),
    /// The part of a texture's work that is submitted, 0 to 1.
    Progress(Ticket, f32),
    /// The GPU has finished a texture.
    Done(Ticket),
    /// A texture failed.
    Failed(Ticket, String),
    /// Milliseconds that the GPU has worked for textures since the last report of this kind: about one frame.
    Spent(f32),
    /// What the disk cache has for a texture: RGBA bytes of level 0.
    DiskLookup(Ticket, Option<Vec<u8>>),
}

/// Commands of this frame; the render world takes them when it extracts.
#[derive(Resource, Debug, Default)]
pub struct Outbox(pub Vec<Command>);

/// Reports that have arrived.
#[derive(Resource, Debug)]
pub struct Inbox(pub Receiver<Report>);

/// Where reports are sent; in both worlds.
#[derive(Resource, Debug, Clone)]
pub struct ReportSender(pub Sender<Report>);

impl ReportSender {
    /// Sends a report; after the app has ended nobody listens, which is fine.
    pub fn send(&self, report: Report) {
        self.0.send(report).ok();
    }
}
