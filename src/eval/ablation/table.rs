//! Measurements as a table and two plots.

use super::arms::Arm;
use super::{Measurement, Variant};
use crate::eval::plot::{Labels, Line, draw};
use crate::eval::report::{mean_distance, number};
use crate::eval::{EvalError, save_picture};
use std::path::Path;

/// File names of the plots.
pub const ROUNDS_PLOT: &str = "quality_rounds.png";
/// The other one.
pub const TRAINING_PLOT: &str = "quality_training.png";

const HEADS: [&str; 13] = [
    "parameters",
    "rounds",
    "GFLOP",
    "KID",
    "SWD",
    "precision",
    "recall",
    "C2ST %",
    "outliers %",
    "border",
    "detail fine",
    "seam",
    "near %",
];

/// Mean and deviation over seeds, left out of what is not finite.
fn over_seeds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (square / (count - 1.0)).sqrt() } else { 0.0 })
}

fn of<'a>(found: &'a [Measurement], arm: &str, variant: Variant) -> Vec<&'a Measurement> {
    found.iter().filter(|entry| entry.arm == arm && entry.variant == variant).collect()
}

fn row(label: &str, entries: &[&Measurement]) -> String {
    let Some(first) = entries.first() else { return String::new() };
    let cell = |value: &dyn Fn(&Measurement) -> f64, decimals: usize| {
        let (mean, deviation) = over_seeds(entries.iter().map(|entry| value(entry)));
        match entries.len() {
            1 => number(mean, decimals),
            _ => format!("{} ± {}", number(mean, decimals), number(deviation, decimals)),
        }
    };
    let cells = [
        format!("{:.2} M", first.parameters as f64 / 1e6),
        format!("{} + {}", first.rounds[0], first.rounds[1]),
        number(first.texture_gigaflops, 2),
        cell(&|entry| entry.numbers.kid, 0),
        cell(&|entry| mean_distance(&entry.numbers), 2),
        cell(&|entry| entry.numbers.precision, 2),
        cell(&|entry| entry.numbers.recall, 2),
        cell(&|entry| entry.numbers.told_apart, 0),
        cell(&|entry| entry.numbers.outliers, 2),
        cell(&|entry| entry.numbers.border, 2),
        cell(&|entry| entry.numbers.sharpness[0], 2),
        cell(&|entry| (entry.numbers.seam[0] + entry.numbers.seam[1]) / 2.0, 2),
        cell(&|entry| entry.numbers.near, 0),
    ];
    format!("| {label} |{}\n", cells.iter().map(|cell| format!(" {cell} |")).collect::<String>())
}

/// All rows.
pub fn table(arms: &[Arm], found: &[Measurement]) -> String {
    let heads = HEADS.iter().map(|head| format!(" {head} |")).collect::<String>();
    let mut text = format!("| arm |{heads}\n|---|{}\n", "---|".repeat(HEADS.len()));
    for arm in arms {
        text.push_str(&row(&format!("**{}**", arm.name), &of(found, arm.name, Variant::Whole)));
    }
    for arm in arms {
        for (label, variant) in [("true tokens", Variant::TrueTokens), ("shuffled tokens", Variant::ShuffledTokens)] {
            text.push_str(&row(&format!("{}, {label}", arm.name), &of(found, arm.name, variant)));
        }
        let mut variants: Vec<Variant> =
            found.iter().filter(|entry| entry.arm == arm.name).map(|entry| entry.variant).collect();
        variants.sort_by(|a, b| a.order().total_cmp(&b.order()));
        variants.dedup();
        for variant in variants {
            let label = match variant {
                Variant::Rounds(rounds) => format!("{}, {rounds} latent rounds", arm.name),
                Variant::FlowSteps(1) => format!("{}, 1 step of the flow", arm.name),
                Variant::FlowSteps(steps) => format!("{}, {steps} steps of the flow", arm.name),
                Variant::Part(part) => format!("{}, {:.0} % of the training", arm.name, 100.0 * part),
                _ => continue,
            };
            text.push_str(&row(&label, &of(found, arm.name, variant)));
        }
    }
    text
}

/// Draws both plots.
///
/// # Errors
/// If a file cannot be written.
pub fn plots(arms: &[Arm], found: &[Measurement], output: &Path) -> Result<(), EvalError> {
    let line = |arm: &Arm, keep: &dyn Fn(&Measurement) -> Option<f64>| {
        let mut places: Vec<f64> = found.iter().filter(|entry| entry.arm == arm.name).filter_map(keep).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let point = |x: f64| {
            let entries = found.iter().filter(|entry| entry.arm == arm.name && keep(entry) == Some(x));
            let (mean, deviation) = over_seeds(entries.map(|entry| entry.numbers.kid));
            (x, mean, deviation)
        };
        Line { name: arm.name.into(), points: places.into_iter().map(point).collect() }
    };
    let labels =
        |title: &str, x: &str| Labels { title: title.into(), x: x.into(), y: "KID x 1000 (lower is better)".into() };
    let rounds = |entry: &Measurement| match entry.variant {
        Variant::Rounds(rounds) => Some(f64::from(rounds)),
        _ => None,
    };
    let lines: Vec<Line> = arms.iter().filter(|arm| arm.over_rounds).map(|arm| line(arm, &rounds)).collect();
    let picture = draw(&labels("Quality against latent rounds", "rounds of the continuous model"), &lines);
    save_picture(&picture, &output.join(ROUNDS_PLOT))?;
    let training = |entry: &Measurement| match entry.variant {
        Variant::Part(_) | Variant::Whole => Some(entry.training_gigaflops / 1000.0),
        _ => None,
    };
    let lines: Vec<Line> = arms.iter().filter(|arm| arm.over_training).map(|arm| line(arm, &training)).collect();
    let picture = draw(&labels("Quality against training cost", "training cost, TFLOP"), &lines);
    save_picture(&picture, &output.join(TRAINING_PLOT))
}
