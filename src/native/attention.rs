//! Attention as two products per head and band of rows; the tuned form of [`crate::reference::attention::attention`].

use super::bands::{Band, bands};
use super::product::{Matrix, strided_product};
use crate::model::AttentionLayout;
use crate::reference::buffers;
use rayon::prelude::*;

/// See [`crate::reference::attention::attention`].
pub fn attention(query_key_value: &[f32], bias: &[f32], layout: &AttentionLayout) -> Vec<f32> {
    let sequence = layout.sequence();
    let width = query_key_value.len() / (layout.grid.items * sequence) / 3;
    let bands = bands(layout);
    let mut y = buffers::zeros(layout.grid.items * sequence * width);
    let (mut jobs, mut rest) = (Vec::new(), y.as_mut_slice());
    // Queries follow each other: texture by texture, segment by segment, band by band.
    for (item, segment) in (0..layout.grid.items).flat_map(|item| (0..layout.segments).map(move |at| (item, at))) {
        for band in bands.iter() {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(band.queries.len() * width);
            jobs.push((item, segment, band, own));
            rest = after;
        }
    }
    let input = Input { query_key_value, bias, layout, width };
    jobs.into_par_iter().for_each(|(item, segment, band, y)| input.attend(item, segment, band, y));
    y
}

/// What all bands read.
struct Input<'a> {
    query_key_value: &'a [f32],
    bias: &'a [f32],
    layout: &'a AttentionLayout,
    width: usize,
}

impl Input<'_> {
    /// All heads of the queries of one band; `y` are their rows.
    fn attend(&self, item: usize, segment: usize, band: &Band, y: &mut [f32]) {
        let Self { query_key_value, bias, layout, width } = *self;
        let head_width = width / layout.heads;
        let row =
            |segment: usize, position: usize| item * layout.sequence() + segment * layout.grid.positions() + position;
        let columns = layout.segments * band.key_count();
        let mut scores = buffers::empty(band.queries.len() * columns);
        for head in 0..layout.heads {
            let column = head * head_width;
            let start = |row: usize, part: usize| (3 * row + part) * width + column;
            scores.clear();
            scores.resize(band.queries.len() * columns, 0.0);
            let query = row(segment, band.queries.start);
            for (at, keys, first) in pieces(layout, band) {
                strided_product(
                    Matrix::new(query_key_value, start(query, 0), 3 * width, 1),
                    Matrix::new(query_key_value, start(row(at, first), 1), 1, 3 * width),
                    [band.queries.len(), head_width, keys.len()],
                    &mut scores[keys.start..],
                    columns,
                    1.0 / (head_width as f32).sqrt(),
                );
            }
            softmax_in_sight(&mut scores, segment, head, bias, band, layout);
            for (at, keys, first) in pieces(layout, band) {
                strided_product(
                    Matrix::new(&scores, keys.start, columns, 1),
                    Matrix::new(query_key_value, start(row(at, first), 2), 3 * width, 1),
                    [band.queries.len(), keys.len(), head_width],
                    &mut y[column..],
                    width,
                    1.0,
                );
            }
        }
        buffers::give(scores);
    }
}

/// Keys that lie together: their segment, their columns in the scores, and the position of the first.
fn pieces(layout: &AttentionLayout, band: &Band) -> impl Iterator<Item = (usize, std::ops::Range<usize>, usize)> {
    let mut column = 0;
    let all = (0..layout.segments).flat_map(|segment| band.keys.iter().map(move |keys| (segment, keys.clone())));
    all.map(move |(segment, keys)| {
        let columns = column..column + keys.len();
        column = columns.end;
        (segment, columns, keys.start)
    })
}

/// Adds the bias, hides what is out of sight and normalises all rows of scores.
fn softmax_in_sight(
    scores: &mut [f32],
    query_segment: usize,
    head: usize,
    bias: &[f32],
    band: &Band,
    layout: &AttentionLayout,
) {
    let keys = band.key_count();
    for (row, columns) in scores.chunks_exact_mut(layout.segments * keys).zip(band.columns.chunks_exact(keys)) {
        let mut largest = f32::NEG_INFINITY;
        for (segment, scores) in row.chunks_exact_mut(keys).enumerate() {
            let bias_row = layout.bias_row(head, query_segment, segment) * layout.bias_width();
            for (score, column) in scores.iter_mut().zip(columns) {
                *score = column.map_or(f32::NEG_INFINITY, |column| *score + bias[bias_row + column]);
                largest = largest.max(*score);
            }
        }
        let mut total = 0.0;
        for score in row.iter_mut() {
            *score = (*score - largest).exp();
            total += *score;
        }
        for score in row.iter_mut() {
            *score /= total;
        }
    }
}
