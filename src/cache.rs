//! The disk cache: one PNG per finished texture, followed by a BLAKE3 hash of its bytes.
//!
//! Files are written beside their place and renamed, so that readers see whole files or none. Anything unexpected in a
//! file makes it a miss, never an error. The plugin uses it by
//! [`DisconSettings::disk_cache`](crate::request::DisconSettings::disk_cache).

use crate::files::{is_stale, read_limited, write_atomically};
use crate::sampling::recipe::SIZE_RANGE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of the hash at the end of a file.
const HASH_BYTES: usize = 32;
/// Larger than any picture of a legal size, so that a planted file cannot fill the memory.
const MAX_BYTES: u64 = 4 * (*SIZE_RANGE.end() as u64).pow(2) + (1 << 16);
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;

/// Place of one texture in a cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFile {
    /// The folder.
    pub folder: PathBuf,
    /// Key of the texture in hexadecimal digits.
    pub key: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Most bytes in the folder.
    pub limit: u64,
}

/// Key of a texture: everything that decides its pixels.
pub fn key(recipe: &[u8; 32], model: &[u8; 32], kernel_version: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(recipe).update(model).update(&kernel_version.to_le_bytes());
    hasher.finalize().to_hex().to_string()
}

impl DiskFile {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.png", self.key))
    }

    /// RGBA bytes, or none if there is no sound file of the right size. Marks the file as used.
    pub fn read(&self) -> Option<Vec<u8>> {
        let path = self.path();
        let picture = self.decode(&read_limited(&path, MAX_BYTES).ok()?)?;
        // Only the order of eviction depends on it.
        fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now())).ok();
        Some(picture)
    }

    /// RGBA bytes of the content of a file, or none if it is not sound, of another size or of another key.
    pub fn decode(&self, content: &[u8]) -> Option<Vec<u8>> {
        let (png, hash) = content.split_at_checked(content.len().checked_sub(HASH_BYTES)?)?;
        if *self.hash(png).as_bytes() != hash {
            return None;
        }
        decode_png(png, self.size)
    }

    /// Keeps RGBA bytes, of which alpha is dropped, and deletes the oldest files above the limit.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, rgba: &[u8]) -> io::Result<()> {
        let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        let mut bytes = Vec::new();
        image::write_buffer_with_format(
            &mut io::Cursor::new(&mut bytes),
            &rgb,
            self.size.0,
            self.size.1,
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(io::Error::other)?;
        let hash = self.hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        write_atomically(&self.path(), &bytes)?;
        evict(&self.folder, self.limit)
    }

    /// Bound to the key: a file that was renamed is a miss.
    fn hash(&self, png: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes()).update(png);
        hasher.finalize()
    }
}

/// RGBA bytes of a PNG file; none if it is not sound or of another size, which is looked at before anything is decoded.
pub fn decode_png(png: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(width), Some(height));
    let mut reader = image::ImageReader::with_format(io::Cursor::new(png), image::ImageFormat::Png);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    // Its format decides how large a picture becomes in memory.
    (picture.width() == width && picture.height() == height).then(|| picture.into_rgba8().into_raw())
}

/// Deletes what was used longest ago until `limit` bytes are left, and forgotten partial files.
fn evict(folder: &Path, limit: u64) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let name = entry.file_name().to_string_lossy().into_owned();
        // Only names that this module makes: the folder may hold files of others.
        let digits = name.trim_start_matches('.').bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits == KEY_DIGITS && is_stale(&name, used) {
            fs::remove_file(&path).ok();
        } else if digits == KEY_DIGITS && !name.starts_with('.') && name.ends_with(".png") {
            files.push((used, metadata.len(), path));
        }
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if total <= limit {
            break;
        }
        // Another program may have been faster.
        fs::remove_file(path).ok();
        total -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn file(folder: &Path, recipe: u8, limit: u64) -> DiskFile {
        DiskFile { folder: folder.join("cache"), key: key(&[recipe; 32], &[2; 32], 3), size: (64, 80), limit }
    }

    fn picture(seed: u8) -> Vec<u8> {
        (0..64 * 80).flat_map(|at: u32| [at as u8 ^ seed, (at >> 3) as u8, seed, 255]).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = file(folder.path(), 1, 1 << 20);
        assert_eq!(file.read(), None, "nothing is there yet");
        file.write(&picture(7)).expect("the folder can be written");
        assert_eq!(file.read(), Some(picture(7)));
        let other_size = DiskFile { size: (80, 64), ..file };
        assert_eq!(other_size.read(), None, "another size is a miss");
    }

    #[test]
    fn every_damaged_byte_and_every_length_is_a_miss() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = file(folder.path(), 1, 1 << 20);
        file.write(&picture(7)).expect("the folder can be written");
        let sound = fs::read(file.path()).expect("the file exists");
        for at in (0..sound.len()).step_by(37).chain([sound.len() - 1]) {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x10;
            fs::write(file.path(), &damaged).expect("the file can be written");
            assert_eq!(file.read(), None, "byte {at} is damaged");
            fs::write(file.path(), &sound[..at]).expect("the file can be written");
            assert_eq!(file.read(), None, "cut after {at} bytes");
        }
        fs::rename(file.path(), self::file(folder.path(), 2, 0).path()).expect("the file can be renamed");
        assert_eq!(self::file(folder.path(), 2, 0).read(), None, "a file under another key");
    }

    #[test]
    fn the_files_used_longest_ago_go_first_and_foreign_files_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files: Vec<DiskFile> = (0..3).map(|number| file(folder.path(), number, u64::MAX)).collect();
        for (age, file) in [30, 20, 10].into_iter().zip(&files) {
            file.write(&picture(0)).expect("the folder can be written");
            let handle = fs::File::options().append(true).open(file.path()).expect("the file exists");
            handle.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("times can be set");
        }
        fs::write(files[0].folder.join("mine.png"), [0; 1000]).expect("the folder can be written");
        assert!(files[0].read().is_some(), "reading marks the file as used");
        let one = fs::metadata(files[0].path()).expect("the file exists").len();
        evict(&files[0].folder, 2 * one).expect("the folder can be read");
        let left: Vec<bool> = files.iter().map(|file| file.read().is_some()).collect();
        assert_eq!(left, [true, false, true]);
        assert!(folder.path().join("cache/mine.png").exists());
    }
}
