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
    #[expect(clippy::too_many_arguments, reason = "the same as the true one")]
    pub fn product(
        &mut self,
        _a: Matrix,
        _b: Matrix,
        _shape: [usize; 3],
        _y: &mut [f32],
        _stride: usize,
        _add: bool,
        _finish: &mut dyn FnMut(usize, &mut [f32]),
    ) {
        match *self {}
    }
}
