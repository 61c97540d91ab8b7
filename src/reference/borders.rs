//! CPU twins of `shaders/border_steps.wgsl` and `shaders/smooth_borders.wgsl`; see [`crate::sampling::borders`].

use crate::model::{Grid, TOKEN_PIXELS};
use crate::sampling::borders::{ALONG, EDGE, INSIDE, NATURAL, SMOOTHED_PIXELS};

/// Number of pixels beside borders: of upright ones, then of level ones.
pub fn border_pixels(grid: Grid) -> [usize; 2] {
    [grid.rows() / TOKEN_PIXELS; 2]
}

/// Excess steps of pixels `(grid.rows(), 3)` at the borders of tokens, `(border pixels, 3)`: row by row those of the
/// upright borders, each on the left side of a token, then those of the level ones, each above a token. Borders of the picture
/// that do not wrap have none.
pub fn border_steps(pixels: &[f32], grid: Grid) -> Vec<f32> {
    let Grid { items, height, width, wrap } = grid;
    let borders = |length: usize| (0..length).step_by(TOKEN_PIXELS);
    let mut steps = Vec::with_capacity(6 * grid.rows() / TOKEN_PIXELS);
    for item in 0..items {
        for y in 0..height {
            for border in borders(width) {
                let pixel = |across, along| pixel(pixels, grid, item, y as isize + along, across);
                steps.extend(excess(border, wrap.x, pixel));
            }
        }
    }
    for item in 0..items {
        for border in borders(height) {
            for x in 0..width {
                let pixel = |across, along| pixel(pixels, grid, item, across, x as isize + along);
                steps.extend(excess(border, wrap.y, pixel));
            }
        }
    }
    steps
}

/// The pixel at a position, which may lie outside of the picture.
fn pixel(pixels: &[f32], grid: Grid, item: usize, y: isize, x: isize) -> [f32; 3] {
    let (y, x) = grid.resolve(y, x);
    let start = 3 * ((item * grid.height + y) * grid.width + x);
    std::array::from_fn(|channel| pixels[start + channel])
}

/// The excess step at a border; `pixel` is given a position across the borders and an offset along them.
fn excess(border: usize, wraps: bool, pixel: impl Fn(isize, isize) -> [f32; 3]) -> [f32; 3] {
    if border == 0 && !wraps {
        return [0.0; 3];
    }
    let reach = ALONG as isize;
    let averaged = |across: isize| -> [f32; 3] {
        let mut sum = [0.0; 3];
        for along in -reach..=reach {
            let weight = (reach + 1 - along.abs()) as f32 / ((reach + 1) * (reach + 1)) as f32;
            let pixel = pixel(border as isize + across, along);
            (0..3).for_each(|channel| sum[channel] += weight * pixel[channel]);
        }
        sum
    };
    let (mut natural, mut found) = ([0.0f32; 3], [0.0f32; 3]);
    let last = INSIDE[1] as isize;
    let mut line = averaged(-last - 2);
    let mut steps = [[0.0f32; 3]; 3];
    for across in -last - 1..=last + 1 {
        let next = averaged(across);
        steps = [steps[1], steps[2], std::array::from_fn(|channel| next[channel] - line[channel])];
        line = next;
        let middle = across - 1;
        for channel in 0..3 {
            let turn = steps[1][channel] - 0.5 * (steps[0][channel] + steps[2][channel]);
            if middle == 0 {
                found[channel] = turn;
            } else if (INSIDE[0] as isize..=last).contains(&middle.abs()) {
                natural[channel] += turn * turn / (2 * (INSIDE[1] - INSIDE[0] + 1)) as f32;
            }
        }
    }
    let size = (found.iter().map(|turn| turn * turn).sum::<f32>() / 3.0).sqrt() / EDGE;
    let kept = 1.0 / (1.0 + size * size * size * size);
    std::array::from_fn(|channel| {
        let share = NATURAL * natural[channel].sqrt() / found[channel].abs().max(1e-6);
        kept * found[channel] * (1.0 - share).max(0.0)
    })
}

/// Pixels without the excess `steps` at borders: half of each to both sides, falling to nothing over
/// [`SMOOTHED_PIXELS`].
pub fn smooth_borders(pixels: &[f32], steps: &[f32], grid: Grid) -> Vec<f32> {
    let [tokens, lines] = [grid.width / TOKEN_PIXELS, grid.height / TOKEN_PIXELS];
    let upright = border_pixels(grid)[0];
    let mut smooth = pixels.to_vec();
    for (row, pixel) in smooth.chunks_exact_mut(3).enumerate() {
        let (line, x) = (row / grid.width, row % grid.width);
        let (item, y) = (line / grid.height, line % grid.height);
        let (token, across) = nearest_border(x, tokens);
        let (token_line, down) = nearest_border(y, lines);
        let left = 3 * (line * tokens + token);
        let above = 3 * (upright + (item * lines + token_line) * grid.width + x);
        for channel in 0..3 {
            pixel[channel] += across * steps[left + channel] + down * steps[above + channel];
        }
    }
    smooth
}

