//! Tests of quilts.

use super::*;
use crate::model::{Codes, Wrap};

/// Tokens 0 to 15 on a line: distances are those of numbers.
fn distances() -> TokenDistances {
    let centres: Vec<f32> = (0..16).map(|token| token as f32).collect();
    TokenDistances::new(&centres, &[1.0], Codes::single(centres.len()))
}

fn grid(width: usize, height: usize, wrap: Wrap) -> Grid {
    Grid { items: 1, height, width, wrap }
}

fn quilted(layout: &Layout, grid: Grid, seed: u64) -> Vec<u32> {
    let mut tokens = vec![None; grid.positions()];
    Quilt::new(layout, &distances(), grid, seed).fill(&mut tokens, &vec![true; grid.positions()]);
    tokens.into_iter().map(|token| token.expect("every place is filled")).collect()
}

/// Courses: rows of equal tokens, a period of four, joints at every fourth column of alternate rows.
fn courses(side: usize) -> Layout {
    let token = |at: usize| {
        let (x, y) = (at % side, at / side);
        (y % 4) as u32 * 4 + u32::from(x % 4 == y / 4 % 2 * 2)
    };
    Layout { tokens: (0..side * side).map(token).collect(), columns: side, rows: side, wraps: true }
}

#[test]
fn pieces_of_other_ranks_have_other_tokens_where_one_fit_is_far_better_than_all_others() {
    // Each token follows the one before it, so what stands at the left has one good continuation.
    let tokens = (0..64u32).map(|at| at % 8).collect();
    let layout = Layout { tokens, columns: 8, rows: 8, wraps: true };
    let grid = Grid { items: 1, height: 4, width: 5, wrap: Wrap::NONE };
    let wanted: Vec<bool> = (0..20).map(|at| at % 5 > 0).collect();
    let filled = |rank, seed| {
        let mut tokens: Vec<Option<u32>> = vec![Some(3); 20];
        Quilt::of_piece(&layout, &distances(), grid, seed).ranked(rank).fill(&mut tokens, &wanted);
        tokens
    };
    assert_eq!(filled(Some(0), 1), filled(Some(0), 2), "the best fit has no random part");
    assert_ne!(filled(Some(0), 1), filled(Some(1), 2));
    assert_ne!(filled(Some(1), 1), filled(Some(2), 1));
}

#[test]
fn courses_stay_courses_across_blocks_and_borders() {
    for (width, height) in [(8, 8), (16, 16), (20, 12), (7, 16)] {
        for seed in 0..4 {
            let grid = grid(width, height, Wrap::BOTH);
            let tokens = quilted(&courses(8), grid, seed);
            for y in 0..height {
                let kinds: Vec<u32> = (0..width).map(|x| tokens[y * width + x] / 4).collect();
                assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{width}x{height}, seed {seed}: {kinds:?}");
                let below = tokens[(y + 1) % height * width] / 4;
                assert_eq!(below, (kinds[0] + 1) % 4, "{width}x{height}, seed {seed}, below row {y}");
            }
        }
    }
}

#[test]
fn a_quilt_is_no_copy_and_depends_on_the_seed() {
    // Every token once: a copy would show.
    let layout = Layout { tokens: (0..16).collect(), columns: 4, rows: 4, wraps: true };
    let grid = grid(16, 16, Wrap::BOTH);
    let tokens = quilted(&layout, grid, 1);
    let shift = |x: usize, y: usize| {
        let token = tokens[y * 16 + x] as usize;
        ((token % 4 + 4 - x % 4) % 4, (token / 4 + 4 - y % 4) % 4)
    };
    let shifts: std::collections::BTreeSet<_> = (0..256).map(|at| shift(at % 16, at / 16)).collect();
    assert!(shifts.len() > 2, "all blocks come from {} offsets", shifts.len());
    assert_ne!(tokens, quilted(&layout, grid, 2));
    assert_eq!(tokens, quilted(&layout, grid, 1));
}

#[test]
fn what_is_known_stays_and_is_fitted() {
    let grid = grid(12, 12, Wrap::NONE);
    let layout = courses(8);
    // The known left half is shifted by two rows, which the right half must follow.
    let known = |at: usize| (at % 12 < 6).then(|| layout.at((at % 12) as i32, (at / 12) as i32 + 2));
    let mut tokens: Vec<Option<u32>> = (0..144).map(known).collect();
    let before = tokens.clone();
    let wanted: Vec<bool> = tokens.iter().map(Option::is_none).collect();
    Quilt::new(&layout, &distances(), grid, 5).fill(&mut tokens, &wanted);
    for at in 0..144 {
        let kind = |at: usize| tokens[at].map(|token| token / 4);
        assert_eq!(kind(at), kind(at / 12 * 12), "at {at}");
        assert!(before[at].is_none() || before[at] == tokens[at], "at {at}");
    }
}

#[test]
fn layouts_smaller_than_a_block_and_cut_outs_work() {
    for (columns, rows, wraps) in [(1, 1, true), (1, 1, false), (3, 2, false), (2, 3, true), (5, 9, false)] {
        let tokens = (0..columns * rows).map(|token| token as u32 % 16).collect();
        let layout = Layout { tokens, columns, rows, wraps };
        for wrap in [Wrap::BOTH, Wrap::NONE] {
            assert_eq!(quilted(&layout, grid(9, 5, wrap), 3).len(), 45);
        }
    }
}
