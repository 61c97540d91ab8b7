//! Encoders and decoders compared at equal numbers of training crops: widths of the latent, the linear path, losses,
//! adversarial finishing, and codes of a token.
//!
//! The linear bound of each width, principal components of 16x16 patches, is the gate: a trained tokenizer below it is broken.

use super::ablation::arms;
use super::generate::reconstruct;
use super::measure::mean;
use super::metrics::{Picture, border_ratio, detail_energy, psnr};
use super::report::number;
use super::sheet::{contact_sheet, enlarged};
use super::wasserstein::sliced_wasserstein;
use super::{EvalError, progress_bar, real, save_numbered, save_picture, save_text, with_progress};
use crate::model::{Codes, Model, ModelConfig};
use crate::train::codebook::{token_quality, with_codes};
use crate::train::dataset::{DataOptions, Dataset};
use crate::train::options::Options;
use crate::train::run::{Session, tune_allocator};
use crate::train::tokenizer_recipe::TokenizerRecipe;
use crate::train::workers::Workers;
use crate::train::{latents, tokenizer};
use std::path::PathBuf;
use std::sync::Arc;

/// Classes with fewer pictures are left out.
const LEAST_PICTURES: usize = 8;
/// Validation pictures of each kind, and their side in pixels.
const PICTURES: usize = 100;
const SIDE: usize = 128;
/// Pictures of each kind in the sheet, the side that is shown of them, and how much it is enlarged.
const SHOWN: usize = 3;
const SHOWN_SIDE: usize = 64;
const ZOOM: usize = 3;
/// Seconds that a step counts, so that quality is recorded every 750 steps.
const SECONDS_PER_STEP: f64 = 0.1;
/// Codes that are compared.
const CODES: [Codes; 5] = [
    Codes { first: 256, second: 1 },
    Codes { first: 1024, second: 1 },
    Codes { first: 2048, second: 1 },
    Codes { first: 256, second: 64 },
    Codes { first: 256, second: 256 },
];

/// What to compare.
#[derive(Clone, Debug)]
pub struct TokenizersRequest {
    /// Folder of `CLASS/picture` files.
    pub data: PathBuf,
    /// Folder to write; an interrupted run goes on in it.
    pub output: PathBuf,
    /// Steps of 16 crops of 64x64 pixels for each variant.
    pub steps: u64,
    /// Only these classes, if any are named.
    pub classes: Vec<String>,
}

/// One encoder and decoder.
#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    what: &'static str,
    /// Numbers of a latent.
    width: usize,
    trains: bool,
    recipe: TokenizerRecipe,
}

fn variants() -> Vec<Variant> {
    let plain = |name, what, width| Variant { name, what, width, trains: true, recipe: TokenizerRecipe::default() };
    let linear = |name, width| Variant { trains: false, ..plain(name, "principal components, not trained", width) };
    let of = |name, what, recipe| Variant { recipe, ..plain(name, what, 64) };
    let recipe = TokenizerRecipe::default();
    vec![
        linear("pca-32", 32),
        plain("32", "as models are trained", 32),
        linear("pca-64", 64),
        plain("64", "as models are trained", 64),
        of("64-own-patch", "linear path without the neighbours", TokenizerRecipe { lapped: false, ..recipe }),
        of("64-absolute", "absolute error alone", TokenizerRecipe { gradient_loss: false, ..recipe }),
        of("64-plain-end", "without the discriminator at the end", TokenizerRecipe { adversarial: false, ..recipe }),
        linear("pca-128", 128),
        plain("128", "as models are trained", 128),
    ]
}

/// Pictures of one kind: crisp sources or soft ones.
struct Kind {
    name: &'static str,
    originals: Vec<Picture>,
}

/// What one variant makes of both kinds.
struct Rebuilt {
    variant: Variant,
    pictures: Vec<Vec<Picture>>,
}

