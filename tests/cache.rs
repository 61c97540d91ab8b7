//! Does the disk cache stay readable when programs that write it are killed?

use bevy_discon::cache::{DiskFile, key};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Environment variable that names the folder to the program that is killed.
const FOLDER: &str = "DISCON_TEST_CACHE";
/// Textures that the program writes in turn, over and over.
const TEXTURES: u8 = 6;

fn file(folder: &Path, number: u8) -> DiskFile {
    DiskFile { folder: folder.into(), key: key(&[number; 32], &[2; 32], 3), size: (128, 128), limit: 1 << 20 }
}

/// Pictures that do not compress, so that writing takes a while.
fn picture(number: u8) -> Vec<u8> {
    let byte = |at: u32, salt: u32| (at.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 13) as u8;
    (0..128 * 128).flat_map(|at| [byte(at, number.into()), byte(at, 77), byte(at, 991), 255]).collect()
}

/// Not a test: the program that is killed.
#[test]
#[ignore = "runs until it is killed"]
fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for number in (0..TEXTURES).cycle() {
        file(Path::new(&folder), number).write(&picture(number)).expect("the folder can be written");
    }
}

#[test]
fn a_cache_whose_writers_are_killed_at_any_moment_is_readable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program has a file");
    let (mut cut_off, mut read, mut round) = (0, 0, 0u64);
    // How often a kill falls into the middle of a file depends on the disk.
    while round < 40 || (cut_off < 5 && round < 1000) {
        round += 1;
        let mut child = Command::new(&program)
            .args(["--ignored", "--exact", "write_until_killed"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let entries = || fs::read_dir(folder.path()).into_iter().flatten().filter_map(Result::ok);
        let before = entries().map(|entry| entry.metadata().and_then(|data| data.modified()).ok()).max().flatten();
        let start = Instant::now();
        // Until it has written something, and then a little longer, each time another while.
        while entries().map(|entry| entry.metadata().and_then(|data| data.modified()).ok()).max().flatten() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing is written");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(round * 773 % 9000));
        // SIGKILL on Unix.
        child.kill().expect("the program runs");
        child.wait().expect("the program has ended");
        let partial = entries().filter(|entry| entry.file_name().to_string_lossy().ends_with(".partial"));
        for entry in partial {
            fs::remove_file(entry.path()).expect("nobody else removes it");
            cut_off += 1;
        }
        for number in 0..TEXTURES {
            let file = file(folder.path(), number);
            if file.path().exists() {
                assert_eq!(file.read(), Some(picture(number)), "round {round}, texture {number}");
                read += 1;
            }
        }
    }
    println!("{read} whole pictures were read after {round} kills, {cut_off} of them in the middle of a file");
    assert!(cut_off >= 5, "the kills came between files only");
    assert!(read >= 40, "there was something to read");
}
