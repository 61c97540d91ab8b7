//! Two tokens per position: a grid of twice the width in which every second column refines the one before.
//!
//! The second token counts from `codes` up and names a centre of what the first one leaves; together they are a codebook
//! of `codes^2` entries. Attention knows offsets only, so the open places of the second kind have an index of their own,
//! or no position could tell which kind it is.

use super::batches::Batch;
use super::prior::Masked;
use crate::model::Codes;

/// Indices that a prior over pairs needs, the mask of first tokens not counted: a multiple of 16.
pub fn vocabulary(codes: usize) -> usize {
    2 * codes + 16
}

/// The index that stands for "not sampled yet" at places of second tokens.
pub fn second_mask(codes: usize) -> u32 {
    2 * codes as u32
}

/// Puts the codes of every token side by side, as tokens of their own.
pub fn spread(batch: &mut Batch, codes: usize) {
    let both = Codes { first: codes, second: codes };
    let apart = |token: &u32| {
        let [first, second] = both.split(*token);
        [first, codes as u32 + second]
    };
    batch.tokens = batch.tokens.iter().flat_map(apart).collect();
    batch.grid.width *= 2;
}

/// Gives hidden second tokens their own mask.
pub fn mark(masked: &mut Masked, codes: usize) {
    for row in masked.hidden.iter().filter(|row| **row % 2 == 1) {
        masked.visible[*row as usize] = second_mask(codes);
    }
}