/// Trains and measures all variants; returns the tables as Markdown.
///
/// # Errors
/// Options, data or files that cannot be used, or training that fails.
pub fn run(request: &TokenizersRequest) -> Result<String, EvalError> {
    if request.steps == 0 {
        return Err(EvalError::Option { option: "--steps", found: "0".into(), expected: "1 or more".into() });
    }
    tune_allocator();
    let workers = Workers::new(std::thread::available_parallelism().map_or(1, usize::from));
    let data = Arc::new(with_progress(|tell| Dataset::load(&data_options(request, workers.count()), tell))?);
    let kinds = [("crisp", true), ("soft", false)]
        .map(|(name, sharp)| Kind { name, originals: real::to_rebuild(&data, sharp, PICTURES, SIDE) });
    let variants = variants();
    let bar = progress_bar("tokenizers", variants.len() as u64);
    // One variant per core, each on one thread.
    let found = workers.in_turn(variants.len(), |index| {
        let variant = variants[index];
        let model = train(request, &variant, &data)?;
        let rebuild = |kind: &Kind| kind.originals.iter().map(|picture| reconstruct(&model, picture)).collect();
        let pictures = kinds.iter().map(rebuild).collect();
        eprintln!("tokenizer {} is done", variant.name);
        bar.inc(1);
        Ok::<_, EvalError>(Rebuilt { variant, pictures })
    })?;
    bar.finish_and_clear();
    save_pairs(request, &kinds, &found)?;
    let text = markdown(request, &kinds, &found, &codes(request, &data, workers.count())?);
    save_text(&text, &request.output.join("tokenizers.md"))?;
    Ok(text)
}

fn data_options(request: &TokenizersRequest, threads: usize) -> DataOptions {
    DataOptions {
        folder: request.data.clone(),
        classes: request.classes.clone(),
        min_class_images: LEAST_PICTURES,
        threads,
    }
}

/// A session of one variant; the generators in its configuration are never trained.
fn session(
    request: &TokenizersRequest,
    variant: &Variant,
    data: &Arc<Dataset>,
    threads: usize,
) -> Result<Session, EvalError> {
    let sizes = arms::tokenizer(variant.width);
    let config: ModelConfig = arms::arms()[0].config(&data.classes, 0, &sizes);
    let options = Options {
        seconds_per_step: Some(SECONDS_PER_STEP),
        tokenizer_recipe: variant.recipe,
        ..Options::new(data_options(request, threads), config, request.output.join(variant.name))
    };
    Ok(Session::with_data(options, Arc::clone(data))?)
}

fn train(request: &TokenizersRequest, variant: &Variant, data: &Arc<Dataset>) -> Result<Model, EvalError> {
    let mut session = session(request, variant, data, 1)?;
    let steps = if variant.trains { request.steps } else { 0 };
    tokenizer::train(&mut session, steps as f64 * SECONDS_PER_STEP)?;
    Ok(Model::load(&session.options.out)?)
}

/// Tokens of several codebooks on the latents of variant `64`, each with the PSNR of pictures from tokens and style alone.
fn codes(
    request: &TokenizersRequest,
    data: &Arc<Dataset>,
    threads: usize,
) -> Result<Vec<(Codes, f32, f32)>, EvalError> {
    let variants = variants();
    let Some(variant) = variants.iter().find(|variant| variant.name == "64") else { return Ok(Vec::new()) };
    let mut base = session(request, variant, data, threads)?;
    let mut set = tokenizer::open(&mut base)?;
    set.load(&base.checkpoint(tokenizer::STAGE))?;
    set.export(&mut base.weights);
    let found = latents::prepare(&mut base)?;
    let one = |codes: Codes| {
        let out = request.output.join(format!("codes-{}-{}", codes.first, codes.second));
        let (session, latents, perplexity) = with_codes(&base, &found, codes, out)?;
        Ok((codes, perplexity, token_quality(&session, &latents)))
    };
    CODES.into_iter().map(one).collect()
}

