//! Training curves: the errors that runs wrote into their `metrics.csv`, one plot per stage.

use super::plot::{Labels, Line, draw};
use super::{EvalError, save_picture};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is drawn of a stage, with the name in the legend: errors on pictures of training, and on those kept out of it.
const METRICS: [(&str, &str); 2] = [("loss", "training"), ("check_loss", "validation")];

/// One number of a run.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    stage: String,
    step: f64,
    metric: String,
    value: f64,
}

/// Draws `OUTPUT/curves_STAGE.png` for each stage of the training runs in `folders`; returns Markdown that shows them.
///
/// # Errors
/// A run whose `metrics.csv` is missing or damaged, runs that have no curve, or a file that cannot be written.
pub fn draw_curves(folders: &[PathBuf], output: &Path) -> Result<String, EvalError> {
    let mut runs = Vec::new();
    for folder in folders {
        runs.push((name_of(folder), read(&folder.join("metrics.csv"))?));
    }
    let drawn = |record: &&Record| METRICS.iter().any(|(metric, _)| *metric == record.metric);
    let stages: BTreeSet<&str> =
        runs.iter().flat_map(|(_, records)| records.iter().filter(drawn)).map(|record| record.stage.as_str()).collect();
    if stages.is_empty() {
        let found = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(EvalError::Option {
            option: "RUN",
            found,
            expected: "a training run with errors over steps".into(),
        });
    }
    let mut text = String::new();
    for stage in stages {
        let lines: Vec<Line> = runs.iter().flat_map(|(name, records)| lines_of(name, records, stage)).collect();
        let labels = Labels { title: format!("Training: {stage}"), x: "step".into(), y: "error".into() };
        let file = format!("curves_{stage}.png");
        save_picture(&draw(&labels, &lines), &output.join(&file))?;
        text.push_str(&format!("![{stage}]({file})\n"));
    }
    Ok(text)
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn lines_of(name: &str, records: &[Record], stage: &str) -> Vec<Line> {
    let line = |(metric, what): &(&str, &str)| {
        let of_metric = records.iter().filter(|record| record.stage == stage && record.metric == *metric);
        // A run that was killed went back to its last checkpoint: what it did again counts.
        let mut points: Vec<(f64, f64, f64)> = Vec::new();
        for record in of_metric {
            points.retain(|point| point.0 < record.step);
            points.push((record.step, record.value, 0.0));
        }
        Line { name: format!("{name}, {what}"), points }
    };
    METRICS.iter().map(line).filter(|line| !line.points.is_empty()).collect()
}

/// Reads the table that training writes: `stage,step,seconds,metric,value` in each line.
fn read(path: &Path) -> Result<Vec<Record>, EvalError> {
    let error = |message: String| EvalError::Read { path: path.into(), message };
    let text = std::fs::read_to_string(path).map_err(|found| error(found.to_string()))?;
    let record = |(index, line): (usize, &str)| {
        let cells: Vec<&str> = line.split(',').collect();
        let numbers = |step: &str, value: &str| Some((step.parse().ok()?, value.parse().ok()?));
        match cells.as_slice() {
            [stage, step, _, metric, value] if let Some((step, value)) = numbers(step, value) => {
                Ok(Record { stage: (*stage).into(), step, metric: (*metric).into(), value })
            }
            _ => Err(error(format!("line {} is `{line}`, expected stage,step,seconds,metric,value", index + 1))),
        }
    };
    text.lines().enumerate().skip(1).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, text: &str) -> PathBuf {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("metrics.csv"), text).expect("a file");
        folder.into()
    }

    #[test]
    fn each_stage_gets_a_plot_and_steps_that_were_done_again_count_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "stage,step,seconds,metric,value\ncontinuous,10,1.0,loss,3\ncontinuous,20,2.0,loss,2\n\
                    continuous,15,2.5,loss,2.5\ncontinuous,15,2.5,rate,0.1\nprior,5,1,check_loss,4\n";
        let first = run(&folder.path().join("first"), text);
        let found = draw_curves(std::slice::from_ref(&first), folder.path()).expect("plots");
        assert_eq!(found, "![continuous](curves_continuous.png)\n![prior](curves_prior.png)\n");
        assert!(folder.path().join("curves_prior.png").is_file());
        let lines = lines_of("first", &read(&first.join("metrics.csv")).expect("records"), "continuous");
        let expected = Line { name: "first, training".into(), points: vec![(10.0, 3.0, 0.0), (15.0, 2.5, 0.0)] };
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn damaged_tables_and_runs_without_curves_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let message = |text: &str| {
            let run = run(&folder.path().join("run"), text);
            draw_curves(&[run], folder.path()).expect_err("an error").to_string()
        };
        let found = message("stage,step,seconds,metric,value\nprior,5,1,loss\n");
        assert!(
            found.contains("metrics.csv") && found.contains("line 2") && found.contains("prior,5,1,loss"),
            "{found}"
        );
        assert!(message("stage,step,seconds,metric,value\nprior,5,1,rate,1\n").contains("run"));
        let found = draw_curves(&[folder.path().join("nowhere")], folder.path()).expect_err("an error").to_string();
        assert!(found.contains("nowhere"), "{found}");
    }
}
