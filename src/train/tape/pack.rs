//! Factors of a product as tiles of bf16 numbers, rounded to the nearest, ties to even.

use super::product::{Matrix, Source};
use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_cvtne2ps_pbh, _mm512_loadu_si512, _mm512_maskz_loadu_ps,
    _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_store_si512, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// Lines of a tile.
pub(super) const LINES: usize = 16;
/// Numbers along the inner dimension that one tile holds.
pub(super) const STEP: usize = 32;
/// Size of a tile.
pub(super) const TILE_BYTES: usize = 64 * LINES;

/// How far ahead of a row's numbers the next ones are fetched.
const AHEAD: usize = 64;

/// 16 lines of 32 bf16 numbers.
#[repr(C, align(64))]
#[derive(Clone, Debug)]
pub(super) struct Tile([u16; LINES * STEP]);

/// Which factor is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Its rows become lines.
    Left,
    /// Its columns become places in lines of pairs.
    Right,
}

/// Packs rows (of the left factor) or columns (of the right) `outer = [first, count]` and inner places `inner` into
/// panels of 16, an even number of them, each a tile per 32 inner places; what is missing is 0.
///
/// # Safety
/// The processor must have AVX-512 F, BW and BF16, and both ranges must be inside the matrix.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pack(tiles: &mut Vec<Tile>, matrix: Matrix, side: Side, outer: [usize; 2], inner: [usize; 2]) {
    let steps = inner[1].div_ceil(STEP);
    let panels = outer[1].div_ceil(LINES).next_multiple_of(2);
    if tiles.len() < panels * steps {
        tiles.resize(panels * steps, Tile([0; LINES * STEP]));
    }
    // Stored rows run along the outer dimension in a left factor as it is and in a transposed right factor.
    let rows_are_outer = (side == Side::Left) != matrix.transposed;
    for place in 0..panels * steps {
        // Along stored rows first, which is the order of memory.
        let (panel, step) =
            if rows_are_outer { (place / steps, place % steps) } else { (place % panels, place / panels) };
        let first = (panel * LINES).min(outer[1]);
        let lines = LINES.min(outer[1] - first);
        let top = step * STEP;
        let deep = STEP.min(inner[1] - top);
        let tile = &mut tiles[panel * steps + step];
        if lines == 0 {
            tile.0.fill(0);
            continue;
        }
        let (row, column) =
            if rows_are_outer { (outer[0] + first, inner[0] + top) } else { (inner[0] + top, outer[0] + first) };
        let source = matrix.source(row, column);
        // SAFETY: the caller vouches for instructions and ranges; `source` begins at the part to be packed.
        let packed =
            unsafe { if rows_are_outer { whole_lines(source, lines, deep) } else { pairs(source, deep, lines) } };
        let packed = if matrix.transposed { transpose(packed) } else { packed };
        for (line, packed) in packed.into_iter().enumerate() {
            // SAFETY: a tile has 16 lines of 64 bytes and is aligned to 64.
            unsafe { _mm512_store_si512(tile.0.as_mut_ptr().add(line * STEP).cast(), packed) };
        }
    }
}

/// Mask of the first `count` of 16 numbers.
fn first(count: usize) -> u16 {
    if count >= 16 { u16::MAX } else { (1 << count) - 1 }
}

/// Up to 16 stored rows of up to 32 numbers, a line each.
///
/// # Safety
/// All of them must be readable, and the instructions there.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn whole_lines(source: Source, rows: usize, columns: usize) -> [__m512i; LINES] {
    let (low, high) = (first(columns), first(columns.saturating_sub(16)));
    let mut lines = [_mm512_setzero_si512(); LINES];
    // No early end: a loop of fixed length stays in registers.
    for (row, line) in lines.iter_mut().enumerate() {
        let (low, high) = if row < rows { (low, high) } else { (0, 0) };
        // SAFETY: masked numbers are not touched, and the address itself may lie anywhere.
        *line = unsafe {
            let a = _mm512_maskz_loadu_ps(low, source.at(row, 0));
            let b = _mm512_maskz_loadu_ps(high, source.at(row, 1));
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a))
        };
    }
    lines
}

/// The order that puts number `i` of the second half behind number `i` of the first.
static INTERLEAVED: [u16; 32] = {
    let mut order = [0; 32];
    let mut index = 0;
    while index < 32 {
        order[index] = (index / 2 + index % 2 * 16) as u16;
        index += 1;
    }
    order
};

