//! Recipe files, in either form.

use super::recipe::{Recipe, RecipeError};
use crate::files::read_limited;
use std::path::Path;

/// Extension of the text form.
pub const TEXT_EXTENSION: &str = "discon.ron";
/// Extensions of recipe files: of the text form and of the binary one.
pub const EXTENSIONS: [&str; 2] = [TEXT_EXTENSION, "discon"];
/// Most bytes of a recipe file: 1 MiB, twice the largest text form, which has 4096 tokens and sixteen edits of as many
/// cells.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A file that is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeFileError {
    /// The file cannot be read, or is longer than [`MAX_FILE_BYTES`].
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The file is no recipe: file, position or field, and what is allowed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

/// The name of a recipe file without its extension; none if it has another one, or nothing before it.
pub fn recipe_name(file: &str) -> Option<&str> {
    let stem = |extension: &&str| file.strip_suffix(*extension)?.strip_suffix('.');
    EXTENSIONS.iter().find_map(stem).filter(|name| !name.is_empty())
}

impl Recipe {
    /// Reads a file of either form.
    ///
    /// # Errors
    /// The file and why it cannot be read, or what [`Recipe::parse`] says of its content. At most [`MAX_FILE_BYTES`] are
    /// read, also of a device.
    pub fn read(path: &Path) -> Result<Self, RecipeFileError> {
        let name = path.display().to_string();
        match read_limited(path, MAX_FILE_BYTES) {
            Ok(content) => Ok(Self::parse(&content, &name)?),
            Err(error) => Err(RecipeFileError::Read { path: name, error }),
        }
    }

    /// Reads the content of a file, text or binary; `origin` names it in messages.
    ///
    /// # Errors
    /// File, position (line and column, or the offset of a byte) and field, with what is allowed. Classes and tokens are
    /// checked against a model by [`Recipe::validate`].
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, RecipeError> {
        let syntax = |message: String| RecipeError::Syntax { origin: origin.into(), message };
        // No text starts like the binary form.
        if bytes.starts_with(super::recipe_bytes::MAGIC) || origin.ends_with(".discon") {
            return Self::from_bytes(bytes).map_err(|error| syntax(error.to_string()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| syntax(error.to_string()))?;
        let recipe = Self::from_ron(text, origin)?;
        match recipe.check_ranges() {
            Ok(()) => Ok(recipe),
            Err(error @ RecipeError::OutOfRange { .. }) => {
                let (line, column) = locate(text, &error).unwrap_or((1, 1));
                Err(syntax(format!("{line}:{column}: {error}")))
            }
            Err(error) => Err(syntax(error.to_string())),
        }
    }
}

/// Line and column, from 1, in the text form of a recipe to which an error points; none if it does not say.
pub fn locate(text: &str, error: &RecipeError) -> Option<(usize, usize)> {
    match error {
        RecipeError::OutOfRange { field, .. } => position(text, field),
        RecipeError::UnknownClass { found, .. } => {
            let quoted = format!("\"{found}\"");
            text.find(&quoted).map(|at| line_and_column(text, at))
        }
        RecipeError::Syntax { .. } | RecipeError::NotCurated { .. } | RecipeError::Bytes { .. } => None,
    }
}

/// Line and column where a field is named.
fn position(text: &str, field: &str) -> Option<(usize, usize)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let name = field.split(|c| !word(c)).next()?;
    let named = |at: usize| {
        text[at + name.len()..].trim_start().starts_with(':') && !text[..at].chars().next_back().is_some_and(word)
    };
    let at = text.match_indices(name).map(|(at, _)| at).find(|at| named(*at))?;
    Some(line_and_column(text, at))
}

/// Of a byte that begins a character.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    (1 + text[..at].matches('\n').count(), 1 + text[start..at].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_of_two_extensions() {
        for (file, name) in [
            ("moss.discon.ron", Some("moss")),
            ("old.moss.discon", Some("old.moss")),
            (".discon", None),
            (".discon.ron", None),
            ("discon", None),
            ("moss.ron", None),
            ("mossdiscon", None),
        ] {
            assert_eq!(recipe_name(file), name, "{file}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_or_have_no_end_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.discon");
        let recipe = Recipe::new("brick").with_seed(3);
        std::fs::write(&path, recipe.to_bytes().expect("the recipe is sound")).expect("the folder can be written");
        assert_eq!(Recipe::read(&path).expect("it is a recipe"), recipe);
        let reason = Recipe::read(Path::new("no/such.discon")).expect_err("it is missing").to_string();
        assert!(reason.starts_with("no/such.discon: "), "{reason}");
        #[cfg(unix)]
        {
            let reason = Recipe::read(Path::new("/dev/zero")).expect_err("it never ends").to_string();
            assert!(reason.starts_with("/dev/zero: ") && reason.contains("1048576"), "{reason}");
        }
    }

    #[test]
    fn the_largest_text_form_is_within_the_limit() {
        let mut largest = Recipe::new("x".repeat(64)).with_size(1024, 1024).with_tokens(vec![u16::MAX; 4096]);
        largest.style_row = Some(vec![-1.234_567_9e-38; super::super::recipe_parts::MAX_STYLE_WIDTH]);
        let blend = super::super::Blend { class: "y".repeat(64), shares: vec![85; 4096] };
        largest.blends = vec![blend; 3];
        let mask = super::super::TokenMask { cells: (0..4096).collect() };
        let edit = super::super::Edit { mask, seed: u64::MAX, class: Some("z".repeat(64)) };
        largest.edits = vec![edit; 16];
        largest.check_ranges().expect("the recipe is sound");
        // As the editor writes it, with a space after each comma.
        let style = ron::ser::PrettyConfig::new().depth_limit(1);
        let text = ron::ser::to_string_pretty(&largest, style).expect("it can be written");
        assert!(2 * (text.len() as u64) < MAX_FILE_BYTES + MAX_FILE_BYTES / 4, "{} bytes", text.len());
    }

    #[test]
    fn errors_of_files_name_file_position_and_field() {
        for (text, expected) in [
            ("(\n    class: \"brick\",\n    sed: 1)", ["a.discon.ron", "3:", "sed"]),
            ("(class: \"brick\",\n  size: (100, 64))", ["a.discon.ron", "2:3", "width"]),
            ("(class: \"brick\",\n guidance: 9.0)", ["a.discon.ron", "2:2", "1 to 8"]),
            ("(class: \"brick\", latent_rounds: 0)", ["a.discon.ron", "1:18", "1 to 64"]),
            ("(seed: 1)", ["a.discon.ron", "1:", "class"]),
            ("DSCN", ["a.discon.ron", "offset 4", "version"]),
        ] {
            let error = Recipe::parse(text.as_bytes(), "a.discon.ron").expect_err("the file is wrong").to_string();
            assert!(expected.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn errors_that_a_model_finds_have_a_place_in_the_text() {
        let text = "(\n  class: \"brick\", style: 7,\n  edits: [(class: \"mos\")],\n  tokens: [9])";
        let range = |field| RecipeError::OutOfRange { field, found: String::new(), expected: String::new() };
        let class = |found: &str| RecipeError::UnknownClass { found: found.into(), known: String::new() };
        for (error, expected) in [
            (class("brick"), Some((2, 10))),
            (class("mos"), Some((3, 19))),
            (class("gone"), None),
            (range("style"), Some((2, 19))),
            (range("tokens"), Some((4, 3))),
            (range("style_row (count)"), None),
        ] {
            assert_eq!(locate(text, &error), expected, "{error}");
        }
    }
}
