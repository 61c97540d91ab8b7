//! Products by tiles of bf16 numbers: a stand-in for targets that have no such instructions.

use super::product::Matrix;

/// Never made.
#[derive(Debug)]
pub enum Tiles {}

impl Tiles {
    /// None on this target.
    pub fn new() -> Option<Self> {
        None
    }

    /// Never called.
    pub fn product(&mut self, _a: Matrix, _b: Matrix, _shape: [usize; 3], _y: &mut [f32], _stride: usize, _add: bool) {
        match *self {}
    }
}
