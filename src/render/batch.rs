//! Which waiting textures run together.
//!
//! A batch runs as one job from its start to the next milestone where a texture leaves it. It needs buffers of its own
//! for every number of textures, so numbers are powers of two.

use super::extract::{Queued, Waiting};
use crate::request::BatchLimit;
use crate::request::link::Goal;
use crate::sampling::PlanShape;

/// Most textures that [`BatchLimit::Automatic`] takes together: more add to the time until the first is ready, and to
/// the work of single dispatches.
const AUTOMATIC_TEXTURES: usize = 8;

/// Most textures of one shape that may run together.
pub fn limit(setting: BatchLimit, device: wgpu::DeviceType, shape: &PlanShape) -> usize {
    let positions = match device {
        // A processor is filled by one texture.
        wgpu::DeviceType::Cpu => 0,
        wgpu::DeviceType::DiscreteGpu => 2048,
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 1024,
    };
    let most = match setting {
        BatchLimit::Automatic => (positions / shape.grid.positions()).min(AUTOMATIC_TEXTURES),
        BatchLimit::AtMost(most) => most as usize,
    };
    most.clamp(1, shape.largest_batch())
}

impl Waiting {
    /// Whether another job does the same dispatches from here on. What goes on from kept latents and works of surfaces
    /// run alone.
    fn fits(&self, other: &Self) -> bool {
        let alone = |waiting: &Self| waiting.alone || waiting.around.given.is_some() || waiting.around.work.is_some();
        let state = |waiting: &Self| {
            let ends_with_tokens = waiting.job.goal == Goal::Tokens;
            (waiting.tokens.is_some(), waiting.coarse_shown, waiting.needs_coarse(), ends_with_tokens)
        };
        !alone(self) && !alone(other) && state(self) == state(other) && self.job.plan.shape == other.job.plan.shape
    }
}

impl Queued {
    /// The job at `first` and those that run together with it, at most `limit`, in the order in which they would run
    /// alone.
    pub fn batch(&self, first: usize, limit: usize, possible: impl Fn(&Waiting) -> bool) -> Vec<usize> {
        let mut batch = vec![first];
        if limit > 1 {
            let fits = |waiting: &Waiting| waiting.can_run() && possible(waiting) && self.jobs[first].fits(waiting);
            batch.extend((0..self.jobs.len()).filter(|at| *at != first && fits(&self.jobs[*at])));
            batch[1..].sort_unstable_by(|a, b| self.jobs[*b].turn().order(&self.jobs[*a].turn()));
        }
        batch.truncate(1 << batch.len().min(limit).max(1).ilog2());
        batch
    }

    /// Takes the jobs at some places, in this order.
    pub fn take(&mut self, places: &[usize]) -> Vec<Waiting> {
        let mut falling: Vec<(usize, usize)> =
            places.iter().copied().enumerate().map(|(rank, at)| (at, rank)).collect();
        falling.sort_unstable_by(|a, b| b.cmp(a));
        // Those behind a place that is filled up again are gone already.
        let mut taken: Vec<(usize, Waiting)> =
            falling.into_iter().map(|(at, rank)| (rank, self.jobs.swap_remove(at))).collect();
        taken.sort_unstable_by_key(|(rank, _)| *rank);
        taken.into_iter().map(|(_, waiting)| waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Grid, Wrap};

    #[test]
    fn limits_follow_the_device_the_size_and_the_setting() {
        let shape = |side: usize| {
            let grid = Grid { items: 1, height: side, width: side, wrap: Wrap::BOTH };
            PlanShape::of_whole_grid(grid, Vec::new(), 1)
        };
        use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        for (setting, device, side, expected) in [
            (BatchLimit::Automatic, Cpu, 16, 1),
            (BatchLimit::Automatic, DiscreteGpu, 4, 8),
            (BatchLimit::Automatic, DiscreteGpu, 16, 8),
            (BatchLimit::Automatic, DiscreteGpu, 32, 2),
            (BatchLimit::Automatic, DiscreteGpu, 64, 1),
            (BatchLimit::Automatic, IntegratedGpu, 16, 4),
            (BatchLimit::AtMost(0), DiscreteGpu, 16, 1),
            (BatchLimit::AtMost(3), Cpu, 16, 3),
            (BatchLimit::AtMost(u32::MAX), DiscreteGpu, 16, 16),
            (BatchLimit::AtMost(9), DiscreteGpu, 64, 1),
        ] {
            assert_eq!(limit(setting, device, &shape(side)), expected, "{setting:?} {device:?} {side}");
        }
    }
}
