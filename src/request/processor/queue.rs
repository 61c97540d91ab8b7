//! What waits for the processor, and in which order.

use super::work::Until;
use crate::cache::DiskFile;
use crate::native::Generation;
use crate::request::link::{Goal, Job, Ticket};
use crate::sampling::Plan;
use std::cmp::Ordering;

/// A texture that does not run, from the beginning or further on.
#[derive(Debug)]
pub struct Waiting {
    /// Where the picture goes.
    pub ticket: Ticket,
    /// Higher is sooner.
    pub priority: f32,
    /// Where it ends.
    pub goal: Goal,
    /// Whether it waits until it is told to go on.
    pub paused: bool,
    /// Whether its coarse picture is shown.
    pub coarse_shown: bool,
    /// Where the picture is kept on disk.
    pub file: Option<DiskFile>,
    /// How far it is; nothing while it runs.
    pub generation: Option<Box<Generation>>,
    coarse: bool,
}

impl Waiting {
    /// A job at its beginning.
    pub fn new(job: Job, start: impl FnOnce(Plan) -> Generation) -> Self {
        let Job { ticket, plan, priority, file, goal, coarse, paused, .. } = job;
        let generation = Some(Box::new(start(plan)));
        Self { ticket, priority, goal, paused, coarse_shown: false, file, generation, coarse }
    }

    /// Whether there is anything to do now.
    pub fn can_run(&self) -> bool {
        let rests = self.goal == Goal::Coarse && self.coarse_shown;
        !self.paused && !rests
    }

    /// Where it is looked at next.
    pub fn until(&self) -> Until {
        match self.goal {
            Goal::Tokens => Until::Tokens,
            Goal::Coarse | Goal::Full if self.coarse && !self.coarse_shown => Until::Coarse,
            Goal::Coarse | Goal::Full => Until::End,
        }
    }

    /// Whether it runs before another one, as on a GPU: every texture shows something before any is refined.
    pub fn order(&self, other: &Self) -> Ordering {
        other
            .coarse_shown
            .cmp(&self.coarse_shown)
            .then(self.priority.total_cmp(&other.priority))
            .then(other.ticket.number.cmp(&self.ticket.number))
    }
}

/// Takes the next one.
pub fn next(waiting: &mut Vec<Waiting>) -> Option<Waiting> {
    let candidates = waiting.iter().enumerate().filter(|(_, job)| job.can_run());
    let (at, _) = candidates.max_by(|(_, a), (_, b)| a.order(b))?;
    Some(waiting.swap_remove(at))
}
