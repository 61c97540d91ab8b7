//! Weights on the host: reading, writing and checking `model.safetensors` and `config.ron`.
//!
//! Every tensor's name, shape and type is checked against the declared [`ParamTable`] before its values
//! are converted, so a hostile or mistaken file gives an error and never a large allocation or a panic.

use super::Discon;
use super::config::{ConfigError, ModelConfig};
use super::layout::TokenDistances;
use super::params::{Init, ParamId, ParamTable, Role};
pub use super::weights_error::WeightsError;
use crate::files;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;
use std::sync::OnceLock;

/// File of the weights inside a model folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// File of the configuration inside a model folder.
pub const CONFIG_FILE: &str = "config.ron";
/// Largest weight file that is read: 1 GiB.
pub const MAX_WEIGHT_BYTES: u64 = 1 << 30;
/// Largest configuration file that is read: 1 MiB.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Values of all parameters, by [`ParamId`]. The digest that names them is [`Model::digest`].
#[derive(Clone, Debug)]
pub struct Weights {
    values: Vec<Vec<f32>>,
}

impl Weights {
    /// Start values before training, the same for the same seed.
    pub fn fresh(table: &ParamTable, seed: u64) -> Self {
        let values = table
            .iter()
            .map(|(id, spec)| match spec.init {
                Init::Zeros => vec![0.0; spec.len()],
                Init::Ones => vec![1.0; spec.len()],
                Init::Normal(deviation) => {
                    let mut state = seed ^ (id.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x51ed_270b;
                    (0..spec.len()).map(|_| normal(&mut state) * deviation).collect()
                }
            })
            .collect();
        Self { values }
    }

    /// Values by parameter, in order of declaration.
    ///
    /// # Panics
    /// If a length differs from the table's: a bug of the caller.
    pub fn from_values(table: &ParamTable, values: Vec<Vec<f32>>) -> Self {
        assert_eq!(values.len(), table.len(), "one vector per parameter");
        for (id, spec) in table.iter() {
            assert_eq!(values[id.0].len(), spec.len(), "length of `{}`", spec.name);
        }
        Self { values }
    }

    /// Values of one parameter, row-major.
    pub fn get(&self, id: ParamId) -> &[f32] {
        &self.values[id.0]
    }

    /// Values of one parameter, to be changed.
    pub fn get_mut(&mut self, id: ParamId) -> &mut Vec<f32> {
        &mut self.values[id.0]
    }

    /// Rounds matrices and tables to f16, the precision in which they are stored and in which the GPU reads them.
    pub fn round_to_storage(&mut self, table: &ParamTable) {
        for (id, spec) in table.iter() {
            if stored_as_half(spec.role) {
                for value in &mut self.values[id.0] {
                    *value = f16::from_f32(*value).to_f32();
                }
            }
        }
    }
}

/// A model ready to run: parts, parameter table, weights and the digest of its files.
#[derive(Clone, Debug)]
pub struct Model {
    /// The parts.
    pub discon: Discon,
    /// Their parameters.
    pub table: ParamTable,
    /// The values.
    pub weights: Weights,
    /// BLAKE3 of configuration and weights; part of every cache key.
    pub digest: [u8; 32],
    token_distances: OnceLock<TokenDistances>,
}

impl Model {
    /// A model with the given values.
    ///
    /// # Errors
    /// The first size in `config` that is out of range.
    pub fn new(config: &ModelConfig, weights: Option<Weights>, seed: u64) -> Result<Self, ConfigError> {
        let (discon, table) = Discon::declare(config)?;
        let mut weights = weights.unwrap_or_else(|| Weights::fresh(&table, seed));
        weights.round_to_storage(&table);
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{config:?}").as_bytes());
        for (id, _) in table.iter() {
            hasher.update(bytemuck::cast_slice(weights.get(id)));
        }
        let digest = *hasher.finalize().as_bytes();
        Ok(Self { discon, table, weights, digest, token_distances: OnceLock::new() })
    }

    /// How much its tokens differ; computed when it is first asked for, some milliseconds for 256 tokens.
    pub fn token_distances(&self) -> &TokenDistances {
        self.token_distances.get_or_init(|| {
            let codebook = &self.discon.codebook;
            let [centres, importance] = [codebook.centres, codebook.importance].map(|id| self.weights.get(id));
            TokenDistances::new(centres, importance, self.discon.config.codes())
        })
    }

    /// Reads `config.ron` and `model.safetensors` from a folder.
    ///
    /// # Errors
    /// Names the file and what is wrong with it; see [`WeightsError`].
    pub fn load(folder: &Path) -> Result<Self, WeightsError> {
        let config = read_limited(&folder.join(CONFIG_FILE), MAX_CONFIG_BYTES)?;
        let weights = read_limited(&folder.join(WEIGHTS_FILE), MAX_WEIGHT_BYTES)?;
        Self::from_bytes(&config, &weights, &folder.display().to_string())
    }

