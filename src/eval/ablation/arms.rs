//! The arms as data: what is compared with what.

use crate::model::{Codes, Fusion, HeadConfig, HeadMixing, ModelConfig, TokenizerConfig, TrunkConfig};
use crate::train::corruption::Corruption;
use crate::train::head_loss::HeadLoss;
use crate::train::pairs;

/// Codes of the codebook where nothing else is said.
pub const CODES: usize = 256;
/// Numbers of a latent, unless a trained encoder and decoder have others.
pub const LATENT_WIDTH: usize = 32;
/// Steps of the flow in each round of the continuous model.
pub const FLOW_STEPS: u32 = 8;
/// Width of the networks, and the largest offset over which positions see each other.
const WIDTH: usize = 96;
const WINDOW: usize = 4;
const HEADS: usize = 3;
const DEPTH: usize = 4;
/// Blocks of the flow head: as many as make both kinds equally large.
const TOGETHER_DEPTH: usize = 2;
const ALONE_DEPTH: usize = 6;

/// Which of the two networks an arm has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The token prior alone; pictures are decoded from the codebook.
    Tokens,
    /// The same with two tokens per position, see [`crate::train::pairs`].
    TokenPairs,
    /// The continuous model alone; it never sees a token.
    Latents,
    /// Both: tokens are conditions of the continuous model.
    Both,
}

/// One setting that is trained and measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Short name, also of its folders.
    pub name: &'static str,
    /// What it shows.
    pub what: &'static str,
    /// Which networks.
    pub kind: Kind,
    /// Size of the codebook, of each of two for pairs.
    pub codes: usize,
    /// Second codes of a token, see [`crate::model::Codes`]; 1 for tokens of one code. Not for pairs, which are two tokens.
    pub second_codes: usize,
    /// How tokens enter the continuous model.
    pub fusion: Fusion,
    /// Whether the head samples positions together.
    pub together: bool,
    /// What the head learns.
    pub head_loss: HeadLoss,
    /// What is done to inputs in training.
    pub corruption: Corruption,
    /// Measured at shares of the training too, for the plot over training cost.
    pub over_training: bool,
    /// Measured with several numbers of latent rounds, for the plot over rounds.
    pub over_rounds: bool,
    /// Measured with several numbers of steps of the flow.
    pub over_flow_steps: bool,
    /// Measured with true and with shuffled tokens.
    pub bounds: bool,
}

/// Sizes of an encoder and decoder whose latents have `width` numbers.
pub fn tokenizer(width: usize) -> TokenizerConfig {
    TokenizerConfig {
        latent_width: width,
        codebook_size: CODES,
        second_codes: 1,
        encoder_widths: [32, 48, 64],
        decoder_widths: [96, 64, 48],
        decoder_blocks: [1, 1, 1],
        refine_width: 16,
    }
}

/// All arms; the first ones carry the claim.
pub fn arms() -> Vec<Arm> {
    let plain = Arm {
        name: "X",
        what: "DisCon: tokens as conditions of continuous latents",
        kind: Kind::Both,
        codes: CODES,
        second_codes: 1,
        fusion: Fusion::InPlace,
        together: true,
        head_loss: HeadLoss::Flow,
        corruption: Corruption::default(),
        over_training: false,
        over_rounds: false,
        over_flow_steps: false,
        bounds: false,
    };
    let arm = |name, what| Arm { name, what, ..plain.clone() };
    let never = Corruption { no_tokens: 1.0, ..Corruption::default() };
    let clean = Corruption { few_tokens: 0.0, any_tokens: 0.0, ..Corruption::default() };
    vec![
        Arm { over_training: true, over_rounds: true, over_flow_steps: true, bounds: true, ..plain.clone() },
        Arm { kind: Kind::Tokens, over_training: true, ..arm("D", "tokens only, decoded from the codebook") },
        Arm {
            kind: Kind::TokenPairs,
            over_training: true,
            ..arm("D+", "tokens only, two per position: a codebook of K^2")
        },
        Arm {
            kind: Kind::Latents,
            corruption: never,
            over_training: true,
            over_rounds: true,
            ..arm("C", "continuous latents only")
        },
        Arm { corruption: clean, ..arm("X-clean", "X trained on true tokens") },
        Arm { fusion: Fusion::Prefix, ..arm("X-prefix", "X with tokens as a prefix of the sequence") },
        Arm { together: false, ..arm("X-alone", "X with a head that samples each position alone") },
        Arm {
            together: false,
            head_loss: HeadLoss::Energy,
            ..arm("X-energy", "X-alone with a head that draws in one pass, trained by the energy score")
        },
        Arm { codes: 64, ..arm("X-64", "X with 64 codes") },
        Arm { codes: 1024, ..arm("X-1024", "X with 1024 codes") },
        Arm { second_codes: 64, bounds: true, ..arm("X-two", "X with tokens of two codes, 256 and 64") },
    ]
}

impl Arm {
    /// Steps of the flow in each round.
    pub fn flow_steps(&self) -> u32 {
        match self.head_loss {
            HeadLoss::Flow => FLOW_STEPS,
            HeadLoss::Energy => 1,
        }
    }

    /// Sizes of the arm's model: half a million parameters per network, all arms with the same encoder and decoder, whose
    /// sizes are those of `tokenizer`.
    pub fn config(&self, classes: &[String], styles: usize, tokenizer: &TokenizerConfig) -> ModelConfig {
        let trunk = TrunkConfig { width: WIDTH, depth: DEPTH, heads: HEADS, window: WINDOW };
        let pairs = self.kind == Kind::TokenPairs;
        // Pairs lie side by side, so the same distance is twice as many places.
        let prior = TrunkConfig { window: if pairs { 2 * WINDOW } else { WINDOW }, ..trunk.clone() };
        let (depth, mixing) = match self.together {
            true => (TOGETHER_DEPTH, HeadMixing::Together { heads: HEADS, window: WINDOW }),
            false => (ALONE_DEPTH, HeadMixing::Alone),
        };
        ModelConfig {
            classes: classes.to_vec(),
            styles,
            layout_tokens: 0,
            tokenizer: TokenizerConfig {
                codebook_size: if pairs { pairs::vocabulary(self.codes) } else { self.codes },
                second_codes: self.second_codes,
                ..tokenizer.clone()
            },
            prior,
            mar: trunk,
            head: HeadConfig { width: WIDTH, depth, mixing, local: None },
            fusion: self.fusion,
        }
    }

    /// The codes of its tokens; those of a pair are the two tokens.
    pub fn token_codes(&self) -> Codes {
        let second = if self.kind == Kind::TokenPairs { self.codes } else { self.second_codes };
        Codes { first: self.codes, second }
    }

    /// True if the arm has the token prior.
    pub fn has_tokens(&self) -> bool {
        self.kind != Kind::Latents
    }

    /// True if the arm has the continuous model.
    pub fn has_latents(&self) -> bool {
        matches!(self.kind, Kind::Latents | Kind::Both)
    }
}
