//! CPU twins of `shaders/depth_to_space.wgsl` and `shaders/space_to_depth.wgsl`.

use super::buffers;
use crate::model::Grid;

/// `(grid.rows(), factor^2 C) -> (finer rows, C)`, columns ordered (dy, dx, channel).
pub fn depth_to_space(x: &[f32], grid: Grid, factor: usize) -> Vec<f32> {
    let mut y = buffers::zeros(x.len());
    let width = x.len() / grid.rows() / factor;
    lines(width, grid, factor, |coarse, fine| y[fine..fine + width].copy_from_slice(&x[coarse..coarse + width]));
    y
}

/// The inverse; `grid` is the fine one.
pub fn space_to_depth(x: &[f32], grid: Grid, factor: usize) -> Vec<f32> {
    let mut y = buffers::zeros(x.len());
    let grid = grid.coarser(factor);
    let width = x.len() / grid.rows() / factor;
    lines(width, grid, factor, |coarse, fine| y[coarse..coarse + width].copy_from_slice(&x[fine..fine + width]));
    y
}

/// Calls `pair` with where each line of each block begins in the coarse and in the fine layout; `width` is the number of values
/// in a line, which lie together in both.
fn lines(width: usize, grid: Grid, factor: usize, mut pair: impl FnMut(usize, usize)) {
    for row in 0..grid.rows() {
        let (above, x) = (row / grid.width, row % grid.width);
        for line in 0..factor {
            pair((row * factor + line) * width, ((above * factor + line) * grid.width + x) * width);
        }
    }
}