    /// The same from bytes in memory; `origin` stands in messages.
    ///
    /// # Errors
    /// See [`WeightsError`].
    pub fn from_bytes(config: &[u8], weights: &[u8], origin: &str) -> Result<Self, WeightsError> {
        let config: ModelConfig = ron::de::from_bytes(config).map_err(|error| WeightsError::Syntax {
            path: Path::new(origin).join(CONFIG_FILE),
            message: error.to_string(),
        })?;
        let (_, table) = Discon::declare(&config)?;
        let weights = parse_weights(weights, &table, &format!("{origin}/{WEIGHTS_FILE}"))?;
        let model = Self::new(&config, Some(weights), 0)?;
        if model.discon.layouts.is_some() {
            // Here, and not in the frame that plans the first texture.
            model.token_distances();
        }
        Ok(model)
    }

    /// Writes both files into a folder, each by a temporary file that is renamed when it is complete.
    ///
    /// # Errors
    /// The file that could not be written.
    pub fn save(&self, folder: &Path) -> Result<(), WeightsError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WeightsError::Io { path, source }
        };
        let text = ron::ser::to_string_pretty(&self.discon.config, ron::ser::PrettyConfig::default())
            .map_err(|error| WeightsError::Syntax { path: folder.join(CONFIG_FILE), message: error.to_string() })?;
        let bytes = self.to_safetensors()?;
        for (name, content) in [(CONFIG_FILE, text.as_bytes()), (WEIGHTS_FILE, bytes.as_slice())] {
            let path = folder.join(name);
            files::write_atomically(&path, content).map_err(io(&path))?;
        }
        Ok(())
    }

    fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let encoded: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = self
            .table
            .iter()
            .map(|(id, spec)| {
                let values = self.weights.get(id);
                let (dtype, bytes) = if stored_as_half(spec.role) {
                    let half: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
                    (Dtype::F16, bytemuck::cast_slice(&half).to_vec())
                } else {
                    (Dtype::F32, bytemuck::cast_slice(values).to_vec())
                };
                (spec.name.clone(), dtype, spec.shape.to_vec(), bytes)
            })
            .collect();
        let format = |error: safetensors::SafeTensorError| WeightsError::Format {
            file: WEIGHTS_FILE.into(),
            message: error.to_string(),
        };
        let views = encoded
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(format)?))
            })
            .collect::<Result<Vec<_>, WeightsError>>()?;
        safetensors::serialize(views, None).map_err(format)
    }
}

/// Matrices, tables and the style bank are stored in f16.
fn stored_as_half(role: Role) -> bool {
    role != Role::Vector
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_path_buf(), source };
    let found = std::fs::metadata(path).map_err(io)?.len();
    if found > limit {
        return Err(WeightsError::TooLarge { path: path.to_path_buf(), found, limit });
    }
    files::read_limited(path, limit).map_err(io)
}

fn parse_weights(bytes: &[u8], table: &ParamTable, file: &str) -> Result<Weights, WeightsError> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| WeightsError::Format { file: file.into(), message: error.to_string() })?;
    for name in tensors.names() {
        if table.find(name).is_none() {
            return Err(WeightsError::Unknown { name: name.to_string(), file: file.into() });
        }
    }
    let mut values = Vec::with_capacity(table.len());
    for (_, spec) in table.iter() {
        let missing = |_| WeightsError::Missing { name: spec.name.clone(), file: file.into() };
        let view = tensors.tensor(&spec.name).map_err(missing)?;
        let dtype = if stored_as_half(spec.role) { Dtype::F16 } else { Dtype::F32 };
        if view.dtype() != dtype || view.shape() != spec.shape {
            return Err(WeightsError::Mismatch {
                name: spec.name.clone(),
                found: format!("{:?} {:?}", view.dtype(), view.shape()),
                declared: format!("{dtype:?} {:?}", spec.shape),
                file: file.into(),
            });
        }
        // Unaligned data is legal in the format, so values are read byte by byte.
        let decoded: Vec<f32> = if dtype == Dtype::F16 {
            view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        } else {
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        if decoded.iter().any(|value| !value.is_finite()) {
            return Err(WeightsError::NotFinite { name: spec.name.clone(), file: file.into() });
        }
        values.push(decoded);
    }
    Ok(Weights { values })
}

/// Next number of a splitmix64 stream, for start values only.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A standard normal number by Box and Muller's method.
fn normal(state: &mut u64) -> f32 {
    let unit = |bits: u64| ((bits >> 40) as f32 + 0.5) / (1u64 << 24) as f32;
    let (a, b) = (unit(next_random(state)), unit(next_random(state)));
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}
