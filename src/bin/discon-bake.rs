//! Recipes in, textures out, for build scripts.

use bevy_discon::bake::{
    BakeOptions, BakeReport, Device, Executor, FileFormat, RecipeFile, Shard, Status, bake, curate, find_recipes,
    write_atomically,
};
use bevy_discon::model::Model;
use bevy_discon::sampling::CuratedList;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of a bake some of whose recipes failed.
const FAILED: u8 = 1;
/// Exit code for a command that cannot start, as clap has it.
const USAGE: u8 = 2;
/// Exit code for a bake that ended, but whose report is not where it should be.
const NO_REPORT: u8 = 3;

#[derive(Parser)]
#[command(
    version,
    about = "Bakes recipes into textures, skipping what is up to date.",
    after_help = "Exit codes: 0 all is well, 1 a recipe failed, 2 the bake could not start, 3 the bake ended, but its report could \
                  not be written.",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bake: Option<Bake>,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the list of recipes for `--curated`: a build with it makes these and no others.
    Curate(Curate),
}

#[derive(Args)]
struct Curate {
    /// Recipes (`NAME.discon.ron`, `NAME.discon`) and folders of them.
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// The list.
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(Args)]
struct Bake {
    /// Recipes (`NAME.discon.ron`, `NAME.discon`) and folders of them.
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// Folder of the textures.
    #[arg(short, long)]
    output: PathBuf,
    /// Model folder.
    #[arg(long, default_value = "assets/models/small")]
    model: PathBuf,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
    /// Also writes `NAME_normal`, `NAME_orm` (occlusion, roughness, metallic) and `NAME_height`, derived from the
    /// colours.
    #[arg(long)]
    maps: bool,
    /// How files are encoded.
    #[arg(long, value_enum, default_value_t = FileFormat::Png)]
    format: FileFormat,
    /// Refuses recipes that are not on this list, see `discon-bake curate`.
    #[arg(long, value_name = "LIST")]
    curated: Option<PathBuf>,
    /// Part of the bake, I/N: all parts together make what one bake without this makes.
    #[arg(long, default_value_t = Shard::ALL)]
    shard: Shard,
    /// Also bakes what is up to date.
    #[arg(long)]
    force: bool,
    /// Writes a report as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Says what would be baked, and writes no texture.
    #[arg(long)]
    dry_run: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match (arguments.command, arguments.bake) {
        (Some(Command::Curate(arguments)), _) => write_list(&arguments).map(|()| 0),
        (None, Some(arguments)) => run(&arguments).map(|report| conclude(&arguments, &report)),
        (None, None) => Err("expected recipes and --output, or a command; see --help".into()),
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        eprintln!("discon-bake: {error}");
        USAGE
    }))
}

/// Says how a bake ended and writes its report; the exit code.
fn conclude(arguments: &Bake, report: &BakeReport) -> u8 {
    let device = report.device.as_deref().map(|device| format!(" ({device})")).unwrap_or_default();
    println!("{}{device}", report.summary());
    let write = |path: &PathBuf| write_atomically(path, report.to_json()?.as_bytes());
    if let Some(Err(error)) = arguments.report.as_ref().map(write) {
        eprintln!("discon-bake: the bake has ended, but its report could not be written: {error}");
        return NO_REPORT;
    }
    if report.failed > 0 { FAILED } else { 0 }
}

fn write_list(arguments: &Curate) -> Result<(), Box<dyn Error>> {
    let list = curate(&find_recipes(&arguments.recipes)?)?;
    write_atomically(&arguments.output, list.to_ron().as_bytes())?;
    println!("{} recipes in {}", list.len(), arguments.output.display());
    Ok(())
}

fn run(arguments: &Bake) -> Result<BakeReport, Box<dyn Error>> {
    let recipes = find_recipes(&arguments.recipes)?;
    let model = Model::load(&arguments.model)?;
    let options = BakeOptions {
        output: arguments.output.clone(),
        maps: arguments.maps,
        format: arguments.format,
        curated: arguments.curated.as_deref().map(CuratedList::load).transpose()?,
        shard: arguments.shard,
        force: arguments.force,
        dry_run: arguments.dry_run,
    };
    let count = recipes.iter().filter(|file| options.shard.contains(&file.name)).count();
    let bar = ProgressBar::new(count as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} eta {eta}")?);
    let mut executor = Executor::new(arguments.device);
    let before = |file: &RecipeFile| bar.set_message(file.name.clone());
    let report = bake(&model, &recipes, &options, &mut executor, before, |report| {
        let reason = report.reason.as_deref().unwrap_or_default();
        match report.status {
            Status::Failed => bar.suspend(|| eprintln!("failed: {reason}")),
            Status::WouldBake => bar.suspend(|| println!("would bake: {}", report.texture.display())),
            Status::Baked | Status::UpToDate => {}
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(report)
}
