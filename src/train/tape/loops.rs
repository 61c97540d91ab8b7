//! Loops over rows, forwards and backwards. `width` numbers per row everywhere.

use crate::train::wide::{LANES, dot, exp, exp_row, largest, wide};

/// Added under the root of every norm; part of the model's definition.
const NORM_EPSILON: f32 = 1e-6;

wide! {
    /// `y += x`.
    pub(super) fn add(y: &mut [f32], x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }

    /// `sum[rows[r]] += x[r]` for rows of `width` numbers.
    pub(super) fn add_rows(sum: &mut [f32], x: &[f32], rows: &[u32], width: usize) {
        for (x, row) in x.chunks_exact(width).zip(rows) {
            for (sum, x) in sum[*row as usize * width..][..width].iter_mut().zip(x) {
                *sum += x;
            }
        }
    }

    /// `y[r] += x[rows[r]]` for rows of `width` numbers.
    pub(super) fn add_picked(y: &mut [f32], x: &[f32], rows: &[u32], width: usize) {
        for (y, row) in y.chunks_exact_mut(width).zip(rows) {
            for (y, x) in y.iter_mut().zip(&x[*row as usize * width..][..width]) {
                *y += x;
            }
        }
    }

    /// `y += bias`, row by row.
    pub(super) fn add_row(y: &mut [f32], bias: &[f32]) {
        for y in y.chunks_exact_mut(bias.len()) {
            for (y, bias) in y.iter_mut().zip(bias) {
                *y += bias;
            }
        }
    }

    /// `y += bias + residual`, the bias row by row.
    pub(super) fn add_row_and(y: &mut [f32], bias: &[f32], residual: &[f32]) {
        let width = bias.len();
        for (y, residual) in y.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
            for ((y, bias), residual) in y.iter_mut().zip(bias).zip(residual) {
                *y += bias + residual;
            }
        }
    }

    /// `y = silu(y + bias)`; `slope` becomes the derivative there unless it is empty.
    pub(super) fn silu(y: &mut [f32], bias: &[f32], slope: &mut [f32]) {
        let width = bias.len();
        if slope.is_empty() {
            for y in y.chunks_exact_mut(width) {
                for (y, bias) in y.iter_mut().zip(bias) {
                    let x = *y + bias;
                    *y = x / (1.0 + exp(-x));
                }
            }
            return;
        }
        for (y, slope) in y.chunks_exact_mut(width).zip(slope.chunks_exact_mut(width)) {
            for ((y, bias), slope) in y.iter_mut().zip(bias).zip(slope) {
                let x = *y + bias;
                let share = 1.0 / (1.0 + exp(-x));
                let value = x * share;
                *y = value;
                *slope = share + value * (1.0 - share);
            }
        }
    }

    /// `slope *= gradient`, and `sums += ` the sums of its columns.
    pub(super) fn silu_back(slope: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        for (slope, gradient) in slope.chunks_exact_mut(width).zip(gradient.chunks_exact(width)) {
            for ((slope, gradient), sum) in slope.iter_mut().zip(gradient).zip(sums.iter_mut()) {
                let value = *slope * gradient;
                *slope = value;
                *sum += value;
            }
        }
    }

    /// `sums += ` the sums of the columns of `x`.
    pub(super) fn add_columns(sums: &mut [f32], x: &[f32]) {
        for x in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x;
            }
        }
    }

    /// `y = x / sqrt(mean(x^2) + epsilon) * gain`; `inverse` keeps one over the root per row.
    pub(super) fn norm(y: &mut [f32], x: &[f32], gain: &[f32], inverse: &mut [f32]) {
        let width = gain.len();
        for ((y, x), inverse) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(inverse) {
            let scale = 1.0 / (dot(x, x) / width as f32 + NORM_EPSILON).sqrt();
            *inverse = scale;
            for ((y, x), gain) in y.iter_mut().zip(x).zip(gain) {
                *y = x * scale * gain;
            }
        }
    }

    /// Backwards through [`norm`]: `dx` is written, or added to with `add`, and `gain_gradient` added to.
    pub(super) fn norm_back(
        dx: &mut [f32], add: bool, dy: &[f32], x: &[f32], gain: &[f32], inverse: &[f32], gain_gradient: &mut [f32],
    ) {
        let width = gain.len();
        let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(x.chunks_exact(width)).zip(inverse);
        for (((dx, dy), x), scale) in rows {
            for ((sum, dy), x) in gain_gradient.iter_mut().zip(dy).zip(x) {
                *sum += dy * x * scale;
            }
            let along = dot_3(dy, x, gain) * scale * scale / width as f32;
            if add {
                for (((dx, dy), x), gain) in dx.iter_mut().zip(dy).zip(x).zip(gain) {
                    *dx += scale * (dy * gain - x * along);
                }
            } else {
                for (((dx, dy), x), gain) in dx.iter_mut().zip(dy).zip(x).zip(gain) {
                    *dx = scale * (dy * gain - x * along);
                }
            }
        }
    }

    /// One row of [`norm`] with `1 + scale` as gain and a shift; returns one over the root.
    pub(super) fn modulated_norm_row(y: &mut [f32], x: &[f32], shift: &[f32], scale: &[f32]) -> f32 {
        let inverse = 1.0 / (dot(x, x) / x.len() as f32 + NORM_EPSILON).sqrt();
        for (((y, x), shift), scale) in y.iter_mut().zip(x).zip(shift).zip(scale) {
            *y = x * inverse * (1.0 + scale) + shift;
        }
        inverse
    }

    /// One row backwards through the norm alone: `dx += inverse * (g - x (g . x) inverse^2 / width)` with
    /// `g = dy * (1 + scale)`.
    pub(super) fn modulated_norm_row_back(dx: &mut [f32], dy: &[f32], x: &[f32], scale: &[f32], inverse: f32) {
        let along = (dot_3(dy, x, scale) + dot(dy, x)) * inverse * inverse / x.len() as f32;
        for (((dx, dy), x), scale) in dx.iter_mut().zip(dy).zip(x).zip(scale) {
            *dx += inverse * (dy * (1.0 + scale) - x * along);
        }
    }

    /// `y += scale * a * b`.
    pub(super) fn add_product(y: &mut [f32], a: &[f32], b: &[f32], scale: f32) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y += scale * a * b;
        }
    }

    /// `y = x + a * b`.
    pub(super) fn sum_and_product(y: &mut [f32], x: &[f32], a: &[f32], b: &[f32]) {
        for (((y, x), a), b) in y.iter_mut().zip(x).zip(a).zip(b) {
            *y = x + a * b;
        }
    }

    /// `y = a + b`.
    pub(super) fn sum(y: &mut [f32], a: &[f32], b: &[f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    }

    /// `y *= scale`.
    pub(super) fn scale(y: &mut [f32], scale: f32) {
        for y in y.iter_mut() {
            *y *= scale;
        }
    }

    /// `scores = softmax(scores * scale + bias)`, row by row.
    pub(super) fn softmax(scores: &mut [f32], bias: &[f32], width: usize, scale: f32) {
        for (row, bias) in scores.chunks_exact_mut(width).zip(bias.chunks_exact(width)) {
            for (score, bias) in row.iter_mut().zip(bias) {
                *score = *score * scale + bias;
            }
            let shift = largest(row);
            let share = 1.0 / exp_row(row, shift);
            for score in row.iter_mut() {
                *score *= share;
            }
        }
    }

    /// Backwards through [`softmax`]: from `d = ` gradient of the shares to `scale * ` gradient of the scores; what
    /// reaches the bias is added to `bias_sum`.
    pub(super) fn softmax_back(d: &mut [f32], shares: &[f32], bias_sum: &mut [f32], width: usize, scale: f32) {
        let rows = d.chunks_exact_mut(width).zip(shares.chunks_exact(width)).zip(bias_sum.chunks_exact_mut(width));
        for ((d, shares), bias_sum) in rows {
            let mean = dot(d, shares);
            for ((d, share), bias_sum) in d.iter_mut().zip(shares).zip(bias_sum) {
                let value = share * (*d - mean);
                *bias_sum += value;
                *d = scale * value;
            }
        }
    }

    /// One row of cross entropy: returns it, and writes `scale * (softmax - target)` unless `gradient` is empty.
    pub(super) fn entropy_row(logits: &[f32], target: usize, gradient: &mut [f32], scratch: &mut [f32], scale: f32) -> f32 {
        let shift = largest(logits);
        scratch.copy_from_slice(logits);
        let total = exp_row(scratch, shift);
        let factor = scale / total;
        for (gradient, value) in gradient.iter_mut().zip(scratch) {
            *gradient = factor * *value;
        }
        if let Some(gradient) = gradient.get_mut(target) {
            *gradient -= scale;
        }
        total.ln() + shift - logits[target]
    }

    /// True if `row[at]` is the largest number of the row, and the first of its size.
    pub(super) fn is_first_largest(row: &[f32], at: usize) -> bool {
        let best = largest(row);
        row[at] >= best && largest(&row[..at]) < best
    }

    /// One row of the weighted square error: returns it, and writes its gradient times `scale` unless that is empty.
    pub(super) fn square_row(found: &[f32], target: &[f32], weights: &[f32], gradient: &mut [f32], scale: f32) -> f32 {
        for (((gradient, found), target), weight) in gradient.iter_mut().zip(found).zip(target).zip(weights) {
            *gradient = 2.0 * scale * weight * (found - target);
        }
        let mut total = 0.0;
        for ((found, target), weight) in found.iter().zip(target).zip(weights) {
            total += (found - target) * (found - target) * weight;
        }
        total
    }
}

/// Sum of the products of three rows.
#[inline(always)]
fn dot_3(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = a.len() / LANES * LANES;
    let chunks = a[..whole].chunks_exact(LANES).zip(b.chunks_exact(LANES)).zip(c.chunks_exact(LANES));
    for ((a, b), c) in chunks {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane] * c[lane];
        }
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    for index in whole..a.len() {
        total += a[index] * b[index] * c[index];
    }
    total
}
