//! The network: what its parameters are and what it computes, independent of where it runs.
//!
//! [`Discon::declare`] builds all parts and the table of their parameters; each part has one `forward`
//! over [`Ops`]. Of the rest of the crate this module imports `files` alone.

pub mod codes;
pub mod config;
pub mod flow_head;
pub mod layers;
pub mod layout;
pub mod local;
pub mod mar;
pub mod ops;
pub mod params;
mod presets;
pub mod style;
pub mod token_blocks;
pub mod token_prior;
pub mod tokenizer;
pub mod trunk;
pub mod weights;
mod weights_error;

pub use codes::Codes;
pub use config::{
    ConfigError, Fusion, HeadConfig, HeadMixing, LocalConfig, ModelConfig, TOKEN_PIXELS, TokenizerConfig, TrunkConfig,
};
pub use flow_head::{FlowHead, time_features};
pub use layout::{DistancesOf, Layout, LayoutBank, TokenDistances, TokenParts};
pub use mar::Mar;
pub use ops::{Activation, AttentionLayout, Grid, Ops, Wrap};
pub use params::{Init, ParamId, ParamSpec, ParamTable, Role};
pub use style::StyleBank;
pub use token_blocks::{TOKEN_BLOCKS, TokenBlocks};
pub use token_prior::TokenPrior;
pub use tokenizer::{Codebook, Decoder, Encoder, SMOOTHED_PIXELS};
pub use weights::{Model, WEIGHTS_FILE, Weights, WeightsError};

/// All parts of one model.
#[derive(Clone, Debug)]
pub struct Discon {
    /// The sizes it was built from.
    pub config: ModelConfig,
    /// Image to latents.
    pub encoder: Encoder,
    /// Latents to image.
    pub decoder: Decoder,
    /// Latents to tokens.
    pub codebook: Codebook,
    /// Statistics of training images.
    pub styles: StyleBank,
    /// Token grids of training images, if the model has them.
    pub layouts: Option<LayoutBank>,
    /// Stage 1.
    pub prior: TokenPrior,
    /// Stage 2.
    pub mar: Mar,
    /// The head of stage 2.
    pub head: FlowHead,
}

impl Discon {
    /// Builds the model and lists its parameters.
    ///
    /// # Errors
    /// The first size in `config` that is out of range.
    pub fn declare(config: &ModelConfig) -> Result<(Self, ParamTable), ConfigError> {
        config.validate()?;
        let mut table = ParamTable::default();
        let model = Self {
            config: config.clone(),
            encoder: table.scope("tokenizer", |table| Encoder::declare(table, config)),
            decoder: table.scope("tokenizer", |table| Decoder::declare(table, config)),
            codebook: table.scope("tokenizer", |table| Codebook::declare(table, config)),
            styles: StyleBank::declare(&mut table, config),
            layouts: LayoutBank::declare(&mut table, config),
            prior: TokenPrior::declare(&mut table, config),
            mar: Mar::declare(&mut table, config),
            head: FlowHead::declare(&mut table, config),
        };
        Ok((model, table))
    }
}
