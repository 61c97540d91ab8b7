//! What a run shows: a table of numbers, a progress bar, and grids of pictures.

use super::TrainError;
use super::files::write_atomically;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// `metrics.csv`: one line per number.
pub struct Metrics {
    path: PathBuf,
    lock: Mutex<()>,
}

impl Metrics {
    /// Opens the table, and writes its header if it is new.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(path: PathBuf) -> Result<Self, TrainError> {
        if !path.exists() {
            write_atomically(&path, b"stage,step,seconds,metric,value\n")?;
        }
        Ok(Self { path, lock: Mutex::new(()) })
    }

    /// Appends numbers and shows them in one line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn record(&self, stage: &str, step: u64, seconds: f64, numbers: &[(&str, f32)]) -> Result<(), TrainError> {
        let (mut rows, mut line) = (String::new(), format!("{stage} step {step} at {seconds:.0} s:"));
        for (name, value) in numbers {
            // Writing to a string cannot fail.
            let _ = writeln!(rows, "{stage},{step},{seconds:.1},{name},{value}");
            let _ = write!(line, " {name} {value:.4}");
        }
        let _guard = self.lock.lock();
        let append =
            || std::fs::OpenOptions::new().append(true).create(true).open(&self.path)?.write_all(rows.as_bytes());
        append().map_err(|error| TrainError::io(&self.path, error))?;
        eprintln!("{line}");
        Ok(())
    }
}

/// A progress bar over a stage's seconds; silent where the output is not a terminal.
pub fn progress_bar(stage: &str, total_seconds: f64, done_seconds: f64) -> ProgressBar {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(total_seconds as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{prefix:12} {wide_bar} {pos}/{len} s, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(stage.to_string());
    bar.set_position(done_seconds as u64);
    bar.reset_eta();
    bar
}

/// Writes square pictures (values -1..1) side by side, `columns` to a row.
///
/// # Errors
/// If the file cannot be written.
pub fn write_grid(path: &Path, pictures: &[Vec<f32>], side: usize, columns: usize) -> Result<(), TrainError> {
    let rows = pictures.len().div_ceil(columns.max(1));
    let mut grid = image::RgbImage::new((columns * side) as u32, (rows * side) as u32);
    for (index, picture) in pictures.iter().enumerate() {
        let (left, top) = (index % columns * side, index / columns * side);
        for (pixel, values) in picture.chunks_exact(3).enumerate() {
            let byte = |value: f32| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
            let colour = image::Rgb([byte(values[0]), byte(values[1]), byte(values[2])]);
            grid.put_pixel((left + pixel % side) as u32, (top + pixel / side) as u32, colour);
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    grid.write_to(&mut bytes, image::ImageFormat::Png).map_err(|error| TrainError::format(path, error))?;
    write_atomically(path, bytes.get_ref())
}
