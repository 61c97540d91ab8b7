//! What was done, for people and programs.

use super::stamp::Stamp;
use super::{BakeOptions, Executor};
use crate::export::FileKind;
use crate::model::Model;
use crate::sampling::KERNEL_VERSION;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a recipe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Its texture was made now.
    #[serde(rename = "baked")]
    Baked,
    /// Its texture was there already, from the same recipe, model and kernels, undamaged.
    #[serde(rename = "up to date")]
    UpToDate,
    /// It would be baked, were this no dry run.
    #[serde(rename = "would bake")]
    WouldBake,
    /// There is no new texture.
    #[serde(rename = "failed")]
    Failed,
}

/// A file of a texture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BakedFile {
    /// Path in the output folder.
    pub path: String,
    /// What it shows.
    pub kind: FileKind,
    /// True for maps: they are derived from the colours, not made by the model.
    pub derived: bool,
    /// BLAKE3 digest of the file.
    pub digest: String,
}

/// What became of one recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecipeReport {
    /// The recipe file.
    pub recipe: PathBuf,
    /// Its texture.
    pub texture: PathBuf,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// Time it took.
    pub seconds: f64,
    /// See [`stamp::key`](super::stamp::key); none for a recipe that cannot be read.
    pub key: Option<String>,
    /// BLAKE3 digest of the texture; none if there is no sound one.
    pub digest: Option<String>,
    /// The texture and its maps.
    pub files: Vec<BakedFile>,
}

impl RecipeReport {
    /// The report of a recipe that was not looked at yet.
    pub fn new(recipe: &Path, texture: &Path) -> Self {
        Self {
            recipe: recipe.into(),
            texture: texture.into(),
            status: Status::Failed,
            reason: None,
            seconds: 0.0,
            key: None,
            digest: None,
            files: Vec::new(),
        }
    }

    /// Notes the files of a stamp.
    pub fn list(&mut self, stamp: &Stamp, outputs: &[(FileKind, String)]) {
        let digest = |path: &String| stamp.files.get(path).cloned().unwrap_or_default();
        let file = |(kind, path): &(FileKind, String)| BakedFile {
            path: path.clone(),
            kind: *kind,
            derived: *kind != FileKind::Colour,
            digest: digest(path),
        };
        self.files = outputs.iter().map(file).collect();
        self.digest = self.files.first().map(|file| file.digest.clone());
    }
}

/// What became of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BakeReport {
    /// Name and version of this crate.
    pub generator: String,
    /// Digest of the model.
    pub model: String,
    /// Version of the kernels.
    pub kernel_version: u32,
    /// What generated the textures; none if nothing had to be generated.
    pub device: Option<String>,
    /// Part of the bake, `I/N`.
    pub shard: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Recipes by [`Status::Baked`].
    pub baked: usize,
    /// Recipes by [`Status::UpToDate`].
    pub up_to_date: usize,
    /// Recipes by [`Status::WouldBake`].
    pub would_bake: usize,
    /// Recipes by [`Status::Failed`].
    pub failed: usize,
    /// Each recipe of the part, in the order of names.
    pub recipes: Vec<RecipeReport>,
}

impl BakeReport {
    pub(super) fn new(model: &Model, options: &BakeOptions, executor: &Executor, recipes: Vec<RecipeReport>) -> Self {
        let count = |status| recipes.iter().filter(|report| report.status == status).count();
        Self {
            generator: format!("bevy_discon {}", env!("CARGO_PKG_VERSION")),
            model: blake3::Hash::from_bytes(model.digest).to_hex().to_string(),
            kernel_version: KERNEL_VERSION,
            device: executor.description(),
            shard: options.shard.to_string(),
            dry_run: options.dry_run,
            baked: count(Status::Baked),
            up_to_date: count(Status::UpToDate),
            would_bake: count(Status::WouldBake),
            failed: count(Status::Failed),
            recipes,
        }
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let parts = [
            (self.baked, "baked"),
            (self.would_bake, "to bake"),
            (self.up_to_date, "up to date"),
            (self.failed, "failed"),
        ];
        let said = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let said: Vec<String> = said.collect();
        if said.is_empty() { "no recipe in this shard".into() } else { said.join(", ") }
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// A path that is not text.
    pub fn to_json(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map_err(|error| format!("the report cannot be written as JSON: {error}"))
    }
}
