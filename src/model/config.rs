//! Sizes of a model, as data: `config.ron` beside the weights.

use super::codes::Codes;
use serde::{Deserialize, Serialize};

/// How the discrete tokens enter the continuous model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fusion {
    /// The token's embedding is added at its own position; the sequence keeps its length
    /// (the mix layout of MixAR, arXiv 2511.12181).
    InPlace,
    /// The embedded tokens stand in front of the latents as a prefix of the sequence, as in the
    /// method figure of DisCon (arXiv 2507.01756); twice as long.
    Prefix,
}

/// Sizes of the tokenizer: encoder, codebook and decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// Numbers per latent, `D`: one latent stands for 16x16 pixels. A multiple of 16.
    pub latent_width: usize,
    /// Number of first codes. A multiple of 16.
    pub codebook_size: usize,
    /// Number of second codes, which say what of a latent the first code leaves; 1 for tokens of one code, else a multiple
    /// of 16. There are `K = codebook_size * second_codes` different tokens, at most 65536.
    #[serde(default = "one")]
    pub second_codes: usize,
    /// Channels of the encoder at 1/4, 1/8 and 1/16 of the image's resolution; multiples of 8.
    pub encoder_widths: [usize; 3],
    /// Channels of the decoder at 1/16, 1/8 and 1/4 of the image's resolution; multiples of 16.
    pub decoder_widths: [usize; 3],
    /// Residual blocks of the decoder at each of its levels.
    pub decoder_blocks: [usize; 3],
    /// Channels of the last correction at half resolution; a multiple of 8, 0 for none.
    pub refine_width: usize,
}

/// Sizes of a transformer trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// Width `C`, a multiple of 16 and of `heads`; `width / heads` must be a multiple of 8, at most 64.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Largest offset, in positions, over which a position sees another: at least 3.
    pub window: usize,
}

/// What the flow head sees of the positions that are sampled together with its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadMixing {
    /// Nothing: each latent is sampled alone, given its condition, as in MAR (arXiv 2406.11838).
    #[default]
    Alone,
    /// Everything in sight: the head is a small transformer over the grid, as in DiT (arXiv 2212.09748), and latents of
    /// one round are sampled from their joint distribution.
    Together {
        /// Attention heads.
        heads: usize,
        /// Largest offset, in positions, over which a position sees another: at least 3.
        window: usize,
    },
}

/// Sizes of the flow head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// Width of the hidden layers, a multiple of 16.
    pub width: usize,
    /// Number of residual blocks.
    pub depth: usize,
    /// Whether positions see each other.
    #[serde(default)]
    pub mixing: HeadMixing,
    /// The part that sees a picture; only a head that mixes positions can have it.
    #[serde(default)]
    pub local: Option<LocalConfig>,
}

/// Sizes of the flow head's convolutions, see [`super::local`]. Pairs: in the middle of the head, and at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// Residual blocks at a quarter of the picture's resolution.
    pub quarter_blocks: [usize; 2],
    /// Residual blocks at an eighth of it.
    pub eighth_blocks: [usize; 2],
    /// Channels at an eighth; a multiple of 16.
    pub eighth_width: usize,
}

/// Everything that decides a model's parameters. Its text form is `config.ron`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Class names in the order of the class inputs.
    pub classes: Vec<String>,
    /// Rows of the style bank: colour and contrast statistics of training images, see [`super::style`].
    pub styles: usize,
    /// Tokens of the layout bank, all layouts together, see [`super::layout`]; 0 for a model without one.
    #[serde(default)]
    pub layout_tokens: usize,
    /// Image to latents and tokens, and back.
    pub tokenizer: TokenizerConfig,
    /// Stage 1: the token grid.
    pub prior: TrunkConfig,
    /// Stage 2: the latents.
    pub mar: TrunkConfig,
    /// The flow head of stage 2.
    pub head: HeadConfig,
    /// How tokens enter stage 2.
    pub fusion: Fusion,
}

/// Pixels along one side of a token.
pub const TOKEN_PIXELS: usize = 16;
/// Sines and cosines that describe the flow time to the head.
pub const TIME_FEATURES: usize = 32;
/// Columns of the continuous model's input after the latent: the "known" flag and padding.
pub const CONTEXT_EXTRA: usize = 8;
/// Upper bound of every width, depth and count in a configuration; a file that asks for more is refused.
pub const MAX_SIZE: usize = 65_536;

/// A configuration that no model can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model configuration: `{field}` is {found}, expected {expected}")]
pub struct ConfigError {
    /// Path of the field.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub expected: String,
}

impl ModelConfig {
    /// Width of the condition row: class weights, then the standardised style, padded to a multiple of 8.
    pub fn condition_width(&self) -> usize {
        (self.classes.len() + self.style_width()).next_multiple_of(8)
    }

    /// Width of a style row: mean and log deviation per latent channel.
    pub fn style_width(&self) -> usize {
        2 * self.tokenizer.latent_width
    }

    /// Width of one row of the continuous model's input.
    pub fn context_width(&self) -> usize {
        self.tokenizer.latent_width + CONTEXT_EXTRA
    }

