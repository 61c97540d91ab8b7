//! One run: its options, what all stages share, and their order.

use super::continuous::Continuous;
use super::dataset::Dataset;
use super::decoder::{self, Decoder};
use super::files::{create_folder, lock_folder, write_atomically};
use super::learner::Learner;
use super::metrics::{Metrics, progress_bar};
use super::ops::TrainOps;
pub use super::options::{DECODER_SHARE, Options, PRIOR_SHARE, RATE};
use super::other_model::copy_weights;
use super::params::ParamSet;
use super::prior::Prior;
use super::stage::Task;
use super::workers::Workers;
use super::{TrainError, continuous, latents, prior, stage, tokenizer};
use crate::model::{Discon, Model, ParamTable, Weights};
use burn::tensor::Device;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a run takes from the model that it starts from: all but the bank of styles, which belongs to the pictures.
const START_PREFIXES: &[&str] = &["tokenizer.", "styles.scale", "styles.standard", "prior.", "mar.", "head."];
/// What the stages share.
pub struct Session {
    /// What was asked for.
    pub options: Options,
    /// The network.
    pub model: Discon,
    /// Its parameters.
    pub table: ParamTable,
    /// Their exported values so far.
    pub weights: Weights,
    /// The same with what parallel stages have published.
    exported: Mutex<Weights>,
    /// The pictures.
    pub data: Arc<Dataset>,
    /// The table of numbers.
    pub metrics: Metrics,
    /// The threads.
    pub workers: Workers,
    /// Where tensors live, without autodiff.
    pub device: Device,
    /// Keeps a second trainer out of the folder until this one ends, however it ends.
    _lock: File,
}

impl Session {
    /// Reads the data and prepares the folder.
    ///
    /// # Errors
    /// Options, data or files that cannot be used.
    pub fn open(options: Options) -> Result<Self, TrainError> {
        // First of all, so that a folder in use is known before minutes are spent on reading.
        let lock = take_folder(&options)?;
        let bar = progress_bar("pictures", 1.0, 0.0);
        let data = Dataset::load(&options.data, |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        })?;
        bar.finish_and_clear();
        let session = Self::prepare(options, Arc::new(data), lock)?;
        let data = &session.data;
        let sharp = data.textures.iter().filter(|texture| texture.sharp).count();
        let kept = data.textures.iter().filter(|texture| texture.validation).count();
        eprintln!(
            "{} pictures ({sharp} sharp, {kept} for validation) in {} classes; {} parameters",
            data.textures.len(),
            data.classes.len(),
            session.table.value_count()
        );
        Ok(session)
    }

    /// Prepares the folder for data that is read already.
    ///
    /// # Errors
    /// Options or files that cannot be used.
    pub fn with_data(options: Options, data: Arc<Dataset>) -> Result<Self, TrainError> {
        let lock = take_folder(&options)?;
        Self::prepare(options, data, lock)
    }

    fn prepare(mut options: Options, data: Arc<Dataset>, lock: File) -> Result<Self, TrainError> {
        let device = options.device.of_burn()?;
        let folder = options.out.join("work");
        options.config.classes.clone_from(&data.classes);
        keep_config(&folder.join("config.ron"), &options)?;
        let (model, table) = Discon::declare(&options.config)?;
        let mut weights = Weights::fresh(&table, options.seed);
        if let Some(folder) = &options.tokenizer {
            copy_weights(folder, tokenizer::PREFIXES, &table, &mut weights)?;
        }
        if let Some(folder) = &options.start {
            copy_weights(folder, START_PREFIXES, &table, &mut weights)?;
        }
        let metrics = Metrics::open(options.out.join("metrics.csv"))?;
        let workers = Workers::new(options.threads);
        let exported = Mutex::new(weights.clone());
        Ok(Self { options, model, table, weights, exported, data, metrics, workers, device, _lock: lock })
    }

    /// Folder of the checkpoints.
    pub fn folder(&self) -> PathBuf {
        self.options.out.join("work")
    }

    /// Checkpoint of a stage.
    pub fn checkpoint(&self, stage: &str) -> PathBuf {
        self.folder().join(format!("{stage}.safetensors"))
    }

    /// An executor without gradients that holds encoder and decoder as exported.
    pub fn inference(&self) -> TrainOps {
        let mut ops = TrainOps::new(self.device.clone(), self.table.len());
        self.set_tokenizer(&mut ops);
        ops
    }

    /// Hands encoder and decoder as exported to an executor.
    pub fn set_tokenizer(&self, ops: &mut impl Learner) {
        for (id, spec) in self.table.iter().filter(|(_, spec)| spec.name.starts_with("tokenizer.")) {
            ops.set(id, self.weights.get(id), spec.shape, false);
        }
    }

    /// Writes the model as it is now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn export(&self) -> Result<(), TrainError> {
        *self.exported.lock().unwrap_or_else(PoisonError::into_inner) = self.weights.clone();
        self.save(self.weights.clone())?;
        Ok(())
    }

    /// Writes the model with the averages of a stage that trains beside another one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish(&self, set: &ParamSet) -> Result<Model, TrainError> {
        let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        set.export(&mut exported);
        self.save(exported.clone())
    }

    fn save(&self, weights: Weights) -> Result<Model, TrainError> {
        let model = Model::new(&self.model.config, Some(weights), self.options.seed)?;
        model.save(&self.options.out)?;
        Ok(model)
    }
}

