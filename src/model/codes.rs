//! Numbers of the discrete tokens: one code for each position, or two of which the second refines the first.
//!
//! A residual codebook (arXiv 2203.01941): the first code names a centre, the second one a centre of what the first leaves
//! of a latent. Both together are one token, `first * second_codes + second`, so that token grids, recipes and files know a
//! single number for each position, while tables have a row for each code and not for each pair.

use std::ops::Range;

/// How many codes there are of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codes {
    /// First codes.
    pub first: usize,
    /// Second codes; 1 for tokens of one code.
    pub second: usize,
}

impl Codes {
    /// Tokens of one code.
    pub fn single(first: usize) -> Self {
        Self { first, second: 1 }
    }

    /// Number of different tokens.
    pub fn tokens(self) -> usize {
        self.first * self.second
    }

    /// Rows of a table of centres and columns of logits: first codes, then second ones if tokens have two.
    pub fn rows(self) -> usize {
        if self.second > 1 { self.first + self.second } else { self.first }
    }

    /// Rows of a table of embeddings: the row of the mask token stands behind those of the first codes.
    pub fn rows_with_mask(self) -> usize {
        self.rows() + 1
    }

    /// Columns of the logits of each kind of code; none for second codes if tokens have but one.
    pub fn columns(self) -> Vec<Range<usize>> {
        let kinds = [0..self.first, self.first..self.rows()];
        kinds.into_iter().filter(|columns| !columns.is_empty()).collect()
    }

    /// The token of two codes.
    pub fn join(self, first: u32, second: u32) -> u32 {
        first * self.second as u32 + second
    }

    /// The codes of a token, the second 0 if it has one.
    pub fn split(self, token: u32) -> [u32; 2] {
        [token / self.second as u32, token % self.second as u32]
    }

    /// Rows of a table of `entries` rows whose sum stands for a token: see [`super::Ops::embed`].
    pub fn rows_of(self, token: u32, entries: usize) -> (usize, Option<usize>) {
        let [first, second] = self.split(token);
        (first as usize, (self.second > 1).then(|| entries - self.second + second as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_codes() {
        let codes = Codes { first: 16, second: 4 };
        assert_eq!((codes.tokens(), codes.rows(), codes.rows_with_mask()), (64, 20, 21));
        assert!((0..64).all(|token| {
            let [first, second] = codes.split(token);
            codes.join(first, second) == token && first < 16 && second < 4
        }));
    }

    #[test]
    fn tables_hold_first_codes_then_the_mask_then_second_codes() {
        let codes = Codes { first: 16, second: 4 };
        assert_eq!([codes.rows_of(0, 21), codes.rows_of(63, 21)], [(0, Some(17)), (15, Some(20))]);
        assert_eq!(codes.rows_of(64, 21), (16, Some(17)), "the mask token");
        assert_eq!(codes.rows_of(63, 20), (15, Some(19)), "centres have no mask");
        let single = Codes::single(16);
        assert_eq!((single.rows(), single.rows_of(7, 17), single.rows_of(16, 17)), (16, (7, None), (16, None)));
    }
}
