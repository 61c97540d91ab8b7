//! Writing files so that a killed run leaves either the old or the new one.

use super::TrainError;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes `bytes` beside `path`, waits until they are on the disk, then renames.
///
/// # Errors
/// The file that could not be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| TrainError::io(&partial, error))?;
    std::fs::rename(&partial, path).map_err(|error| TrainError::io(path, error))
}

/// Creates a folder and its parents.
///
/// # Errors
/// The folder that could not be made.
pub fn create_folder(path: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(path).map_err(|error| TrainError::io(path, error))
}

/// How long to wait for a folder: a process that was killed still has it while the system takes its memory back.
const PATIENCE: Duration = Duration::from_secs(3);

/// Takes the folder for this process alone; the system gives it back when the process ends, also by a kill.
///
/// # Errors
/// A folder that another trainer works in.
pub fn lock_folder(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| TrainError::io(&path, error))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 30),
            Err(TryLockError::WouldBlock) => return Err(TrainError::Busy { folder: folder.to_path_buf() }),
            Err(TryLockError::Error(error)) => return Err(TrainError::io(&path, error)),
        }
    }
}
