//! CPU twin of `shaders/conv3x3.wgsl`.

use super::linear::{Ending, in_bands};
use super::{Loops, buffers};
use crate::model::Grid;

/// 3x3 convolution with the border rule of `grid`; weight `(9 * inputs, outputs)`, rows ordered (ky, kx, input). Items do not
/// share bands, so that each texture of a batch rounds as it would alone.
pub fn conv3x3(loops: &Loops, x: &[f32], weight: &[f32], outputs: usize, grid: Grid, ending: Ending) -> Vec<f32> {
    let inputs = weight.len() / outputs / 9;
    in_bands(loops, grid.items, grid.rows(), outputs, ending, &|first, y| {
        let rows = y.len() / outputs;
        // Only the patches of a band, so that they are still near when the product reads them.
        let mut patches = buffers::empty(9 * inputs * rows);
        (first..first + rows).for_each(|row| push_patch(x, inputs, grid, row, &mut patches));
        (loops.product)(&patches, weight, 9 * inputs, outputs, y);
        buffers::give(patches);
    })
}

/// The nine neighbours of a row.
fn push_patch(x: &[f32], inputs: usize, grid: Grid, row: usize, patches: &mut Vec<f32>) {
    let (item, position) = (row / grid.positions(), row % grid.positions());
    let (at_y, at_x) = (position / grid.width, position % grid.width);
    let row_of = |(y, x): (usize, usize)| (item * grid.height + y) * grid.width + x;
    for dy in -1..=1 {
        let y = at_y as isize + dy;
        if (1..grid.width - 1).contains(&at_x) {
            // Three neighbours that lie side by side.
            let start = row_of(grid.resolve(y, at_x as isize)) - 1;
            patches.extend_from_slice(&x[start * inputs..(start + 3) * inputs]);
            continue;
        }
        for dx in -1..=1 {
            let start = row_of(grid.resolve(y, at_x as isize + dx));
            patches.extend_from_slice(&x[start * inputs..(start + 1) * inputs]);
        }
    }
}
