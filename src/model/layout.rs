//! Layouts: the token grids of training images, so that stage 1 can start from structure that exists.
//!
//! A token says little of what stands far from it, and a prior of a small model, trained on some hundred images of a class, does
//! not learn courses of bricks or the borders of planks from tokens. A layout has them. A row of the bank belongs to the
//! row of the style bank with the same number; it holds tokens alone, one for each 16x16 pixels, and no picture. The
//! paper has no such bank; `sampling::quilt` says what is made of it.

use super::codes::Codes;
use super::config::{ConfigError, ModelConfig};
use super::params::{Init, ParamId, ParamTable, Role};
use super::weights::Weights;
use std::ops::Range;

/// Codes that f16, the precision in which models are stored, can tell apart.
const MAX_CODES: usize = 2048;
/// Most tokens along a side of a layout: as many as of a texture.
const MAX_SIDE: usize = 64;
/// Numbers of a row of [`LayoutBank::shapes`].
const SHAPE: usize = 3;

/// Token grids, one for each style.
#[derive(Clone, Debug)]
pub struct LayoutBank {
    /// `(1 or 2, layout_tokens)`: first codes of the tokens of all grids, one after the other, each row-major; then their
    /// second codes, if they have some.
    pub tokens: ParamId,
    /// `(styles, 3)`: columns and rows of each grid, and 1 if it continues on the opposite side.
    pub shapes: ParamId,
    /// `(styles, 1)`: how often a seed chooses each style among those of its class. Shapes smaller than a token come out as
    /// noise, so what shows larger ones counts more.
    pub weights: ParamId,
}

/// One token grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Row-major.
    pub tokens: Vec<u32>,
    /// Tokens along x.
    pub columns: usize,
    /// Tokens along y.
    pub rows: usize,
    /// Whether opposite sides fit together.
    pub wraps: bool,
}

impl LayoutBank {
    /// Declares the bank, if the model has one.
    pub fn declare(table: &mut ParamTable, config: &ModelConfig) -> Option<Self> {
        (config.layout_tokens > 0).then(|| {
            table.scope("layouts", |table| Self {
                tokens: table.add(
                    "tokens",
                    [config.codes().columns().len(), config.layout_tokens],
                    Init::Zeros,
                    Role::Host,
                ),
                shapes: table.add("shapes", [config.styles, SHAPE], Init::Zeros, Role::Host),
                weights: table.add("weights", [config.styles, 1], Init::Ones, Role::Host),
            })
        })
    }

    /// The grid that belongs to a style; none if the row holds none. Weights may be anything: what is no grid is none.
    pub fn layout(&self, weights: &Weights, config: &ModelConfig, style: usize) -> Option<Layout> {
        let side = |value: f32| {
            let whole = value as usize;
            (whole as f32 == value && (1..=MAX_SIDE).contains(&whole)).then_some(whole)
        };
        let mut start = 0;
        for (index, shape) in weights.get(self.shapes).chunks_exact(SHAPE).enumerate().take(style + 1) {
            let (Some(columns), Some(rows)) = (side(shape[0]), side(shape[1])) else { continue };
            if index == style {
                let codes = config.codes();
                let mut tokens = vec![0u32; columns * rows];
                let mut known = true;
                let kinds = weights.get(self.tokens).chunks_exact(config.layout_tokens);
                for ((kind, found), columns) in kinds.enumerate().zip(codes.columns()) {
                    let found = found.get(start..start + tokens.len())?;
                    known &= found.iter().all(|code| (*code as usize) < columns.len());
                    for (token, code) in tokens.iter_mut().zip(found) {
                        *token = if kind == 0 { codes.join(*code as u32, 0) } else { *token + *code as u32 };
                    }
                }
                return known.then_some(Layout { tokens, columns, rows, wraps: shape[2] > 0.5 });
            }
            start += columns * rows;
        }
        None
    }
}

impl Layout {
    /// The column and the row that stand at a column and a row: across borders if the layout wraps, else the nearest.
    pub fn place(&self, x: i32, y: i32) -> [usize; 2] {
        let along = |at: i32, length: usize| {
            let length = length as i32;
            (if self.wraps { at.rem_euclid(length) } else { at.clamp(0, length - 1) }) as usize
        };
        [along(x, self.columns), along(y, self.rows)]
    }

    /// The token at a column and a row; across borders if the layout wraps, else the nearest one.
    pub fn at(&self, x: i32, y: i32) -> u32 {
        let [column, row] = self.place(x, y);
        self.tokens[row * self.columns + column]
    }

