//! A fixed description of a texture by statistics of filter responses, in the spirit of Portilla and Simoncelli
//! (IJCV 2000). It is no Inception network and nothing in it is learned, so distances on it cannot be compared with
//! published ones; a small network would see objects, this sees colours, edges, their directions and their scales.
//!
//! Per level of a pyramid of halved pictures: mean and deviation of the energy of four oriented Gabor pairs, correlations
//! of the energies of all pairs of directions, and of each direction with the next coarser level; deviation,
//! skewness and kurtosis of the luminance that halving loses, and the deviation of the chroma that it loses. Besides: mean,
//! deviation and correlations of the three colour planes. Only interior positions count, so a picture need not tile.
//! Halving takes means of four pixels, so a strict pattern of very few pixels looks another way when it is moved by one.

use super::metrics::{Picture, correlation};
use std::sync::OnceLock;

/// Halvings plus one: the coarsest level of a picture of 128 pixels has 16.
const LEVELS: usize = 4;
/// Directions of the filters, evenly spread over half a turn.
const DIRECTIONS: usize = 4;
/// Side of a filter in pixels, its wavelength and the deviation of its envelope.
const TAPS: usize = 7;
const WAVELENGTH: f32 = 4.0;
const ENVELOPE: f32 = 1.8;
/// Added before logarithms: a tenth of a grey level.
const FLOOR: f32 = 4e-4;
/// Smallest side in pixels of a picture that can be described.
pub const LEAST_SIDE: usize = (TAPS + 3) << (LEVELS - 1);

/// One plane of numbers.
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// The description: a fixed number of values of order one, the same for every size of picture.
///
/// # Panics
/// If a side is shorter than [`LEAST_SIDE`] pixels: a bug of the caller.
pub fn describe(picture: &Picture) -> Vec<f32> {
    assert!(picture.width.min(picture.height) >= LEAST_SIDE, "a picture of {LEAST_SIDE} pixels or more");
    let mut found = colours(picture);
    let mut level = picture.clone();
    let mut finer: Option<Vec<Plane>> = None;
    for _ in 0..LEVELS {
        let half = level.half();
        let luminance = planes(&level).swap_remove(0);
        let energies: Vec<Plane> = filters().iter().map(|pair| energy(&luminance, pair)).collect();
        for (index, plane) in energies.iter().enumerate() {
            let [mean, deviation, ..] = moments(&plane.values);
            found.extend([(FLOOR + mean).ln(), (FLOOR + deviation).ln()]);
            for other in &energies[..index] {
                found.push(correlation(&plane.values, &other.values) as f32);
            }
        }
        if let Some(finer) = &finer {
            found.extend(finer.iter().zip(&energies).map(|(finer, coarser)| between_levels(finer, coarser)));
        }
        found.extend(lost_detail(&level, &half));
        finer = Some(energies);
        level = half;
    }
    found
}

/// Luminance, red against green, and yellow against blue.
fn planes(picture: &Picture) -> Vec<Plane> {
    let plane = |weights: [f32; 3]| Plane {
        width: picture.width,
        height: picture.height,
        values: picture.values.chunks_exact(3).map(|p| (0..3).map(|c| weights[c] * p[c]).sum()).collect(),
    };
    vec![plane([0.299, 0.587, 0.114]), plane([1.0, -1.0, 0.0]), plane([0.5, 0.5, -1.0])]
}

fn colours(picture: &Picture) -> Vec<f32> {
    let planes = planes(picture);
    let mut found = Vec::new();
    for (index, plane) in planes.iter().enumerate() {
        let [mean, deviation, ..] = moments(&plane.values);
        found.extend([mean, (FLOOR + deviation).ln()]);
        found.extend(planes[..index].iter().map(|other| correlation(&plane.values, &other.values) as f32));
    }
    found
}

/// Mean, deviation, skewness and kurtosis; the last two are 0 and 3 for a constant.
fn moments(values: &[f32]) -> [f32; 4] {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let power = |n: i32| values.iter().map(|value| (f64::from(*value) - mean).powi(n)).sum::<f64>() / count;
    let deviation = power(2).sqrt();
    if deviation < 1e-6 {
        return [mean as f32, deviation as f32, 0.0, 3.0];
    }
    let (skewness, kurtosis) = (power(3) / deviation.powi(3), power(4) / deviation.powi(4));
    [mean as f32, deviation as f32, skewness as f32, kurtosis as f32]
}

/// What halving loses: of luminance deviation, skewness and kurtosis, of both chromas the deviation.
fn lost_detail(level: &Picture, half: &Picture) -> Vec<f32> {
    let coarse = planes(half);
    let mut found = Vec::new();
    for (index, (plane, coarse)) in planes(level).iter().zip(&coarse).enumerate() {
        let mut lost = Vec::with_capacity(plane.values.len());
        for y in 0..2 * coarse.height {
            for x in 0..2 * coarse.width {
                lost.push(plane.values[y * plane.width + x] - coarse.values[y / 2 * coarse.width + x / 2]);
            }
        }
        let [_, deviation, skewness, kurtosis] = moments(&lost);
        found.push((FLOOR + deviation).ln());
        if index == 0 {
            found.extend([skewness.clamp(-4.0, 4.0), kurtosis.max(1.0).ln()]);
        }
    }
    found
}

