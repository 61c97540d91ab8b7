//! Rows of a grid that attend together, and the rows that they see: at large sizes most pairs are out of sight.
#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges are meant, not of numbers")]

use crate::model::{AttentionLayout, Grid};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of the grid in a band. More rows make larger products, and more pairs that are hidden after all.
const BAND_ROWS: usize = 4;
/// Layouts whose bands are kept; a model has three.
const KEPT: usize = 8;

/// Some rows of queries.
#[derive(Debug, PartialEq, Eq)]
pub struct Band {
    /// Positions of the queries.
    pub queries: Range<usize>,
    /// Positions of the keys, in one or two pieces.
    pub keys: Vec<Range<usize>>,
    /// Column of the bias for each pair, query after query; none for a key out of sight.
    pub columns: Arc<Vec<Option<usize>>>,
}

impl Band {
    /// Number of keys of one segment.
    pub fn key_count(&self) -> usize {
        self.keys.iter().map(ExactSizeIterator::len).sum()
    }
}

/// The bands of a layout; the same for all heads, items and segments.
pub fn bands(layout: &AttentionLayout) -> Arc<Vec<Band>> {
    let layout = &AttentionLayout { grid: Grid { items: 1, ..layout.grid }, ..*layout };
    static KNOWN: Mutex<Vec<(AttentionLayout, Arc<Vec<Band>>)>> = Mutex::new(Vec::new());
    // Nothing in the list can be half done.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = known.iter().position(|(other, _)| other == layout) {
        known[at..].rotate_left(1);
    } else {
        if known.len() == KEPT {
            known.remove(0);
        }
        known.push((*layout, Arc::new(make(layout))));
    }
    known[known.len() - 1].1.clone()
}

fn make(layout: &AttentionLayout) -> Vec<Band> {
    let (height, width) = (layout.grid.height, layout.grid.width);
    let mut bands: Vec<Band> = Vec::new();
    for first in (0..height).step_by(BAND_ROWS) {
        let rows = first..(first + BAND_ROWS).min(height);
        // On a torus all bands of a size see the same.
        let moves = layout.grid.wrap.y && !sees_all(layout);
        let same = bands.first().filter(|band| moves && band.queries.len() == rows.len() * width);
        let columns = same.map(|band| band.columns.clone());
        bands.push(band(layout, rows.clone(), rows_in_sight(layout, &rows), columns));
    }
    bands
}

/// Whether a band sees all rows, in their order.
fn sees_all(layout: &AttentionLayout) -> bool {
    BAND_ROWS + 2 * layout.window >= layout.grid.height
}

/// Rows that any of `rows` sees, from the first on.
fn rows_in_sight(layout: &AttentionLayout, rows: &Range<usize>) -> Vec<Range<usize>> {
    let (height, window) = (layout.grid.height, layout.window);
    if sees_all(layout) {
        return vec![0..height];
    }
    if !layout.grid.wrap.y {
        return vec![rows.start.saturating_sub(window)..(rows.end + window).min(height)];
    }
    let start = (rows.start + height - window) % height;
    let end = start + rows.len() + 2 * window;
    if end <= height { vec![start..end] } else { vec![start..height, 0..end - height] }
}

fn band(
    layout: &AttentionLayout,
    rows: Range<usize>,
    sight: Vec<Range<usize>>,
    columns: Option<Arc<Vec<Option<usize>>>>,
) -> Band {
    let width = layout.grid.width;
    let positions = |rows: &Range<usize>| rows.start * width..rows.end * width;
    let (queries, keys) = (positions(&rows), sight.iter().map(positions).collect::<Vec<_>>());
    let columns = columns.unwrap_or_else(|| {
        let pairs = queries.clone().flat_map(|query| keys.iter().cloned().flatten().map(move |key| (query, key)));
        Arc::new(pairs.map(|(query, key)| layout.bias_column(query, key)).collect())
    });
    Band { queries, keys, columns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wrap;

    #[test]
    fn every_query_has_one_band_and_finds_every_key_in_sight_there_once() {
        for (height, window) in [(13, 3), (40, 7), (6, 3), (23, 0)] {
            for wrap in [Wrap::BOTH, Wrap::NONE, Wrap { x: true, y: false }, Wrap { x: false, y: true }] {
                let layout =
                    AttentionLayout { grid: Grid { items: 1, height, width: 5, wrap }, segments: 1, heads: 1, window };
                let mut count = 0;
                for band in bands(&layout).iter() {
                    let keys: Vec<usize> = band.keys.iter().cloned().flatten().collect();
                    for (query, columns) in band.queries.clone().zip(band.columns.chunks_exact(keys.len())) {
                        assert_eq!(query, count, "queries follow each other");
                        count += 1;
                        for key in 0..layout.grid.positions() {
                            let found: Vec<Option<usize>> =
                                keys.iter().zip(columns).filter(|(at, _)| **at == key).map(|(_, at)| *at).collect();
                            assert!(found.len() <= 1, "key {key} stands twice");
                            assert_eq!(found.first().copied().flatten(), layout.bias_column(query, key), "{layout:?}");
                        }
                    }
                }
                assert_eq!(count, layout.grid.positions());
            }
        }
    }
}
