//! What all arms share: data, encoder and decoder, latents, codebooks, and the real set.

use super::arms::{Arm, Kind, LATENT_WIDTH, arms, tokenizer};
use super::budget::{LATENT_ROUNDS, Sizes, TOKEN_ROUNDS};
use super::{AblationRequest, tuning};
use crate::eval::measure::Reference;
use crate::eval::{EvalError, with_progress};
use crate::model::{Codes, Discon, Model, ParamTable, Weights};
use crate::reference::rows::embed;
use crate::train::dataset::{DataOptions, Dataset};
use crate::train::latents::Latents;
use crate::train::run::{Options, Session};
use crate::train::texture_loss::TextureLossOptions;
use crate::train::workers::Workers;
use crate::train::{TrainError, codebook, latents, tokenizer as tokenizer_stage};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Classes with fewer pictures are left out.
const LEAST_PICTURES: usize = 8;
/// Fewest real cut-outs per class.
const LEAST_REAL: usize = 16;

/// Parameters that arms take over.
const TAKEN: [&str; 3] = ["tokenizer.encoder.", "tokenizer.decoder.", "styles."];

/// A codebook with the tokens of all latents.
pub struct Book {
    codes: Codes,
    /// Codebook values in the order of the arm's codebook.
    centres: Vec<f32>,
    importance: Vec<f32>,
    /// All latents with this codebook's tokens.
    pub latents: Latents,
    /// A decoder that has learned to draw pictures from tokens alone, if an arm needs it: by parameter name.
    pub decoder: Vec<(String, Vec<f32>)>,
}

/// See the module.
pub struct Shared {
    /// The pictures.
    pub data: Arc<Dataset>,
    /// The real set.
    pub reference: Reference,
    base: Session,
    /// Arms of equal codes share a codebook.
    books: HashMap<Codes, Book>,
}

impl Shared {
    /// Reads the data, trains encoder and decoder, encodes all pictures once and makes the codebooks of `arms`.
    ///
    /// # Errors
    /// Data or files that cannot be used.
    pub fn prepare(request: &AblationRequest, arms: &[Arm], workers: &Workers) -> Result<Self, EvalError> {
        let options = DataOptions {
            folder: request.data.clone(),
            classes: request.classes.clone(),
            min_class_images: LEAST_PICTURES,
            threads: workers.count(),
        };
        let data = Arc::new(with_progress(|tell| Dataset::load(&options, tell))?);
        let (mut base, latents) = train_tokenizer(request, options, &data)?;
        let first = Book::of(&base, latents);
        let mut books = HashMap::new();
        for arm in arms.iter().filter(|arm| arm.token_codes() != first.codes) {
            books.insert(arm.token_codes(), other_codes(request, &base, &first, arm)?);
        }
        books.insert(first.codes, first);
        let seconds = 60.0 * request.minutes;
        for arm in arms.iter().filter(|arm| !arm.has_latents()) {
            let Some(book) = books.get_mut(&arm.token_codes()) else { continue };
            book.decoder = tuning::tune(&base, &book.latents, |token| book.value(token), seconds)?;
        }
        base.export()?;
        let model = Model::load(&base.options.out)?;
        let reference =
            Reference::new(&data, workers, request.count.max(LEAST_REAL)).with_latents(&model, &data, workers);
        base.options.threads = 1;
        Ok(Self { data, reference, base, books })
    }

    /// The codebook of an arm.
    ///
    /// # Errors
    /// An arm that [`Shared::prepare`] was not told of.
    pub fn book(&self, arm: &Arm) -> Result<&Book, EvalError> {
        self.books.get(&arm.token_codes()).ok_or_else(|| EvalError::Option {
            option: "--arms",
            found: arm.name.into(),
            expected: "an arm whose codebook was prepared".into(),
        })
    }

