//! Attention as two products per head and band of rows; the tuned form of [`crate::reference::attention::attention`].

use super::bands::{Band, bands};
use super::product::{Matrix, strided_product};
use crate::model::AttentionLayout;

/// See [`crate::reference::attention::attention`].
pub fn attention(query_key_value: &[f32], bias: &[f32], layout: &AttentionLayout) -> Vec<f32> {
    let (positions, sequence) = (layout.grid.positions(), layout.sequence());
    let width = query_key_value.len() / (layout.grid.items * sequence) / 3;
    let head_width = width / layout.heads;
    let bands = bands(layout);
    let mut y = vec![0.0; layout.grid.items * sequence * width];
    let mut scores = Vec::new();
    for item in 0..layout.grid.items {
        for head in 0..layout.heads {
            for (segment, band) in
                (0..layout.segments).flat_map(|segment| bands.iter().map(move |band| (segment, band)))
            {
                let column = head * head_width;
                let row = |segment: usize, position: usize| item * sequence + segment * positions + position;
                let start = |row: usize, part: usize| (3 * row + part) * width + column;
                let columns = layout.segments * band.key_count();
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
                        &mut y[query * width + column..],
                        width,
                        1.0,
                    );
                }
            }
        }
    }
    y
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
