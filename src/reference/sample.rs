//! CPU twins of the sampling kernels: `sample_tokens`, `noise`, `flow_step`, `commit_latents`, `reopen`,
//! `write_image`.

use crate::model::Codes;
use crate::sampling::rng::{Stream, gumbel, normal, random_words};
use crate::sampling::{FlowStep, ItemInputs, LATENT_LIMIT};
use std::ops::Range;

/// Tokens for rows of logits, see [`crate::sampling::SampleOps::sample_tokens`].
///
/// `unconditional` holds the second half of guided logits, `keys` are those of the rows' positions, and `items` the
/// textures that they belong to. Ties go to the smaller token.
pub fn sample_tokens(
    logits: &[f32],
    unconditional: Option<&[f32]>,
    keys: &[u32],
    items: &[ItemInputs],
    codes: Codes,
) -> Vec<u32> {
    let columns = codes.rows();
    keys.iter()
        .zip(items)
        .enumerate()
        .map(|(row, (key, item))| {
            let best = |range: Range<usize>| {
                let (mut best, mut best_score) = (0, f32::NEG_INFINITY);
                for column in range.clone() {
                    let index = row * columns + column;
                    let logit = match unconditional {
                        Some(other) => other[index] + item.guidance * (logits[index] - other[index]),
                        None => logits[index],
                    };
                    let bits = random_words(item.token_seed, Stream::Token, *key, column as u32)[0];
                    let score = logit + item.token_temperature * gumbel(bits);
                    if score > best_score {
                        (best, best_score) = ((column - range.start) as u32, score);
                    }
                }
                best
            };
            codes.join(best(0..codes.first), best(codes.first..columns))
        })
        .collect()
}

/// Start noise of the flow: `(N, width)`; `keys` are those of the positions, and `items` the textures that they belong
/// to.
pub fn noise(keys: &[u32], items: &[ItemInputs], width: usize) -> Vec<f32> {
    let of_position = |(key, item): (&u32, &ItemInputs)| {
        let (key, ItemInputs { latent_seed, latent_temperature, .. }) = (*key, *item);
        (0..width as u32)
            .map(move |channel| latent_temperature * normal(random_words(latent_seed, Stream::Latent, key, channel)))
    };
    keys.iter().zip(items).flat_map(of_position).collect()
}

/// `x + step.weight * velocity + step.previous_weight * previous`; of velocities in twice as many values, the halves are
/// those with and without tokens, see [`crate::sampling::SampleOps::flow_step`].
pub fn flow_step(x: &[f32], velocity: &[f32], previous: &[f32], step: FlowStep, guidance: f32) -> Vec<f32> {
    let guided = |velocity: &[f32], index: usize| {
        let with = velocity[index];
        velocity.get(x.len() + index).map_or(with, |without| with + (guidance - 1.0) * (with - without))
    };
    let step = |(index, x): (usize, &f32)| {
        x + step.weight * guided(velocity, index) + step.previous_weight * guided(previous, index)
    };
    x.iter().enumerate().map(step).collect()
}

/// Writes `gain` times latents and the "known" flag into rows of the context.
pub fn commit_latents(context: &mut [f32], context_width: usize, positions: &[u32], latents: &[f32], gain: f32) {
    let width = latents.len() / positions.len();
    for (position, latent) in positions.iter().zip(latents.chunks_exact(width)) {
        let row = &mut context[*position as usize * context_width..(*position as usize + 1) * context_width];
        for (target, value) in row.iter_mut().zip(latent) {
            *target = (gain * value).clamp(-LATENT_LIMIT, LATENT_LIMIT);
        }
        row[width] = 1.0;
    }
}

/// Forgets rows of the context, and writes one of `given` for each of `positions`.
pub fn reopen(tokens: &mut [u32], context: &mut [f32], context_width: usize, positions: &[u32], given: &[u32]) {
    for (position, token) in positions.iter().map(|position| *position as usize).zip(given) {
        tokens[position] = *token;
        context[position * context_width..(position + 1) * context_width].fill(0.0);
    }
}

/// Pixels -1..1 to bytes.
pub fn write_image(pixels: &[f32]) -> Vec<u8> {
    pixels.iter().map(|value| ((value * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0 + 0.5).floor() as u8).collect()
}