/// Up to 32 stored rows of up to 16 numbers, two rows to a line: number 0 of both rows, then number 1 of both.
///
/// # Safety
/// All of them must be readable, and the instructions there.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs(source: Source, rows: usize, columns: usize) -> [__m512i; LINES] {
    let mask = first(columns);
    let mut lines = [_mm512_setzero_si512(); LINES];
    // SAFETY: the order has 64 bytes.
    let order = unsafe { _mm512_loadu_si512(INTERLEAVED.as_ptr().cast()) };
    for (line, packed) in lines.iter_mut().enumerate() {
        let masks = [2 * line, 2 * line + 1].map(|row| if row < rows { mask } else { 0 });
        let (even, odd) = (source.at(2 * line, 0), source.at(2 * line + 1, 0));
        // The processor does not foresee this many rows side by side.
        _mm_prefetch::<_MM_HINT_T0>(even.wrapping_add(AHEAD).cast());
        _mm_prefetch::<_MM_HINT_T0>(odd.wrapping_add(AHEAD).cast());
        // SAFETY: masked numbers are not touched, and the addresses themselves may lie anywhere.
        *packed = unsafe {
            let (a, b) = (_mm512_maskz_loadu_ps(masks[0], even), _mm512_maskz_loadu_ps(masks[1], odd));
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
            _mm512_permutexvar_epi16(order, both)
        };
    }
    lines
}

/// Exchanges lines and pairs of numbers.
#[target_feature(enable = "avx512f")]
fn transpose(lines: [__m512i; LINES]) -> [__m512i; LINES] {
    let (mut twos, mut fours, mut turned) = (lines, lines, lines);
    for index in (0..16).step_by(2) {
        twos[index] = _mm512_unpacklo_epi32(lines[index], lines[index + 1]);
        twos[index + 1] = _mm512_unpackhi_epi32(lines[index], lines[index + 1]);
    }
    for index in (0..16).step_by(4) {
        fours[index] = _mm512_unpacklo_epi64(twos[index], twos[index + 2]);
        fours[index + 1] = _mm512_unpackhi_epi64(twos[index], twos[index + 2]);
        fours[index + 2] = _mm512_unpacklo_epi64(twos[index + 1], twos[index + 3]);
        fours[index + 3] = _mm512_unpackhi_epi64(twos[index + 1], twos[index + 3]);
    }
    // Each vector now has four columns of four lines, a column in each quarter: the quarters change places.
    for column in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(fours[column], fours[4 + column]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(fours[column], fours[4 + column]);
        let even_2 = _mm512_shuffle_i32x4::<0x88>(fours[8 + column], fours[12 + column]);
        let odd_2 = _mm512_shuffle_i32x4::<0xdd>(fours[8 + column], fours[12 + column]);
        turned[column] = _mm512_shuffle_i32x4::<0x88>(even, even_2);
        turned[8 + column] = _mm512_shuffle_i32x4::<0xdd>(even, even_2);
        turned[4 + column] = _mm512_shuffle_i32x4::<0x88>(odd, odd_2);
        turned[12 + column] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_2);
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::super::patches::{Neighbours, TAPS};
    use super::*;
    use crate::model::{Grid, Wrap};

    /// Patches are packed as the same numbers written out are; other tests compare those with plain loops.
    #[test]
    fn patches_are_packed_like_their_stored_numbers() {
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        if !vectors {
            return;
        }
        for (channels, wrap) in [(16, Wrap::BOTH), (48, Wrap::NONE), (96, Wrap { x: true, y: false })] {
            let grid = Grid { items: 2, height: 5, width: 7, wrap };
            let values: Vec<f32> = (0..grid.rows() * channels).map(|index| (index as f32 * 0.37).sin()).collect();
            let neighbours = Neighbours::of(grid);
            let stored: Vec<f32> = neighbours
                .rows()
                .iter()
                .flat_map(|row| &values[*row as usize * channels..][..channels])
                .copied()
                .collect();
            let patches = Matrix::patches(&values, &neighbours);
            let plain = Matrix::new(&stored, TAPS * channels);
            for (first, count, from, deep) in [(0, grid.rows(), 0, TAPS * channels), (32, 38, 32, 48), (3, 5, 64, 80)] {
                let packed = |matrix: Matrix, side: Side, outer: [usize; 2], inner: [usize; 2]| {
                    let mut tiles = Vec::new();
                    // SAFETY: the instructions are there, and the ranges are inside the matrix.
                    unsafe { pack(&mut tiles, matrix, side, outer, inner) };
                    tiles.iter().flat_map(|tile| tile.0).collect::<Vec<u16>>()
                };
                let (rows, columns) = ([first, count], [from, deep]);
                assert_eq!(packed(patches, Side::Left, rows, columns), packed(plain, Side::Left, rows, columns));
                let (patches, plain) = (patches.turned(), plain.turned());
                assert_eq!(packed(patches, Side::Left, columns, rows), packed(plain, Side::Left, columns, rows));
            }
        }
    }
}
