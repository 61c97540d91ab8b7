//! Files of a bake.

use crate::files::{self, is_stale};
use std::fs;
use std::path::Path;

/// Writes a file beside its place and renames it, so that readers see the old content or the new; makes its folder.
///
/// # Errors
/// The path, and what the system said.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    remove_stale(path.parent().unwrap_or(Path::new("")), &format!(".{name}."));
    files::write_atomically(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

/// Deletes what a bake that was killed has left of a file.
fn remove_stale(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if name.starts_with(prefix) && modified.is_ok_and(|modified| is_stale(&name, modified)) {
            fs::remove_file(entry.path()).ok();
        }
    }
}
