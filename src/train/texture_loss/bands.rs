//! Distances of the patches of two pictures: how often values come, along random directions of the space of patches.
//!
//! A sliced Wasserstein distance (texture synthesis with it: arXiv 2006.07229) at three sizes of patches. Every step
//! draws other directions, so that in the end all of them must agree.

use crate::model::layers::Conv;
use crate::model::{Activation, Grid, Init, ParamTable};
use crate::train::learner::Learner;
use crate::train::rng::Rng;
use crate::train::shares::SHARES;

/// Side in pixels of the blocks of each size; a patch is three blocks wide.
const BLOCKS: [usize; 3] = [2, 4, 8];
/// Directions for each size in a step.
const DIRECTIONS: usize = 16;
/// Share of the directions of the smallest patches that see only what a blur removes: grain and edges would else count
/// for nothing beside the large shapes that every patch has.
const FINE_SHARE: f32 = 0.6;
/// Share of the directions without colour.
const GREY_SHARE: f32 = 0.6;
/// Added to the variance of real values by which distances are divided, so that flat pictures do not count without
/// bound.
const LEAST_VARIANCE: f32 = 1e-4;

/// The directions as convolutions; their weights are drawn anew in each step.
#[derive(Clone, Debug)]
pub(in crate::train) struct Bands {
    convolutions: [Conv; BLOCKS.len()],
}

impl Bands {
    /// Declares the convolutions behind the parameters of `table`.
    pub fn declare(table: &mut ParamTable) -> Self {
        table.scope("bands", |table| Self {
            convolutions: BLOCKS
                .map(|block| Conv::declare_with(table, &block.to_string(), block * block * 3, DIRECTIONS, Init::Zeros)),
        })
    }

    /// Draws directions.
    pub fn draw<L: Learner>(&self, ops: &mut L, rng: &mut Rng) {
        for (conv, block) in self.convolutions.iter().zip(BLOCKS) {
            let directions: Vec<Vec<f32>> = (0..DIRECTIONS).map(|_| direction(rng, block)).collect();
            let rows = 9 * conv.inputs;
            let weights: Vec<f32> =
                (0..rows).flat_map(|row| directions.iter().map(move |direction| direction[row])).collect();
            ops.set(conv.linear.weight, &weights, [rows, DIRECTIONS], false);
            if let Some(bias) = conv.linear.bias {
                ops.set(bias, &[0.0; DIRECTIONS], [1, DIRECTIONS], false);
            }
        }
    }

    /// Mean square distance of the sorted values of `found` and `expected`, pictures `(grid.rows(), 3)`, item by item;
    /// its gradient is that at `found`.
    pub fn distance<L: Learner>(
        &self,
        ops: &mut L,
        found: &L::Tensor,
        expected: &L::Tensor,
        grid: Grid,
    ) -> (L::Loss, f32) {
        let (mut loss, mut sum) = (None, 0.0);
        for (conv, block) in self.convolutions.iter().zip(BLOCKS) {
            let [found, expected] = [found, expected].map(|pixels| {
                let blocks = ops.space_to_depth(pixels, grid, block);
                ops.conv3x3(&blocks, conv, grid.coarser(block), Activation::None, None)
            });
            let (gradient, distance) = sorted_difference(&ops.read(&found), &ops.read(&expected), grid.items);
            let part = ops.inner_product(&found, &gradient);
            sum += distance / BLOCKS.len() as f32;
            loss = Some(match loss {
                None => part,
                Some(loss) => ops.add(&loss, &part),
            });
        }
        (loss.unwrap_or_else(|| unreachable!("there are sizes of patches")), sum)
    }
}

/// Weights of a patch of three blocks along each side, in the order of a convolution's rows: mean 0, length 1.
fn direction(rng: &mut Rng, block: usize) -> Vec<f32> {
    let side = 3 * block;
    let grey = rng.chance(GREY_SHARE);
    let fine = block == BLOCKS[0] && rng.chance(FINE_SHARE);
    let mut patch = Vec::with_capacity(side * side * 3);
    for _ in 0..side * side {
        let level = rng.normal();
        patch.extend((0..3).map(|_| if grey { level } else { rng.normal() }));
    }
    if fine {
        patch = without_blur(&patch, side);
    }
    let mean = patch.iter().sum::<f32>() / patch.len() as f32;
    patch.iter_mut().for_each(|value| *value -= mean);
    let length = patch.iter().map(|value| value * value).sum::<f32>().sqrt();
    let mut rows = Vec::with_capacity(patch.len());
    for tap in 0..9 {
        for pixel in 0..block * block {
            let y = tap / 3 * block + pixel / block;
            let x = tap % 3 * block + pixel % block;
            rows.extend((0..3).map(|channel| patch[(y * side + x) * 3 + channel] / length));
        }
    }
    rows
}

/// What a blur over 3x3 pixels takes from a patch.
fn without_blur(patch: &[f32], side: usize) -> Vec<f32> {
    let at = |y: i32, x: i32, channel: usize| {
        let [y, x] = [y, x].map(|place| place.clamp(0, side as i32 - 1) as usize);
        patch[(y * side + x) * 3 + channel]
    };
    (0..patch.len())
        .map(|index| {
            let (pixel, channel) = (index / 3, index % 3);
            let (y, x) = ((pixel / side) as i32, (pixel % side) as i32);
            let around: f32 = (0..9).map(|tap| at(y + tap / 3 - 1, x + tap % 3 - 1, channel)).sum();
            patch[index] - around / 9.0
        })
        .collect()
}

