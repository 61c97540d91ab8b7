//! Do damaged and hostile files give errors and never a panic? Some thousand of them, the same each time; cargo-fuzz
//! goes further with the same functions.

#[path = "fuzz/entries.rs"]
mod entries;

use bevy_discon::cache::DiskFile;
use bevy_discon::sampling::{Blend, CuratedList, Recipe, TokenMask};
use std::fs;
use std::path::Path;

/// A name, what is done with such files, and sound ones.
type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

fn targets() -> Vec<Target> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = entries::smallest_model();
    model.save(folder.path()).expect("the folder can be written");
    let read = |name: &str| fs::read(folder.path().join(name)).expect("the file was written");
    let recipes = recipes();
    let mut list = CuratedList::default();
    recipes.iter().for_each(|recipe| _ = list.add("name", recipe));
    let mut texts: Vec<Vec<u8>> = recipes.iter().map(|recipe| recipe.to_ron().into_bytes()).collect();
    texts.push(b"brick?seed=7&size=64x80&tiling=x&style=1&guidance=2.5&flow_steps=3".to_vec());
    texts.push(list.to_ron().into_bytes());
    let bytes = recipes.iter().map(|recipe| recipe.to_bytes().expect("the recipe is sound")).collect();
    let file = DiskFile { folder: folder.path().into(), key: "0".repeat(64), size: (64, 80), limit: u64::MAX };
    let pixels: Vec<u8> = (0..64 * 80).flat_map(|at: u32| [at as u8, (at >> 3) as u8, 7, 255]).collect();
    file.write(&pixels).expect("the folder can be written");
    let entry = fs::read(file.path()).expect("the file was written");
    let png = entry[..entry.len() - 32].to_vec();
    vec![
        ("weights", entries::weights, vec![read("model.safetensors")]),
        ("config", entries::config, vec![read("config.ron")]),
        ("recipe_text", entries::recipe_text, texts),
        ("recipe_bytes", entries::recipe_bytes, bytes),
        ("cache_entry", entries::cache_entry, vec![entry, png]),
    ]
}

fn recipes() -> Vec<Recipe> {
    let plain = Recipe::new("brick").with_size(64, 80).with_seed(3);
    let tokens = plain.clone().with_tokens((0..20).map(|at| at % 16).collect());
    let mut full = Recipe { style: Some(1), detail_seed: Some(9), style_seed: Some(2), ..tokens.clone() };
    full.blends.push(Blend::from_uv(&full, "moss", |u, _| u));
    let mask = TokenMask::circle(&full, [0.0, 0.5], 20.0);
    let full = full.with_edit(mask.clone(), 4).with_edit_of("moss", mask, u64::MAX);
    let styled = Recipe { style_row: Some(vec![0.5; 32]), ..plain.clone() };
    vec![plain, tokens, full, styled]
}

/// Changes some bytes, cuts, repeats and inserts, and puts in numbers that programs trip over.
fn damage(sound: &[u8], mut state: u64) -> Vec<u8> {
    let mut next = move |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end.max(1)
    };
    const TRIPS: [&[u8]; 12] = [
        b"-1",
        b"99999999999999999999",
        b"1e39",
        b"NaN",
        b"(",
        b"\"",
        b"[[[[[[[[",
        b"Some(",
        &[0xff; 8],
        &[0; 8],
        b"\0",
        b"inf",
    ];
    let mut bytes = sound.to_vec();
    // Most of a model file is data, in which every value is legal.
    let reach = if next(4) > 0 { bytes.len().min(3000) } else { bytes.len() };
    for _ in 0..1 + next(4) {
        let at = next(reach).min(bytes.len());
        let end = (at + next(40)).min(bytes.len());
        match next(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            3 => drop(bytes.splice(at..at, TRIPS[next(TRIPS.len())].iter().copied())),
            4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << next(8)),
            5 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = next(256) as u8),
            _ => drop(bytes.splice(at..end, TRIPS[next(TRIPS.len())].iter().copied())),
        }
    }
    bytes
}

#[test]
fn damaged_files_of_every_kind_give_errors_and_never_a_panic() {
    for (name, entry, sound) in targets() {
        for (number, sound) in sound.iter().enumerate() {
            entry(sound);
            for round in 0..3000 {
                let bytes = damage(sound, 1 + number as u64 * 100_000 + round);
                // A panic would not say which bytes it was.
                let result = std::panic::catch_unwind(|| entry(&bytes));
                assert!(result.is_ok(), "{name}: file {number}, round {round}: {:?}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

/// Damaged recipes whose frame is mended must reach the fields behind it: a version of another format would hide them.
#[test]
fn some_of_the_sealed_recipes_are_recipes() {
    let sound: Vec<Vec<u8>> = recipes().iter().map(|recipe| recipe.to_bytes().expect("the recipe is sound")).collect();
    let (mut whole, mut all) = (0, 0);
    for (number, sound) in sound.iter().enumerate() {
        assert_eq!(entries::sealed(sound), *sound, "what is sound stays as it is");
        for round in 0..1000 {
            let bytes = entries::sealed(&damage(sound, 1 + number as u64 * 100_000 + round));
            whole += usize::from(Recipe::from_bytes(&bytes).is_ok());
            all += 1;
        }
    }
    assert!(whole * 20 > all, "{whole} of {all} sealed recipes can be read");
}

/// `cargo test --test fuzzed -- --ignored`
#[test]
#[ignore = "writes files for cargo-fuzz to start from"]
fn write_the_start_of_the_corpora() {
    for (name, _, sound) in targets() {
        let folder = Path::new("tests/fuzz/corpus").join(name);
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (number, bytes) in sound.iter().enumerate() {
            fs::write(folder.join(format!("sound_{number}")), bytes).expect("the folder can be written");
        }
    }
}
