//! Recipe files, in either form.

use super::recipe::{Recipe, RecipeError};

impl Recipe {
    /// Reads the content of a file, text or binary; `origin` names it in messages.
    ///
    /// # Errors
    /// File, position (line and column, or the offset of a byte) and field, with what is allowed. Classes and tokens are
    /// checked against a model by [`Recipe::validate`].
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, RecipeError> {
        let syntax = |message: String| RecipeError::Syntax { origin: origin.into(), message };
        // No text starts like the binary form.
        if bytes.starts_with(b"DSCN") || origin.ends_with(".discon") {
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
