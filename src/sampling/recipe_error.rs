//! What can be wrong with a recipe.

/// A recipe that a model cannot follow.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// The text is not a recipe.
    #[error("{origin}: {message}")]
    Syntax {
        /// File or other origin of the text.
        origin: String,
        /// Position and reason.
        message: String,
    },
    /// The class is not one of the model's.
    #[error("recipe: class \"{found}\" is not in the model; it has {known}")]
    UnknownClass {
        /// The class that was asked for.
        found: String,
        /// All classes of the model.
        known: String,
    },
    /// The build makes only the recipes of a list.
    #[error(
        "recipe: class \"{class}\" with seed {seed} is not one of the {listed} recipes that this build may make \
         (digest {digest}); add it to the list with `discon-bake curate`"
    )]
    NotCurated {
        /// Its class.
        class: String,
        /// Its seed.
        seed: u64,
        /// Its digest.
        digest: String,
        /// Number of recipes on the list.
        listed: usize,
    },
    /// A field is out of its range.
    #[error("recipe: `{field}` is {found}, expected {expected}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The bytes are not a recipe.
    #[error("recipe: `{field}` at offset {offset} is {found}, expected {expected}")]
    Bytes {
        /// First byte of the field.
        offset: usize,
        /// The field.
        field: &'static str,
        /// What is there.
        found: String,
        /// What is allowed.
        expected: String,
    },
}
