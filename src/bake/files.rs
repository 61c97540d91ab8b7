//! Files that are whole or not there.

use crate::reference::GeneratedTexture;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Files that were not finished are deleted after this time, when the same file is written again.
const STALE: Duration = Duration::from_secs(3600);

/// Writes a file beside its place and renames it, so that readers see the old content or the new; makes its folder.
///
/// # Errors
/// The path, and what the system said.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), String> {
    let failure = |error: io::Error| format!("{}: {error}", path.display());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failure)?;
    remove_stale(folder, &format!(".{name}."));
    // Another program may bake into the same folder.
    let partial = folder.join(format!(".{name}.{}.partial", std::process::id()));
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&partial, path)).map_err(|error| {
        fs::remove_file(&partial).ok();
        failure(error)
    })
}

/// Deletes what a bake that was killed has left of a file.
fn remove_stale(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if name.starts_with(prefix) && name.ends_with(".partial") && age.is_some_and(|age| age > STALE) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// RGB bytes of the size of `texture` as a PNG file.
pub fn png(pixels: &[u8], texture: &GeneratedTexture) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    image::write_buffer_with_format(
        &mut io::Cursor::new(&mut bytes),
        pixels,
        texture.width,
        texture.height,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .map_err(|error| format!("the picture cannot be encoded as PNG: {error}"))?;
    Ok(bytes)
}
