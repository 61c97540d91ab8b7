//! How encoder and decoder are trained: what the comparison of tokenizers varies.

/// Parts of the training of encoder and decoder; the default is what models are trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenizerRecipe {
    /// Whether the decoder's linear path sees the neighbours of a latent, so that 16x16 patches lap over each other.
    pub lapped: bool,
    /// Whether gradients at three scales count beside the absolute error.
    pub gradient_loss: bool,
    /// Whether the decoder learns from a discriminator at the end, while the encoder rests.
    pub adversarial: bool,
}

impl Default for TokenizerRecipe {
    fn default() -> Self {
        Self { lapped: true, gradient_loss: true, adversarial: true }
    }
}
