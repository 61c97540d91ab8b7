//! Sizes that have a name.

use super::config::{Fusion, HeadConfig, HeadMixing, LocalConfig, ModelConfig, TokenizerConfig, TrunkConfig};

impl ModelConfig {
    /// Sizes for tests: random weights, a texture in well under a second on a software rasteriser.
    pub fn tiny(classes: &[&str]) -> Self {
        let trunk = TrunkConfig { width: 32, depth: 2, heads: 2, window: 3 };
        Self {
            classes: classes.iter().map(ToString::to_string).collect(),
            styles: 8,
            layout_tokens: 0,
            tokenizer: TokenizerConfig {
                latent_width: 16,
                codebook_size: 64,
                second_codes: 1,
                encoder_widths: [16, 16, 32],
                decoder_widths: [32, 16, 16],
                decoder_blocks: [1, 1, 1],
                refine_width: 8,
            },
            prior: trunk.clone(),
            mar: trunk,
            head: HeadConfig {
                width: 32,
                depth: 2,
                mixing: HeadMixing::Together { heads: 2, window: 3 },
                local: Some(LocalConfig { quarter_blocks: [1, 1], eighth_blocks: [1, 0], eighth_width: 16 }),
            },
            fusion: Fusion::InPlace,
        }
    }

    /// The bundled size.
    pub fn small(classes: &[&str]) -> Self {
        let trunk = |width, heads| TrunkConfig { width, depth: 6, heads, window: 7 };
        Self {
            classes: classes.iter().map(ToString::to_string).collect(),
            styles: 0,
            layout_tokens: 0,
            tokenizer: TokenizerConfig {
                latent_width: 128,
                codebook_size: 256,
                second_codes: 64,
                encoder_widths: [48, 96, 128],
                decoder_widths: [128, 96, 64],
                decoder_blocks: [2, 1, 2],
                refine_width: 24,
            },
            prior: trunk(192, 6),
            mar: trunk(256, 8),
            head: HeadConfig {
                width: 256,
                depth: 4,
                mixing: HeadMixing::Together { heads: 8, window: 7 },
                local: Some(LocalConfig { quarter_blocks: [1, 2], eighth_blocks: [2, 2], eighth_width: 96 }),
            },
            fusion: Fusion::InPlace,
        }
    }

    /// The scale of the paper on ImageNet 256x256 (MAR-L trunk and head, RAR-L sized prior, 1024 tokens
    /// as a prefix): for counting parameters and work; no weights exist for it.
    pub fn paper() -> Self {
        let names: Vec<String> = (0..1000).map(|index| format!("imagenet_{index}")).collect();
        Self {
            classes: names,
            styles: 0,
            layout_tokens: 0,
            tokenizer: TokenizerConfig {
                latent_width: 32,
                codebook_size: 1024,
                second_codes: 1,
                encoder_widths: [128, 256, 512],
                decoder_widths: [512, 256, 256],
                decoder_blocks: [3, 3, 3],
                refine_width: 128,
            },
            prior: TrunkConfig { width: 1024, depth: 24, heads: 16, window: 15 },
            mar: TrunkConfig { width: 1024, depth: 32, heads: 16, window: 15 },
            head: HeadConfig { width: 1280, depth: 8, mixing: HeadMixing::Alone, local: None },
            fusion: Fusion::Prefix,
        }
    }
}
