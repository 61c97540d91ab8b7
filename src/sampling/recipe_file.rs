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
            Err(error @ RecipeError::OutOfRange { field, .. }) => {
                let (line, column) = position(text, field).unwrap_or((1, 1));
                Err(syntax(format!("{line}:{column}: {error}")))
            }
            Err(error) => Err(syntax(error.to_string())),
        }
    }
}

/// Line and column, from 1, where a field is named in the text form.
fn position(text: &str, field: &str) -> Option<(usize, usize)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let name = field.split(|c| !word(c)).next()?;
    let named = |at: usize| {
        text[at + name.len()..].trim_start().starts_with(':') && !text[..at].chars().next_back().is_some_and(word)
    };
    let at = text.match_indices(name).map(|(at, _)| at).find(|at| named(*at))?;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    Some((1 + text[..at].matches('\n').count(), 1 + text[start..at].chars().count()))
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
}
