//! What the command line says.

use bevy::prelude::*;
use std::path::PathBuf;

#[derive(Resource)]
pub struct Options {
    pub model: PathBuf,
    pub cache: Option<PathBuf>,
    pub size: u32,
    pub seed: u64,
    /// Milliseconds of generation per frame.
    pub budget_ms: f32,
    pub resolution: (u32, u32),
}

impl Options {
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            model: "assets/models/small".into(),
            cache: None,
            size: 256,
            seed: 1,
            budget_ms: 4.0,
            resolution: (1280, 800),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--model" => options.model = value.into(),
                "--cache" => options.cache = Some(value.into()),
                // `common` reads it.
                "--screenshot" => {}
                "--size" => options.size = number(&name, &value)?,
                "--seed" => options.seed = number(&name, &value)?,
                "--budget" => options.budget_ms = number(&name, &value)?,
                "--resolution" => {
                    let sides = value.split_once('x').ok_or_else(|| format!("{name} needs WIDTHxHEIGHT"))?;
                    options.resolution = (number(&name, sides.0)?, number(&name, sides.1)?);
                }
                _ => return Err(format!("unknown option {name}; see the head of examples/gallery/main.rs")),
            }
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is not a number"))
}
