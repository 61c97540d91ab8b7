//! Numbers as Markdown.

use super::measure::Numbers;
use super::wasserstein;

/// Heads of the columns of [`row`], without the first.
const HEADS: [&str; 12] = [
    "textures",
    "KID",
    "precision",
    "recall",
    "C2ST %",
    "SWD",
    "SWD fine",
    "detail fine",
    "seam x",
    "seam y",
    "border",
    "outliers %",
];

/// The first two lines of a table whose first column is `first`; `more` columns follow.
pub fn head(first: &str, more: &[&str]) -> String {
    let heads = HEADS.iter().chain(more).map(|head| format!(" {head} |")).collect::<String>();
    format!("| {first} |{heads}\n|---|{}\n", "---|".repeat(HEADS.len() + more.len()))
}

/// One line of a table.
pub fn row(first: &str, numbers: &Numbers, more: &[String]) -> String {
    let n = numbers;
    let kid = match n.kid_error.is_nan() {
        true => number(n.kid, 0),
        false => format!("{} ± {}", number(n.kid, 0), number(n.kid_error, 0)),
    };
    let cells = [
        n.count.to_string(),
        kid,
        number(n.precision, 2),
        number(n.recall, 2),
        number(n.told_apart, 0),
        number(mean_distance(n), 2),
        number(n.wasserstein[0], 2),
        number(n.sharpness[0], 2),
        number(n.seam[0], 2),
        number(n.seam[1], 2),
        number(n.border, 2),
        number(n.outliers, 2),
    ];
    let cells = cells.iter().chain(more).map(|cell| format!(" {cell} |")).collect::<String>();
    format!("| {first} |{cells}\n")
}

/// Mean of the sliced Wasserstein distance over the levels.
pub fn mean_distance(numbers: &Numbers) -> f64 {
    numbers.wasserstein.iter().sum::<f64>() / wasserstein::LEVELS as f64
}

/// A number with some decimals; a dash for one that could not be measured.
pub fn number(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".into() }
}

/// What the columns mean.
pub const LEGEND: &str = "\
KID x 1000, precision and recall (k = 3) and C2ST (accuracy of a ridge classifier, 50 = cannot tell) are computed on fixed
statistics of filter responses (`src/eval/descriptor.rs`), not on Inception features: compare them between models on the
same data only. SWD x 1000: sliced Wasserstein distance of 7x7 patches of detail, mean of three levels, and on the finest.
Detail: energy of the finest level, generated over real. Seam: wrap line over the token borders inside, 1 = no seam.
Border: token borders over the lines between them, 1 = tokens cannot be seen. Outliers: 3x3 neighbourhoods of latents beyond
the 99.9th percentile of real ones, 0.1 = as real ones. Everything is measured on cut-outs of 128 pixels against as many
cut-outs of training pictures of every class, drawn and prepared as in training.
";
