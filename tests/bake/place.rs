//! Recipes in a folder of their own, and the program that bakes them.

use bevy_discon::bake::{BakeOptions, BakeReport, Device, Executor, RecipeReport, Status, bake, find_recipes};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::sampling::Recipe;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub fn model() -> Model {
    Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound")
}

/// A folder with recipes, and a place for textures.
pub struct Place(TempDir);

impl Place {
    pub fn new(recipes: u64) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        for seed in 0..recipes {
            let folder = if seed % 2 == 0 { "" } else { "walls/" };
            place.write(&format!("{folder}brick_{seed}.discon.ron"), &small("brick", seed).to_ron());
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path("recipes").join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
        fs::write(path, text).expect("the folder can be written");
    }

    pub fn options(&self) -> BakeOptions {
        BakeOptions::new(self.path("out"))
    }

    pub fn bake(&self, options: &BakeOptions) -> BakeReport {
        let recipes = find_recipes(&[self.path("recipes")]).expect("there are recipes");
        bake(&model(), &recipes, options, &mut Executor::new(Device::Cpu), |_| {}, |_| {})
    }
}

pub fn small(class: &str, seed: u64) -> Recipe {
    Recipe { latent_rounds: 1, token_rounds: 2, flow_steps: 2, ..Recipe::new(class).with_seed(seed).with_size(64, 64) }
}

/// All files below a folder, by their paths in it. A running bake renames its files when they are whole: one that
/// went between the listing and the reading is left out.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
                match fs::read(&path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    content => {
                        found.insert(name, content.expect("the file can be read"));
                    }
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

pub fn statuses(report: &BakeReport) -> Vec<(String, Status)> {
    let name = |report: &RecipeReport| report.texture.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    report.recipes.iter().map(|report| (name(report), report.status)).collect()
}

/// The program itself, on the processor.
pub fn command(place: &Place, arguments: &[&str]) -> Command {
    let folder = place.path("model");
    if !folder.exists() {
        model().save(&folder).expect("the folder can be written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_discon-bake"));
    command.arg(place.path("recipes")).arg("-o").arg(place.path("out")).arg("--model").arg(folder);
    if !arguments.contains(&"--device") {
        command.args(["--device", "cpu"]);
    }
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
