//! What a generation gives.

use crate::model::{Grid, TOKEN_PIXELS};

/// A texture and the tokens it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedTexture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// RGB bytes, row-major, sRGB-encoded.
    pub pixels: Vec<u8>,
    /// Token grid, row-major.
    pub tokens: Vec<u32>,
}

impl GeneratedTexture {
    /// A texture of a batch, whose pictures and tokens lie one after the other; no pixels of a plan without a picture.
    pub(crate) fn of_item(grid: Grid, pixels: &[u8], tokens: &[u32], item: usize) -> Self {
        let picture = grid.finer(TOKEN_PIXELS);
        Self {
            width: picture.width as u32,
            height: picture.height as u32,
            pixels: pixels.chunks_exact(3 * picture.positions()).nth(item).unwrap_or_default().to_vec(),
            tokens: tokens.chunks_exact(grid.positions()).nth(item).unwrap_or_default().to_vec(),
        }
    }
}
