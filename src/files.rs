//! Files that are whole or not there, and reading that knows a limit.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Age at which a file that was not finished belongs to nobody any more.
const STALE: Duration = Duration::from_secs(3600);
/// End of the names of files that are being written. They begin with a dot, the name of the file and a dot.
const PARTIAL: &str = ".partial";

/// Writes a file beside its place and renames it, so that readers see the old content or the new, also when the program
/// is killed; makes its folder.
///
/// # Errors
/// What the system said, for example that the disk is full; then the old file is still there, and nothing else.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Other threads and other programs may write the same file.
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let partial = folder.join(format!(".{}.{}.{number}{PARTIAL}", name.to_string_lossy(), std::process::id()));
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&partial, path)).inspect_err(|_| {
        fs::remove_file(&partial).ok();
    })
}

/// Whether a file is one that a program was killed over some time ago.
pub fn is_stale(name: &str, modified: SystemTime) -> bool {
    name.starts_with('.') && name.ends_with(PARTIAL) && modified.elapsed().is_ok_and(|age| age > STALE)
}

/// Reads a file of at most `limit` bytes. The limit holds whatever the system says about the size, for example of a
/// device.
///
/// # Errors
/// What the system said, or that the file is longer.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let said = file.metadata()?.len();
    let too_large = |found: String| {
        let message = format!("it has {found} bytes, more than the {limit} that are allowed");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    if said > limit {
        return Err(too_large(said.to_string()));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large("still more".into()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/folder/a.txt");
        write_atomically(&path, b"old").expect("the folder can be made");
        // A folder cannot be replaced by a file.
        let occupied = folder.path().join("new/folder/b");
        fs::create_dir_all(occupied.join("full")).expect("the folder can be made");
        write_atomically(&occupied, b"new").expect_err("a folder with content is in the way");
        write_atomically(&path.join("below"), b"new").expect_err("a file is no folder");
        write_atomically(Path::new("/"), b"new").expect_err("the path names no file");
        assert_eq!(fs::read(&path).expect("the file exists"), b"old");
        let entries = fs::read_dir(folder.path().join("new/folder")).expect("the folder exists").count();
        assert_eq!(entries, 2, "no partial file is left");
    }

    #[test]
    fn files_and_devices_above_the_limit_are_not_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"12345").expect("the folder can be written");
        assert_eq!(read_limited(&path, 5).expect("it fits"), b"12345");
        let reason = read_limited(&path, 4).expect_err("it is longer").to_string();
        assert!(reason.contains("5 bytes") && reason.contains("the 4 that"), "{reason}");
        #[cfg(unix)]
        {
            let reason = read_limited(Path::new("/dev/zero"), 1000).expect_err("it never ends").to_string();
            assert!(reason.contains("1000"), "{reason}");
        }
    }

    #[test]
    fn only_old_partial_files_are_stale() {
        let now = SystemTime::now();
        let old = now - 2 * STALE;
        assert!(is_stale(".a.png.12.0.partial", old));
        assert!(!is_stale(".a.png.12.0.partial", now) && !is_stale("a.partial", old) && !is_stale(".a.png", old));
    }
}
