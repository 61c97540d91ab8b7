//! A folder of textures: one subfolder per class, pictures in it.

use super::TrainError;
use super::images::{Prepared, Version, prepare};
use super::rng::Rng;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Suffixes of files that accompany a picture.
const COMPANIONS: [&str; 6] = ["_normal", "_roughness", "_height", "_ao", "_metallic", "_specular"];
/// Extensions that are read.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// How much more often a sharp picture is drawn than a soft preview.
const SHARP_WEIGHT: f64 = 2.5;
/// One group of this many is kept for validation.
const VALIDATION_EVERY: u64 = 20;

/// What to read.
#[derive(Clone, Debug)]
pub struct DataOptions {
    /// The folder.
    pub folder: PathBuf,
    /// Only these classes, if any are named.
    pub classes: Vec<String>,
    /// Classes with fewer pictures are left out.
    pub min_class_images: usize,
    /// Threads that read pictures.
    pub threads: usize,
}

/// One picture.
#[derive(Clone, Debug)]
pub struct Texture {
    /// Path below the folder.
    pub name: String,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Kept for validation.
    pub validation: bool,
    /// Made from a source of at least 256 px.
    pub sharp: bool,
    /// The picture at several scales.
    pub versions: Vec<Version>,
    /// What its styles in the bank are measured on, if not on the versions; see [`Prepared::own`].
    pub own: Vec<Version>,
}

impl Texture {
    /// The file's own pixels at the size of a version or the next smaller one that there is.
    pub fn own(&self, version: &Version) -> Option<&Version> {
        self.own.iter().rfind(|own| own.side <= version.side)
    }
}

/// All pictures, and how often each is drawn.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Class names in alphabetical order.
    pub classes: Vec<String>,
    /// Pictures in order of name.
    pub textures: Vec<Texture>,
    running_weight: Vec<f64>,
}

struct Entry {
    path: PathBuf,
    name: String,
    class: String,
    tileable: bool,
    group: String,
}

impl Dataset {
    /// Reads a folder. Pictures that cannot be read are listed on standard error and left out.
    ///
    /// # Errors
    /// A folder without classes or pictures, or a class that is asked for and not there.
    pub fn load(options: &DataOptions, progress: impl Fn(usize, usize) + Sync) -> Result<Self, TrainError> {
        let entries = scan(options)?;
        let total = entries.len();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results = Mutex::new(Vec::with_capacity(total));
        std::thread::scope(|scope| {
            for _ in 0..options.threads.max(1) {
                scope.spawn(|| {
                    while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let prepared = prepare(&entry.path, entry.tileable);
                        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                        if let Ok(mut results) = results.lock() {
                            results.push((entry, prepared));
                        }
                    }
                });
            }
        });
        let mut readable = Vec::new();
        for (entry, prepared) in results.into_inner().unwrap_or_default() {
            match prepared {
                Ok(prepared) => readable.push((entry, prepared)),
                Err(error) => eprintln!("skipped: {error}"),
            }
        }
        readable.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (entry, ..) in &readable {
            *counts.entry(&entry.class).or_default() += 1;
        }
        counts.retain(|_, count| *count >= options.min_class_images.max(1));
        let classes: Vec<String> = counts.keys().map(ToString::to_string).collect();
        if classes.is_empty() {
            return Err(TrainError::Data {
                folder: options.folder.clone(),
                found: format!("{} readable pictures and no class with enough of them", readable.len()),
                expected: format!("a class folder with at least {} pictures", options.min_class_images.max(1)),
            });
        }
        let textures = readable
            .into_iter()
            .filter_map(|(entry, Prepared { versions, sharp, own })| {
                let class = classes.binary_search(&entry.class).ok()?;
                let validation = hash(&entry.group).is_multiple_of(VALIDATION_EVERY);
                Some(Texture { name: entry.name.clone(), class, validation, sharp, versions, own })
            })
            .collect();
        Ok(Self::new(classes, textures))
    }

    /// A data set from pictures in memory.
    pub fn new(classes: Vec<String>, mut textures: Vec<Texture>) -> Self {
        if textures.iter().all(|texture| texture.validation) {
            textures.iter_mut().for_each(|texture| texture.validation = false);
        }
        let running_weight = running_weights(classes.len(), &textures);
        Self { classes, textures, running_weight }
    }

    /// Index of a random training picture; classes count by the root of their size.
    pub fn draw(&self, rng: &mut Rng) -> usize {
        rng.weighted(&self.running_weight)
    }

    /// Training pictures.
    pub fn training(&self) -> impl Iterator<Item = (usize, &Texture)> {
        self.textures.iter().enumerate().filter(|(_, texture)| !texture.validation)
    }

    /// Pictures kept for validation, or the first few where none are kept.
    pub fn validation(&self) -> Vec<&Texture> {
        let kept: Vec<&Texture> = self.textures.iter().filter(|texture| texture.validation).collect();
        if kept.is_empty() { self.textures.iter().take(16).collect() } else { kept }
    }
}

