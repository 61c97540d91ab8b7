//! The optional parts of the binary form of a recipe; the table is in `recipe_bytes.rs`.

use super::recipe::{Recipe, RecipeError};
use super::recipe_bytes::Reader;
use super::recipe_parts::{Blend, Edit, TokenMask};

pub(super) const HAS_STYLE_SEED: u8 = 8;
pub(super) const HAS_STYLE_ROW: u8 = 16;
pub(super) const HAS_BLENDS: u8 = 32;
pub(super) const HAS_EDITS: u8 = 64;

/// Values of layout share, guidance, token guidance and the two temperatures that a recipe of this version does not write.
/// They belong to the format and stay what they are when defaults change.
const USUAL_VALUES: [f32; 5] = [1.0, 1.0, 2.0, 0.9, 1.0];
/// The same for token rounds, latent rounds and flow steps.
const USUAL_ROUNDS: [u8; 3] = [8, 1, 6];
/// The bit of the rounds in `settings`; those of the values are below it.
const HAS_ROUNDS: u8 = 1 << USUAL_VALUES.len();
/// Names of the values, for errors.
const VALUES: [&str; 5] = ["layout_share", "guidance", "token_guidance", "token_temperature", "latent_temperature"];

/// Appends the settings that differ from the usual ones.
pub(super) fn write_settings(recipe: &Recipe, bytes: &mut Vec<u8>) {
    let steering = [recipe.layout_share, recipe.guidance, recipe.token_guidance];
    let temperatures = [recipe.token_temperature, recipe.latent_temperature];
    let rounds = [recipe.token_rounds, recipe.latent_rounds, recipe.flow_steps].map(|rounds| rounds as u8);
    let at = bytes.len();
    bytes.push(0);
    let values = steering.into_iter().chain(temperatures).zip(USUAL_VALUES);
    for (index, (value, _)) in values.enumerate().filter(|(_, (value, usual))| value.to_bits() != usual.to_bits()) {
        bytes[at] |= 1 << index;
        bytes.extend(value.to_le_bytes());
    }
    if rounds != USUAL_ROUNDS {
        bytes[at] |= HAS_ROUNDS;
        bytes.extend(rounds);
    }
}

/// Values and rounds. One recipe has one form, so what is usual may not be written.
pub(super) fn read_settings(reader: &mut Reader<'_>) -> Result<([f32; 5], [u8; 3]), RecipeError> {
    let [written] = reader.take("settings")?;
    if written >= 2 * HAS_ROUNDS {
        return Err(reader.error("settings", written, format!("below {}", 2 * HAS_ROUNDS)));
    }
    let (mut values, mut rounds) = (USUAL_VALUES, USUAL_ROUNDS);
    for (index, value) in values.iter_mut().enumerate().filter(|(index, _)| written >> index & 1 == 1) {
        let usual = *value;
        *value = f32::from_le_bytes(reader.take(VALUES[index])?);
        if value.to_bits() == usual.to_bits() {
            return Err(reader.error(VALUES[index], usual, "another value than the usual one"));
        }
    }
    if written & HAS_ROUNDS > 0 {
        for (rounds, field) in rounds.iter_mut().zip(["token_rounds", "latent_rounds", "flow_steps"]) {
            [*rounds] = reader.take(field)?;
        }
        if rounds == USUAL_ROUNDS {
            return Err(reader.error("token_rounds", "the usual rounds", "other rounds than the usual ones"));
        }
    }
    Ok((values, rounds))
}

/// The flags of the parts that a recipe has.
pub(super) fn flags(recipe: &Recipe) -> u8 {
    let flag = |has: bool, bit: u8| if has { bit } else { 0 };
    flag(recipe.style_seed.is_some(), HAS_STYLE_SEED)
        | flag(recipe.style_row.is_some(), HAS_STYLE_ROW)
        | flag(!recipe.blends.is_empty(), HAS_BLENDS)
        | flag(!recipe.edits.is_empty(), HAS_EDITS)
}

/// Appends the parts of a recipe that is within its ranges.
pub(super) fn write(recipe: &Recipe, bytes: &mut Vec<u8>) {
    let name = |name: &str, bytes: &mut Vec<u8>| {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
    };
    bytes.extend(recipe.style_seed.iter().flat_map(|seed| seed.to_le_bytes()));
    if let Some(row) = &recipe.style_row {
        bytes.extend((row.len() as u16).to_le_bytes());
        bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
    }
    if !recipe.blends.is_empty() {
        bytes.push(recipe.blends.len() as u8);
        for blend in &recipe.blends {
            name(&blend.class, bytes);
            bytes.extend(&blend.shares);
        }
    }
    if !recipe.edits.is_empty() {
        bytes.push(recipe.edits.len() as u8);
        for edit in &recipe.edits {
            // No class has an empty name.
            name(edit.class.as_deref().unwrap_or_default(), bytes);
            bytes.extend(edit.seed.to_le_bytes());
            let (columns, rows) = recipe.token_grid();
            let mut bits = vec![0u8; (columns * rows).div_ceil(8)];
            edit.mask.cells.iter().for_each(|cell| bits[usize::from(*cell) / 8] |= 1 << (cell % 8));
            bytes.extend(bits);
        }
    }
}

/// Reads the parts that `flags` names. Ranges are checked by the caller.
pub(super) fn read(recipe: &mut Recipe, flags: u8, reader: &mut Reader<'_>) -> Result<(), RecipeError> {
    let (columns, rows) = recipe.token_grid();
    let cells = columns * rows;
    if flags & HAS_STYLE_SEED > 0 {
        recipe.style_seed = Some(u64::from_le_bytes(reader.take("style_seed")?));
    }
    if flags & HAS_STYLE_ROW > 0 {
        let count = usize::from(u16::from_le_bytes(reader.take("style_row (count)")?));
        let values = reader.slice("style_row", 4 * count)?.chunks_exact(4);
        recipe.style_row =
            Some(values.map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect());
    }
    if flags & HAS_BLENDS > 0 {
        for _ in 0..count(reader, "blends (count)")? {
            let class = reader.name("blends.class (length)", "blends.class")?;
            recipe.blends.push(Blend { class, shares: reader.slice("blends.shares", cells)?.to_vec() });
        }
    }
    if flags & HAS_EDITS > 0 {
        for _ in 0..count(reader, "edits (count)")? {
            let class = reader.name("edits.class (length)", "edits.class")?;
            let seed = u64::from_le_bytes(reader.take("edits.seed")?);
            let bits = reader.slice("edits.mask", cells.div_ceil(8))?;
            let taken = (0..8 * bits.len()).filter(|cell| bits[cell / 8] >> (cell % 8) & 1 > 0);
            // Cells past the last one are refused with the other ranges.
            let mask = TokenMask { cells: taken.map(|cell| cell as u16).collect() };
            recipe.edits.push(Edit { mask, seed, class: (!class.is_empty()).then_some(class) });
        }
    }
    Ok(())
}

/// A count that is there only if it is not 0.
fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, RecipeError> {
    match reader.take(field)? {
        [0] => Err(reader.error(field, 0, "at least 1, where the flag is set")),
        [count] => Ok(count),
    }
}
