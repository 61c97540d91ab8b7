//! What the two worlds say to each other about textures with layers.

use crate::request::link::Ticket;
use crate::sampling::{EndlessGrid, WangSet};
use bevy::prelude::*;

/// From the main world to the render world. A surface is named by its texture array.
#[derive(Debug)]
pub enum SurfaceCommand {
    /// Begin to fill the layers.
    Open(Box<SurfaceJob>),
    /// The viewer has moved.
    Look(AssetId<Image>, View),
    /// Nobody wants it any more.
    Close(AssetId<Image>),
}

/// A texture array to fill.
#[derive(Debug)]
pub struct SurfaceJob {
    /// The texture array, and the number of this opening: reports of an earlier one do not count. Of equal priorities
    /// the lower number is sooner.
    pub ticket: Ticket,
    /// What to run.
    pub arranger: Arranger,
}

/// Where the pictures of a texture array come from.
#[derive(Debug)]
pub enum Arranger {
    /// Cells around a viewer.
    Endless {
        /// What cells consist of.
        grid: Box<EndlessGrid>,
        /// Where cells are looked up: `2 * radius + 1` texels along each axis.
        map: AssetId<Image>,
        /// Cells to each side of the viewer's.
        radius: u32,
        /// Layers of the texture array.
        layers: u32,
        /// Where the viewer is.
        view: View,
    },
    /// A set of Wang tiles.
    Wang {
        /// What tiles consist of.
        set: Box<WangSet>,
        /// Higher is sooner.
        priority: f32,
    },
}

/// Where a viewer is, and what that means for priorities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Column and row, in cells.
    pub centre: [f32; 2],
    /// Priority of work at no distance.
    pub near: f32,
    /// What each cell of distance takes away.
    pub per_cell: f32,
}

/// From the render world.
#[derive(Clone, Debug, PartialEq)]
pub enum SurfaceReport {
    /// A layer shows a cell.
    Cell([i32; 2], u32),
    /// A cell has lost its layer to another one.
    Lost([i32; 2]),
    /// A layer shows a tile of the same number.
    Tile(u32),
    /// Nothing more will come.
    Failed(String),
}
