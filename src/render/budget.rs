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

/// What is known of the time of a submission.
#[derive(Clone, Copy, Debug)]
pub enum Took {
    /// Milliseconds between its timestamps.
    Exactly(f32),
    /// No more than this.
    Within(Bounds),
}

/// Between which milliseconds the time of a submission lies.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the time when everything before it was seen to be done to the last one when it was seen not to be: other work
    /// of the GPU does not count. Often 0.
    pub least: f32,
    /// From its submission to the time when it was seen to be done: never less than the time between two looks, and with
    /// everything before it that was not done.
    pub most: f32,
    /// Whether it was done when the device was first asked.
    pub at_once: bool,
}

/// A submission that the GPU has finished.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What ran.
    pub phase: Phase,
    /// How much.
    pub work: f32,
    /// How long.
    pub took: Took,
    /// How long it was expected to take.
    pub expected_ms: f32,
}

impl Sample {
    /// The most likely time in milliseconds.
    pub fn ms(&self) -> f32 {
        match self.took {
            Took::Exactly(ms) => ms,
            Took::Within(Bounds { least, most, .. }) => self.expected_ms.min(most).max(least),
        }
    }
}

/// Milliseconds per unit of work before anything is measured: a slow processor with a software rasteriser.
const FIRST_GUESS: f32 = 50.0;
/// Share of a new measurement when work turns out slower than expected, and faster.
const ATTACK: f32 = 0.6;
const RELEASE: f32 = 0.25;
/// Share of a new measurement in the mean deviation from what was expected.
const SPREAD: f32 = 0.1;
/// Where times are not measured: factor by which more is tried after work that was done when the device was first asked,
/// and by which less is tried after other work.
const GROWTH: f32 = 1.25;
const CAUTION: f32 = 1.05;
/// Milliseconds per unit of work below which nothing is only tried: a weak GPU. Faster ones then take a few frames more
/// than they need, and none takes much more than its budget.
const LEAST_TRIED: f32 = 4.0;
/// And above which caution alone leads nowhere: a GPU that the game keeps busy answers late whatever is asked of it.
const MOST_FEARED: f32 = 10.0;
/// Frames of work that may be on their way before the generator pauses.
const FRAMES_AHEAD: f32 = 3.0;

/// Work of a dispatch in units of a billion operations. Reading, writing and starting count too, so that lists of
/// small operations do not look free; the weights only have to be right in order of magnitude.
pub fn work(dispatch: &Dispatch) -> f32 {
    (dispatch.flops as f32 + 32.0 * dispatch.values as f32 + 500_000.0) * 1e-9
}

/// Work of writing a picture of these sizes into its texture with `levels` levels: not among the dispatches.
pub fn picture_work(width: u32, height: u32, levels: u32) -> f32 {
    // Three values of a pixel are read and one is written; then each level is read and the next one written.
    let values = 6.0 * width as f32 * height as f32;
    (32.0 * values + 500_000.0 * levels as f32) * 1e-9
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

    /// Takes what is known of a submission.
    pub fn take(&mut self, sample: &Sample) {
        match sample.took {
            Took::Exactly(ms) => self.learn(sample.phase, sample.work, ms),
            Took::Within(bounds) => self.learn_bounds(sample.phase, sample.work, bounds),
        }
    }

    /// Takes bounds. What contradicts them is corrected, to the nearer bound and so never by the time between two frames;
    /// what they allow is tried out.
    fn learn_bounds(&mut self, phase: Phase, work: f32, Bounds { least, most, at_once }: Bounds) {
        let mean = self.rates[phase as usize].map_or(self.expected_ms(phase, 1.0), |rate| rate.mean);
        let possible = (work * mean).min(most).max(least);
        if possible != work * mean || self.rates[phase as usize].is_none() {
            return self.learn(phase, work, possible);
        }
        let Some(rate) = &mut self.rates[phase as usize] else { return };
        if at_once && mean > LEAST_TRIED {
            rate.mean = (mean / GROWTH).max(LEAST_TRIED);
        } else if !at_once && mean < MOST_FEARED {
            rate.mean = (mean * CAUTION).min(MOST_FEARED);
        }
    }

    /// Takes a measurement. Slower is believed sooner than faster: a late texture hurts less than a late frame.
    fn learn(&mut self, phase: Phase, work: f32, ms: f32) {
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

    /// Frames until 60 units of work are done within 4 ms in each frame of 16.6 ms, where the device is asked once per frame
    /// and has no timestamps; with the longest time in a frame, and the last.
    fn frames_without_timestamps(true_rate: f32) -> (usize, f32, f32) {
        const FRAME: f32 = 16.6;
        let mut controller = Controller::default();
        let (mut done, mut longest, mut last, mut frames) = (0.0, 0.0f32, 0.0, 0);
        while done < 60.0 && frames < 10_000 {
            let work = controller.fitting(Phase::Latents, 4.0);
            let ms = work * true_rate;
            let looks = (ms / FRAME).ceil().max(1.0);
            let bounds = Bounds { least: (looks - 1.0) * FRAME, most: looks * FRAME, at_once: looks == 1.0 };
            controller.learn_bounds(Phase::Latents, work, bounds);
            (done, longest, last) = (done + work, longest.max(ms), ms);
            frames += looks as usize;
        }
        (frames, longest, last)
    }

    #[test]
    fn a_device_that_is_asked_once_per_frame_is_not_taken_for_a_slow_one() {
        for (true_rate, most_frames, most_ms) in
            [(0.1, 100, 4.0), (2.0, 100, 4.0), (10.0, 100, 10.0), (30.0, 200, 20.0)]
        {
            let (frames, longest, last) = frames_without_timestamps(true_rate);
            assert!(frames <= most_frames, "{true_rate} ms per unit: {frames} frames");
            assert!(longest <= 1.05 * most_ms, "{true_rate} ms per unit: {longest} ms in a frame, at the end {last}");
        }
        // Slower than the first guess: seen at once, and the budget is kept from then on.
        let (_, longest, last) = frames_without_timestamps(500.0);
        assert!(longest <= 40.1 && last < 21.0, "{longest} ms in the first frame, {last} ms in the last");
    }

    #[test]
    fn a_gpu_that_others_keep_busy_is_not_taken_for_a_slow_one() {
        let mut controller = Controller::default();
        for _ in 0..1000 {
            let work = controller.fitting(Phase::Latents, 4.0);
            controller.learn_bounds(Phase::Latents, work, Bounds { least: 0.0, most: 33.0, at_once: false });
        }
        assert!((controller.expected_ms(Phase::Latents, 1.0) / FIRST_GUESS - 1.0).abs() < 0.01);
        let mut controller = Controller::default();
        controller.learn(Phase::Latents, 1.0, 0.1);
        for _ in 0..1000 {
            controller.learn_bounds(Phase::Latents, 0.1, Bounds { least: 0.0, most: 33.0, at_once: false });
        }
        assert!(controller.rates[Phase::Latents as usize].is_some_and(|rate| rate.mean <= MOST_FEARED));
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
