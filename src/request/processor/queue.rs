//! What waits for the processor, and in which order.

use super::work::Until;
use crate::cache::DiskFile;
use crate::native::Generation;
use crate::request::link::{Goal, Job, Ticket, Turn};
use crate::sampling::Plan;

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
        !self.paused && !self.goal.rests(self.coarse_shown)
    }

    /// Where it is looked at next.
    pub fn until(&self) -> Until {
        match self.goal {
            Goal::Tokens => Until::Tokens,
            Goal::Coarse | Goal::Full if self.coarse && !self.coarse_shown => Until::Coarse,
            Goal::Coarse | Goal::Full => Until::End,
        }
    }

    fn turn(&self) -> Turn {
        Turn { shows_nothing: !self.coarse_shown, priority: self.priority, number: self.ticket.number }
    }
}

/// Takes the next one.
pub fn next(waiting: &mut Vec<Waiting>) -> Option<Waiting> {
    let candidates = waiting.iter().enumerate().filter(|(_, job)| job.can_run());
    let (at, _) = candidates.max_by(|(_, a), (_, b)| a.turn().order(&b.turn()))?;
    Some(waiting.swap_remove(at))
}
