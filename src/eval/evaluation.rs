//! One model folder measured: textures, sheets, tables.

use super::generate::{Detail, Sample, generate, reconstruct};
use super::measure::{Numbers, Reference, SIDE, Set, mean};
use super::metrics::{Picture, detail_energy, psnr};
use super::nearest::{aligned_correlation, closest};
use super::report::{self, LEGEND, number};
use super::sheet::{contact_sheet, enlarged, numbered_rows};
use super::{EvalError, progress_bar, real, save_numbered, save_picture, save_text, with_progress};
use crate::model::Model;
use crate::sampling::{Plan, Recipe, plan};
use crate::train::dataset::Dataset;
use crate::train::workers::Workers;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Fewest real cut-outs per class.
const LEAST_REAL: usize = 16;
/// Pairs of a texture and its nearest training picture that are shown.
const CLOSEST: usize = 10;
/// Textures per class in the grids of both sizes.
const GRID: [(u32, usize); 2] = [(128, 6), (256, 3)];
/// Pictures of each kind that are encoded and decoded, and how many of them are shown.
const REBUILT: usize = 32;
const SHOWN: usize = 8;
/// Side in pixels of the parts of them that are shown enlarged, and how much.
const ENLARGED: (usize, usize) = (64, 3);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Request {
    /// Model folder.
    pub model: PathBuf,
    /// Folder of `CLASS/picture` files.
    pub data: PathBuf,
    /// Folder to write.
    pub output: PathBuf,
    /// Textures per class, seeds from 0.
    pub count: usize,
    /// Their width and height in pixels, at least 128.
    pub size: u32,
}

impl Request {
    /// The model, threads for all cores, and the pictures of its classes.
    ///
    /// # Errors
    /// Options, model or data that cannot be used.
    pub fn load(&self) -> Result<(Model, Workers, Dataset), EvalError> {
        if self.count == 0 {
            return Err(EvalError::Option { option: "--count", found: "0".into(), expected: "1 or more".into() });
        }
        if (self.size as usize) < SIDE {
            let expected = format!("{SIDE} or more");
            return Err(EvalError::Option { option: "--size", found: self.size.to_string(), expected });
        }
        let model = Model::load(&self.model)?;
        let workers = Workers::new(std::thread::available_parallelism().map_or(1, usize::from));
        let classes = &model.discon.config.classes;
        let data = with_progress(|tell| real::load(&self.data, classes, workers.count(), tell))?;
        Ok((model, workers, data))
    }

    /// What the textures are compared with.
    pub fn reference(&self, model: &Model, workers: &Workers, data: &Dataset) -> Reference {
        Reference::new(data, workers, self.count.max(LEAST_REAL)).with_latents(model, data, workers)
    }
}

/// How well pictures are rebuilt.
#[derive(Clone, Debug, Serialize)]
pub struct Rebuilt {
    /// `crisp` or `soft`: from sources of at least 256 pixels, or smaller.
    pub kind: &'static str,
    /// Pictures.
    pub count: usize,
    /// Mean peak signal-to-noise ratio in decibels.
    pub psnr: f64,
    /// Detail kept by level, finest first.
    pub sharpness: [f64; 3],
}

/// A texture beside its nearest training picture.
#[derive(Clone, Debug, Serialize)]
pub struct Near {
    /// Class and seed of the texture.
    pub texture: (String, usize),
    /// Path of the picture below the data folder.
    pub picture: String,
    /// Distance of the descriptions in real deviations.
    pub distance: f64,
    /// Best correlation over all shifts and mirrors.
    pub correlation: f64,
}

/// All numbers of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Digest of the model, as in cache keys.
    pub model: String,
    /// Of all classes together.
    pub overall: Numbers,
    /// Of pictures that were kept out of training.
    pub validation: Numbers,
    /// By class.
    pub classes: Vec<(String, Numbers)>,
    /// Crisp and soft sources.
    pub rebuilt: Vec<Rebuilt>,
    /// Closest first.
    pub closest: Vec<Near>,
}