type Filter = [f32; TAPS * TAPS];

/// An even and an odd Gabor filter for each direction, without a mean and with unit norm.
fn filters() -> &'static [[Filter; 2]; DIRECTIONS] {
    static FILTERS: OnceLock<[[Filter; 2]; DIRECTIONS]> = OnceLock::new();
    FILTERS.get_or_init(|| {
        std::array::from_fn(|direction| {
            let angle = std::f32::consts::PI * direction as f32 / DIRECTIONS as f32;
            [0.0, std::f32::consts::FRAC_PI_2].map(|phase| gabor(angle, phase))
        })
    })
}

fn gabor(angle: f32, phase: f32) -> Filter {
    let place = |index: usize| {
        let centre = (TAPS / 2) as f32;
        ((index % TAPS) as f32 - centre, (index / TAPS) as f32 - centre)
    };
    let envelope = |index: usize| {
        let (x, y) = place(index);
        (-(x * x + y * y) / (2.0 * ENVELOPE * ENVELOPE)).exp()
    };
    let mut filter: Filter = std::array::from_fn(|index| {
        let (x, y) = place(index);
        let along = x * angle.cos() + y * angle.sin();
        envelope(index) * (std::f32::consts::TAU * along / WAVELENGTH - phase).cos()
    });
    let share = filter.iter().sum::<f32>() / (0..TAPS * TAPS).map(envelope).sum::<f32>();
    filter.iter_mut().enumerate().for_each(|(index, tap)| *tap -= share * envelope(index));
    let norm = filter.iter().map(|tap| tap * tap).sum::<f32>().sqrt();
    filter.map(|tap| tap / norm)
}

/// Root of the sum of squares of both responses, where the filter lies inside the plane.
fn energy(plane: &Plane, pair: &[Filter; 2]) -> Plane {
    let (width, height) = (plane.width + 1 - TAPS, plane.height + 1 - TAPS);
    let mut values = vec![0.0f32; width * height];
    let mut response = vec![0.0f32; width];
    for y in 0..height {
        let row = &mut values[y * width..(y + 1) * width];
        for filter in pair {
            response.fill(0.0);
            for (index, tap) in filter.iter().enumerate() {
                let from = (y + index / TAPS) * plane.width + index % TAPS;
                let source = &plane.values[from..from + width];
                response.iter_mut().zip(source).for_each(|(sum, value)| *sum += tap * value);
            }
            row.iter_mut().zip(&response).for_each(|(sum, value)| *sum += value * value);
        }
        row.iter_mut().for_each(|value| *value = value.sqrt());
    }
    Plane { width, height, values }
}

/// Correlation of energies at the places that both levels have.
fn between_levels(finer: &Plane, coarser: &Plane) -> f32 {
    let margin = TAPS / 2;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for y in 0..coarser.height {
        for x in 0..coarser.width {
            let (fine_x, fine_y) = (2 * (x + margin) - margin, 2 * (y + margin) - margin);
            if fine_x < finer.width && fine_y < finer.height {
                a.push(finer.values[fine_y * finer.width + fine_x]);
                b.push(coarser.values[y * coarser.width + x]);
            }
        }
    }
    correlation(&a, &b) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::rng::pcg4d;

    /// Noise drawn out along one axis.
    fn fibres(along_y: bool, from: usize) -> Picture {
        let value = |i: usize| {
            let (x, y) = if along_y { (i % 128, i / 128) } else { (i / 128, i % 128) };
            f32::from(pcg4d([(x + from) as u32, ((y + from) / 16) as u32, 1, 2])[0] as u8) / 255.0
        };
        Picture { width: 128, height: 128, values: (0..128 * 128).flat_map(|i| [value(i); 3]).collect() }
    }

    fn distance(a: &Picture, b: &Picture) -> f32 {
        describe(a).iter().zip(&describe(b)).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn direction_counts_and_place_does_not() {
        let moved = distance(&fibres(true, 0), &fibres(true, 5));
        let turned = distance(&fibres(true, 0), &fibres(false, 0));
        assert!(turned > 5.0 * moved, "moved {moved}, turned {turned}");
    }

    #[test]
    fn a_constant_picture_has_finite_values() {
        let flat = Picture { width: LEAST_SIDE, height: LEAST_SIDE, values: vec![0.5; 3 * LEAST_SIDE * LEAST_SIDE] };
        assert!(describe(&flat).iter().all(|value| value.is_finite()));
    }
}
