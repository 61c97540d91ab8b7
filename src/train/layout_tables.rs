//! Layouts of attention as tables, for executors that look them up.

use crate::model::AttentionLayout;

/// Added to the score of a key that is out of sight.
const HIDDEN_SCORE: f32 = -1e9;

/// What attention over one layout looks up, for every pair of positions of one segment.
pub(super) struct LayoutTables {
    /// Column of the bias table; 0 where the key is out of sight.
    pub columns: Vec<u32>,
    /// What is added to the score: 0 where the key is in sight, else [`HIDDEN_SCORE`]; none if all see all.
    pub hidden: Option<Vec<f32>>,
}

/// Tables of a layout.
pub(super) fn layout_tables(layout: &AttentionLayout) -> LayoutTables {
    let positions = layout.grid.positions();
    let pairs = (0..positions * positions).map(|pair| layout.bias_column(pair / positions, pair % positions));
    let pairs: Vec<Option<usize>> = pairs.collect();
    let score = |column: &Option<usize>| if column.is_some() { 0.0 } else { HIDDEN_SCORE };
    LayoutTables {
        columns: pairs.iter().map(|column| column.unwrap_or(0) as u32).collect(),
        hidden: pairs.iter().any(Option::is_none).then(|| pairs.iter().map(score).collect()),
    }
}
