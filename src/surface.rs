//! An endless surface and Wang tiles as pictures in memory: a grid of cells that continue each other, made where they are
//! looked at.
//!
//! What a cell shows depends on the recipe and on its coordinates alone, not on the cells that were visited before. Any
//! executor does the work: by default the processor ([`crate::native`]), with `Gpu` a device without Bevy. A
//! cell without neighbours takes about four times as long as a texture, and less beside cells that are known; call it on a
//! task thread. In a game, `EndlessSurface` and `WangTileSet` of the plugin do the same on the GPU, frame by frame.

use crate::model::Model;
use crate::native::LOOPS;
use crate::reference::CpuPages;
use crate::sampling::{EndlessGrid, Recipe, RecipeError, RunArrangement, WangSet, Work, wang_index_map};

pub use crate::sampling::{HALF_STRIP, WANG_TILES};

/// Cells around the last one, whose neighbours stay known.
const RADIUS: u32 = 3;

/// Why a cell or a tile was not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SurfaceError<E> {
    /// The field of the recipe that the model cannot follow, or a cell too far away.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The device failed.
    #[error("{0}")]
    Run(E),
}

/// An endless surface, with the pieces that were made so far.
#[derive(Debug)]
pub struct Surface<E = CpuPages> {
    grid: EndlessGrid,
    executor: E,
}

impl Surface {
    /// A surface on the processor, of cells of the size of `recipe`, whose seed is that of the world. Tiling does not
    /// matter; given tokens, blends and edits belong to one texture and are dropped.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        match Self::on(CpuPages::new(LOOPS), model, recipe) {
            Ok(surface) => Ok(surface),
            Err(SurfaceError::Recipe(error)) => Err(error),
            Err(SurfaceError::Run(never)) => match never {},
        }
    }
}

impl<E: RunArrangement> Surface<E> {
    /// The same on any executor.
    ///
    /// # Errors
    /// See [`Surface::new`]; a device without enough memory.
    pub fn on(mut executor: E, model: &Model, recipe: &Recipe) -> Result<Self, SurfaceError<E::Error>> {
        let grid = EndlessGrid::new(model, recipe, RADIUS)?;
        executor.reserve(model, grid.page_count(), grid.page_positions()).map_err(SurfaceError::Run)?;
        Ok(Self { grid, executor })
    }

    /// The picture and tokens of the cell in column `x` (to the right) and row `y` (down), both at most 2^24 from 0.
    /// The model must be the one that the surface was made for.
    ///
    /// # Errors
    /// A cell farther away, or a device that failed.
    pub fn cell(&mut self, model: &Model, x: i32, y: i32) -> Result<E::Picture, SurfaceError<E::Error>> {
        loop {
            let (work, arrangement) = self.grid.next(model, [x, y])?;
            match work {
                Work::Piece(piece) => {
                    self.executor.make(model, arrangement).map_err(SurfaceError::Run)?;
                    self.grid.made(piece);
                }
                Work::Picture(_) => return self.executor.show(model, arrangement).map_err(SurfaceError::Run),
            }
        }
    }
}

/// A complete set of Wang tiles with two colours for each axis.
#[derive(Clone, Debug)]
pub struct WangTiles<P> {
    /// The tiles; number `upper + 2 * lower + 4 * left + 8 * right`.
    pub tiles: Vec<P>,
}

impl<P> WangTiles<P> {
    /// Makes all tiles on an executor, each of the size of `recipe`: about thirty times the work of one texture. All
    /// tiles share their corners; tiles with an equal colour share the tokens and latents of that edge. Given tokens,
    /// blends and edits are dropped.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, a size below 128 pixels, or a device that failed.
    pub fn on<E: RunArrangement<Picture = P>>(
        executor: &mut E,
        model: &Model,
        recipe: &Recipe,
    ) -> Result<Self, SurfaceError<E::Error>> {
        let mut set = WangSet::new(model, recipe)?;
        executor.reserve(model, set.page_count(), set.page_positions()).map_err(SurfaceError::Run)?;
        let mut tiles = Vec::new();
        while let Some((work, arrangement)) = set.next(model) {
            match work {
                Work::Piece(_) => executor.make(model, arrangement).map_err(SurfaceError::Run)?,
                Work::Picture(_) => tiles.push(executor.show(model, arrangement).map_err(SurfaceError::Run)?),
            }
            set.made();
        }
        Ok(Self { tiles })
    }
}

impl WangTiles<crate::reference::GeneratedTexture> {
    /// The same on the processor.
    ///
    /// # Errors
    /// The field of the recipe that the model cannot follow, or a size below 128 pixels.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        match Self::on(&mut CpuPages::new(LOOPS), model, recipe) {
            Ok(set) => Ok(set),
            Err(SurfaceError::Recipe(error)) => Err(error),
            Err(SurfaceError::Run(never)) => match never {},
        }
    }

    /// Which tile lies where, row-major: a random field of `columns` x `rows` tiles that fit, also across its outer
    /// borders. The same seed gives the same field.
    pub fn index_map(columns: u32, rows: u32, seed: u64) -> Vec<u8> {
        wang_index_map(columns, rows, seed)
    }
}
