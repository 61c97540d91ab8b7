//! How much work fits into a frame.

use crate::gpu::Dispatch;
use bevy::prelude::*;

/// Parts of a generation that use the GPU differently: a texture's many small products and its few large convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Stage 1.
    Tokens,
    /// Stage 2.
    Latents,
    /// Latents to pixels.
    Decode,
}

/// Milliseconds per unit of work before anything is measured: a slow processor with a software rasteriser.
const FIRST_GUESS: f32 = 50.0;
/// Share of a new measurement when work turns out slower than expected, and faster.
const ATTACK: f32 = 0.6;
const RELEASE: f32 = 0.25;
/// Share of a new measurement in the mean deviation from what was expected.
const SPREAD: f32 = 0.1;
/// Frames of work that may be on their way before the generator pauses.
const FRAMES_AHEAD: f32 = 3.0;

/// Work of a dispatch in units of a billion operations. Reading, writing and starting count too, so that lists of
/// small operations do not look free; the weights only have to be right in order of magnitude.
pub fn work(dispatch: &Dispatch) -> f32 {
    (dispatch.flops as f32 + 32.0 * dispatch.values as f32 + 500_000.0) * 1e-9
}

/// Learns how fast this GPU is, and says how much work fits into a frame.
#[derive(Resource, Debug, Default)]
pub struct Controller {
    /// By phase.
    rates: [Option<Rate>; 3],
}

/// Milliseconds per unit of work.
#[derive(Clone, Copy, Debug)]
struct Rate {
    mean: f32,
    /// Mean deviation from it, as a share of it: operations differ, and so does what else the GPU does. At most 1.
    spread: f32,
}

impl Rate {
    /// What most work does not exceed.
    fn cautious(self) -> f32 {
        self.mean * (1.0 + self.spread)
    }
}

impl Controller {
    /// Time that some work most likely does not exceed, in milliseconds.
    pub fn expected_ms(&self, phase: Phase, work: f32) -> f32 {
        let slowest = || self.rates.iter().flatten().map(|rate| rate.cautious()).reduce(f32::max);
        work * self.rates[phase as usize].map(Rate::cautious).or_else(slowest).unwrap_or(FIRST_GUESS)
    }

    /// Work that fits into some milliseconds.
    pub fn fitting(&self, phase: Phase, ms: f32) -> f32 {
        ms / self.expected_ms(phase, 1.0)
    }

    /// Takes a measurement. Slower is believed sooner than faster: a late texture hurts less than a late frame.
    pub fn learn(&mut self, phase: Phase, work: f32, ms: f32) {
        let sample = ms / work;
        if !sample.is_finite() || sample <= 0.0 {
            return;
        }
        let rate = &mut self.rates[phase as usize];
        *rate = Some(match *rate {
            None => Rate { mean: sample, spread: 0.0 },
            Some(Rate { mean, spread }) => Rate {
                mean: mean + (sample - mean) * if sample > mean { ATTACK } else { RELEASE },
                spread: spread + ((sample / mean - 1.0).abs().min(1.0) - spread) * SPREAD,
            },
        });
    }

    /// Milliseconds for this frame, given what earlier frames have sent and the GPU has not finished.
    pub fn frame_ms(&self, budget_ms: f32, outstanding_ms: f32) -> f32 {
        if outstanding_ms > FRAMES_AHEAD * budget_ms { 0.0 } else { budget_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames until the controller spends between half of and the whole budget, on a GPU that needs `true_rate`
    /// milliseconds per unit and reports two frames late.
    fn frames_to_settle(controller: &mut Controller, true_rate: f32, budget: f32) -> Option<usize> {
        let mut late = std::collections::VecDeque::new();
        (0..200).find(|_| {
            let work = controller.fitting(Phase::Latents, budget);
            late.push_back(work);
            if late.len() > 2 {
                let work = late.pop_front().unwrap_or_default();
                controller.learn(Phase::Latents, work, work * true_rate);
            }
            (0.5..=1.05).contains(&(controller.fitting(Phase::Latents, budget) * true_rate / budget))
        })
    }

    #[test]
    fn the_controller_finds_the_budget_on_slow_and_fast_devices_and_after_a_change() {
        let mut controller = Controller::default();
        for true_rate in [30.0, 0.1, 80.0, 2.0] {
            let frames = frames_to_settle(&mut controller, true_rate, 4.0);
            assert!(frames.is_some_and(|frames| frames < 30), "{true_rate} ms per unit: {frames:?} frames");
        }
    }

    #[test]
    fn where_measurements_differ_most_work_stays_within_the_budget() {
        let mut controller = Controller::default();
        // Every other piece takes 1.5 times as long as the one before.
        let times: Vec<f32> = (0..200)
            .map(|piece| {
                let work = controller.fitting(Phase::Latents, 4.0);
                let ms = work * if piece % 2 == 0 { 10.0 } else { 15.0 };
                controller.learn(Phase::Latents, work, ms);
                ms
            })
            .collect();
        let late = times[50..].iter().filter(|ms| **ms > 4.0 * 1.05).count();
        assert!(late < 8, "{late} of 150 pieces are more than 5 % above the budget");
        assert!(times[50..].iter().sum::<f32>() > 0.7 * 150.0 * 4.0, "most of the budget is used");
    }

    #[test]
    fn unknown_phases_are_expected_to_be_slow_and_nonsense_is_not_learnt() {
        let mut controller = Controller::default();
        assert_eq!(controller.expected_ms(Phase::Tokens, 2.0), 2.0 * FIRST_GUESS);
        controller.learn(Phase::Tokens, 1.0, 3.0);
        controller.learn(Phase::Latents, 1.0, 7.0);
        assert_eq!(controller.expected_ms(Phase::Decode, 1.0), 7.0);
        for (work, ms) in [(0.0, 1.0), (1.0, 0.0), (1.0, f32::NAN), (0.0, 0.0)] {
            controller.learn(Phase::Tokens, work, ms);
        }
        assert_eq!(controller.expected_ms(Phase::Tokens, 1.0), 3.0);
    }

    #[test]
    fn nothing_is_sent_while_the_device_is_far_behind() {
        let controller = Controller::default();
        assert_eq!(controller.frame_ms(4.0, 11.0), 4.0);
        assert_eq!(controller.frame_ms(4.0, 13.0), 0.0);
    }
}
