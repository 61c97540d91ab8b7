//! What the main world and the render world say to each other.

use super::events::DiskCacheFailed;
use super::planning::Planned;
use super::surface_link::{SurfaceCommand, SurfaceReport};
use crate::cache::DiskFile;
use crate::model::{Model, Wrap};
use crate::sampling::{MapKind, MapRules, Plan, Recipe, RecipeDigest};
use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender};
use std::cmp::Ordering;
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
    /// Show a colour in a new texture as soon as it exists, by default the neutral one.
    Clear(AssetId<Image>, Option<[u8; 4]>),
    /// Generate a texture.
    Generate(Box<Job>),
    /// Fill a texture with a picture: RGBA bytes of level 0.
    Upload(Ticket, Vec<u8>),
    /// Show a picture that needs nothing of the GPU but its memory.
    #[cfg_attr(not(feature = "native"), allow(dead_code, reason = "only the processor makes such pictures"))]
    Show(Box<Shown>),
    /// Change the priority of a texture that waits.
    Prioritise(AssetId<Image>, f32),
    /// Let a texture wait, or no longer.
    Pause(AssetId<Image>, bool),
    /// Go on to the full picture.
    Refine(AssetId<Image>),
    /// Derive a map from a texture that shows its picture.
    Derive(MapJob),
    /// About a texture with layers.
    Surface(SurfaceCommand),
    /// Forget a texture: nobody wants it any more.
    Cancel(AssetId<Image>),
}

/// A picture in all levels.
#[derive(Debug)]
#[cfg_attr(not(feature = "native"), allow(dead_code, reason = "only the processor makes such pictures"))]
pub struct Shown {
    /// Where it goes.
    pub image: AssetId<Image>,
    /// RGBA bytes of all levels, the largest first.
    pub levels: Vec<u8>,
    /// What is reported when it is shown.
    pub then: Option<Report>,
}

/// One texture to generate.
#[derive(Debug)]
pub struct Job {
    /// Where the picture goes.
    pub ticket: Ticket,
    /// What runs.
    pub plan: Plan,
    /// Higher is sooner; equal priorities in the order of requests.
    pub priority: f32,
    /// Where the picture is kept on disk.
    pub file: Option<DiskFile>,
    /// Where it ends.
    pub goal: Goal,
    /// Whether the coarse picture is shown on the way.
    pub coarse: bool,
    /// Whether the tokens are reported.
    pub read_tokens: bool,
    /// Whether it waits until it is told to go on.
    pub paused: bool,
    /// What its tokens and latents are kept for.
    pub state: Option<KeptState>,
}

/// Names of what is kept of a texture, and of what it may go on from.
#[derive(Debug)]
pub struct KeptState {
    /// What the texture shows.
    pub recipe: Recipe,
    /// Hash of the recipe.
    pub hash: RecipeDigest,
    /// Hashes of the recipe with the first 0, 1, 2 ... of its edits, without the last of all.
    pub before: Vec<RecipeDigest>,
}

/// One map to derive.
#[derive(Clone, Copy, Debug)]
pub struct MapJob {
    /// The texture.
    pub base: AssetId<Image>,
    /// Where the map goes.
    pub target: AssetId<Image>,
    /// What it shows.
    pub kind: MapKind,
    /// How it is derived.
    pub rules: MapRules,
    /// Which borders of the texture fit together.
    pub wrap: Wrap,
}

/// Whether a job went on from kept latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continued {
    /// It did.
    Yes,
    /// It began at the start.
    No,
}

/// Where a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// With the tokens: the texture does not change.
    Tokens,
    /// With the coarse picture.
    Coarse,
    /// With the picture.
    Full,
}

impl Goal {
    /// Whether a texture with this goal has nothing left to do, once its coarse picture is shown or not.
    pub fn rests(self, coarse_shown: bool) -> bool {
        self == Self::Coarse && coarse_shown
    }
}

/// When it is a job's turn, on the GPU and on the processor.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Every texture shows something before any is refined.
    pub shows_nothing: bool,
    /// Higher is sooner.
    pub priority: f32,
    /// Of its request: lower is sooner.
    pub number: u64,
}

impl Turn {
    /// Greater is sooner.
    pub fn order(&self, other: &Self) -> Ordering {
        let requested = other.number.cmp(&self.number);
        self.shows_nothing.cmp(&other.shows_nothing).then(self.priority.total_cmp(&other.priority)).then(requested)
    }
}

/// From the render world, or from a task, to the main world.
#[derive(Debug)]
pub enum Report {
    /// The graphics device is a new one: contents of textures are lost.
    DeviceReplaced,
    /// The graphics device cannot run the model; no job that it was given is reported on.
    Unusable(String),
    /// The part of a texture's work that is submitted, 0 to 1.
    Progress(Ticket, f32),
    /// A texture shows its coarse picture.
    Coarse(Ticket),
    /// The tokens of a texture.
    Tokens(Ticket, Vec<u16>),
    /// The GPU has finished a texture.
    Done(Ticket),
    /// A texture was generated, or only its last edits were.
    Cost {
        /// Floating-point operations.
        operations: u64,
        /// From where on.
        continued: Continued,
        /// Textures of its batch.
        together: usize,
    },
    /// A job failed: what was asked of it, and the reason.
    Failed(Ticket, Goal, String),
    /// About a texture with layers. The ticket is that of its opening.
    Surface(Ticket, SurfaceReport),
    /// Milliseconds that the GPU has worked for textures since the last report of this kind: about one frame.
    Spent(f32),
    /// A picture could not be written into the disk cache.
    NotCached(DiskCacheFailed),
    /// Plans of textures, made on another thread.
    Planned(Vec<Planned>),
    /// What the disk cache has for a texture: RGBA bytes of level 0.
    DiskLookup(Ticket, Option<Vec<u8>>),
}

/// Commands of this frame; the render world takes them when it extracts.
#[derive(Resource, Debug, Default)]
pub struct Outbox(pub Vec<Command>);

/// Reports that have arrived.
#[derive(Resource, Debug)]
pub struct Inbox {
    news: Receiver<Report>,
    events: Receiver<Report>,
}

/// Where reports are sent; in both worlds.
#[derive(Resource, Debug, Clone)]
pub struct ReportSender {
    news: Sender<Report>,
    events: Sender<Report>,
}

/// Reports of every frame that may wait. Their queue has this size from the start, so that sending one allocates
/// nothing.
const NEWS: usize = 64;

/// Both ends.
pub fn channel() -> (ReportSender, Inbox) {
    let (news_sender, news) = crossbeam_channel::bounded(NEWS);
    let (events_sender, events) = crossbeam_channel::unbounded();
    (ReportSender { news: news_sender, events: events_sender }, Inbox { news, events })
}

impl Inbox {
    /// Everything that has arrived, what is sent in every frame first.
    pub fn take(&self) -> impl Iterator<Item = Report> {
        self.news.try_iter().chain(self.events.try_iter())
    }

    /// True if nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.news.is_empty() && self.events.is_empty()
    }
}

impl ReportSender {
    /// Sends a report; after the app has ended nobody listens, which is fine.
    pub fn send(&self, report: Report) {
        match report {
            // The next one says the same and more: one that finds no room is not missed.
            Report::Progress(..) | Report::Spent(_) => _ = self.news.try_send(report),
            _ => _ = self.events.send(report),
        }
    }
}
