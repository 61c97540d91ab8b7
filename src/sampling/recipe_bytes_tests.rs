//! Round trips, damage and hostile bytes.

use super::*;
use crate::sampling::recipe_parts::{Blend, Edit, MAX_BLENDS, MAX_EDITS, MAX_STYLE_WIDTH, TokenMask};

/// A recipe of the usual size with everything that is optional.
fn full() -> Recipe {
    let mut recipe = Recipe::new("mossy_stone_wall").with_seed(u64::MAX - 3);
    recipe.detail_seed = Some(99);
    recipe.style = Some(70_000);
    recipe.tiling = Tiling::X;
    recipe.guidance = 2.25;
    (recipe.layout_share, recipe.token_guidance) = (0.25, 1.5);
    recipe.tokens = Some((0..256).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 22) as u16).collect());
    recipe
}

/// A recipe with all parts that only some textures have.
fn with_parts() -> Recipe {
    let mut recipe = full();
    (recipe.style, recipe.layout) = (None, Some(7));
    recipe.style_seed = Some(5);
    recipe.style_row = Some(vec![0.5, -3.0, 64.0]);
    recipe.blends.push(Blend::from_uv(&recipe, "moss", |u, _| u));
    let mask = TokenMask::circle(&recipe, [0.0, 0.5], 40.0);
    recipe.with_edit(mask.clone(), 9).with_edit_of("gravel", mask, u64::MAX)
}

#[test]
fn edits_blends_and_styles_survive_both_forms_and_the_largest_recipe_fits() {
    let recipe = with_parts();
    let bytes = recipe.to_bytes().expect("the recipe is sound");
    assert_eq!(Recipe::from_bytes(&bytes), Ok(recipe.clone()));
    assert_eq!(Recipe::from_ron(&recipe.to_ron(), "memory"), Ok(recipe));
    let name = "b".repeat(MAX_CLASS_BYTES);
    let mut largest = Recipe::new(&name).with_size(1024, 1024).with_tokens(vec![u16::MAX; 4096]);
    largest.style_row = Some(vec![1.0; MAX_STYLE_WIDTH]);
    let mask = TokenMask::from_uv(&largest, |_, _| true);
    largest.blends = vec![Blend { class: name.clone(), shares: vec![85; 4096] }; MAX_BLENDS];
    largest.edits = vec![Edit { mask, seed: 1, class: Some(name) }; MAX_EDITS];
    let bytes = largest.to_bytes().expect("the recipe is sound");
    assert!(bytes.len() <= MAX_BYTES, "{} bytes", bytes.len());
    assert_eq!(Recipe::from_bytes(&bytes), Ok(largest));
}

fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

#[test]
fn what_was_written_is_read_and_a_usual_texture_fits_512_bytes() {
    let bytes = full().to_bytes().expect("the recipe is sound");
    assert!(bytes.len() <= 512, "{} bytes", bytes.len());
    assert_eq!(Recipe::from_bytes(&bytes), Ok(full()));
    let mut next = numbers(1);
    for tiling in [Tiling::Both, Tiling::X, Tiling::Y, Tiling::None] {
        for bits in 0..=16 {
            let (columns, rows) = (4 + next() % 61, 4 + next() % 61);
            let mut recipe = Recipe::new("b").with_size(16 * columns as u32, 16 * rows as u32).with_seed(next());
            recipe.tiling = tiling;
            recipe.detail_seed = next().is_multiple_of(2).then(&mut next);
            recipe.style = next().is_multiple_of(2).then(|| next() as u32);
            let mask = ((1u32 << bits) - 1) as u16;
            recipe.tokens = (bits > 0).then(|| (0..columns * rows).map(|_| next() as u16 & mask).collect());
            let bytes = recipe.to_bytes().expect("the recipe is sound");
            assert_eq!(Recipe::from_bytes(&bytes), Ok(recipe), "{bits} bits");
        }
    }
}

/// Bytes of a 256x256 texture with everything but parts that few have, for a codebook of `2^bits` entries.
fn usual_bytes(bits: u32, class_bytes: usize) -> usize {
    let mut recipe = Recipe::new("b".repeat(class_bytes)).with_seed(u64::MAX);
    recipe.tokens = Some((0..256).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> (32 - bits)) as u16).collect());
    recipe.tokens.iter_mut().flatten().take(1).for_each(|token| *token = ((1u32 << bits) - 1) as u16);
    recipe.detail_seed = Some(u64::MAX);
    (recipe.style, recipe.layout) = (Some(u32::MAX), Some(u32::MAX));
    let bytes = recipe.to_bytes().expect("the recipe is sound");
    assert_eq!(Recipe::from_bytes(&bytes), Ok(recipe));
    bytes.len()
}

