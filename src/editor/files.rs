//! Presets: recipes in text form.

use super::state::{EditorAction, EditorState, Notice};
use crate::files::write_atomically;
use crate::sampling::Recipe;
use crate::sampling::recipe_file::TEXT_EXTENSION;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest name of a preset.
const MAX_NAME: usize = 64;

/// Names of the presets in a folder, in order; none if it is missing.
pub fn list_presets(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let name = |entry: fs::DirEntry| {
        let file = entry.file_name();
        file.to_str()?.strip_suffix(TEXT_EXTENSION)?.strip_suffix('.').map(str::to_owned)
    };
    let mut names: Vec<String> = entries.filter_map(name).filter(|name| check_name(name).is_ok()).collect();
    names.sort();
    names
}

/// Writes a recipe as a preset and gives the file.
///
/// # Errors
/// A name that cannot be one of a file, or a folder that cannot be written.
pub fn save_preset(folder: &Path, name: &str, recipe: &Recipe) -> Result<PathBuf, String> {
    check_name(name)?;
    let path = folder.join(format!("{name}.{TEXT_EXTENSION}"));
    let failure = |error: std::io::Error| format!("{}: {error}", path.display());
    // Tokens stay on one line.
    let style = ron::ser::PrettyConfig::new().depth_limit(1);
    let text = ron::ser::to_string_pretty(recipe, style).map_err(|error| format!("{}: {error}", path.display()))?;
    write_atomically(&path, (text + "\n").as_bytes()).map_err(failure)?;
    Ok(path)
}

/// Reads a preset.
///
/// # Errors
/// File, position and reason.
pub fn load_preset(folder: &Path, name: &str) -> Result<Recipe, String> {
    check_name(name)?;
    let path = folder.join(format!("{name}.{TEXT_EXTENSION}"));
    Recipe::read(&path).map_err(|error| error.to_string())
}

/// Whether a name is one of a file on every system: a preset may be sent to somebody with another one.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    // Without dots, so that there is none at the end, which Windows takes away.
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if !(1..=MAX_NAME).contains(&name.len()) || !name.chars().all(legal) {
        return Err(format!("\"{name}\": expected a name of 1 to {MAX_NAME} letters, digits, spaces, `_` or `-`"));
    }
    if name.trim() != name {
        return Err(format!("\"{name}\": expected a name without spaces at its ends"));
    }
    if is_device(name) {
        return Err(format!("\"{name}\" is the name of a device on Windows: expected another one"));
    }
    Ok(())
}

/// Names that Windows keeps for devices, whatever extension follows.
fn is_device(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let port = |kind: &str| {
        let number = name.strip_prefix(kind).unwrap_or_default();
        number.chars().count() == 1 && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'))
    };
    matches!(name.as_str(), "CON" | "PRN" | "AUX" | "NUL") || port("COM") || port("LPT")
}

/// Carries out what was asked for about presets, and leaves the other actions. Gives the files that were written.
pub fn carry_out_file_actions(state: &mut EditorState) -> Vec<PathBuf> {
    let mut written = Vec::new();
    for action in std::mem::take(&mut state.actions) {
        let result = match action {
            EditorAction::SavePreset(name) => save_preset(&state.preset_folder, &name, &state.recipe).map(|path| {
                state.presets = list_presets(&state.preset_folder);
                let told = format!("saved {}", path.display());
                written.push(path);
                told
            }),
            EditorAction::LoadPreset(name) => load_preset(&state.preset_folder, &name).map(|recipe| {
                state.replace(recipe);
                state.preset_name.clone_from(&name);
                format!("loaded {name}")
            }),
            other => {
                state.actions.push(other);
                continue;
            }
        };
        state.notice = Some(result.map_or_else(Notice::Failed, Notice::Done));
    }
    written
}