    /// Operations of a texture of arm X without decoding: all arms get what costs as much.
    ///
    /// # Errors
    /// Sizes that no model can have.
    pub fn texture_flops(&self) -> Result<f64, EvalError> {
        let plain = &arms()[0];
        let (model, table) = Discon::declare(&plain.config(&self.data.classes, 0, &self.base.model.config.tokenizer))?;
        let sizes = Sizes { model: &model, table: &table };
        Ok(sizes.texture(plain, [TOKEN_ROUNDS, LATENT_ROUNDS], plain.flow_steps()))
    }

    /// A session that trains an arm on the shared latents.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn session(&self, arm: &Arm, seed: u64, folder: &Path) -> Result<Session, EvalError> {
        let base = &self.base;
        let options = Options {
            config: arm.config(&self.data.classes, base.model.config.styles, &base.model.config.tokenizer),
            out: folder.into(),
            seed,
            corruption: arm.corruption,
            head_loss: arm.head_loss,
            token_pairs: (arm.kind == Kind::TokenPairs).then_some(arm.codes),
            ..base.options.clone()
        };
        let mut session = Session::with_data(options, Arc::clone(&self.data))?;
        take(&base.table, &base.weights, &session.table, &mut session.weights);
        let book = self.book(arm)?;
        let ids = session.model.codebook.clone();
        let centres = session.weights.get_mut(ids.centres);
        centres.fill(0.0);
        centres[..book.centres.len()].copy_from_slice(&book.centres);
        session.weights.get_mut(ids.importance).copy_from_slice(&book.importance);
        session.export()?;
        Ok(session)
    }
}

impl Book {
    fn of(session: &Session, latents: Latents) -> Self {
        let ids = &session.model.codebook;
        Self {
            codes: session.model.config.codes(),
            centres: session.weights.get(ids.centres).to_vec(),
            importance: session.weights.get(ids.importance).to_vec(),
            latents,
            decoder: Vec::new(),
        }
    }

    /// Style-relative latent of a token.
    fn value(&self, token: u32) -> Vec<f32> {
        embed(&self.centres, self.importance.len(), &[token], self.codes)
    }
}

/// Copies shared parameters by name.
fn take(from_table: &ParamTable, from: &Weights, table: &ParamTable, weights: &mut Weights) {
    for (id, spec) in table.iter().filter(|(_, spec)| TAKEN.iter().any(|prefix| spec.name.starts_with(prefix))) {
        if let Some(source) = from_table.find(&spec.name) {
            weights.get_mut(id).clone_from_slice(from.get(source));
        }
    }
}

fn train_tokenizer(
    request: &AblationRequest,
    data_options: DataOptions,
    data: &Arc<Dataset>,
) -> Result<(Session, Latents), EvalError> {
    let seconds = 60.0 * request.tokenizer_minutes;
    let sizes = match &request.tokenizer {
        Some(folder) => Model::load(folder)?.discon.config.tokenizer.clone(),
        None => tokenizer(LATENT_WIDTH),
    };
    let config = arms()[0].config(&data.classes, 0, &sizes);
    let options = Options {
        seconds,
        tokenizer_share: 1.0,
        decoder_share: 0.0,
        tokenizer: request.tokenizer.clone(),
        // Arms differ in what they are conditioned on, and none gets a texture loss.
        texture_loss: TextureLossOptions { share: 0.0, ..TextureLossOptions::default() },
        ..Options::new(data_options, config, request.output.join("shared"))
    };
    let mut session = Session::with_data(options, Arc::clone(data))?;
    if request.tokenizer.is_none() {
        tokenizer_stage::train(&mut session, seconds)?;
    }
    let latents = latents::prepare(&mut session)?;
    Ok((session, latents))
}

/// The codebook of an arm with other codes, on the same latents.
fn other_codes(request: &AblationRequest, base: &Session, first: &Book, arm: &Arm) -> Result<Book, TrainError> {
    let codes = arm.token_codes();
    let out = request.output.join(format!("shared/codes-{}-{}", codes.first, codes.second));
    let (session, latents, perplexity) = codebook::with_codes(base, &first.latents, codes, out)?;
    eprintln!("codebook of {} and {}: perplexity {perplexity:.0}", codes.first, codes.second);
    Ok(Book::of(&session, latents))
}
