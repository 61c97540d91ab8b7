//! Does the code keep to the house rules? Who imports whom, and what belongs to a kernel.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules of this crate that it may import.
const MAY_IMPORT: [(&str, &[&str]); 20] = [
    ("files", &[]),
    ("model", &["files"]),
    ("sampling", &["model", "files"]),
    ("cache", &["sampling", "files"]),
    ("export", &["model", "sampling", "reference", "files"]),
    ("reference", &["model", "sampling"]),
    ("native", &["model", "sampling", "reference"]),
    // The texture type and nothing else of the reference.
    ("gpu", &["model", "sampling", "reference"]),
    ("train", &["model", "sampling", "reference", "native"]),
    ("eval", &["model", "sampling", "reference", "native", "gpu", "train", "exemplar"]),
    ("surface", &["model", "sampling", "reference", "native"]),
    ("bake", &["model", "sampling", "reference", "native", "gpu", "files", "export"]),
    ("exemplar", &["model", "sampling", "reference", "native"]),
    // Pictures are encoded on task threads of the processor, and made there where there is no GPU for them.
    ("request", &["model", "sampling", "exemplar", "cache", "reference", "native"]),
    ("editor", &["model", "sampling", "request", "files", "export", "material"]),
    ("render", &["model", "sampling", "gpu", "request", "cache"]),
    ("material", &["request", "sampling"]),
    // Its tests run whole apps.
    ("layered_material", &["request", "model", "sampling", "plugin"]),
    // It joins both worlds, and nothing imports it but those that measure it.
    ("plugin", &["request", "render", "sampling", "material", "layered_material"]),
    // It measures everything, and nothing imports it.
    ("bench", &["model", "sampling", "reference", "native", "gpu", "train", "request", "render", "cache", "plugin"]),
];

/// All files of a module: of its folder, or the one of its name.
fn files_of(module: &str) -> Vec<PathBuf> {
    let folder = Path::new("src").join(module);
    if folder.is_dir() { rust_files(&folder) } else { vec![folder.with_extension("rs")] }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder exists").filter_map(Result::ok);
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => rust_files(&path),
            path if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn modules_import_only_what_they_may() {
    let mut found = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for path in files_of(module) {
            let text = fs::read_to_string(&path).expect("the file is text");
            for (number, line) in text.lines().enumerate() {
                // Documentation may point anywhere.
                let code = line.split("//").next().unwrap_or_default();
                for part in code.split("crate::").skip(1) {
                    let target: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let known = MAY_IMPORT.iter().any(|(name, _)| *name == target);
                    if known && target != module && !allowed.contains(&target.as_str()) {
                        found.push(format!("{}:{}: {module} imports {target}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Names and words of literals in some code, without its comments.
fn words(code: &str) -> Vec<&str> {
    let without_comments = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    without_comments.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn words_are_whole_and_not_those_of_comments() {
    let code = "// linear\nfn conv3x3() {} // norms\nlet name = format!(\"embed of {codes:?}\");";
    let found = words(code);
    for (word, expected) in [("linear", false), ("norms", false), ("conv", false), ("conv3x3", true), ("embed", true)] {
        assert_eq!(found.contains(&word), expected, "{word}");
    }
}

#[test]
fn every_shader_has_a_case_in_the_kernel_tests_and_an_entry_point_of_its_name() {
    let cases = fs::read_dir("tests/kernel_cases").expect("the folder exists").filter_map(Result::ok);
    let files = cases.map(|entry| entry.path()).chain(["tests/kernels.rs".into()]);
    let tests: Vec<String> = files.map(|path| fs::read_to_string(path).expect("the kernel tests exist")).collect();
    let words: Vec<&str> = tests.iter().flat_map(|text| words(text)).collect();
    let mut count = 0;
    for entry in fs::read_dir("shaders").expect("the folder exists").filter_map(Result::ok) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "wgsl") {
            continue;
        }
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).expect("the shader is text");
        let operation = name.trim_end_matches("_tiled").trim_end_matches("_lanes");
        assert!(text.contains(&format!("fn {name}(")), "{name}.wgsl has the entry point `{name}`");
        assert!(words.contains(&operation), "the kernel tests have a case for {operation}");
        count += 1;
    }
    assert!(count >= 15, "found {count} shaders");
}
