//! What may be wrong with a model folder.

use super::config::ConfigError;
use std::path::PathBuf;

/// A model folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any model of this crate.
    #[error("{path} has {found} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// `config.ron` is not a configuration.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Position and reason.
        message: String,
    },
    /// The configuration asks for an impossible model.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights are not in safetensors form.
    #[error("{file} is not a safetensors file: {message}")]
    Format {
        /// The file.
        file: String,
        /// What the parser said.
        message: String,
    },
    /// A declared parameter is not in the file.
    #[error("parameter `{name}` is missing in {file}; is `config.ron` the one these weights were trained with?")]
    Missing {
        /// The parameter.
        name: String,
        /// The file.
        file: String,
    },
    /// A tensor in the file belongs to no parameter.
    #[error("{file} holds a tensor `{name}` that the model does not declare")]
    Unknown {
        /// The tensor.
        name: String,
        /// The file.
        file: String,
    },
    /// A tensor has another shape or type than declared.
    #[error(
        "parameter `{name}` is {found} in {file}, but the model declares {declared}; \
         is `config.ron` the one these weights were trained with?"
    )]
    Mismatch {
        /// The parameter.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that are expected.
        declared: String,
        /// The file.
        file: String,
    },
    /// A value is infinite or not a number.
    #[error("parameter `{name}` in {file} holds a value that is not finite")]
    NotFinite {
        /// The parameter.
        name: String,
        /// The file.
        file: String,
    },
}