/// The token before which the border nearest to a pixel lies, and the share of its step that the pixel gets.
fn nearest_border(at: usize, tokens: usize) -> (usize, f32) {
    let (token, within) = (at / TOKEN_PIXELS, at % TOKEN_PIXELS);
    let share = |distance: usize| 0.5 * (1.0 - (distance as f32 + 0.5) / SMOOTHED_PIXELS as f32);
    match within < SMOOTHED_PIXELS {
        true => (token, -share(within)),
        false => ((token + 1) % tokens, share(TOKEN_PIXELS - 1 - within)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wrap;
    use crate::sampling::rng::{Stream, normal, random_words};

    const GRID: Grid = Grid { items: 2, height: 32, width: 48, wrap: Wrap::BOTH };

    fn picture(value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let pixel = |row: usize| value(row % GRID.width, row / GRID.width % GRID.height);
        (0..GRID.rows()).flat_map(|row| [pixel(row); 3]).collect()
    }

    fn smoothed(pixels: &[f32], grid: Grid) -> Vec<f32> {
        smooth_borders(pixels, &border_steps(pixels, grid), grid)
    }

    fn noise(x: usize, y: usize) -> f32 {
        normal(random_words(1, Stream::Latent, x as u32, y as u32))
    }

    /// Mean size of the steps at upright borders, and of those between.
    fn steps(pixels: &[f32]) -> [f32; 2] {
        let (mut sums, mut counts) = ([0.0f32; 2], [0.0f32; 2]);
        for row in (0..GRID.rows()).filter(|row| row % GRID.width > 0) {
            let kind = usize::from(!(row % GRID.width).is_multiple_of(TOKEN_PIXELS));
            sums[kind] += (pixels[3 * row] - pixels[3 * row - 3]).abs();
            counts[kind] += 1.0;
        }
        [0, 1].map(|kind| sums[kind] / counts[kind])
    }

    #[test]
    fn squares_of_tokens_go_in_smooth_pictures_and_nothing_else_changes_much() {
        let square = |x: usize, y: usize| 0.02 * noise(x / TOKEN_PIXELS, 100 + y / TOKEN_PIXELS);
        let grain = |x, y| 0.002 * noise(x, y);
        let before = picture(|x, y| square(x, y) + grain(x, y));
        let [border, between] = steps(&before);
        assert!(border > 5.0 * between, "the squares show: {border} at borders, {between} between");
        let after = smoothed(&before, GRID);
        let [border, between] = steps(&after);
        assert!(border < 2.0 * between, "{border} at borders, {between} between");
    }

    #[test]
    fn grain_ramps_and_edges_stay() {
        let change = |pixels: &[f32]| {
            let after = smoothed(pixels, Grid { wrap: Wrap::NONE, ..GRID });
            after.iter().zip(pixels).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max)
        };
        assert_eq!(change(&picture(|_, _| 0.25)), 0.0, "nothing");
        assert!(change(&picture(|x, y| 0.01 * x as f32 - 0.02 * y as f32)) < 1e-5, "a ramp");
        let grain = picture(|x, y| 0.1 * noise(x, y));
        let squares: f32 = smoothed(&grain, GRID).iter().zip(&grain).map(|(a, b)| (a - b).powi(2)).sum();
        let moved = (squares / grain.len() as f32).sqrt();
        assert!(moved < 0.02, "grain of 0.1 is moved by {moved}");
        // A step of 2 is an edge: less than a hundredth of it is moved.
        let edge = change(&picture(|x, _| if x < 16 { -1.0 } else { 1.0 }));
        assert!(edge < 0.02, "an edge: {edge}");
    }

    #[test]
    fn borders_that_do_not_wrap_are_no_borders() {
        let pixels = picture(|x, _| x as f32 / 480.0);
        let wrapped = smoothed(&pixels, GRID);
        assert!((wrapped[0] - pixels[0]).abs() > 0.01, "the ramp ends at the border");
        let cut = smoothed(&pixels, Grid { wrap: Wrap { x: false, y: true }, ..GRID });
        assert!((cut[0] - pixels[0]).abs() < 1e-5);
    }
}