fn running_weights(classes: usize, textures: &[Texture]) -> Vec<f64> {
    let weight = |texture: &Texture| match (texture.validation, texture.sharp) {
        (true, _) => 0.0,
        (false, true) => SHARP_WEIGHT,
        (false, false) => 1.0,
    };
    let (mut count, mut sum) = (vec![0.0f64; classes], vec![0.0f64; classes]);
    for texture in textures.iter().filter(|texture| !texture.validation) {
        count[texture.class] += 1.0;
        sum[texture.class] += weight(texture);
    }
    let mut running = 0.0;
    textures
        .iter()
        .map(|texture| {
            running += weight(texture) * count[texture.class].sqrt() / sum[texture.class].max(1e-9);
            running
        })
        .collect()
}

fn hash(text: &str) -> u64 {
    let labels: Vec<u64> = text.bytes().map(u64::from).collect();
    Rng::new(&labels).next_u64()
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| TrainError::io(folder, error))? {
        paths.push(entry.map_err(|error| TrainError::io(folder, error))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn scan(options: &DataOptions) -> Result<Vec<Entry>, TrainError> {
    let manifest = read_manifest(&options.folder.join("manifest.csv"))?;
    let mut entries = Vec::new();
    let mut seen = Vec::new();
    for folder in list(&options.folder)?.into_iter().filter(|path| path.is_dir()) {
        let class = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if class.starts_with('.') || (!options.classes.is_empty() && !options.classes.contains(&class)) {
            continue;
        }
        let files = list(&folder)?;
        let stems: Vec<String> = files.iter().map(|path| stem(path)).collect();
        for (path, stem) in files.iter().zip(&stems) {
            let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            let accompanies = COMPANIONS
                .iter()
                .any(|end| stem.strip_suffix(end).is_some_and(|base| stems.iter().any(|other| other == base)));
            if !EXTENSIONS.contains(&extension.as_str()) || accompanies {
                continue;
            }
            let name = format!("{class}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            let (tileable, group) = match (&manifest, manifest.as_ref().and_then(|rows| rows.get(&name))) {
                (_, Some(row)) => row.clone(),
                // Without a manifest the picture's own border decides.
                (None, None) => (true, name.clone()),
                (Some(_), None) => (false, name.clone()),
            };
            entries.push(Entry { path: path.clone(), name, class: class.clone(), tileable, group });
        }
        seen.push(class);
    }
    if let Some(missing) = options.classes.iter().find(|class| !seen.contains(class)) {
        return Err(TrainError::Data {
            folder: options.folder.clone(),
            found: "no such folder in it".into(),
            expected: format!("a folder for class `{missing}`"),
        });
    }
    if entries.is_empty() {
        return Err(TrainError::Data {
            folder: options.folder.clone(),
            found: format!("{} class folders and no pictures", seen.len()),
            expected: "CLASS/NAME.jpg, .png or .webp files".into(),
        });
    }
    Ok(entries)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

type Manifest = HashMap<String, (bool, String)>;

/// Columns `tileable` and `group` by file.
fn read_manifest(path: &Path) -> Result<Option<Manifest>, TrainError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| TrainError::io(path, error))?;
    let mut lines = text.lines().map(split_csv);
    let header = lines.next().unwrap_or_default();
    let column = |name: &str| header.iter().position(|column| column == name);
    let Some(file) = column("file") else {
        return Err(TrainError::Data {
            folder: path.into(),
            found: format!("columns {header:?}"),
            expected: "a column `file`".into(),
        });
    };
    let (tileable, group) = (column("tileable"), column("group"));
    let rows = lines.filter_map(|row| {
        let name = row.get(file)?.clone();
        let wraps = tileable.is_none_or(|index| row.get(index).is_some_and(|value| value == "yes"));
        let group = group.and_then(|index| row.get(index)).filter(|text| !text.is_empty()).unwrap_or(&name).clone();
        Some((name, (wraps, group)))
    });
    Ok(Some(rows.collect()))
}

/// Fields of one line; quotes protect commas.
fn split_csv(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => {
                if let Some(field) = fields.last_mut() {
                    field.push(other);
                }
            }
        }
    }
    fields
}
