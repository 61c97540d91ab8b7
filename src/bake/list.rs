//! Which recipes there are.

use super::BakeError;
use crate::sampling::recipe_file::recipe_name;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A recipe file and the name of its texture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipeFile {
    /// Path of the texture in the output folder, with `/` between folders and without extension.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Lists recipe files, and those in folders and the folders inside them, in the order of their names. Links to folders
/// are not followed.
///
/// A file that is named itself gives `OUT/NAME.png`; one in a folder gives a texture at the same place below the output
/// folder.
///
/// # Errors
/// An input that does not exist or is no recipe, or no recipe at all.
pub fn find_recipes(inputs: &[PathBuf]) -> Result<Vec<RecipeFile>, BakeError> {
    let mut found = Vec::new();
    for input in inputs {
        let metadata = std::fs::metadata(input).map_err(|source| BakeError::Input { path: input.clone(), source })?;
        if metadata.is_dir() {
            list_folder(input, "", &mut found)?;
        } else {
            found.push(recipe_file(input, "").ok_or_else(|| BakeError::NotARecipe(input.clone()))?);
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let inputs: Vec<String> = inputs.iter().map(|input| input.display().to_string()).collect();
        return Err(BakeError::NoRecipes(inputs.join(", ")));
    }
    Ok(found)
}

fn list_folder(folder: &Path, prefix: &str, found: &mut Vec<RecipeFile>) -> Result<(), BakeError> {
    let failure = |source| BakeError::Input { path: folder.into(), source };
    for entry in std::fs::read_dir(folder).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        if entry.file_type().map_err(failure)?.is_dir() {
            let prefix = format!("{prefix}{}/", entry.file_name().to_string_lossy());
            list_folder(&entry.path(), &prefix, found)?;
        } else {
            found.extend(recipe_file(&entry.path(), prefix));
        }
    }
    Ok(())
}

/// A file whose name is that of a recipe.
fn recipe_file(path: &Path, prefix: &str) -> Option<RecipeFile> {
    let file = path.file_name()?.to_string_lossy();
    let name = format!("{prefix}{}", recipe_name(&file)?);
    Some(RecipeFile { name, path: path.into() })
}

/// Which recipes would write which file: maps of one may have the name of another, as `wall_normal` beside `wall`.
pub(super) struct Writers<'a>(BTreeMap<String, Vec<&'a Path>>);

impl<'a> Writers<'a> {
    /// The writers of all files; `outputs` names those of a recipe.
    pub fn new(recipes: &'a [RecipeFile], outputs: impl Fn(&RecipeFile) -> Vec<String>) -> Self {
        let mut writers: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
        for recipe in recipes {
            for name in outputs(recipe) {
                writers.entry(name).or_default().push(&recipe.path);
            }
        }
        Self(writers)
    }

    /// Another recipe that would write a file.
    pub fn other(&self, recipe: &Path, output: &str) -> Option<&'a Path> {
        self.0.get(output)?.iter().find(|path| **path != recipe).copied()
    }
}
