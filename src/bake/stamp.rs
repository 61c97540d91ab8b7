//! What a texture was made of, beside it: decides whether it is up to date.

use super::files::write_atomically;
use crate::export::FileKind;
use crate::model::Model;
use crate::sampling::{KERNEL_VERSION, Recipe};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Extension of stamps: `NAME.baked`, JSON.
pub const EXTENSION: &str = "baked";
/// Raised when the same texture gives other files, for example by other rules of the derived maps.
const FILES_VERSION: u32 = 1;
/// Longer files are no stamps.
const MAX_BYTES: u64 = 1 << 16;

/// Key of a texture: everything that decides its pixels but the rounding of a device.
pub fn key(recipe: &Recipe, model: &Model) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&model.digest).update(&KERNEL_VERSION.to_le_bytes()).update(&FILES_VERSION.to_le_bytes());
    // Last, since only it has no fixed length.
    hasher.update(recipe.to_ron().as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// The content of a stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// See [`key`].
    pub key: String,
    /// BLAKE3 digests of the files, by their paths in the output folder.
    pub files: BTreeMap<String, String>,
}

impl Stamp {
    /// A stamp without files.
    pub fn new(key: String) -> Self {
        Self { key, files: BTreeMap::new() }
    }

    /// Notes a file.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        self.files.insert(name.into(), digest(content));
    }

    /// The stamp in a file; none if it is missing or damaged.
    pub fn read(path: &Path) -> Option<Self> {
        if std::fs::metadata(path).ok()?.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes the stamp, after the files it speaks of.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| format!("{}: {error}", path.display()))?;
        write_atomically(path, format!("{text}\n").as_bytes())
    }

    /// Whether all these files are there as they were written.
    pub fn is_sound(&self, folder: &Path, outputs: &[(FileKind, String)]) -> bool {
        outputs.iter().all(|(_, name)| {
            let found = std::fs::read(folder.join(name)).ok().map(|content| digest(&content));
            found.is_some() && found.as_ref() == self.files.get(name)
        })
    }
}

fn digest(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}
