//! What training does to the networks' inputs so that they stand what sampling gives them.

/// Strengths of the corruption of inputs; the default is what models are trained with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    /// Prior: largest share of the visible tokens that are replaced by random ones, since at sampling time they are
    /// not all right either. Range 0..=1.
    pub prior_tokens: f32,
    /// Continuous model: largest share of tokens that are replaced in items that are spoilt a little. The prior's tokens
    /// fit each other less well than true ones, and the continuous model must make one picture of them
    /// (MixAR, arXiv 2511.12181, trains on sampled tokens for the same reason). Range 0..=1.
    pub few_tokens: f32,
    /// Continuous model: share of the items in which anything up to all tokens are replaced. Range 0..=1.
    pub any_tokens: f32,
    /// Continuous model: share of the items that see no token at all. Range 0..=1.
    pub no_tokens: f32,
    /// Continuous model: largest deviation of the noise on known latents: at sampling time they are generated, not true.
    pub context_noise: f32,
    /// Both: deviation of the noise on the standardised style.
    pub style_jitter: f32,
}

impl Default for Corruption {
    fn default() -> Self {
        Self {
            prior_tokens: 0.10,
            few_tokens: 0.15,
            any_tokens: 0.05,
            no_tokens: 0.1,
            context_noise: 0.25,
            style_jitter: 0.25,
        }
    }
}