#[test]
fn the_bound_of_512_bytes_is_met_exactly() {
    // The bundled model has 2^14 tokens, which leave 16 bytes for the name; one more byte is one too many.
    assert_eq!((usual_bytes(14, 16), usual_bytes(14, 17)), (512, 513));
    // Up to 2^12 tokens, with the longest name.
    assert_eq!(usual_bytes(12, MAX_CLASS_BYTES), 496);
    // All settings unusual, without optional parts.
    let mut recipe = Recipe::new("b".repeat(9)).with_seed(u64::MAX);
    recipe.tokens = Some(vec![0x3fff; 256]);
    (recipe.layout_share, recipe.guidance, recipe.token_guidance) = (0.5, 1.5, 1.5);
    (recipe.token_temperature, recipe.latent_temperature, recipe.flow_steps) = (0.5, 0.5, 7);
    assert_eq!(recipe.to_bytes().map(|bytes| bytes.len()), Ok(512));
}

#[test]
fn every_changed_byte_and_every_other_length_is_an_error_with_place_and_field() {
    let sound = full().to_bytes().expect("the recipe is sound");
    let mut next = numbers(2);
    for at in 0..sound.len() {
        for change in [1, 0x80, 1 + (next() % 255) as u8] {
            let mut damaged = sound.clone();
            damaged[at] ^= change;
            let error = Recipe::from_bytes(&damaged).expect_err("the byte was changed").to_string();
            assert!(error.contains('`') && error.contains("offset"), "byte {at}: {error}");
        }
        assert!(Recipe::from_bytes(&sound[..at]).is_err(), "cut after {at} bytes");
    }
    let mut longer = sound;
    longer.push(0);
    assert!(Recipe::from_bytes(&longer).is_err(), "one byte more");
}

/// Gives changed bytes a sound length and checksum, so that the fields behind them are reached.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - CHECKSUM_BYTES);
    let length = (bytes.len() + CHECKSUM_BYTES) as u16;
    bytes[6..8].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&bytes);
    bytes.extend(checksum);
    bytes
}

#[test]
fn hostile_fields_with_a_sound_checksum_give_an_error_or_a_recipe_within_all_ranges() {
    for sound in [full(), with_parts()] {
        hostile_changes(&sound.to_bytes().expect("the recipe is sound"));
    }
}

fn hostile_changes(sound: &[u8]) {
    let mut next = numbers(3);
    let (mut errors, mut recipes) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = sound.to_vec();
        for _ in 0..1 + round % 4 {
            let at = 8 + next() as usize % (bytes.len() - 8 - CHECKSUM_BYTES);
            match next() % 8 {
                2 => bytes[5] = next() as u8,
                0 => bytes.truncate(at + 1 + CHECKSUM_BYTES),
                1 => bytes.insert(at, next() as u8),
                _ => bytes[at] = next() as u8,
            }
        }
        match Recipe::from_bytes(&sealed(bytes.clone())) {
            Ok(recipe) => {
                recipes += 1;
                assert_eq!(recipe.to_bytes(), Ok(sealed(bytes)), "one recipe has one form");
            }
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 1_000 && recipes > 1_000, "both happen: {errors} errors, {recipes} recipes");
}

#[test]
fn errors_name_the_field_and_where_it_starts() {
    let mut unusual = Recipe::new("brick");
    (unusual.layout_share, unusual.guidance, unusual.token_guidance) = (0.5, 1.5, 1.5);
    (unusual.token_temperature, unusual.latent_temperature, unusual.flow_steps) = (0.5, 0.5, 7);
    let plain = unusual.to_bytes().expect("the recipe is sound");
    // magic 4, version, flags, length 2, class 1 + 5, seed 8: the width starts at 22, tiling at 26, settings at 27.
    for (at, value, field, offset) in [
        (9, 0xff, "`class`", "offset 9"),
        (22, 1, "`size.0 (width)`", "offset 22"),
        (26, 9, "`tiling`", "offset 26"),
        (27, 0x40, "`settings`", "offset 27"),
        (31, 0xff, "`layout_share`", "offset 28"),
        (35, 0xff, "`guidance`", "offset 32"),
        (48, 0, "`token_rounds`", "offset 48"),
        // Bytes of values are left that no field takes.
        (27, 0, "`end`", "offset 28"),
        (5, HAS_TOKENS, "`tokens (bits)`", "offset 51"),
        (8, 255, "`class`", "offset 9"),
    ] {
        let mut bytes = plain.clone();
        bytes[at] = value;
        let error = Recipe::from_bytes(&sealed(bytes)).expect_err("the field is wrong").to_string();
        assert!(error.contains(field) && error.contains(offset), "byte {at}: {error}");
    }
    assert_eq!(plain.len(), 51 + CHECKSUM_BYTES);
    assert_eq!(Recipe::new("brick").to_bytes().map(|bytes| bytes.len()), Ok(28 + CHECKSUM_BYTES));
    let mut twice = plain.clone();
    twice[32..36].copy_from_slice(&1.0f32.to_le_bytes());
    let error = Recipe::from_bytes(&sealed(twice)).expect_err("usual values are not written").to_string();
    assert!(error.contains("`guidance`"), "{error}");
    let mut unfit = Recipe::new("brick").with_size(70, 64);
    assert!(unfit.to_bytes().is_err_and(|error| error.to_string().contains("width")));
    unfit = Recipe::new("b".repeat(MAX_CLASS_BYTES + 1));
    assert!(unfit.to_bytes().is_err_and(|error| error.to_string().contains("class")));
}
