//! Generation orders of a few sizes, computed once each: pieces of a surface need two for every piece.

use crate::sampling::schedule::{base_order, shifted_order};
use std::collections::HashMap;

/// Orders by width and height, before their offset.
#[derive(Clone, Debug, Default)]
pub struct Orders(HashMap<(usize, usize), Vec<u32>>);

impl Orders {
    /// The same as [`generation_order`](crate::sampling::schedule::generation_order).
    pub fn get(&mut self, width: usize, height: usize, seed: u64, stage: u32) -> Vec<u32> {
        let base = self.0.entry((width, height)).or_insert_with(|| base_order(width, height));
        shifted_order(base, width, height, seed, stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::schedule::generation_order;

    #[test]
    fn kept_orders_are_those_of_a_generation() {
        let mut orders = Orders::default();
        for (width, height, seed, stage) in [(4, 4, 0, 0), (9, 4, 7, 1), (9, 4, u64::MAX, 0), (20, 20, 3, 1)] {
            assert_eq!(orders.get(width, height, seed, stage), generation_order(width, height, seed, stage));
        }
    }
}
