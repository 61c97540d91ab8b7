//! Matrix products on one thread.

use super::amx;
use super::patches::{GROUP, Neighbours, TAPS};
use std::borrow::Cow;

/// A row-major matrix inside a slice, or one of patches of what the slice holds; read as it is or transposed.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// From the first number of the matrix on.
    pub(super) values: &'a [f32],
    /// Numbers from one stored row to the next.
    pub(super) stride: usize,
    /// True if the product reads rows as columns.
    pub(super) transposed: bool,
    /// Where the rows are patches: a row is nine neighbours side by side.
    neighbours: Option<&'a Neighbours>,
}

/// Where the numbers of a part of a matrix stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// The first number of the part, or all values for patches.
    from: *const f32,
    stride: usize,
    /// For patches, the neighbours from the first row on; else empty.
    neighbours: &'a [u32],
    /// Neighbour and channel of the first and of the 17th column.
    halves: [(usize, usize); 2],
}

impl Source<'_> {
    /// Address of the 16 columns of one half of a row. It may lie anywhere if the matrix has no such row or columns.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, half: usize) -> *const f32 {
        if self.neighbours.is_empty() {
            return self.from.wrapping_add(row * self.stride + GROUP * half);
        }
        let (tap, channel) = self.halves[half];
        let neighbour = self.neighbours.get(row * TAPS + tap).copied().unwrap_or(0) as usize;
        self.from.wrapping_add(neighbour * (self.stride / TAPS) + channel)
    }
}

impl<'a> Matrix<'a> {
    /// The stored matrix, `stride` numbers from row to row.
    pub fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, stride, transposed: false, neighbours: None }
    }

    /// The transpose of the stored matrix.
    pub fn transposed(values: &'a [f32], stride: usize) -> Self {
        Self { values, stride, transposed: true, neighbours: None }
    }

    /// The 3x3 patches of `values`, a row for each position.
    ///
    /// # Panics
    /// If the values are not rows of a multiple of 16 channels, one for each position: a bug of the caller.
    pub fn patches(values: &'a [f32], neighbours: &'a Neighbours) -> Self {
        let channels = values.len() / neighbours.count().max(1);
        assert!(channels * neighbours.count() == values.len() && channels.is_multiple_of(GROUP), "whole rows");
        Self { values, stride: TAPS * channels, transposed: false, neighbours: Some(neighbours) }
    }

    /// The transpose.
    pub fn turned(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Where the numbers from a stored row and column on stand; the column of patches is a multiple of [`GROUP`].
    pub(super) fn source(&self, row: usize, column: usize) -> Source<'a> {
        let Some(neighbours) = self.neighbours else {
            let from = self.values[row * self.stride + column..].as_ptr();
            return Source { from, stride: self.stride, neighbours: &[], halves: [(0, 0); 2] };
        };
        let channels = self.stride / TAPS;
        let half = |column: usize| (column / channels, column % channels);
        Source {
            from: self.values.as_ptr(),
            stride: self.stride,
            neighbours: &neighbours.rows()[row * TAPS..],
            halves: [half(column), half(column + GROUP)],
        }
    }

    /// The stored numbers; patches are written out.
    fn stored(&self) -> Cow<'a, [f32]> {
        let Some(neighbours) = self.neighbours else { return Cow::Borrowed(self.values) };
        let channels = self.stride / TAPS;
        let mut stored = Vec::with_capacity(neighbours.rows().len() * channels);
        for row in neighbours.rows().iter() {
            stored.extend_from_slice(&self.values[*row as usize * channels..][..channels]);
        }
        Cow::Owned(stored)
    }

    /// Whether a matrix that the product sees as `rows x columns` lies inside the slice.
    fn fits(&self, rows: usize, columns: usize) -> bool {
        let (rows, columns) = if self.transposed { (columns, rows) } else { (rows, columns) };
        match self.neighbours {
            Some(neighbours) => columns <= self.stride && rows <= neighbours.count(),
            None => columns <= self.stride && (rows - 1) * self.stride + columns <= self.values.len(),
        }
    }

    /// Steps to the next row and to the next column as the product sees them.
    fn strides(&self) -> (isize, isize) {
        let stride = self.stride as isize;
        if self.transposed { (1, stride) } else { (stride, 1) }
    }
}

/// How products are computed, with the memory for it.
#[derive(Debug, Default)]
pub struct Products {
    tiles: Option<amx::Tiles>,
}

/// Setting this environment variable keeps products in f32 where the processor has bf16 matrix instructions.
const F32_VARIABLE: &str = "DISCON_F32_PRODUCTS";

impl Products {
    /// f32 throughout, on any machine.
    pub fn exact() -> Self {
        Self::default()
    }

    /// Matrix instructions with bf16 factors and f32 sums; `None` where the processor or the system lacks them.
    pub fn tiled() -> Option<Self> {
        Some(Self { tiles: Some(amx::Tiles::new()?) })
    }

    /// The fastest; f32 where the variable `DISCON_F32_PRODUCTS` is set.
    pub fn best() -> Self {
        if std::env::var_os(F32_VARIABLE).is_some() {
            return Self::exact();
        }
        Self::tiled().unwrap_or_default()
    }

    /// `y = a b`, or `y += a b` with `add`; `shape` is rows of a, columns of a, columns of b, and y has
    /// `y_stride` numbers per row.
    ///
    /// # Panics
    /// If a matrix does not fit into its slice: a bug of the caller.
    pub fn product(&mut self, a: Matrix, b: Matrix, shape: [usize; 3], y: &mut [f32], y_stride: usize, add: bool) {
        self.product_then(a, b, shape, y, y_stride, add, &mut |_, _| {});
    }

    /// The same, and calls `finish` with the first of some complete rows and the rows, while they are still near
    /// the processor: every row once, in order.
    ///
    /// # Panics
    /// If a matrix does not fit into its slice: a bug of the caller.
    #[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
    pub fn product_then(
        &mut self,
        a: Matrix,
        b: Matrix,
        shape: [usize; 3],
        y: &mut [f32],
        y_stride: usize,
        add: bool,
        finish: &mut dyn FnMut(usize, &mut [f32]),
    ) {
        let [rows, inner, columns] = shape;
        if rows == 0 || columns == 0 {
            return;
        }
        assert!(columns <= y_stride && (rows - 1) * y_stride + columns <= y.len(), "result is inside its slice");
        if inner == 0 {
            if !add {
                y.chunks_mut(y_stride).take(rows).for_each(|row| row[..columns].fill(0.0));
            }
            finish(0, &mut y[..(rows - 1) * y_stride + columns]);
            return;
        }
        assert!(a.fits(rows, inner), "left matrix is inside its slice");
        assert!(b.fits(inner, columns), "right matrix is inside its slice");
        match &mut self.tiles {
            Some(tiles) => tiles.product(a, b, shape, y, y_stride, add, finish),
            None => {
                exact(a, b, shape, y, y_stride, add);
                finish(0, &mut y[..(rows - 1) * y_stride + columns]);
            }
        }
    }
}

/// The product in f32; the caller has checked that all matrices are inside their slices.
fn exact(a: Matrix, b: Matrix, [rows, inner, columns]: [usize; 3], y: &mut [f32], y_stride: usize, add: bool) {
    let ((a_row, a_column), (b_row, b_column)) = (a.strides(), b.strides());
    let (a, b) = (a.stored(), b.stored());
    // SAFETY: the caller's assertions bound every address that the strides can reach, `y` is borrowed mutably and so
    // overlaps neither input, and f32 has no invalid values.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            y.as_mut_ptr(),
            1,
            y_stride as isize,
            add,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