    /// Row of [`LayoutBank::shapes`].
    pub fn shape(&self) -> [f32; SHAPE] {
        [self.columns as f32, self.rows as f32, f32::from(u8::from(self.wraps))]
    }
}

/// How much tokens differ in what shows.
#[derive(Clone, Debug)]
pub struct TokenDistances {
    codes: Codes,
    /// Weighted inner products of all centres with each other, such that the mean distance of two tokens is 1.
    products: Vec<f32>,
}

impl TokenDistances {
    /// Distances of tokens of the given centres, [`Codes::rows`] rows of `D` channels with a weight each, such that the mean
    /// over all pairs is 1.
    pub fn new(centres: &[f32], weights: &[f32], codes: Codes) -> Self {
        let width = weights.len().max(1);
        let mut products: Vec<f32> = Vec::with_capacity(codes.rows() * codes.rows());
        for row in centres.chunks_exact(width) {
            let weighted: Vec<f32> = row.iter().zip(weights).map(|(value, weight)| value * weight).collect();
            let product = |other: &[f32]| weighted.iter().zip(other).map(|(x, y)| x * y).sum::<f32>();
            products.extend(centres.chunks_exact(width).map(product));
        }
        // The mean squared distance of two draws is twice the variance, and codes of both kinds are drawn independently.
        let variance = |range: Range<usize>| {
            let part = &centres[range.start * width..range.end * width];
            let count = range.len() as f32;
            let of_channel = |(channel, weight): (usize, &f32)| {
                let values = || part.iter().skip(channel).step_by(width);
                let mean = values().sum::<f32>() / count;
                weight * values().map(|value| (value - mean).powi(2)).sum::<f32>() / count
            };
            weights.iter().enumerate().map(of_channel).sum::<f32>()
        };
        let mean = 2.0 * codes.columns().into_iter().map(variance).sum::<f32>();
        products.iter_mut().for_each(|value| *value /= mean.max(f32::MIN_POSITIVE));
        Self { codes, products }
    }

    /// What distances need of a token of the codebook.
    pub fn parts(&self, token: u32) -> TokenParts {
        let rows = self.codes.rows();
        let (first, second) = self.codes.rows_of(token, rows);
        let product = |a: usize, b: usize| self.products[a * rows + b];
        let further = second.map_or(0.0, |second| 2.0 * product(first, second) + product(second, second));
        TokenParts { rows: [first, second.unwrap_or(rows)], square: product(first, first) + further }
    }

    /// Distances of a token to all others.
    pub fn of(&self, token: &TokenParts) -> DistancesOf {
        let rows = self.codes.rows();
        // Products are symmetric: a token's rows are columns, too.
        let mut products = vec![0.0; rows + 1];
        for row in token.rows.into_iter().filter(|row| *row < rows) {
            let row = &self.products[row * rows..(row + 1) * rows];
            products.iter_mut().zip(row).for_each(|(sum, product)| *sum += product);
        }
        DistancesOf { square: token.square, products }
    }
}

/// A token as [`TokenDistances`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct TokenParts {
    /// Rows of the centres that it is the sum of; a single code has the row behind the last one as its second.
    rows: [usize; 2],
    /// Squared length of the sum.
    square: f32,
}

/// Distances of one token to others.
#[derive(Clone, Debug)]
pub struct DistancesOf {
    square: f32,
    /// Inner products with all centres, and 0 for the row behind them.
    products: Vec<f32>,
}

impl DistancesOf {
    /// The distance to a token of the same codebook.
    pub fn to(&self, token: &TokenParts) -> f32 {
        let [first, second] = token.rows;
        (self.square + token.square - 2.0 * (self.products[first] + self.products[second])).max(0.0)
    }
}

