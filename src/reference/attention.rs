//! CPU twin of `shaders/attention.wgsl`.

use crate::model::AttentionLayout;

/// `softmax(q k^T / sqrt(C / H) + bias) v` for each sequence, over the keys in sight.
///
/// `query_key_value` is `(items * segments * T, 3C)`; `bias` is `(H * segments^2, bias_width)`.
pub fn attention(query_key_value: &[f32], bias: &[f32], layout: &AttentionLayout) -> Vec<f32> {
    let (positions, sequence) = (layout.grid.positions(), layout.sequence());
    let width = query_key_value.len() / (layout.grid.items * sequence) / 3;
    let head_width = width / layout.heads;
    let scale = 1.0 / (head_width as f32).sqrt();
    let mut y = vec![0.0; layout.grid.items * sequence * width];
    for item in 0..layout.grid.items {
        for head in 0..layout.heads {
            let vector = |row: usize, part: usize| {
                let start = (item * sequence + row) * 3 * width + part * width + head * head_width;
                &query_key_value[start..start + head_width]
            };
            for query in 0..sequence {
                let scores: Vec<(usize, f32)> = (0..sequence)
                    .filter_map(|key| {
                        let column = layout.bias_column(query % positions, key % positions)?;
                        let row = layout.bias_row(head, query / positions, key / positions);
                        let dot: f32 = vector(query, 0).iter().zip(vector(key, 1)).map(|(q, k)| q * k).sum();
                        Some((key, dot * scale + bias[row * layout.bias_width() + column]))
                    })
                    .collect();
                let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, (_, score)| largest.max(*score));
                let total: f32 = scores.iter().map(|(_, score)| (score - largest).exp()).sum();
                let start = (item * sequence + query) * width + head * head_width;
                for (key, score) in scores {
                    let share = (score - largest).exp() / total;
                    for (sum, value) in y[start..start + head_width].iter_mut().zip(vector(key, 2)) {
                        *sum += share * value;
                    }
                }
            }
        }
    }
    y
}