    /// The numbers of codes.
    pub fn codes(&self) -> Codes {
        Codes { first: self.tokenizer.codebook_size, second: self.tokenizer.second_codes }
    }

    /// The index that stands for "not sampled yet" in a token grid: the number of tokens.
    pub fn mask_token(&self) -> u32 {
        self.codes().tokens() as u32
    }

    /// Checks every size.
    ///
    /// # Errors
    /// The first field that is out of range, with the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let t = &self.tokenizer;
        multiple("tokenizer.latent_width", t.latent_width, 16)?;
        multiple("tokenizer.codebook_size", t.codebook_size, 16)?;
        if t.second_codes != 1 {
            multiple("tokenizer.second_codes", t.second_codes, 16)?;
            in_range("tokenizer.second_codes", t.second_codes, 1, MAX_SIZE / t.codebook_size)?;
        }
        for (index, width) in t.encoder_widths.iter().enumerate() {
            multiple(&format!("tokenizer.encoder_widths[{index}]"), *width, 8)?;
        }
        for (index, width) in t.decoder_widths.iter().enumerate() {
            multiple(&format!("tokenizer.decoder_widths[{index}]"), *width, 16)?;
        }
        for (index, blocks) in t.decoder_blocks.iter().enumerate() {
            in_range(&format!("tokenizer.decoder_blocks[{index}]"), *blocks, 0, 64)?;
        }
        if t.refine_width != 0 {
            multiple("tokenizer.refine_width", t.refine_width, 8)?;
        }
        for (name, trunk) in [("prior", &self.prior), ("mar", &self.mar)] {
            multiple(&format!("{name}.width"), trunk.width, 16)?;
            in_range(&format!("{name}.depth"), trunk.depth, 1, 256)?;
            in_range(&format!("{name}.heads"), trunk.heads, 1, 256)?;
            in_range(&format!("{name}.window"), trunk.window, 3, 31)?;
            heads_divide(&format!("{name}.heads"), trunk.width, trunk.heads)?;
        }
        multiple("head.width", self.head.width, 16)?;
        if let HeadMixing::Together { heads, window } = self.head.mixing {
            in_range("head.mixing.heads", heads, 1, 256)?;
            in_range("head.mixing.window", window, 3, 31)?;
            heads_divide("head.mixing.heads", self.head.width, heads)?;
        }
        if let Some(local) = &self.head.local {
            local.validate(self.head.mixing)?;
        }
        in_range("head.depth", self.head.depth, 1, 64)?;
        in_range("classes (count)", self.classes.len(), 1, 4096)?;
        in_range("styles", self.styles, 0, MAX_SIZE)?;
        in_range("layout_tokens", self.layout_tokens, 0, 64 * MAX_SIZE)?;
        super::layout::validate(self)?;
        for (index, name) in self.classes.iter().enumerate() {
            if name.is_empty() || self.classes[..index].contains(name) {
                return Err(ConfigError {
                    field: format!("classes[{index}]"),
                    found: format!("\"{name}\""),
                    expected: "a name that is not empty and not used twice".into(),
                });
            }
        }
        Ok(())
    }
}

impl LocalConfig {
    fn validate(&self, mixing: HeadMixing) -> Result<(), ConfigError> {
        if mixing == HeadMixing::Alone {
            return Err(ConfigError {
                field: "head.local".into(),
                found: "Some(..)".into(),
                expected: "None for a head that samples each position alone".into(),
            });
        }
        multiple("head.local.eighth_width", self.eighth_width, 16)?;
        for (name, blocks) in [("quarter_blocks", self.quarter_blocks), ("eighth_blocks", self.eighth_blocks)] {
            for (index, blocks) in blocks.into_iter().enumerate() {
                in_range(&format!("head.local.{name}[{index}]"), blocks, 0, 64)?;
            }
        }
        Ok(())
    }
}

/// For configurations that say nothing.
fn one() -> usize {
    1
}

/// Attention kernels take heads of 8 to 64 columns.
fn heads_divide(field: &str, width: usize, heads: usize) -> Result<(), ConfigError> {
    let columns = width / heads;
    if width.is_multiple_of(heads) && columns.is_multiple_of(8) && columns <= 64 {
        return Ok(());
    }
    Err(ConfigError {
        field: field.into(),
        found: heads.to_string(),
        expected: format!("a divisor of {width} that leaves a multiple of 8, at most 64"),
    })
}

fn in_range(field: &str, found: usize, low: usize, high: usize) -> Result<(), ConfigError> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    Err(ConfigError { field: field.into(), found: found.to_string(), expected: format!("{low} to {high}") })
}

fn multiple(field: &str, found: usize, of: usize) -> Result<(), ConfigError> {
    if found > 0 && found <= MAX_SIZE && found.is_multiple_of(of) {
        return Ok(());
    }
    Err(ConfigError {
        field: field.into(),
        found: found.to_string(),
        expected: format!("a multiple of {of} from {of} to {MAX_SIZE}"),
    })
}
