//! Attention, both ways: products per item and head, and one softmax per row.

use super::buffers::{Buffer, Pool};
use super::product::{Matrix, Products};
use super::{HIDDEN, HIDDEN_SCORE, loops};
use crate::model::AttentionLayout;

/// Sizes that both ways share.
struct Sizes {
    sequence: usize,
    width: usize,
    head: usize,
    scale: f32,
}

impl Sizes {
    fn new(numbers: usize, layout: &AttentionLayout) -> Self {
        let sequence = layout.sequence();
        let width = numbers / (layout.grid.items * sequence) / 3;
        let head = width / layout.heads;
        Self { sequence, width, head, scale: 1.0 / (head as f32).sqrt() }
    }

    /// Where query, key or value (0, 1, 2) of a head and item starts.
    fn part(&self, item: usize, head: usize, part: usize) -> usize {
        (item * self.sequence * 3 + part) * self.width + head * self.head
    }

    /// Where the result of a head and item starts.
    fn result(&self, item: usize, head: usize) -> usize {
        item * self.sequence * self.width + head * self.head
    }
}

/// Calls `visit` with a row of pairs of one head: where it lies among the pairs, where its row of the bias table
/// starts, and its columns there.
fn each_row(layout: &AttentionLayout, head: usize, columns: &[u32], mut visit: impl FnMut(usize, usize, &[u32])) {
    let (positions, sequence) = (layout.grid.positions(), layout.sequence());
    for query in 0..sequence {
        let columns = &columns[query % positions * positions..][..positions];
        for segment in 0..layout.segments {
            let row = layout.bias_row(head, query / positions, segment) * layout.bias_width();
            visit(query * sequence + segment * positions, row, columns);
        }
    }
}

/// `softmax(q k^T / sqrt(head width) + bias) v` into `y`; returns the shares, `(items, heads, sequence, sequence)`.
pub(super) fn forward(
    y: &mut [f32],
    input: &[f32],
    table: &[f32],
    layout: &AttentionLayout,
    columns: &[u32],
    pool: &mut Pool,
    products: &mut Products,
) -> Buffer {
    let sizes = Sizes::new(input.len(), layout);
    let (sequence, triple) = (sizes.sequence, 3 * sizes.width);
    let pairs = sequence * sequence;
    let mut shares = pool.take(layout.grid.items * layout.heads * pairs);
    let mut bias = pool.take(pairs);
    for head in 0..layout.heads {
        each_row(layout, head, columns, |at, row, columns| {
            for (bias, column) in bias[at..at + columns.len()].iter_mut().zip(columns) {
                *bias = if *column == HIDDEN { HIDDEN_SCORE } else { table[row + *column as usize] };
            }
        });
        for item in 0..layout.grid.items {
            let shares = &mut shares[(item * layout.heads + head) * pairs..][..pairs];
            products.product_then(
                Matrix::new(&input[sizes.part(item, head, 0)..], triple),
                Matrix::transposed(&input[sizes.part(item, head, 1)..], triple),
                [sequence, sizes.head, sequence],
                shares,
                sequence,
                false,
                &mut |first, scores| loops::softmax(scores, &bias[first * sequence..], sequence, sizes.scale),
            );
            products.product(
                Matrix::new(shares, sequence),
                Matrix::new(&input[sizes.part(item, head, 2)..], triple),
                [sequence, sequence, sizes.head],
                &mut y[sizes.result(item, head)..],
                sizes.width,
                false,
            );
        }
    }
    pool.give(bias);
    shares
}

/// What the way back reads.
pub(super) struct Back<'a> {
    pub input: &'a [f32],
    pub shares: &'a [f32],
    pub dy: &'a [f32],
    pub layout: &'a AttentionLayout,
    pub columns: &'a [u32],
}

/// Gradients of [`forward`]: `dx` is written or, with `add`, added to; `table_gradient` is added to unless empty.
pub(super) fn backward(
    dx: &mut [f32],
    add: bool,
    table_gradient: &mut [f32],
    back: &Back,
    pool: &mut Pool,
    products: &mut Products,
) {
    let layout = back.layout;
    let sizes = Sizes::new(back.input.len(), layout);
    let (sequence, triple) = (sizes.sequence, 3 * sizes.width);
    let pairs = sequence * sequence;
    let (tall, square, wide) = ([sequence, sequence, sizes.head], [sequence, sizes.head, sequence], sizes.width);
    let mut scores = pool.take(pairs);
    let mut bias = pool.take(pairs);
    for head in 0..layout.heads {
        bias.fill(0.0);
        for item in 0..layout.grid.items {
            let shares = &back.shares[(item * layout.heads + head) * pairs..][..pairs];
            let [query, key, value] = [0, 1, 2].map(|part| sizes.part(item, head, part));
            let dy = &back.dy[sizes.result(item, head)..];
            let values = Matrix::transposed(&back.input[value..], triple);
            let gradient = Matrix::new(dy, wide);
            products.product_then(gradient, values, square, &mut scores, sequence, false, &mut |first, scores| {
                let (shares, bias) = (&shares[first * sequence..], &mut bias[first * sequence..]);
                loops::softmax_back(scores, shares, bias, sequence, sizes.scale);
            });
            let turned = Matrix::transposed(shares, sequence);
            products.product(turned, gradient, tall, &mut dx[value..], triple, add);
            let (plain, turned) = (Matrix::new(&scores, sequence), Matrix::transposed(&scores, sequence));
            products.product(plain, Matrix::new(&back.input[key..], triple), tall, &mut dx[query..], triple, add);
            products.product(turned, Matrix::new(&back.input[query..], triple), tall, &mut dx[key..], triple, add);
        }
        if table_gradient.is_empty() {
            continue;
        }
        each_row(layout, head, back.columns, |at, row, columns| {
            for (bias, column) in bias[at..at + columns.len()].iter().zip(columns) {
                if *column != HIDDEN {
                    table_gradient[row + *column as usize] += bias;
                }
            }
        });
    }
    pool.give(scores);
    pool.give(bias);
}