/// Measures a model and writes the report with its pictures; returns the report.
///
/// # Errors
/// Options, model, data or files that cannot be used.
pub fn evaluate(request: &Request) -> Result<String, EvalError> {
    let (model, workers, data) = request.load()?;
    let reference = request.reference(&model, &workers, &data);
    let samples = textures(&model, &workers, &data.classes, request.size, request.count)?;
    let set = reference.set(&workers, samples);
    let classes = workers.map(data.classes.len(), |class| reference.measure(&set, Some(class)));
    let evaluation = Evaluation {
        model: model.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        overall: reference.measure(&set, None),
        validation: reference.measure_validation(&workers),
        classes: data.classes.iter().cloned().zip(classes).collect(),
        rebuilt: rebuild(&model, &workers, &data, &request.output)?,
        closest: near_copies(&reference, &set, &data, &request.output)?,
    };
    for (class, name) in data.classes.iter().enumerate() {
        let sheet = contact_sheet(&numbered_rows(name, &set.textures(class)), request.size);
        save_picture(&sheet, &request.output.join(format!("classes/{name}.jpg")))?;
    }
    grids(&model, &workers, &data.classes, &request.output)?;
    let text = ron::ser::to_string_pretty(&evaluation, ron::ser::PrettyConfig::default())
        .map_err(|error| EvalError::write(&request.output, error))?;
    save_text(&text, &request.output.join("report.ron"))?;
    let text = markdown(request, &evaluation);
    save_text(&text, &request.output.join("report.md"))?;
    Ok(text)
}

/// `count` textures of each class with seeds from 0, on all cores.
fn textures(
    model: &Model,
    workers: &Workers,
    classes: &[String],
    size: u32,
    count: usize,
) -> Result<Vec<(usize, Sample)>, EvalError> {
    // Class by class within a seed, so that every worker gets all classes.
    let mut plans = Vec::new();
    for seed in 0..count {
        for (class, name) in classes.iter().enumerate() {
            let recipe = Recipe::new(name.clone()).with_seed(seed as u64).with_size(size, size);
            plans.push((class, plan(model, &recipe)?));
        }
    }
    Ok(generate_all(model, workers, &format!("{size} px"), &plans, Detail::Refined))
}

/// The textures of `plans`, each with the index of its class, on all cores behind a progress bar.
pub fn generate_all(
    model: &Model,
    workers: &Workers,
    what: &str,
    plans: &[(usize, Plan)],
    detail: Detail,
) -> Vec<(usize, Sample)> {
    let bar = progress_bar(what, plans.len() as u64);
    let samples = workers.map(plans.len(), |index| {
        let (class, plan) = &plans[index];
        let sample = generate(model, plan, detail);
        bar.inc(1);
        (*class, sample)
    });
    bar.finish_and_clear();
    samples
}

/// Encodes and decodes validation pictures; writes originals above reconstructions, crisp sources first, and all of them
/// as `pairs/KIND/{original,rebuilt}/NUMBER.png` for other tools.
fn rebuild(model: &Model, workers: &Workers, data: &Dataset, output: &Path) -> Result<Vec<Rebuilt>, EvalError> {
    let (mut rows, mut large, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, sharp) in [("crisp", true), ("soft", false)] {
        let originals = real::to_rebuild(data, sharp, REBUILT, SIDE);
        let rebuilt = workers.map(originals.len(), |index| reconstruct(model, &originals[index]));
        let pairs = || originals.iter().zip(&rebuilt);
        let energy = |set: &[Picture], level: usize| mean(set.iter().map(|picture| detail_energy(picture)[level]));
        let entry = Rebuilt {
            kind,
            count: originals.len(),
            psnr: mean(pairs().map(|(a, b)| psnr(a, b))),
            sharpness: [0, 1, 2].map(|level| energy(&rebuilt, level) / energy(&originals, level)),
        };
        for (name, pictures) in [("original", &originals), ("rebuilt", &rebuilt)] {
            save_numbered(pictures, &output.join(format!("pairs/{kind}/{name}")))?;
            let (side, zoom) = ENLARGED;
            let shown = pictures.iter().take(SHOWN).map(|picture| enlarged(picture, side, zoom));
            large.push((format!("{kind}\n{name}"), shown.collect()));
        }
        for (originals, rebuilt) in originals.chunks(SHOWN).zip(rebuilt.chunks(SHOWN)).take(1) {
            rows.push((format!("{kind}\noriginal"), originals.to_vec()));
            rows.push((format!("{kind}\nrebuilt\n{:.1} dB", entry.psnr), rebuilt.to_vec()));
        }
        found.push(entry);
    }
    save_picture(&contact_sheet(&rows, SIDE as u32), &output.join("reconstructions.png"))?;
    let (side, zoom) = ENLARGED;
    save_picture(&contact_sheet(&large, (zoom * side) as u32), &output.join("reconstructions_enlarged.png"))?;
    Ok(found)
}

