//! Random numbers by counter: the same bits in Rust and in `shaders/lib/rng.wgsl`.
//!
//! A number depends on the seed, what it is for, the position and an index, never on what was drawn
//! before, so rounds, batches and frame budgets cannot change a picture. The hash is pcg4d (Jarzynski
//! and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020).

/// What a number is for: keeps the streams of one seed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Gumbel noise of the token choice.
    Token = 1,
    /// Start noise of the flow.
    Latent = 2,
    /// Choice and mixture of styles.
    Style = 3,
    /// Offset of the generation order.
    Order = 4,
    /// Keys of positions that an edit makes anew, or that belong to a place of an endless surface.
    Key = 5,
    /// Choice of a layout, and of its parts.
    Layout = 6,
}

/// Four hashed words of four words.
pub fn pcg4d(mut v: [u32; 4]) -> [u32; 4] {
    for word in &mut v {
        *word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    for word in &mut v {
        *word ^= *word >> 16;
    }
    mix(&mut v);
    v
}

/// Four words for a seed, stream, position and index.
pub fn random_words(seed: u64, stream: Stream, position: u32, index: u32) -> [u32; 4] {
    pcg4d([seed as u32, (seed >> 32) as u32 ^ ((stream as u32) << 24), position, index])
}

/// A number strictly between 0 and 1, from the high 23 bits (so that the result is exact in f32).
pub fn unit(bits: u32) -> f32 {
    ((bits >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// A Gumbel number: adding one to each logit and taking the largest samples the softmax.
pub fn gumbel(bits: u32) -> f32 {
    -(-unit(bits).ln()).ln()
}

/// A nearly normal number: the scaled sum of eight 16-bit numbers (Irwin and Hall).
///
/// Integers only until the last product, so every adapter gives the same bits; the excess kurtosis of
/// -0.15 is far below what the flow head could show. Range +-4.9.
pub fn normal(words: [u32; 4]) -> f32 {
    let sum: u32 = words.iter().map(|word| (word & 0xffff) + (word >> 16)).sum();
    // Mean 8 * 32767.5; the deviation of one 16-bit number is 65536 / sqrt(12).
    (sum as f32 - 262_140.0) * (1.0 / 53_509.95)
}

/// Seed of a class's random numbers: with equal noise, all classes would show the same blotches at the same places, and
/// have their styles from the same sources.
pub(super) fn seed_of_class(seed: u64, class: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(class.as_bytes()).as_bytes()[..8]);
    seed ^ u64::from_le_bytes(first)
}

/// A number below `limit` for a seed, stream and index; `limit` must not be 0.
pub fn below(seed: u64, stream: Stream, index: u32, limit: u32) -> u32 {
    ((u64::from(random_words(seed, stream, 0, index)[0]) * u64::from(limit)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let count = 20_000;
        let values: Vec<f32> = (0..count).map(|i| normal(random_words(7, Stream::Latent, i, 3))).collect();
        let mean = values.iter().sum::<f32>() / count as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count as f32;
        // Standard errors: 0.007 for the mean, 0.01 for the variance.
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "mean {mean}, variance {variance}");
    }

    #[test]
    fn neighbouring_counters_and_streams_do_not_correlate() {
        let a: Vec<f32> = (0..4096).map(|i| unit(random_words(1, Stream::Token, i, 0)[0])).collect();
        for (seed, stream, shift, index) in
            [(1, Stream::Token, 1, 0), (1, Stream::Token, 0, 1), (2, Stream::Token, 0, 0), (1, Stream::Latent, 0, 0)]
        {
            for word in 0..4 {
                let other = |i: usize| unit(random_words(seed, stream, i as u32 + shift, index)[word]);
                let covariance = a.iter().enumerate().map(|(i, x)| (x - 0.5) * (other(i) - 0.5));
                let correlation = covariance.sum::<f32>() / 4096.0 * 12.0;
                // Four standard errors.
                assert!(correlation.abs() < 0.0625, "{seed} {stream:?} {shift} {index} {word}: {correlation}");
            }
        }
    }
}
