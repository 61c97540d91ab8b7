//! Measures a model folder or its parts, repeats the ablation or the comparison of tokenizers at tiny scale, or draws
//! training curves.

use bevy_discon::eval::ablation::{self, AblationRequest};
use bevy_discon::eval::curves::draw_curves;
use bevy_discon::eval::evaluation::{self, Request};
use bevy_discon::eval::parts::measure_parts;
use bevy_discon::eval::tokenizers::{self, TokenizersRequest};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes report.md with its pictures, and report.ron with all numbers.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    evaluate: Option<Evaluate>,
}

#[derive(Subcommand)]
enum Command {
    /// Measures what tokens do in a model: textures as in use, without tokens, of tokens alone, and between.
    Parts(Evaluate),
    /// Trains and measures variants of the model at equal cost; writes a table and two plots.
    Ablation(Ablation),
    /// Trains and measures encoders and decoders at an equal number of crops; writes tables and a sheet.
    Tokenizers(Tokenizers),
    /// Draws the errors of training runs over their steps, one plot per stage.
    Curves(Curves),
}

#[derive(Args)]
struct Evaluate {
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
    #[arg(long, default_value_t = 16)]
    count: usize,
    /// Width and height of the textures in pixels, a multiple of 16.
    #[arg(long, default_value_t = 128)]
    size: u32,
}

#[derive(Args)]
struct Ablation {
    /// Folder with one subfolder of pictures per class.
    #[arg(long)]
    data: PathBuf,
    /// Folder for all models, tables and plots; an interrupted run goes on in it.
    #[arg(long)]
    output: PathBuf,
    /// Cost of training an arm, in minutes of a core of nominal speed.
    #[arg(long, default_value_t = 10.0)]
    minutes_per_arm: f64,
    /// Trainings of each arm.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Minutes for encoder and decoder, which all arms share.
    #[arg(long, default_value_t = 20.0)]
    tokenizer_minutes: f64,
    /// Textures per class for each measurement.
    #[arg(long, default_value_t = 12)]
    count: usize,
    /// Only these classes.
    #[arg(long, value_delimiter = ',')]
    classes: Vec<String>,
    /// Only these arms.
    #[arg(long, value_delimiter = ',')]
    arms: Vec<String>,
    /// Use encoder and decoder of this model folder instead of training some.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
}

#[derive(Args)]
struct Tokenizers {
    /// Folder with one subfolder of pictures per class.
    #[arg(long)]
    data: PathBuf,
    /// Folder for all models, tables and pictures; an interrupted run goes on in it.
    #[arg(long)]
    output: PathBuf,
    /// Steps of 16 crops of 64x64 pixels for each.
    #[arg(long, default_value_t = 3200)]
    steps: u64,
    /// Only these classes.
    #[arg(long, value_delimiter = ',')]
    classes: Vec<String>,
}

#[derive(Args)]
struct Curves {
    /// Folders that `discon-train` wrote, or arms of an ablation.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder to write.
    #[arg(long)]
    output: PathBuf,
}

impl From<Evaluate> for Request {
    fn from(options: Evaluate) -> Self {
        let Evaluate { model, data, output, count, size } = options;
        Self { model, data, output, count, size }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.command, arguments.evaluate) {
        (Some(Command::Ablation(options)), _) => ablation::run(&AblationRequest {
            data: options.data,
            output: options.output,
            minutes: options.minutes_per_arm,
            seeds: options.seeds,
            tokenizer_minutes: options.tokenizer_minutes,
            count: options.count,
            classes: options.classes,
            arms: options.arms,
            tokenizer: options.tokenizer,
        }),
        (Some(Command::Tokenizers(Tokenizers { data, output, steps, classes })), _) => {
            tokenizers::run(&TokenizersRequest { data, output, steps, classes })
        }
        (Some(Command::Curves(Curves { runs, output })), _) => draw_curves(&runs, &output),
        (Some(Command::Parts(options)), _) => measure_parts(&options.into()),
        (None, Some(options)) => evaluation::evaluate(&options.into()),
        (None, None) => {
            eprintln!(
                "discon-eval: expected --data and --output, or one of the commands `parts`, `ablation`, `tokenizers` and `curves`; see --help"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("discon-eval: {error}");
            ExitCode::FAILURE
        }
    }
}
