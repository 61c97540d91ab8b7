//! How many positions each round takes, and in which order.

use super::rng::{Stream, random_words};
use std::ops::Range;

/// Ranges of the generation order that `rounds` rounds take: few at first, more as context grows.
///
/// After round `k` of `K`, `floor(N cos(pi/2 * (k+1)/K))` positions stay open (MaskGIT, arXiv 2202.04200), but each
/// round takes at least one; with more rounds than positions the number of rounds is the number of positions.
pub fn cosine_rounds(positions: usize, rounds: usize) -> Vec<Range<u32>> {
    let rounds = rounds.clamp(1, positions.max(1));
    let mut start = 0;
    (0..rounds)
        .map(|round| {
            let angle = std::f64::consts::FRAC_PI_2 * (round + 1) as f64 / rounds as f64;
            let open = if round + 1 == rounds { 0 } else { (positions as f64 * angle.cos()).floor() as usize };
            // Leave at least one position for each round that is still to come.
            let end = (positions - open).clamp(start + 1, positions - (rounds - 1 - round));
            let range = start as u32..end as u32;
            start = end;
            range
        })
        .collect()
}

/// All positions of a `width x height` grid so that every prefix covers the torus evenly.
///
/// Halton points in bases 2 and 3 (the Halton scheduler of arXiv 2503.17076) with a random offset, so
/// that no place of the grid is special; what the sequence has not hit after sixteen turns follows in scan order.
pub fn generation_order(width: usize, height: usize, seed: u64, stage: u32) -> Vec<u32> {
    shifted_order(&base_order(width, height), width, height, seed, stage)
}

/// The order of [`generation_order`] before its offset: of use where many orders of one size are needed.
pub fn base_order(width: usize, height: usize) -> Vec<u32> {
    let count = width * height;
    let mut seen = vec![false; count];
    let mut order = Vec::with_capacity(count);
    let mut visit = |position: usize, order: &mut Vec<u32>| {
        if !std::mem::replace(&mut seen[position], true) {
            order.push(position as u32);
        }
    };
    for index in 1..=16 * count {
        if order.len() == count {
            break;
        }
        let x = (radical_inverse(index, 2) * width as f64) as usize;
        let y = (radical_inverse(index, 3) * height as f64) as usize;
        visit(y.min(height - 1) * width + x.min(width - 1), &mut order);
    }
    for position in 0..count {
        visit(position, &mut order);
    }
    order
}

/// An order with the offset that a seed and stage choose.
pub fn shifted_order(base: &[u32], width: usize, height: usize, seed: u64, stage: u32) -> Vec<u32> {
    let [dx, dy, ..] = random_words(seed, Stream::Order, stage, 0);
    let shift = |position: &u32| {
        let (x, y) = (*position as usize % width, *position as usize / width);
        ((y + dy as usize) % height * width + (x + dx as usize) % width) as u32
    };
    base.iter().map(shift).collect()
}

fn radical_inverse(mut index: usize, base: usize) -> f64 {
    let (mut result, mut digit) = (0.0, 1.0 / base as f64);
    while index > 0 {
        result += (index % base) as f64 * digit;
        index /= base;
        digit /= base as f64;
    }
    result
}

/// One of `rows` with probability in proportion to its weight, by a random word; none of none.
pub fn weighted(rows: &[(u32, f32)], word: u32) -> Option<u32> {
    let total: f32 = rows.iter().map(|(_, weight)| weight).sum();
    let mut left = total * super::rng::unit(word);
    let chosen = rows.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    // Nothing is left over but by rounding, or where all weights are 0.
    chosen.or(rows.last()).map(|(row, _)| *row)
}

/// A style for `seed`: a row of the bank, mixed with another row of the same class.
///
/// `rows` are the indices of the class's rows with their weights, none below 0. Returns `(first, second, share of the
/// second)`; the share is at most 0.4 and mostly small, so that a mixture stays near a combination of colours that exists.
pub fn choose_style(rows: &[(u32, f32)], seed: u64) -> Option<(u32, u32, f32)> {
    let draw = |index: u32| weighted(rows, random_words(seed, Stream::Style, 0, index)[0]);
    let share = super::rng::unit(random_words(seed, Stream::Style, 0, 2)[0]);
    Some((draw(0)?, draw(1)?, 0.4 * share * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_cover_every_position_once_and_never_stall() {
        for positions in [1, 2, 7, 64, 256, 4096] {
            for rounds in [1, 2, 4, 8, 16, 64] {
                let ranges = cosine_rounds(positions, rounds);
                assert_eq!(ranges[0].start, 0);
                assert_eq!(ranges[ranges.len() - 1].end as usize, positions);
                assert!(ranges.iter().all(|range| !range.is_empty()), "{positions} {rounds}: {ranges:?}");
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }

    #[test]
    fn an_order_is_a_permutation_and_depends_on_the_seed() {
        for (width, height) in [(4, 4), (5, 7), (16, 16), (64, 8)] {
            let mut order = generation_order(width, height, 3, 0);
            assert_ne!(order, generation_order(width, height, 4, 0));
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(index, position)| index == *position as usize));
        }
    }

    #[test]
    fn the_first_quarter_of_an_order_leaves_no_large_hole() {
        let order = generation_order(16, 16, 9, 0);
        for position in 0..256i32 {
            let nearest = order[..64].iter().map(|p| {
                let wrapped = |d: i32| d.rem_euclid(16).min((-d).rem_euclid(16));
                wrapped(*p as i32 % 16 - position % 16).max(wrapped(*p as i32 / 16 - position / 16))
            });
            assert!(nearest.min().is_some_and(|distance| distance <= 3), "hole at {position}");
        }
    }

    #[test]
    fn styles_come_as_often_as_they_weigh() {
        let rows = [(3, 1.0), (5, 0.0), (8, 3.0)];
        let firsts: Vec<u32> =
            (0..4000).filter_map(|seed| choose_style(&rows, seed)).map(|(first, ..)| first).collect();
        let share = |row| firsts.iter().filter(|first| **first == row).count() as f32 / 4000.0;
        assert!((share(3) - 0.25).abs() < 0.03 && share(5) == 0.0, "{} {}", share(3), share(5));
        assert_eq!(share(3) + share(8), 1.0);
        assert_eq!(choose_style(&[(4, 0.0)], 1).map(|(first, second, _)| (first, second)), Some((4, 4)));
        assert_eq!(choose_style(&[], 1), None);
    }
}
