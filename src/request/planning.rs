//! Plans are made on task threads: to stitch the tokens of a large texture takes milliseconds, which no frame has.

use super::entities::TextureDetail;
use super::events::{GenerationError, TextureSource};
use super::link::{Command, Goal, Job, KeptState, Outbox, Report, ReportSender, Ticket};
use super::settings::DisconSettings;
use super::store::{Entry, TextureStore};
use crate::cache::DiskFile;
use crate::model::Model;
use crate::sampling::{Plan, Recipe, RecipeError, plan};
use bevy::tasks::AsyncComputeTaskPool;
use std::sync::Arc;

/// Requests of a frame that one task plans and reports together, so that they can still run as one batch.
const TOGETHER: usize = 16;

/// A texture to plan.
#[derive(Debug)]
pub struct ToPlan {
    /// The texture, and its attempt.
    pub ticket: Ticket,
    /// What it shows.
    pub recipe: Recipe,
    /// Where the picture is kept on disk.
    pub file: Option<DiskFile>,
    /// Whether only its tokens are wanted.
    pub tokens_only: bool,
}

/// A texture that was planned, or why it could not be.
#[derive(Debug)]
pub struct Planned {
    asked: ToPlan,
    plan: Result<Box<Plan>, RecipeError>,
}

impl ToPlan {
    /// The picture of an entry.
    pub fn picture(entry: &Entry, ticket: Ticket, file: Option<DiskFile>) -> Self {
        Self { ticket, recipe: entry.recipe.clone(), file, tokens_only: false }
    }

    /// The tokens of an entry that has its picture.
    pub fn tokens(entry: &Entry, ticket: Ticket) -> Self {
        Self { ticket, recipe: entry.recipe.clone(), file: None, tokens_only: true }
    }
}

/// Plans textures on other threads; [`Report::Planned`] follows.
pub fn start_planning(model: &Arc<Model>, sender: &ReportSender, textures: Vec<ToPlan>) {
    let mut textures = textures.into_iter().peekable();
    while textures.peek().is_some() {
        let part: Vec<ToPlan> = textures.by_ref().take(TOGETHER).collect();
        let (model, sender) = (Arc::clone(model), ReportSender::clone(sender));
        let work = async move {
            let planned =
                part.into_iter().map(|asked| Planned { plan: plan(&model, &asked.recipe).map(Box::new), asked });
            sender.send(Report::Planned(planned.collect()));
        };
        AsyncComputeTaskPool::get().spawn(work).detach();
    }
}

/// Asks the render world for a texture that was planned, as it is wanted by now.
pub fn generate(store: &mut TextureStore, outbox: &mut Outbox, settings: &DisconSettings, planned: Planned) {
    let Planned { asked: ToPlan { ticket, file, tokens_only, .. }, plan } = planned;
    let read_tokens = store.to_read.contains(&ticket.image) || tokens_only;
    // It may have been cancelled meanwhile.
    let Some(entry) = store.entry_of(ticket) else { return };
    let plan = match plan {
        Ok(plan) => *plan,
        Err(error) if tokens_only => return store.fail_tokens(ticket, error.to_string()),
        Err(error) => return store.fail(ticket.image, GenerationError::Recipe(error.to_string())),
    };
    let (goal, coarse) = match entry.detail {
        TextureDetail::Full => (Goal::Full, settings.coarse_first),
        TextureDetail::Direct => (Goal::Full, false),
        TextureDetail::Coarse => (Goal::Coarse, true),
    };
    if !tokens_only {
        entry.source = TextureSource::Generated;
    }
    outbox.0.push(Command::Generate(Box::new(Job {
        ticket,
        plan,
        priority: entry.priority,
        file,
        goal: if tokens_only { Goal::Tokens } else { goal },
        coarse,
        read_tokens,
        paused: entry.paused,
        state: (settings.kept_latent_bytes > 0).then(|| kept_state(entry)),
    })));
}

/// Names of a texture's tokens and latents, and of those that it may go on from.
fn kept_state(entry: &Entry) -> KeptState {
    let with = |count: usize| Recipe { edits: entry.recipe.edits[..count].to_vec(), ..entry.recipe.clone() };
    let before = (0..entry.recipe.edits.len()).map(|count| with(count).digest()).collect();
    KeptState { recipe: entry.recipe.clone(), hash: entry.hash, before }
}
