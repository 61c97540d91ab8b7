//! Patches of 3x3 neighbours as rows of a matrix that is never stored: nine times the memory of what it is made of.

use crate::model::Grid;
use std::sync::Arc;

/// Neighbours of a position, itself among them.
pub const TAPS: usize = 9;
/// Channels that a patch is read by at once: only multiples of this can be read without storing the patches.
pub const GROUP: usize = 16;

/// For every position of a batch of grids its nine neighbours, in the order of a convolution's weights.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// All below `count`.
    rows: Arc<[u32]>,
    count: usize,
}

impl Neighbours {
    /// The neighbours in `grid`, by its border rule.
    pub fn of(grid: Grid) -> Self {
        let mut rows = Vec::with_capacity(TAPS * grid.rows());
        for row in 0..grid.rows() {
            let (item, position) = (row / grid.positions(), row % grid.positions());
            let (y, x) = ((position / grid.width) as isize, (position % grid.width) as isize);
            for tap in 0..TAPS as isize {
                let (y, x) = grid.resolve(y + tap / 3 - 1, x + tap % 3 - 1);
                rows.push((item * grid.positions() + y * grid.width + x) as u32);
            }
        }
        Self { rows: rows.into(), count: grid.rows() }
    }

    /// Nine rows for each position.
    pub fn rows(&self) -> &Arc<[u32]> {
        &self.rows
    }

    /// Positions.
    pub fn count(&self) -> usize {
        self.count
    }
}
