//! Matrix products on the `gemm` crate, each on one thread: results are cut into bands that run side by side, so that all that
//! is done to a band, not its product alone, is spread over the cores and finds its numbers near.

use rayon::prelude::*;

/// `y += x w`: x `(rows, inputs)`, w `(inputs, outputs)`, y `(rows, outputs)`; the tuned form of
/// [`crate::reference::linear::product`].
pub fn product(x: &[f32], w: &[f32], inputs: usize, outputs: usize, y: &mut [f32]) {
    let rows = y.len() / outputs;
    strided_product(
        Matrix::new(x, 0, inputs, 1),
        Matrix::new(w, 0, outputs, 1),
        [rows, inputs, outputs],
        y,
        outputs,
        1.0,
    );
}

/// Bands on all cores; the tuned form of [`crate::reference::linear::bands`].
pub fn bands(values: &mut [f32], size: usize, work: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    values.par_chunks_mut(size).enumerate().for_each(|(number, piece)| work(number, piece));
}

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    start: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(values: &'a [f32], start: usize, row_stride: usize, column_stride: usize) -> Self {
        Self { values, start, row_stride, column_stride }
    }

    /// Index of the last element of a matrix with these many rows and columns.
    fn last(&self, rows: usize, columns: usize) -> usize {
        self.start + (rows - 1) * self.row_stride + (columns - 1) * self.column_stride
    }
}

/// `y += scale * a b` with `shape` = rows of a, columns of a, columns of b; y row-major with `y_stride` per row.
pub(super) fn strided_product(a: Matrix, b: Matrix, shape: [usize; 3], y: &mut [f32], y_stride: usize, scale: f32) {
    let [rows, inner, columns] = shape;
    if rows == 0 || inner == 0 || columns == 0 {
        return;
    }
    assert!(a.last(rows, inner) < a.values.len(), "left matrix is inside its slice");
    assert!(b.last(inner, columns) < b.values.len(), "right matrix is inside its slice");
    assert!((rows - 1) * y_stride + columns <= y.len(), "result is inside its slice");
    // SAFETY: the three assertions bound every address that the strides can reach, `y` is borrowed mutably and so
    // overlaps neither input, and f32 has no invalid values.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            y.as_mut_ptr(),
            1,
            y_stride as isize,
            true,
            a.values.as_ptr().add(a.start),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr().add(b.start),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
