//! CPU twins of `shaders/depth_to_space.wgsl` and `shaders/space_to_depth.wgsl`.

use crate::model::Grid;

/// `(grid.rows(), factor^2 C) -> (finer rows, C)`, columns ordered (dy, dx, channel).
pub fn depth_to_space(x: &[f32], grid: Grid, factor: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    move_blocks(x.len() / grid.rows(), grid, factor, |coarse, fine| y[fine] = x[coarse]);
    y
}

/// The inverse; `grid` is the fine one.
pub fn space_to_depth(x: &[f32], grid: Grid, factor: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let coarse_grid = grid.coarser(factor);
    move_blocks(x.len() / coarse_grid.rows(), coarse_grid, factor, |coarse, fine| y[coarse] = x[fine]);
    y
}

/// Calls `pair` with the index of every value in the coarse and in the fine layout.
fn move_blocks(width: usize, grid: Grid, factor: usize, mut pair: impl FnMut(usize, usize)) {
    let channels = width / (factor * factor);
    let fine = grid.finer(factor);
    for row in 0..grid.rows() {
        let (item, y, x) =
            (row / grid.positions(), row % grid.positions() / grid.width, row % grid.positions() % grid.width);
        for column in 0..width {
            let (block, channel) = (column / channels, column % channels);
            let (fine_y, fine_x) = (y * factor + block / factor, x * factor + block % factor);
            let fine_row = (item * fine.height + fine_y) * fine.width + fine_x;
            pair(row * width + column, fine_row * channels + channel);
        }
    }
}
