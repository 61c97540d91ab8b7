//! What each part of one model does: the same textures as in use, without tokens, of tokens alone, and between.
//!
//! All sets are of the same weights, seeds and styles, so nothing but the tokens differs. The ablation trains a model for
//! each arm instead, and is much smaller.

use super::evaluation::{Request, generate_all};
use super::generate::{Detail, keep_tokens, sample_tokens, without_tokens};
use super::measure::Set;
use super::metrics::Picture;
use super::report::{self, LEGEND};
use super::sheet::contact_sheet;
use super::{EvalError, real, save_numbered, save_picture, save_text};
use crate::exemplar::Exemplar;
use crate::model::Model;
use crate::native::LOOPS;
use crate::reference::CpuOps;
use crate::sampling::{Plan, Recipe, Tiling, plan};
use crate::train::dataset::Dataset;
use crate::train::rng::Rng;
use crate::train::workers::Workers;
use std::path::Path;

/// Classes side by side in the sheet.
const COLUMNS: usize = 8;

/// One way to make a texture of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Unguided,
    Prior,
    Shuffled,
    NoTokens,
    TokensAlone,
    TrueTokens,
}

/// All of them, with the name of the folder, what it says in the table, and whether it is in the sheet.
const PARTS: [(Part, &str, &str, bool); 7] = [
    (Part::TokensAlone, "tokens_alone", "tokens alone, decoded from the codebook", true),
    (Part::NoTokens, "no_tokens", "latents alone, no token is known", true),
    (Part::Shuffled, "shuffled", "latents on tokens at random places", true),
    (Part::Whole, "whole", "latents on tokens, as in use", true),
    (Part::Unguided, "unguided", "the same without guidance by tokens", false),
    (Part::Prior, "prior", "all tokens from the prior instead of layouts", false),
    (Part::TrueTokens, "true_tokens", "tokens and styles of training pictures", false),
];

/// Measures the parts; writes `parts.md`, `parts.jpg` and all textures as `PART/CLASS/NUMBER.png`, and returns the table.
///
/// # Errors
/// Options, model, data or files that cannot be used.
pub fn measure_parts(request: &Request) -> Result<String, EvalError> {
    let (model, workers, data) = request.load()?;
    let reference = request.reference(&model, &workers, &data);
    let mut text = format!(
        "# What the parts of `{}` do\n\n{} textures per class of {size}x{size} pixels, the same weights, seeds and styles in every line.\n\n",
        request.model.display(),
        request.count,
        size = request.size
    );
    text.push_str(&report::head("textures of", &[]));
    let mut sets = Vec::new();
    for (part, name, what, shown) in PARTS {
        let plans = match part {
            Part::TrueTokens => true_tokens(&model, &workers, &data, request)?,
            _ => plans(&model, &data, request, part)?,
        };
        let detail = if part == Part::TokensAlone { Detail::Coarse } else { Detail::Refined };
        let set = reference.set(&workers, generate_all(&model, &workers, name, &plans, detail));
        text.push_str(&report::row(what, &reference.measure(&set, None), &[]));
        save_set(&data, &set, &request.output.join(name))?;
        if shown {
            sets.push((name, set));
        }
    }
    let rows = sheet(&data, &sets);
    save_picture(&contact_sheet(&rows, request.size), &request.output.join("parts.jpg"))?;
    text.push_str(&format!("\n{LEGEND}\nEvery class, seed 0: ![parts](parts.jpg)\n"));
    save_text(&text, &request.output.join("parts.md"))?;
    Ok(text)
}

/// The plans of a part with the indices of their classes.
fn plans(model: &Model, data: &Dataset, request: &Request, part: Part) -> Result<Vec<(usize, Plan)>, EvalError> {
    let mut plans = Vec::new();
    for (seed, (class, name)) in
        (0..request.count).flat_map(|seed| data.classes.iter().enumerate().map(move |c| (seed, c)))
    {
        let mut recipe = Recipe::new(name.clone()).with_seed(seed as u64).with_size(request.size, request.size);
        match part {
            Part::Unguided => recipe.token_guidance = 1.0,
            Part::Prior => recipe.layout_share = 0.0,
            Part::NoTokens => (recipe.layout_share, recipe.token_guidance) = (0.0, 1.0),
            Part::Whole | Part::Shuffled | Part::TokensAlone | Part::TrueTokens => {}
        }
        let mut found = plan(model, &recipe)?;
        match part {
            Part::NoTokens => without_tokens(&mut found),
            Part::Shuffled => shuffle_tokens(model, &mut found, &mut Rng::new(&[0x54f1e, class as u64, seed as u64])),
            _ => {}
        }
        plans.push((class, found));
    }
    Ok(plans)
}

/// Puts the tokens that a plan gives or samples at random places.
fn shuffle_tokens(model: &Model, plan: &mut Plan, rng: &mut Rng) {
    let mut ops = CpuOps::for_job(model, plan).with_loops(LOOPS);
    sample_tokens(&mut ops, model, plan);
    plan.inputs.tokens = rng.permutation(ops.tokens.len()).into_iter().map(|at| ops.tokens[at]).collect();
    keep_tokens(plan);
}

/// Plans with tokens and style of cut-outs of training pictures: what a perfect first stage would give.
fn true_tokens(
    model: &Model,
    workers: &Workers,
    data: &Dataset,
    request: &Request,
) -> Result<Vec<(usize, Plan)>, EvalError> {
    let crops = real::training_crops(data, request.count, request.size as usize, 2);
    let found = workers.map(crops.len(), |index| {
        let crop = &crops[index];
        let size = (request.size, request.size);
        let bytes: Vec<u8> = crop.picture.values.iter().map(|value| (255.0 * value).round() as u8).collect();
        let exemplar = Exemplar::encode(model, &bytes, size, Some(&data.classes[crop.class]), Tiling::None)?;
        Ok((crop.class, plan(model, &exemplar.recipe.with_seed(index as u64))?))
    });
    found.into_iter().collect()
}

fn save_set(data: &Dataset, set: &Set, folder: &Path) -> Result<(), EvalError> {
    for (class, name) in data.classes.iter().enumerate() {
        save_numbered(&set.textures(class), &folder.join(name))?;
    }
    Ok(())
}

/// The first texture of every class, one row per part under each other.
fn sheet(data: &Dataset, sets: &[(&str, Set)]) -> Vec<(String, Vec<Picture>)> {
    let mut rows = Vec::new();
    let classes: Vec<usize> = (0..data.classes.len()).collect();
    for classes in classes.chunks(COLUMNS) {
        for (name, set) in sets {
            let first = classes.iter().filter_map(|class| set.textures(*class).into_iter().next());
            rows.push((name.replace('_', "\n"), first.collect()));
        }
    }
    rows
}