/// Checks what a bank asks of the rest of a configuration.
///
/// # Errors
/// A codebook whose tokens the file could not hold.
pub(super) fn validate(config: &ModelConfig) -> Result<(), ConfigError> {
    if config.layout_tokens == 0 || config.codes().first.max(config.codes().second) <= MAX_CODES {
        return Ok(());
    }
    Err(ConfigError {
        field: "layout_tokens".into(),
        found: config.layout_tokens.to_string(),
        expected: format!("0 for a codebook of more than {MAX_CODES}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn between(distances: &TokenDistances, a: u32, b: u32) -> f32 {
        distances.of(&distances.parts(a)).to(&distances.parts(b))
    }

    fn model() -> Model {
        let config = ModelConfig { styles: 3, layout_tokens: 12, ..ModelConfig::tiny(&["brick"]) };
        let mut model = Model::new(&config, None, 1).unwrap();
        let bank = model.discon.layouts.clone().unwrap();
        *model.weights.get_mut(bank.tokens) = (0..12).map(|token| token as f32).collect();
        *model.weights.get_mut(bank.shapes) = vec![2.0, 3.0, 1.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.0];
        model
    }

    fn layout(model: &Model, style: usize) -> Option<Layout> {
        let bank = model.discon.layouts.clone().unwrap();
        bank.layout(&model.weights, &model.discon.config, style)
    }

    #[test]
    fn rows_follow_each_other_and_a_row_may_be_empty() {
        let model = model();
        assert_eq!(layout(&model, 0), Some(Layout { tokens: (0..6).collect(), columns: 2, rows: 3, wraps: true }));
        assert_eq!(layout(&model, 1), None);
        assert_eq!(layout(&model, 2), Some(Layout { tokens: (6..12).collect(), columns: 3, rows: 2, wraps: false }));
        assert_eq!(layout(&model, 3), None);
    }

    #[test]
    fn tokens_of_two_codes_lie_in_two_rows() {
        let mut config = ModelConfig { styles: 1, layout_tokens: 4, ..ModelConfig::tiny(&["brick"]) };
        config.tokenizer.second_codes = 16;
        let mut model = Model::new(&config, None, 1).unwrap();
        let bank = model.discon.layouts.clone().unwrap();
        *model.weights.get_mut(bank.shapes) = vec![2.0, 2.0, 1.0];
        *model.weights.get_mut(bank.tokens) = vec![0.0, 1.0, 2.0, 63.0, 15.0, 0.0, 1.0, 15.0];
        assert_eq!(layout(&model, 0).map(|layout| layout.tokens), Some(vec![15, 16, 33, 1023]));
        model.weights.get_mut(bank.tokens)[4] = 16.0;
        assert_eq!(layout(&model, 0), None, "there are 16 second codes");
    }

    #[test]
    fn weights_that_are_no_layout_give_none() {
        for (shape, token) in [
            ([2.5, 3.0, 0.0], 0.0),
            ([-1.0, 3.0, 0.0], 0.0),
            ([65.0, 1.0, 0.0], 0.0),
            ([1e30, 3.0, 0.0], 0.0),
            ([4.0, 4.0, 0.0], 0.0),
            ([2.0, 3.0, 0.0], 64.0),
        ] {
            let mut model = model();
            let bank = model.discon.layouts.clone().unwrap();
            model.weights.get_mut(bank.shapes)[..3].copy_from_slice(&shape);
            model.weights.get_mut(bank.tokens)[3] = token;
            assert_eq!(layout(&model, 0), None, "{shape:?} {token}");
        }
    }

    #[test]
    fn tokens_outside_come_from_the_other_side_or_from_the_border() {
        let tokens = (0..6).collect();
        let mut layout = Layout { tokens, columns: 3, rows: 2, wraps: true };
        assert_eq!([layout.at(-1, 0), layout.at(3, 1), layout.at(1, -1), layout.at(1, 7)], [2, 3, 4, 4]);
        layout.wraps = false;
        assert_eq!([layout.at(-1, 0), layout.at(3, 1), layout.at(1, -1), layout.at(1, 7)], [0, 5, 1, 4]);
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn distances_are_those_of_the_centres() {
        let distances = TokenDistances::new(&[0.0, 0.0, 1.0, 0.0, 0.0, 2.0], &[1.0, 0.5], Codes::single(3));
        // Squares 1, 2 and 3, each twice, and three zeros: the mean is 12 / 9.
        let found = [(0, 1), (2, 0), (1, 2), (1, 1)].map(|(a, b)| between(&distances, a, b));
        assert_near(&found, &[0.75, 1.5, 2.25, 0.0]);
        // Sums of 0 or 1 and of 0 or 3: squares 1, 9, 16 and 4; the mean over all pairs is 2 (1/4 + 9/4).
        let two = TokenDistances::new(&[0.0, 1.0, 0.0, 3.0], &[1.0], Codes { first: 2, second: 2 });
        let found = [(0, 2), (0, 1), (0, 3), (1, 2), (3, 3)].map(|(a, b)| between(&two, a, b));
        assert_near(&found, &[1.0, 9.0, 16.0, 4.0, 0.0].map(|square| square / 5.0));
    }
}