/// The closest pairs of a texture and a training picture, listed and side by side.
fn near_copies(reference: &Reference, set: &Set, data: &Dataset, output: &Path) -> Result<Vec<Near>, EvalError> {
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for pair in closest(&reference.nearest(set), CLOSEST) {
        let place = reference.place(&pair);
        let (texture, picture) = (set.crop(pair.sample), place.picture(data, SIDE));
        let (class, seed) = set.place(pair.sample);
        let near = Near {
            texture: (data.classes[class].clone(), seed),
            picture: data.textures[place.texture].name.clone(),
            distance: pair.distance,
            correlation: aligned_correlation(texture, &picture),
        };
        let label =
            format!("{}\nseed {seed}\ndist. {:.2}\ncorr. {:.2}", near.texture.0, near.distance, near.correlation);
        rows.push((label, vec![texture.clone(), picture]));
        found.push(near);
    }
    save_picture(&contact_sheet(&rows, SIDE as u32), &output.join("closest.png"))?;
    Ok(found)
}

/// Grids of samples of both sizes, a row per class, seeds from 0.
fn grids(model: &Model, workers: &Workers, classes: &[String], output: &Path) -> Result<(), EvalError> {
    for (size, count) in GRID {
        let samples = textures(model, workers, classes, size, count)?;
        let rows: Vec<(String, Vec<Picture>)> = classes
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let of_class = samples.iter().filter(|(other, _)| *other == class);
                (name.clone(), of_class.map(|(_, sample)| sample.picture.clone()).collect())
            })
            .collect();
        save_picture(&contact_sheet(&rows, size), &output.join(format!("samples_{size}.jpg")))?;
    }
    Ok(())
}

fn markdown(request: &Request, evaluation: &Evaluation) -> String {
    let mut text = format!(
        "# Measures of `{}`\n\nDigest {}. {} textures per class of {size}x{size} pixels, seeds from 0, default settings.\n\n",
        request.model.display(),
        &evaluation.model[..16],
        request.count,
        size = request.size
    );
    let more = ["near training %"];
    let near = |numbers: &Numbers| [number(numbers.near, 0)];
    text.push_str(&report::head("set", &more));
    text.push_str(&report::row("generated", &evaluation.overall, &near(&evaluation.overall)));
    text.push_str(&report::row("validation pictures", &evaluation.validation, &near(&evaluation.validation)));
    text.push_str(&format!(
        "\n{LEGEND}Near training: nearer to a training picture than all but 5 % of validation pictures are.\n\n"
    ));
    text.push_str(&report::head("class", &more));
    for (class, numbers) in &evaluation.classes {
        text.push_str(&report::row(class, numbers, &near(numbers)));
    }
    text.push_str("\n| source | pictures | PSNR, dB | detail kept, finest first |\n|---|---|---|---|\n");
    for entry in &evaluation.rebuilt {
        let kept = entry.sharpness.map(|share| number(share, 2)).join(" ");
        text.push_str(&format!("| {} | {} | {} | {kept} |\n", entry.kind, entry.count, number(entry.psnr, 1)));
    }
    text.push_str(
        "\nOriginals above reconstructions: ![reconstructions](reconstructions.png)\n\n\
         Enlarged: ![reconstructions](reconstructions_enlarged.png)\n\n",
    );
    text.push_str("| texture | nearest training picture | distance | best correlation |\n|---|---|---|---|\n");
    for near in &evaluation.closest {
        let (class, seed) = &near.texture;
        let (distance, correlation) = (number(near.distance, 2), number(near.correlation, 2));
        text.push_str(&format!("| {class} {seed} | `{}` | {distance} | {correlation} |\n", near.picture));
    }
    text.push_str("\nTextures beside them: ![closest pairs](closest.png)\n\n");
    for (size, _) in GRID {
        text.push_str(&format!("Every class at {size} pixels: ![samples](samples_{size}.jpg)\n\n"));
    }
    for (class, _) in &evaluation.classes {
        text.push_str(&format!("- [{class}](classes/{class}.jpg)\n"));
    }
    text.push_str("\nAll numbers: [report.ron](report.ron)\n");
    text
}
