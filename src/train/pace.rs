//! How long a stage trains, and when it is saved.

use super::TrainError;
use super::metrics::progress_bar;
use super::params::ParamSet;
use super::run::Session;
use indicatif::ProgressBar;
use std::time::Instant;

/// Steps in a row with a gradient that is not finite before training gives up.
const MAX_BAD_STEPS: u32 = 20;
/// Seconds of training between checkpoints.
const CHECKPOINT_SECONDS: f64 = 75.0;
/// Keeps a stage's time: when it ends, and when it is saved.
pub struct Pace {
    budget: f64,
    per_step: Option<f64>,
    stop_at: Option<u64>,
    since_saved: f64,
    last: Instant,
    bad_steps: u32,
    stage: &'static str,
    bar: ProgressBar,
}

impl Pace {
    /// Starts the clock of a stage that has `budget` seconds in all.
    pub fn new(session: &Session, stage: &'static str, budget: f64, set: &ParamSet) -> Self {
        Self {
            budget,
            per_step: session.options.seconds_per_step,
            stop_at: session.options.stop_after.map(|steps| set.step + steps),
            since_saved: 0.0,
            last: Instant::now(),
            bad_steps: 0,
            stage,
            bar: progress_bar(stage, budget, set.seconds),
        }
    }

    /// True while there is time left.
    pub fn goes_on(&self, set: &ParamSet) -> bool {
        set.seconds < self.budget && self.stop_at.is_none_or(|stop| set.step < stop)
    }

    /// Counts the time since the last call; true if the stage should be saved now.
    pub fn tick(&mut self, set: &mut ParamSet, loss: f32) -> bool {
        let now = Instant::now();
        let passed = self.per_step.unwrap_or((now - self.last).as_secs_f64());
        self.last = now;
        set.seconds += passed;
        self.since_saved += passed;
        self.bar.set_position(set.seconds as u64);
        self.bar.set_message(format!("step {}, loss {loss:.4}", set.step));
        self.since_saved >= CHECKPOINT_SECONDS || !self.goes_on(set)
    }

    /// Called after saving.
    pub fn restart(&mut self) {
        self.since_saved = 0.0;
    }

    /// Gives up when gradients stay infinite.
    ///
    /// # Errors
    /// After `MAX_BAD_STEPS` of them in a row.
    pub fn guard(&mut self, norm: f32) -> Result<(), TrainError> {
        self.bad_steps = if norm.is_finite() { 0 } else { self.bad_steps + 1 };
        if self.bad_steps >= MAX_BAD_STEPS {
            return Err(TrainError::Diverged { stage: self.stage, count: self.bad_steps });
        }
        Ok(())
    }
}
