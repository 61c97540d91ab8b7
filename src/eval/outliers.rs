//! How often generated latents lie where no real ones do: the argument for discrete conditions in DisCon's abstract
//! (arXiv 2507.01756), as a number.

use crate::model::Grid;
use nalgebra::{DMatrix, SymmetricEigen};

/// Share of the variance that the principal components hold in which distances are measured. The first few would not do:
/// noise without any relation between neighbours is inside of what those allow.
const VARIANCE: f64 = 0.95;
/// Most neighbourhoods that the components are found from, and as many others for the limit.
const MOST_WINDOWS: usize = 8000;
/// Share of real neighbourhoods that lie within the limit.
const INSIDE: f64 = 0.999;

/// Style-relative latents of one texture.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentGrid {
    /// One item.
    pub grid: Grid,
    /// `(T, width)`.
    pub values: Vec<f32>,
    /// Numbers per position.
    pub width: usize,
}

impl LatentGrid {
    /// All 3x3 neighbourhoods that do not leave the grid; on a torus there is one for every position.
    fn windows(&self) -> Vec<Vec<f32>> {
        let Grid { width, height, wrap, .. } = self.grid;
        let tops = if wrap.y { height } else { height.saturating_sub(2) };
        let lefts = if wrap.x { width } else { width.saturating_sub(2) };
        let window = |place: usize| {
            (0..9)
                .flat_map(|index| {
                    let (y, x) = ((place / lefts + index / 3) % height, (place % lefts + index % 3) % width);
                    &self.values[(y * width + x) * self.width..][..self.width]
                })
                .copied()
                .collect()
        };
        (0..tops * lefts).map(window).collect()
    }
}

/// The region of real neighbourhoods.
#[derive(Clone, Debug)]
pub struct Region {
    mean: Vec<f64>,
    /// Columns that whiten.
    components: DMatrix<f64>,
    /// Squared Mahalanobis distance of the last real neighbourhood inside.
    limit: f64,
}

impl Region {
    /// From real latents: components and variances from every second grid, the limit (99.9th percentile) from the others.
    /// `None` for fewer than four grids.
    pub fn of(real: &[LatentGrid]) -> Option<Self> {
        if real.len() < 4 {
            return None;
        }
        let half = |odd: usize| some_windows(real.iter().skip(odd).step_by(2));
        let (fit, held) = (half(0), half(1));
        let width = fit.first()?.len();
        let count = fit.len() as f64;
        let mean: Vec<f64> =
            (0..width).map(|at| fit.iter().map(|row| f64::from(row[at])).sum::<f64>() / count).collect();
        let centred = DMatrix::from_fn(fit.len(), width, |row, at| f64::from(fit[row][at]) - mean[at]);
        let eigen = SymmetricEigen::new(centred.transpose() * &centred / count);
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let total: f64 = eigen.eigenvalues.iter().map(|value| value.max(0.0)).sum();
        let mut held_by = 0.0;
        order.retain(|at| {
            let wanted = held_by < VARIANCE * total;
            held_by += eigen.eigenvalues[*at].max(0.0);
            wanted
        });
        let components = DMatrix::from_fn(width, order.len(), |row, at| {
            eigen.eigenvectors[(row, order[at])] / eigen.eigenvalues[order[at]].max(1e-9).sqrt()
        });
        let mut region = Self { mean, components, limit: f64::INFINITY };
        let mut found = region.distances(&held);
        found.sort_by(f64::total_cmp);
        region.limit = *found.get((INSIDE * found.len() as f64) as usize).or(found.last())?;
        Some(region)
    }

    fn distances(&self, windows: &[Vec<f32>]) -> Vec<f64> {
        let centred =
            DMatrix::from_fn(windows.len(), self.mean.len(), |row, at| f64::from(windows[row][at]) - self.mean[at]);
        (centred * &self.components).row_iter().map(|row| row.norm_squared()).collect()
    }

    /// Percentage of neighbourhoods outside: 0.1 for real ones; NaN for none.
    pub fn percent_outside(&self, grids: &[&LatentGrid]) -> f64 {
        let windows = some_windows(grids.iter().copied());
        let outside = self.distances(&windows).into_iter().filter(|distance| *distance > self.limit).count();
        100.0 * outside as f64 / windows.len() as f64
    }
}

/// At most [`MOST_WINDOWS`] neighbourhoods, evenly spread over all grids.
fn some_windows<'a>(grids: impl Iterator<Item = &'a LatentGrid>) -> Vec<Vec<f32>> {
    let all: Vec<Vec<f32>> = grids.flat_map(LatentGrid::windows).collect();
    let step = all.len().div_ceil(MOST_WINDOWS).max(1);
    all.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wrap;
    use crate::train::rng::Rng;

    fn grids(count: usize, scale: f32, seed: u64) -> Vec<LatentGrid> {
        let mut rng = Rng::new(&[seed]);
        let grid = Grid { items: 1, height: 8, width: 8, wrap: Wrap::BOTH };
        let mut values = || (0..64 * 4).map(|_| scale * rng.normal()).collect();
        (0..count).map(|_| LatentGrid { grid, values: values(), width: 4 }).collect()
    }

    #[test]
    fn real_latents_are_inside_and_larger_ones_outside() {
        let region = Region::of(&grids(60, 1.0, 1)).expect("enough grids");
        let percent = |scale| {
            let grids = grids(60, scale, 2);
            region.percent_outside(&grids.iter().collect::<Vec<_>>())
        };
        assert!(percent(1.0) < 0.6, "{}", percent(1.0));
        assert!(percent(1.5) > 30.0, "{}", percent(1.5));
    }

    #[test]
    fn noise_is_outside_where_real_neighbours_are_alike() {
        let smooth = |seed: u64| -> Vec<LatentGrid> {
            let mut grids = grids(60, 0.3, seed);
            for (index, grid) in grids.iter_mut().enumerate() {
                let offset = Rng::new(&[seed, index as u64]).normal();
                grid.values.iter_mut().for_each(|value| *value += offset);
            }
            grids
        };
        let region = Region::of(&smooth(1)).expect("enough grids");
        let percent = |grids: &[LatentGrid]| region.percent_outside(&grids.iter().collect::<Vec<_>>());
        assert!(percent(&smooth(2)) < 3.0, "{}", percent(&smooth(2)));
        assert!(percent(&grids(60, 1.0, 3)) > 90.0, "{}", percent(&grids(60, 1.0, 3)));
    }

    #[test]
    fn a_cut_out_has_no_neighbourhood_past_its_border() {
        let mut grid = grids(1, 1.0, 1).remove(0);
        assert_eq!(grid.windows().len(), 64);
        grid.grid.wrap = Wrap::NONE;
        assert_eq!(grid.windows().len(), 36);
    }
}
