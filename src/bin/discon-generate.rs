//! Recipes in, PNG files out, without a window.

use bevy_discon::bake::{Device, Executor, write_atomically};
use bevy_discon::model::Model;
use bevy_discon::reference::GeneratedTexture;
use bevy_discon::sampling::{Recipe, plan};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(version, about = "Renders recipes to PNG files without a window.")]
struct Arguments {
    /// A recipe (`NAME.discon.ron` or `NAME.discon`); not with --all-classes.
    #[arg(required_unless_present = "all_classes", conflicts_with = "all_classes")]
    recipe: Option<PathBuf>,
    /// File to write, or the folder for --all-classes and --count.
    #[arg(short, long)]
    output: PathBuf,
    /// Every class of the model with default settings, as OUTPUT/CLASS/SEED.png.
    #[arg(long)]
    all_classes: bool,
    /// Textures per class or recipe, with seeds counting up; OUTPUT/SEED.png for a recipe.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// First seed; the recipe's own without it, 0 for --all-classes.
    #[arg(long)]
    seed: Option<u64>,
    /// Width and height in pixels instead of the recipe's.
    #[arg(long)]
    size: Option<u32>,
    /// Share of the tokens from a layout instead of the recipe's.
    #[arg(long)]
    layout_share: Option<f32>,
    /// Guidance instead of the recipe's.
    #[arg(long)]
    guidance: Option<f32>,
    /// Guidance by tokens instead of the recipe's.
    #[arg(long)]
    token_guidance: Option<f32>,
    /// Token temperature instead of the recipe's.
    #[arg(long)]
    token_temperature: Option<f32>,
    /// Latent temperature instead of the recipe's.
    #[arg(long)]
    latent_temperature: Option<f32>,
    /// Rounds of the first stage instead of the recipe's.
    #[arg(long)]
    token_rounds: Option<u32>,
    /// Rounds of the second stage instead of the recipe's.
    #[arg(long)]
    latent_rounds: Option<u32>,
    /// Steps of the flow per round of the second stage instead of the recipe's.
    #[arg(long)]
    flow_steps: Option<u32>,
    /// Also writes the recipe with its tokens beside each picture, as NAME.discon.
    #[arg(long)]
    save_recipe: bool,
    /// Model folder.
    #[arg(long, default_value = "assets/models/small")]
    model: PathBuf,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("discon-generate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = Model::load(&arguments.model)?;
    let jobs = jobs(arguments, &model)?;
    // Check all recipes before the first texture, so that a mistake in the last one costs nothing.
    let plans = jobs.iter().map(|(recipe, _)| plan(&model, recipe)).collect::<Result<Vec<_>, _>>()?;
    let mut executor = Executor::new(arguments.device);
    executor.open()?;
    if let Some(reason) = executor.missing_gpu() {
        eprintln!("no GPU ({reason}); using the processor");
    }
    let bar = ProgressBar::new(jobs.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} eta {eta}")?);
    for ((recipe, path), plan) in jobs.iter().zip(&plans) {
        bar.set_message(recipe.class.clone());
        let texture = executor.generate(&model, plan)?;
        save(&texture, path)?;
        if arguments.save_recipe {
            save_recipe(recipe, &texture, &path.with_extension("discon"))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn jobs(arguments: &Arguments, model: &Model) -> Result<Vec<(Recipe, PathBuf)>, Failure> {
    let output = &arguments.output;
    let mut jobs = Vec::new();
    if let Some(path) = &arguments.recipe {
        let recipe = adjust(Recipe::read(path)?, arguments);
        let first = arguments.seed.unwrap_or(recipe.seed);
        for seed in first..first.saturating_add(arguments.count) {
            let file = if arguments.count == 1 { output.clone() } else { output.join(format!("{seed}.png")) };
            jobs.push((recipe.clone().with_seed(seed), file));
        }
    } else {
        let first = arguments.seed.unwrap_or(0);
        for class in &model.discon.config.classes {
            for seed in first..first.saturating_add(arguments.count) {
                let recipe = adjust(Recipe::new(class).with_seed(seed), arguments);
                jobs.push((recipe, output.join(class).join(format!("{seed}.png"))));
            }
        }
    }
    Ok(jobs)
}

fn adjust(mut recipe: Recipe, arguments: &Arguments) -> Recipe {
    if let Some(size) = arguments.size {
        recipe.size = (size, size);
    }
    recipe.layout_share = arguments.layout_share.unwrap_or(recipe.layout_share);
    recipe.token_guidance = arguments.token_guidance.unwrap_or(recipe.token_guidance);
    recipe.guidance = arguments.guidance.unwrap_or(recipe.guidance);
    recipe.token_temperature = arguments.token_temperature.unwrap_or(recipe.token_temperature);
    recipe.latent_temperature = arguments.latent_temperature.unwrap_or(recipe.latent_temperature);
    recipe.token_rounds = arguments.token_rounds.unwrap_or(recipe.token_rounds);
    recipe.latent_rounds = arguments.latent_rounds.unwrap_or(recipe.latent_rounds);
    recipe.flow_steps = arguments.flow_steps.unwrap_or(recipe.flow_steps);
    recipe
}

fn save(texture: &GeneratedTexture, path: &Path) -> Result<(), Failure> {
    let failure = |error: image::ImageError| format!("{}: {error}", path.display());
    let format = image::ImageFormat::from_path(path).map_err(failure)?;
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (texture.width, texture.height);
    image::write_buffer_with_format(&mut bytes, &texture.pixels, width, height, image::ColorType::Rgb8, format)
        .map_err(failure)?;
    Ok(write_atomically(path, bytes.get_ref())?)
}

fn save_recipe(recipe: &Recipe, texture: &GeneratedTexture, path: &Path) -> Result<(), Failure> {
    // No codebook has more than 2^16 entries.
    let tokens = texture.tokens.iter().map(|token| *token as u16).collect();
    let bytes = recipe.clone().with_tokens(tokens).to_bytes()?;
    Ok(write_atomically(path, &bytes)?)
}
