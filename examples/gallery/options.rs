//! What the command line says.

use bevy::prelude::*;
use std::path::PathBuf;

#[derive(Resource)]
pub struct Options {
    pub model: PathBuf,
    pub cache: Option<PathBuf>,
    pub size: u32,
    pub seed: u64,
    budget: Option<f32>,
    pub resolution: (u32, u32),
    pub screenshot: Option<PathBuf>,
}

impl Options {
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            model: "assets/models/small".into(),
            cache: None,
            size: 256,
            seed: 1,
            budget: None,
            resolution: (1280, 800),
            screenshot: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--model" => options.model = value.into(),
                "--cache" => options.cache = Some(value.into()),
                "--screenshot" => options.screenshot = Some(value.into()),
                "--size" => options.size = number(&name, &value)?,
                "--seed" => options.seed = number(&name, &value)?,
                "--budget" => options.budget = Some(number(&name, &value)?),
                "--resolution" => {
                    let sides = value.split_once('x').ok_or_else(|| format!("{name} needs WIDTHxHEIGHT"))?;
                    options.resolution = (number(&name, sides.0)?, number(&name, sides.1)?);
                }
                _ => return Err(format!("unknown option {name}; see the head of examples/gallery/main.rs")),
            }
        }
        Ok(options)
    }

    /// Milliseconds of generation per frame. Nobody watches the frames that lead to a screenshot, so those are long.
    pub fn budget_ms(&self) -> f32 {
        self.budget.unwrap_or(if self.screenshot.is_some() { 500.0 } else { 4.0 })
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is not a number"))
}
