//! CPU twins of the kernels that move or add whole rows: `embed`, `gather`, `tokens_at`, `broadcast_sum`,
//! `join_segments`, `last_segment`.

use crate::model::Codes;

/// What a table says of tokens, see [`crate::model::Ops::embed`].
pub fn embed(table: &[f32], width: usize, tokens: &[u32], codes: Codes) -> Vec<f32> {
    let entries = table.len() / width;
    let mut y = Vec::with_capacity(tokens.len() * width);
    for token in tokens {
        let (first, second) = codes.rows_of(*token, entries);
        let from = y.len();
        y.extend_from_slice(row(table, width, first));
        if let Some(second) = second {
            y[from..].iter_mut().zip(row(table, width, second)).for_each(|(sum, value)| *sum += value);
        }
    }
    y
}

fn row(x: &[f32], width: usize, row: usize) -> &[f32] {
    &x[row * width..(row + 1) * width]
}

/// Rows `indices` of each of `items` groups.
pub fn gather(x: &[f32], width: usize, indices: &[u32], items: usize) -> Vec<f32> {
    x.chunks_exact(x.len() / items)
        .flat_map(|group| indices.iter().flat_map(|index| row(group, width, *index as usize)))
        .copied()
        .collect()
}

/// Row `r` of the sum is `x[r % x_rows] + y[r / (rows / y_rows)]`.
pub fn broadcast_sum(x: &[f32], y: &[f32], width: usize, rows: usize) -> Vec<f32> {
    let (x_rows, y_rows) = (x.len() / width, y.len() / width);
    let mut sum = Vec::with_capacity(rows * width);
    for row in 0..rows {
        let from_x = row % x_rows;
        let from_y = row / (rows / y_rows);
        for column in 0..width {
            sum.push(x[from_x * width + column] + y[from_y * width + column]);
        }
    }
    sum
}

/// Two segments joined per item.
pub fn join_segments(first: &[f32], second: &[f32], items: usize) -> Vec<f32> {
    let part = first.len() / items;
    first.chunks_exact(part).zip(second.chunks_exact(part)).flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
}

/// The last of two segments of every item.
pub fn last_segment(x: &[f32], items: usize) -> Vec<f32> {
    let part = x.len() / items;
    x.chunks_exact(part).flat_map(|group| &group[part / 2..]).copied().collect()
}

/// The tokens at some positions of a token grid.
pub fn tokens_at(tokens: &[u32], positions: &[u32]) -> Vec<u32> {
    positions.iter().map(|position| tokens[*position as usize]).collect()
}
