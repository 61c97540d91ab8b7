//! Products by the tile instructions of x86 (AMX): bf16 factors, f32 sums.
//!
//! Both factors are rewritten as tiles of 16 lines of 64 bytes. A tile of the left factor holds 16 rows of 32
//! numbers; a tile of the right one 16 columns of 32 numbers, as 16 lines of pairs along the inner dimension. The
//! kernel adds the products of two by two tiles at a time.

use super::pack::{LINES, STEP, Side, TILE_BYTES, Tile, pack};
use super::product::Matrix;
use std::arch::asm;
use std::sync::OnceLock;

/// Inner steps that are packed together, so that the left panels stay in the first cache.
const DEPTH: usize = 512;
/// Columns that are packed together, so that the right panels stay in the second cache.
const COLUMNS: usize = 1024;
/// Rows and columns of a result that one run of the kernel computes.
const BLOCK: usize = 2 * LINES;

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_line: [u16; 16],
    lines: [u8; 16],
}

/// All eight tiles at their full size.
static CONFIG: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes_per_line: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    lines: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// One block of a result, for the edges.
#[repr(C, align(64))]
#[derive(Debug)]
struct Edge([f32; BLOCK * BLOCK]);

/// Memory for the packed factors; one owner per thread.
#[derive(Debug)]
pub struct Tiles {
    left: Vec<Tile>,
    right: Vec<Tile>,
    edge: Box<Edge>,
}

/// Whether processor and system allow tiles; asks the system once for the whole process.
fn allowed() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        const BF16: u32 = 1 << 22;
        const TILES: u32 = 1 << 24;
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        if !vectors || std::arch::x86_64::__cpuid_count(7, 0).edx & (BF16 | TILES) != BF16 | TILES {
            return false;
        }
        const REQUEST_PERMISSION: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: the call only changes which registers the kernel saves for this process.
        unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
    })
}

impl Tiles {
    /// `None` if processor or system do not allow tiles.
    pub fn new() -> Option<Self> {
        let edge = Box::new(Edge([0.0; BLOCK * BLOCK]));
        allowed().then(|| Self { left: Vec::new(), right: Vec::new(), edge })
    }

    /// See [`super::Products::product_then`], which has checked that all matrices are inside their slices and not
    /// empty.
    #[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
    pub fn product(
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
        // SAFETY: `new` made this value, so tiles are allowed; the configuration is a valid one.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, preserves_flags)) };
        for left in (0..columns).step_by(COLUMNS) {
            let wide = COLUMNS.min(columns - left);
            for top in (0..inner).step_by(DEPTH) {
                let deep = DEPTH.min(inner - top);
                let steps = deep.div_ceil(STEP);
                // SAFETY: `new` has found the vector instructions, and the ranges are inside the matrix.
                unsafe { pack(&mut self.right, b, Side::Right, [left, wide], [top, deep]) };
                // Rows of a transposed factor lie side by side in memory: many at once are read in order.
                let chunk = if a.transposed { COLUMNS } else { BLOCK };
                for start in (0..rows).step_by(chunk) {
                    let high = chunk.min(rows - start);
                    // SAFETY: as above.
                    unsafe { pack(&mut self.left, a, Side::Left, [start, high], [top, deep]) };
                    for place in (0..high)
                        .step_by(BLOCK)
                        .flat_map(|row| (0..wide).step_by(BLOCK).map(move |column| [row, column]))
                    {
                        let size = [BLOCK.min(high - place[0]), BLOCK.min(wide - place[1])];
                        let at = (start + place[0]) * y_stride + left + place[1];
                        self.block(place, steps, &mut y[at..], y_stride, size, add || top > 0);
                    }
                    if left + wide == columns && top + deep == inner {
                        finish(start, &mut y[start * y_stride..(start + high - 1) * y_stride + columns]);
                    }
                }
            }
        }
        // SAFETY: ends what `ldtilecfg` began; no tile holds anything that is still needed.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }

    /// The product of the panels of row and column `place` of what is packed; y begins at the block.
    fn block(&mut self, place: [usize; 2], steps: usize, y: &mut [f32], stride: usize, size: [usize; 2], add: bool) {
        let [left, right] = place.map(|first| first / LINES * steps);
        let (left, right) = (&self.left[left..left + 2 * steps], &self.right[right..right + 2 * steps]);
        if size == [BLOCK, BLOCK] {
            assert!((BLOCK - 1) * stride + BLOCK <= y.len(), "the block is inside the result");
            // SAFETY: two panels of `steps` tiles each are inside the slices, and the block is inside `y`.
            unsafe { kernel(left.as_ptr(), right.as_ptr(), steps, y.as_mut_ptr(), stride, add) };
            return;
        }
        // SAFETY: as above, and the block is exactly `edge`.
        unsafe { kernel(left.as_ptr(), right.as_ptr(), steps, self.edge.0.as_mut_ptr(), BLOCK, false) };
        for (y, edge) in y.chunks_mut(stride).zip(self.edge.0.chunks_exact(BLOCK)).take(size[0]) {
            for (y, edge) in y.iter_mut().zip(&edge[..size[1]]) {
                *y = if add { *y + edge } else { *edge };
            }
        }
    }
}

/// Writes or adds to a block of 32 x 32 numbers at `y`, `stride` numbers from row to row.
///
/// # Safety
/// Tiles must be configured; `left` and `right` point to `2 * steps` tiles, at least one step, and the block must be
/// writable.
unsafe fn kernel(left: *const Tile, right: *const Tile, steps: usize, y: *mut f32, stride: usize, add: bool) {
    // The processor does not foresee where the next block is stored, and stores wait for their lines.
    for row in 0..BLOCK {
        let next = y.wrapping_add(row * stride + BLOCK);
        // SAFETY: a hint that touches nothing, at whatever address.
        unsafe {
            asm!(
                "prefetchw [{next}]",
                "prefetchw [{next} + 64]",
                next = in(reg) next,
                options(nostack, preserves_flags, readonly),
            );
        }
    }
    // SAFETY: the caller vouches for the memory; tile registers are declared as overwritten, flags by default.
    unsafe {
        asm!(
            "test {add}, {add}",
            "jz 2f",
            "tileloadd tmm0, [{top} + {stride}]",
            "tileloadd tmm1, [{top} + {stride} + 64]",
            "tileloadd tmm2, [{bottom} + {stride}]",
            "tileloadd tmm3, [{bottom} + {stride} + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "tileloadd tmm4, [{a} + {line}]",
            "tileloadd tmm6, [{b} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b_2} + {line}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a_2} + {line}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, {tile}",
            "add {a_2}, {tile}",
            "add {b}, {tile}",
            "add {b_2}, {tile}",
            "dec {steps}",
            "jnz 3b",
            "tilestored [{top} + {stride}], tmm0",
            "tilestored [{top} + {stride} + 64], tmm1",
            "tilestored [{bottom} + {stride}], tmm2",
            "tilestored [{bottom} + {stride} + 64], tmm3",
            add = in(reg) usize::from(add),
            top = in(reg) y,
            bottom = in(reg) y.add(LINES * stride),
            stride = in(reg) 4 * stride,
            line = in(reg) 64usize,
            tile = const TILE_BYTES,
            a = inout(reg) left => _,
            a_2 = inout(reg) left.add(steps) => _,
            b = inout(reg) right => _,
            b_2 = inout(reg) right.add(steps) => _,
            steps = inout(reg) steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
