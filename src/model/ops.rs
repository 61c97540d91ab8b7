//! The operations that the network is written in.
//!
//! [`Ops`] is implemented by plain loops (`reference`, whose hot loops `native` replaces), by WGSL dispatches (`gpu`), by
//! autodiff tensors and a tape of our own (`train`), by a counter of operations (`sampling::cost`) and by the peer that
//! benchmarks compare with (`bench`). A tensor is always a matrix `(rows, width)` in row-major order. Rows count
//! items, positions and pixels, slowest first: a batch of `B` token grids of `h x w` positions and
//! width `C` is `(B*h*w, C)`; an image is `(B*H*W, 3)`.
//!
//! Letters in shapes: `B` items, `T` positions of one item, `C` width, `H` heads, `D` numbers per latent.

use super::codes::Codes;
use super::layers::{Conv, Linear, Norm};
use super::params::ParamId;

/// Nonlinearity that ends a linear map or a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The value itself.
    None,
    /// `x * sigmoid(x)`.
    Silu,
}

/// Where a grid continues past its border, per axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wrap {
    /// Left and right borders are neighbours.
    pub x: bool,
    /// Top and bottom borders are neighbours.
    pub y: bool,
}

impl Wrap {
    /// Both axes wrap: a torus.
    pub const BOTH: Self = Self { x: true, y: true };
    /// No axis wraps: a cut-out.
    pub const NONE: Self = Self { x: false, y: false };
}

/// A batch of equal two-dimensional grids, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Number of grids.
    pub items: usize,
    /// Rows of one grid.
    pub height: usize,
    /// Columns of one grid.
    pub width: usize,
    /// Border rule.
    pub wrap: Wrap,
}

impl Grid {
    /// Positions of one grid.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Rows of a tensor over the whole batch.
    pub fn rows(&self) -> usize {
        self.items * self.positions()
    }

    /// The same area with `factor` times as many positions along each axis.
    pub fn finer(self, factor: usize) -> Self {
        Self { height: self.height * factor, width: self.width * factor, ..self }
    }

    /// The same area with `factor` times fewer positions along each axis.
    pub fn coarser(self, factor: usize) -> Self {
        Self { height: self.height / factor, width: self.width / factor, ..self }
    }

    /// Position `(y, x)` moved into the grid: wrapped where the axis wraps, else clamped to the border.
    pub fn resolve(&self, y: isize, x: isize) -> (usize, usize) {
        let along = |value: isize, length: usize, wraps: bool| {
            if wraps {
                value.rem_euclid(length as isize) as usize
            } else {
                value.clamp(0, length as isize - 1) as usize
            }
        };
        (along(y, self.height, self.wrap.y), along(x, self.width, self.wrap.x))
    }
}

/// Who may attend to whom in [`Ops::attention`].
///
/// A sequence is `segments` copies of one grid, one after the other. A query sees a key if their
/// offset, shortest way round on axes that wrap, is at most `window` along both axes; segments do
/// not matter for visibility, only for the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttentionLayout {
    /// The grid of one segment; `grid.items` sequences.
    pub grid: Grid,
    /// 1 for a plain grid, 2 for a token prefix in front of the latents.
    pub segments: usize,
    /// Number of heads; the head width is `C / heads`.
    pub heads: usize,
    /// Largest visible offset along an axis, in positions.
    pub window: usize,
}

impl AttentionLayout {
    /// Offsets per bias row: `(2 * window + 1)^2`.
    pub fn bias_width(&self) -> usize {
        (2 * self.window + 1) * (2 * self.window + 1)
    }

    /// Length of one sequence.
    pub fn sequence(&self) -> usize {
        self.segments * self.grid.positions()
    }

    /// Pairs of one query and one key in sight, over one sequence.
    pub fn visible_pairs(&self) -> usize {
        let along = |length: usize, wraps: bool| -> usize {
            let reach = self.window;
            if wraps {
                return length * length.min(2 * reach + 1);
            }
            (0..length).map(|at| at.min(reach) + (length - 1 - at).min(reach) + 1).sum()
        };
        let grid = self.grid;
        self.segments * self.segments * along(grid.height, grid.wrap.y) * along(grid.width, grid.wrap.x)
    }

    /// Column of the bias table for a query and a key position of one grid, or `None` if the key is out of sight.
    pub fn bias_column(&self, query: usize, key: usize) -> Option<usize> {
        let (width, height) = (self.grid.width, self.grid.height);
        let along = |from: usize, to: usize, length: usize, wraps: bool| {
            let mut offset = to as isize - from as isize;
            let length = length as isize;
            if wraps {
                // Shortest way round; exactly opposite positions count as before, so that the rule has no tie.
                offset = (offset + length / 2).rem_euclid(length) - length / 2;
            }
            offset
        };
        let dy = along(query / width, key / width, height, self.grid.wrap.y);
        let dx = along(query % width, key % width, width, self.grid.wrap.x);
        let reach = self.window as isize;
        if dy.abs() > reach || dx.abs() > reach {
            return None;
        }
        Some(((dy + reach) * (2 * reach + 1) + dx + reach) as usize)
    }

    /// Row of the bias table for a head and the segments of query and key: the table is `(H * segments^2, bias_width)`.
    pub fn bias_row(&self, head: usize, query_segment: usize, key_segment: usize) -> usize {
        (head * self.segments + query_segment) * self.segments + key_segment
    }
}

