//! Attention as two products per head; the tuned form of [`crate::reference::attention::attention`].

use super::product::{Matrix, strided_product};
use crate::model::AttentionLayout;

/// See [`crate::reference::attention::attention`].
pub fn attention(query_key_value: &[f32], bias: &[f32], layout: &AttentionLayout) -> Vec<f32> {
    let (positions, sequence) = (layout.grid.positions(), layout.sequence());
    let width = query_key_value.len() / (layout.grid.items * sequence) / 3;
    let head_width = width / layout.heads;
    // Which column of the bias each pair of positions reads is the same for all heads, items and segments.
    let columns: Vec<Option<usize>> =
        (0..positions * positions).map(|pair| layout.bias_column(pair / positions, pair % positions)).collect();
    let mut y = vec![0.0; layout.grid.items * sequence * width];
    let mut scores = vec![0.0; sequence * sequence];
    for item in 0..layout.grid.items {
        for head in 0..layout.heads {
            let start = item * sequence * 3 * width + head * head_width;
            scores.fill(0.0);
            strided_product(
                Matrix::new(query_key_value, start, 3 * width, 1),
                Matrix::new(query_key_value, start + width, 1, 3 * width),
                [sequence, head_width, sequence],
                &mut scores,
                sequence,
                1.0 / (head_width as f32).sqrt(),
            );
            for (query, row) in scores.chunks_exact_mut(sequence).enumerate() {
                softmax_in_sight(row, query, head, bias, &columns, layout);
            }
            strided_product(
                Matrix::new(&scores, 0, sequence, 1),
                Matrix::new(query_key_value, start + 2 * width, 3 * width, 1),
                [sequence, sequence, head_width],
                &mut y[item * sequence * width + head * head_width..],
                width,
                1.0,
            );
        }
    }
    y
}

/// Adds the bias, hides what is out of sight and normalises one row of scores.
fn softmax_in_sight(
    row: &mut [f32],
    query: usize,
    head: usize,
    bias: &[f32],
    columns: &[Option<usize>],
    layout: &AttentionLayout,
) {
    let positions = layout.grid.positions();
    let columns = &columns[query % positions * positions..][..positions];
    let mut largest = f32::NEG_INFINITY;
    for (segment, scores) in row.chunks_exact_mut(positions).enumerate() {
        let bias_row = layout.bias_row(head, query / positions, segment) * layout.bias_width();
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