fn take_folder(options: &Options) -> Result<File, TrainError> {
    let folder = options.out.join("work");
    create_folder(&folder)?;
    lock_folder(&folder)
}

/// A folder holds one configuration: refuses to go on with another one.
fn keep_config(path: &Path, options: &Options) -> Result<(), TrainError> {
    let text = ron::ser::to_string_pretty(&options.config, ron::ser::PrettyConfig::default())
        .map_err(|error| TrainError::format(path, error))?;
    if !path.exists() {
        return write_atomically(path, text.as_bytes());
    }
    let found = std::fs::read_to_string(path).map_err(|error| TrainError::io(path, error))?;
    if found == text {
        return Ok(());
    }
    let differs = found.lines().zip(text.lines()).find(|(a, b)| a != b).unwrap_or(("end of file", "end of file"));
    Err(TrainError::Checkpoint {
        path: path.into(),
        name: "configuration".into(),
        found: differs.0.trim().into(),
        expected: differs.1.trim().into(),
    })
}

/// Trains all stages, going on where an earlier run into the same folder ended.
///
/// # Errors
/// See [`TrainError`].
pub fn run(options: Options) -> Result<(), TrainError> {
    tune_allocator();
    let mut session = Session::open(options)?;
    let mut tokenizer_seconds = 0.0;
    if session.options.tokenizer.is_none() && session.options.start.is_none() {
        tokenizer_seconds = session.options.seconds * session.options.tokenizer_share;
        if !tokenizer::train(&mut session, tokenizer_seconds)? {
            return Ok(());
        }
    }
    let latents = latents::prepare(&mut session)?;
    session.export()?;
    let decoder_seconds = session.options.decoder_share * session.options.seconds;
    if decoder_seconds > 0.0 {
        stage::train::<Decoder>(Task { session: &session, latents: &latents, budget: decoder_seconds })?;
        if !decoder::adopt(&mut session, decoder_seconds)? {
            return Ok(());
        }
        session.export()?;
    }
    let budget = session.options.seconds - tokenizer_seconds - latents.seconds - decoder_seconds;
    let prior_budget = session.options.prior_share * budget;
    // A finished network's checkpoint must reach the export even when only the other one still trains.
    for (stage, prefixes) in [(prior::STAGE, prior::PREFIXES), (continuous::STAGE, continuous::PREFIXES)] {
        let mut set = ParamSet::new(&session.table, &session.weights, prefixes);
        if set.load(&session.checkpoint(stage))? {
            session.publish(&set)?;
        }
    }
    // Two networks that do not depend on each other: one thread each.
    let (session, latents) = (&session, &latents);
    let results = Workers::new(2).run(|worker| match worker {
        0 => stage::train::<Prior>(Task { session, latents, budget: prior_budget }),
        _ => stage::train::<Continuous>(Task { session, latents, budget }),
    });
    results.into_iter().collect()
}

/// Keeps freed memory in the process: giving every large buffer back to the system and faulting it in
/// again takes a third of the time of a step.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: plain settings of the C allocator, made before worker threads start.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 256 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