/// Everything the network can compute. One method is one thought of the method's description.
///
/// Shapes must fit; implementors may panic on a wrong shape, because no user data decides one.
pub trait Ops {
    /// A matrix `(rows, width)` of real numbers.
    type Tensor: Clone;
    /// A list of indices: tokens, or positions.
    type Indices: Clone;

    /// Rows and width of `x`.
    fn shape(&self, x: &Self::Tensor) -> [usize; 2];

    /// Numbers that are known before the network runs.
    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> Self::Tensor;

    /// Names `x` for parity tests and profiles; does not change it.
    fn tap(&mut self, _name: &str, _x: &Self::Tensor) {}

    /// `activation(x W + b) + residual`: `(R, inputs) -> (R, outputs)`.
    fn linear(
        &mut self,
        x: &Self::Tensor,
        linear: &Linear,
        activation: Activation,
        residual: Option<&Self::Tensor>,
    ) -> Self::Tensor;

    /// 3x3 convolution with border rule `grid.wrap`: `(grid.rows(), inputs) -> (grid.rows(), outputs)`.
    ///
    /// `W` has shape `(9 * inputs, outputs)`; row `(ky * 3 + kx) * inputs + i` weighs channel `i` of the
    /// neighbour at `(y + ky - 1, x + kx - 1)`. Then `activation(.. + b) + residual`.
    fn conv3x3(
        &mut self,
        x: &Self::Tensor,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&Self::Tensor>,
    ) -> Self::Tensor;

    /// Root-mean-square norm per row: `x / sqrt(mean(x^2) + 1e-6) * gain`.
    fn rms_norm(&mut self, x: &Self::Tensor, norm: &Norm) -> Self::Tensor;

    /// Norm without gain, then `* (1 + m[.., scale_at..]) + m[.., shift_at..]` (adaptive norm of DiT, arXiv 2212.09748).
    fn modulated_norm(
        &mut self,
        x: &Self::Tensor,
        modulation: &Self::Tensor,
        shift_at: usize,
        scale_at: usize,
    ) -> Self::Tensor;

    /// `x + m[.., gate_at..] * y`, element by element.
    fn gated_add(
        &mut self,
        x: &Self::Tensor,
        modulation: &Self::Tensor,
        gate_at: usize,
        y: &Self::Tensor,
    ) -> Self::Tensor;

    /// Attention over each sequence with a bias per head and offset: `softmax(q k^T / sqrt(C / H) + bias) v`.
    ///
    /// `query_key_value` is `(B * segments * T, 3C)`, columns `[q | k | v]`, heads side by side in each third.
    fn attention(&mut self, query_key_value: &Self::Tensor, bias: ParamId, layout: &AttentionLayout) -> Self::Tensor;

    /// What a table says of tokens: `(N) -> (N, C)`.
    ///
    /// Tokens of one code are rows of the table. Tokens of two are the sum of row `token / second` and of row
    /// `token % second` of the table's last `second` rows; the other numbers of `codes` are not looked at. The index equal to
    /// the number of tokens is the mask token: the row behind those of first codes, with that of second code 0.
    fn embed(&mut self, table: ParamId, tokens: &Self::Indices, codes: Codes) -> Self::Tensor;

    /// Sum of row groups, `rows` rows: row `r` is `x[r % x_rows] + y[r / (rows / y_rows)]`.
    ///
    /// So `x` may hold the positions of one item for use in every item, and `y` one row per item, one
    /// row in all, or one per row. Both row counts divide `rows`.
    fn broadcast_sum(&mut self, x: &Self::Tensor, y: &Self::Tensor, rows: usize) -> Self::Tensor;

    /// Rows `indices` of each of `items` equal groups of rows: `(items * T, C) -> (items * N, C)`.
    fn gather(&mut self, x: &Self::Tensor, indices: &Self::Indices, items: usize) -> Self::Tensor;

    /// Segments joined per item: `(B * T, C), (B * T, C) -> (B * 2T, C)`, `first` in front.
    fn join_segments(&mut self, first: &Self::Tensor, second: &Self::Tensor, items: usize) -> Self::Tensor;

    /// The last of two segments of every item: `(B * 2T, C) -> (B * T, C)`.
    fn last_segment(&mut self, x: &Self::Tensor, items: usize) -> Self::Tensor;

    /// Each position becomes `factor x factor` finer ones: `(grid.rows(), factor^2 C) -> (finer rows, C)`;
    /// columns are ordered `(dy, dx, channel)`.
    fn depth_to_space(&mut self, x: &Self::Tensor, grid: Grid, factor: usize) -> Self::Tensor;

    /// The inverse of [`Ops::depth_to_space`]; `grid` is the fine one.
    fn space_to_depth(&mut self, x: &Self::Tensor, grid: Grid, factor: usize) -> Self::Tensor;

    /// From style-relative to absolute latents: `x[.., 0..D] * exp(style[.., D..2D]) + style[.., 0..D]`.
    ///
    /// `style` has one row, or one per item. Columns of `x` past `D` are dropped.
    fn denormalise(&mut self, x: &Self::Tensor, style: &Self::Tensor) -> Self::Tensor;
}