/// Gradient of the mean square difference of sorted values over the variance of the expected ones, column by column and
/// item by item, and the mean itself.
fn sorted_difference(found: &[f32], expected: &[f32], items: usize) -> (Vec<f32>, f32) {
    let mut gradient = vec![0.0; found.len()];
    let part = found.len() / items;
    let weight = 1.0 / found.len() as f32;
    let item = |index: usize, gradient: &mut [f32]| {
        let own = index * part..(index + 1) * part;
        difference_of_item(&found[own.clone()], &expected[own], gradient, weight)
    };
    // The other shares of the step do the same at the same time.
    let threads = (std::thread::available_parallelism().map_or(1, usize::from) / SHARES).max(1);
    let mut parts: Vec<(usize, &mut [f32])> = gradient.chunks_exact_mut(part).enumerate().collect();
    let sums: Vec<f64> = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .chunks_mut(items.div_ceil(threads))
            .map(|parts| scope.spawn(|| parts.iter_mut().map(|(index, part)| item(*index, part)).collect::<Vec<_>>()))
            .collect();
        running
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    (gradient, sums.iter().sum::<f64>() as f32)
}

/// The same for one item, each number counting `weight`.
fn difference_of_item(found: &[f32], expected: &[f32], gradient: &mut [f32], weight: f32) -> f64 {
    let rows = found.len() / DIRECTIONS;
    let mut sum = 0.0;
    for column in 0..DIRECTIONS {
        let place = |row: usize| row * DIRECTIONS + column;
        let mut order: Vec<usize> = (0..rows).map(place).collect();
        order.sort_by(|a, b| found[*a].total_cmp(&found[*b]));
        let mut target: Vec<f32> = (0..rows).map(|row| expected[place(row)]).collect();
        target.sort_by(f32::total_cmp);
        let mean = target.iter().sum::<f32>() / rows as f32;
        let variance = target.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / rows as f32;
        let weight = weight / (variance + LEAST_VARIANCE);
        for (at, target) in order.into_iter().zip(target) {
            let difference = found[at] - target;
            gradient[at] = 2.0 * weight * difference;
            sum += f64::from(weight * difference * difference);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wrap;
    use crate::train::ops::TrainOps;
    use crate::train::tape::{Products, TapeOps};
    use burn::tensor::Device;

    const GRID: Grid = Grid { items: 2, height: 96, width: 80, wrap: Wrap::NONE };

    fn bands() -> (Bands, usize) {
        let mut table = ParamTable::default();
        (Bands::declare(&mut table), table.len())
    }

    fn noise(deviation: f32, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(&[seed]);
        (0..GRID.rows() * 3).map(|_| deviation * rng.normal()).collect()
    }

    fn distance<L: Learner>(ops: &mut L, found: &[f32], expected: &[f32], seed: u64) -> f32 {
        let (bands, _) = bands();
        ops.reset();
        bands.draw(ops, &mut Rng::new(&[seed]));
        let [found, expected] = [found, expected].map(|pixels| ops.constant(pixels, [GRID.rows(), 3]));
        bands.distance(ops, &found, &expected, GRID).1
    }

    #[test]
    fn it_sees_contrast_and_not_places() {
        let mut ops = TapeOps::new(bands().1, false, Products::exact());
        let picture = noise(0.3, 1);
        let equal = distance(&mut ops, &picture, &picture, 5);
        let other_places = distance(&mut ops, &picture, &noise(0.3, 2), 5);
        let smoother = distance(&mut ops, &noise(0.2, 2), &picture, 5);
        assert!(equal < 1e-9, "equal pictures: {equal}");
        assert!(other_places < 0.3 * smoother, "equal noise {other_places}, two thirds of it {smoother}");
    }

    #[test]
    fn both_executors_find_one_distance() {
        let (found, expected) = (noise(0.2, 1), noise(0.3, 2));
        let tape = distance(&mut TapeOps::new(bands().1, true, Products::exact()), &found, &expected, 7);
        let burn = distance(&mut TrainOps::new(Device::flex().autodiff(), bands().1), &found, &expected, 7);
        assert!((tape - burn).abs() < 1e-4 * burn, "tape {tape}, burn {burn}");
    }

    #[test]
    fn the_gradient_is_that_of_the_distance() {
        let (found, expected) = (noise(0.2, 1), noise(0.3, 2));
        let found = &found[..8 * 2 * DIRECTIONS];
        let expected = &expected[..found.len()];
        let (gradient, start) = sorted_difference(found, expected, 2);
        for at in [0, 5, found.len() / 2 + 3, found.len() - 1] {
            let mut moved = found.to_vec();
            moved[at] += 1e-3;
            let slope = (sorted_difference(&moved, expected, 2).1 - start) / 1e-3;
            assert!((slope - gradient[at]).abs() < 0.05 * gradient[at].abs() + 1e-4, "{at}: {slope}, {}", gradient[at]);
        }
    }
}