/// Writes originals and reconstructions under equal names, for other tools, and a sheet that shows them enlarged.
fn save_pairs(request: &TokenizersRequest, kinds: &[Kind], found: &[Rebuilt]) -> Result<(), EvalError> {
    let originals: Vec<Vec<Picture>> = kinds.iter().map(|kind| kind.originals.clone()).collect();
    let sets =
        std::iter::once(("original", &originals)).chain(found.iter().map(|one| (one.variant.name, &one.pictures)));
    let mut rows = Vec::new();
    for (name, set) in sets {
        let mut shown = Vec::new();
        for (kind, pictures) in kinds.iter().zip(set) {
            save_numbered(pictures, &request.output.join(format!("pairs/{}/{name}", kind.name)))?;
            shown.extend(pictures.iter().take(SHOWN).map(|picture| enlarged(picture, SHOWN_SIDE, ZOOM)));
        }
        rows.push((name.to_string(), shown));
    }
    save_picture(&contact_sheet(&rows, (ZOOM * SHOWN_SIDE) as u32), &request.output.join("tokenizers.png"))
}

fn markdown(request: &TokenizersRequest, kinds: &[Kind], found: &[Rebuilt], codes: &[(Codes, f32, f32)]) -> String {
    let mut text = format!(
        "# Encoders and decoders\n\n{} steps of 16 crops of 64x64 pixels each; validation pictures of {SIDE}x{SIDE} pixels, {} crisp and {} soft.\n\n\
         | variant | numbers | what | PSNR crisp, soft | SWD x 1000 crisp, soft | detail kept crisp: fine, middle, coarse | soft | token borders crisp, soft (originals {}) |\n\
         |---|---|---|---|---|---|---|---|\n",
        request.steps,
        kinds[0].originals.len(),
        kinds[1].originals.len(),
        kinds.iter().map(|kind| number(borders(&kind.originals), 2)).collect::<Vec<_>>().join(", "),
    );
    for Rebuilt { variant, pictures } in found {
        let pairs = || kinds.iter().zip(pictures);
        let both = |value: &dyn Fn(&[Picture], &[Picture]) -> f64, decimals: usize| {
            pairs().map(|(kind, found)| number(value(&kind.originals, found), decimals)).collect::<Vec<_>>().join(", ")
        };
        let quality = both(&|a, b| mean(a.iter().zip(b).map(|(a, b)| psnr(a, b))), 2);
        let distance = both(&|a, b| mean(sliced_wasserstein(&refs(a), &refs(b)).into_iter()), 2);
        let kept: Vec<String> = pairs().map(|(kind, found)| detail_kept(&kind.originals, found)).collect();
        let border = both(&|_, b| borders(b), 2);
        text.push_str(&format!(
            "| {} | {} | {} | {quality} | {distance} | {} | {border} |\n",
            variant.name,
            variant.width,
            variant.what,
            kept.join(" | ")
        ));
    }
    text.push_str("\n| codes, latents of `64` | bits a token | perplexity | PSNR of tokens and style alone |\n|---|---|---|---|\n");
    for (codes, perplexity, quality) in codes {
        let bits = (codes.tokens() as f64).log2();
        let name =
            if codes.second > 1 { format!("{} and {}", codes.first, codes.second) } else { codes.first.to_string() };
        text.push_str(&format!("| {name} | {} | {perplexity:.0} | {quality:.2} |\n", number(bits, 0)));
    }
    text.push_str("\nEnlarged: ![tokenizers](tokenizers.png)\n");
    text
}

fn refs(pictures: &[Picture]) -> Vec<&Picture> {
    pictures.iter().collect()
}

fn borders(pictures: &[Picture]) -> f64 {
    mean(pictures.iter().filter_map(border_ratio))
}

/// Shares of the detail, finest first.
fn detail_kept(originals: &[Picture], found: &[Picture]) -> String {
    let energy = |set: &[Picture], level: usize| mean(set.iter().map(|picture| detail_energy(picture)[level]));
    [0, 1, 2].map(|level| number(energy(found, level) / energy(originals, level), 2)).join(" ")
}
