//! Recipes in, textures out: the work of `discon-bake`, for build scripts. Feature `cli`.
//!
//! 1. [`find_recipes`] lists files and folders; the order and the names do not depend on the machine.
//! 2. [`Shard`] takes a part of the list, by a hash of each name, so that a bake can be spread over any job runner.
//! 3. [`bake`] makes what is missing, changed or damaged. Beside each texture lies a [`stamp`] with the key of what made
//!    it and the digests of its files; times of files play no part.
//!
//! A recipe that fails is reported and never stops the others. Files are written beside their place and renamed, the
//! stamp last, so that a bake that is killed leaves whole files and goes on where it was.

mod executor;
mod files;
mod list;
mod report;
mod shard;
pub mod stamp;

pub use crate::export::{FileFormat, FileKind};
pub use executor::{Device, Executor};
pub use files::write_atomically;
pub use list::{RecipeFile, find_recipes};
pub use report::{BakeReport, BakedFile, RecipeReport, Status};
pub use shard::Shard;

use crate::export;
use crate::model::Model;
use crate::reference::GeneratedTexture;
use crate::reference::maps::Picture;
use crate::sampling::{CuratedList, MapRules, Plan, Recipe, RecipeError, plan};
use list::Writers;
use stamp::Stamp;
use std::path::PathBuf;
use std::time::Instant;

/// A bake that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// An input cannot be read.
    #[error("{path}: {source}; expected a recipe file or a folder of them")]
    Input {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An input is a file of another kind.
    #[error("{0} is not a recipe: its name ends neither in `.discon.ron` nor in `.discon`")]
    NotARecipe(PathBuf),
    /// There is nothing to do.
    #[error("no recipe (`*.discon.ron` or `*.discon`) in {0}")]
    NoRecipes(String),
    /// The text is not a shard.
    #[error("shard `{0}`: expected I/N with I from 1 to N, for example 1/4")]
    Shard(String),
}

/// What to bake, and how.
#[derive(Clone, Debug)]
pub struct BakeOptions {
    /// Folder of the textures, made if it is missing.
    pub output: PathBuf,
    /// Whether normal, occlusion-roughness-metallic and height maps are derived from each texture. Default false.
    pub maps: bool,
    /// How they are encoded. Default PNG.
    pub format: FileFormat,
    /// The only recipes that may be baked; others fail. Default none: all may.
    pub curated: Option<CuratedList>,
    /// Part of the list. Default all.
    pub shard: Shard,
    /// Whether what is up to date is baked again. Default false.
    pub force: bool,
    /// Whether nothing is written. Default false.
    pub dry_run: bool,
}

impl BakeOptions {
    /// Everything into `output`, as PNG without maps.
    pub fn new(output: impl Into<PathBuf>) -> Self {
        Self {
            output: output.into(),
            maps: false,
            format: FileFormat::Png,
            curated: None,
            shard: Shard::ALL,
            force: false,
            dry_run: false,
        }
    }
}

/// Bakes the options' part of `recipes`, in order. `before` hears of each recipe that is looked at, `after` how it ended.
pub fn bake(
    model: &Model,
    recipes: &[RecipeFile],
    options: &BakeOptions,
    executor: &mut Executor,
    mut before: impl FnMut(&RecipeFile),
    mut after: impl FnMut(&RecipeReport),
) -> BakeReport {
    let mut reports = Vec::new();
    // Of all recipes, so that every shard refuses the same ones.
    let writers =
        Writers::new(recipes, |file| outputs(&file.name, options).into_iter().map(|(_, name)| name).collect());
    for file in recipes.iter().filter(|file| options.shard.contains(&file.name)) {
        before(file);
        let start = Instant::now();
        let texture = options.output.join(export::file_name(&file.name, FileKind::Colour, options.format));
        let mut report = RecipeReport::new(&file.path, &texture);
        if let Err(reason) = bake_recipe(model, file, &writers, options, executor, &mut report) {
            report.status = Status::Failed;
            report.reason = Some(reason);
        }
        report.seconds = start.elapsed().as_secs_f64();
        after(&report);
        reports.push(report);
    }
    BakeReport::new(model, options, executor, reports)
}

/// Brings one texture up to date; the error is the reason for the report.
fn bake_recipe(
    model: &Model,
    file: &RecipeFile,
    writers: &Writers<'_>,
    options: &BakeOptions,
    executor: &mut Executor,
    report: &mut RecipeReport,
) -> Result<(), String> {
    let outputs = outputs(&file.name, options);
    let mut clashes = outputs.iter().filter_map(|(_, name)| Some((name, writers.other(&file.path, name)?)));
    if let Some((name, other)) = clashes.next() {
        let (here, there) = (file.path.display(), other.display());
        return Err(format!("{here} and {there} would both be baked into {name}: rename one of them"));
    }
    let recipe = Recipe::read(&file.path).map_err(|error| error.to_string())?;
    let refused = |error: RecipeError| format!("{}: {error}", file.path.display());
    options.curated.as_ref().map_or(Ok(()), |list| list.check(&recipe)).map_err(refused)?;
    // The plan checks every field against the model.
    let plan = plan(model, &recipe).map_err(refused)?;
    report.key = Some(stamp::key(&recipe, model));
    let place = options.output.join(format!("{}.{}", file.name, stamp::EXTENSION));
    let found = Stamp::read(&place).filter(|found| Some(&found.key) == report.key.as_ref());
    if let Some(found) = found.filter(|found| !options.force && found.is_sound(&options.output, &outputs)) {
        report.status = Status::UpToDate;
        report.list(&found, &outputs);
        return Ok(());
    }
    if options.dry_run {
        report.status = Status::WouldBake;
        return Ok(());
    }
    let texture = executor.generate(model, &plan).map_err(|error| format!("{}: {error}", file.path.display()))?;
    let stamp = write_files(&texture, &plan, options, &outputs, report.key.clone().unwrap_or_default())?;
    stamp.write(&place)?;
    report.status = Status::Baked;
    report.list(&stamp, &outputs);
    Ok(())
}

/// The list of these recipes, for [`BakeOptions::curated`] and
/// [`DisconPlugin::curated`](crate::plugin::DisconPlugin::curated).
///
/// # Errors
/// The first file that is no recipe, and why.
pub fn curate(recipes: &[RecipeFile]) -> Result<CuratedList, String> {
    let mut list = CuratedList::default();
    for file in recipes {
        list.add(&file.name, &Recipe::read(&file.path).map_err(|error| error.to_string())?);
    }
    Ok(list)
}

/// Names of the files of a texture in the output folder, with `/` between folders.
fn outputs(name: &str, options: &BakeOptions) -> Vec<(FileKind, String)> {
    let kinds = if options.maps { &FileKind::ALL[..] } else { &FileKind::ALL[..1] };
    kinds.iter().map(|kind| (*kind, export::file_name(name, *kind, options.format))).collect()
}

/// Writes the pictures and gives their stamp.
fn write_files(
    texture: &GeneratedTexture,
    plan: &Plan,
    options: &BakeOptions,
    outputs: &[(FileKind, String)],
    key: String,
) -> Result<Stamp, String> {
    let size = (texture.width as usize, texture.height as usize);
    let picture = Picture { pixels: &texture.pixels, size, wrap: plan.shape.grid.wrap };
    let rules = MapRules::default();
    let mut stamp = Stamp::new(key);
    for (kind, name) in outputs {
        let bytes = export::encode(picture, &rules, *kind, options.format).map_err(|error| error.to_string())?;
        write_atomically(&options.output.join(name), &bytes)?;
        stamp.add(name, &bytes);
    }
    Ok(stamp)
}
