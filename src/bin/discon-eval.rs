//! Measures a model folder: contact sheets, reconstructions and a table.

use bevy_discon::eval::metrics::Picture;
use bevy_discon::eval::{self, sheet::contact_sheet};
use bevy_discon::model::Model;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Writes contact.png, reconstructions.png and report.md for a model.")]
struct Arguments {
    /// Model folder.
    #[arg(long, default_value = "assets/models/small")]
    model: PathBuf,
    /// Folder of CLASS/image files to compare with.
    #[arg(long)]
    data: PathBuf,
    /// Folder to write.
    #[arg(long)]
    output: PathBuf,
    /// Textures per class, seeds 0..COUNT.
    #[arg(long, default_value_t = 8)]
    count: u64,
    /// Width and height of the textures in pixels.
    #[arg(long, default_value_t = 128)]
    size: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("discon-eval: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::load(&arguments.model)?;
    if !arguments.data.is_dir() {
        return Err(format!("{} is not a folder", arguments.data.display()).into());
    }
    std::fs::create_dir_all(&arguments.output)?;
    let bar = ProgressBar::new(arguments.count * model.discon.config.classes.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} eta {eta}")?);
    let load = |class: &str| eval::load_class(&arguments.data, class, arguments.size);
    let reports = eval::evaluate(&model, arguments.count, arguments.size, load, |class| {
        bar.set_message(class.to_string());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    let rows: Vec<(String, Vec<Picture>)> =
        reports.iter().map(|report| (report.class.clone(), report.textures.clone())).collect();
    contact_sheet(&rows, arguments.size).save(arguments.output.join("contact.png"))?;
    let quality = reconstructions(&model, &arguments.data, &arguments.output)?;
    let text = format!("{}\nMean PSNR of reconstructions: {quality:.1} dB\n", eval::markdown(&reports));
    std::fs::write(arguments.output.join("report.md"), &text)?;
    println!("{text}");
    Ok(())
}

/// Two images of each class above their reconstructions; returns the mean PSNR.
fn reconstructions(model: &Model, data: &Path, output: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    let (mut sum, mut count) = (0.0, 0.0);
    for class in &model.discon.config.classes {
        let mut images = Vec::new();
        for image in eval::load_class(data, class, 128).into_iter().take(2) {
            let (result, quality) = eval::reconstruct(model, &image);
            sum += quality;
            count += 1.0;
            images.extend([image, result]);
        }
        rows.push((class.clone(), images));
    }
    contact_sheet(&rows, 128).save(output.join("reconstructions.png"))?;
    Ok(sum / count)
}
