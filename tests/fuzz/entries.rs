//! What is done with bytes that nobody can trust: one function for each kind of file, with what has to hold.
//!
//! `tests/fuzzed.rs` calls them with some thousand damaged files. cargo-fuzz calls them for as long as one likes, with
//! a nightly toolchain:
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo test --test fuzzed -- --ignored          # writes sound files to start from
//! RUSTUP_TOOLCHAIN=nightly cargo fuzz run --fuzz-dir tests/fuzz weights -- -max_total_time=300 -max_len=524288
//! ```
//!
//! A sound weight file has 330 kB: a smaller `-max_len` cuts it off, and nothing behind its header is reached.
//!
//! Targets: `weights`, `config`, `recipe_text`, `recipe_bytes`, `cache_entry`.

#![allow(dead_code, reason = "each target uses its own function")]

use bevy_discon::cache::{DiskFile, decode_png};
use bevy_discon::model::config::{HeadConfig, HeadMixing, TokenizerConfig, TrunkConfig};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::sampling::{Blend, CuratedList, Recipe, TokenMask, plan, recipe_bytes};
use std::sync::OnceLock;

/// The smallest model there is, so that whole files are short.
pub fn smallest_config() -> ModelConfig {
    let trunk = TrunkConfig { width: 16, depth: 1, heads: 1, window: 3 };
    ModelConfig {
        styles: 2,
        layout_tokens: 2 * 8,
        tokenizer: TokenizerConfig {
            latent_width: 16,
            codebook_size: 16,
            second_codes: 16,
            encoder_widths: [8; 3],
            decoder_widths: [16; 3],
            decoder_blocks: [0; 3],
            refine_width: 0,
        },
        prior: trunk.clone(),
        mar: trunk,
        head: HeadConfig { width: 16, depth: 1, mixing: HeadMixing::Alone, local: None },
        ..ModelConfig::tiny(&["brick", "moss"])
    }
}

/// A sound model of that size, with a style and a layout for each class, so that plans stitch.
pub fn smallest_model() -> Model {
    let mut model = Model::new(&smallest_config(), None, 1).expect("the configuration is sound");
    let (styles, layouts) = (model.discon.styles.clone(), model.discon.layouts.clone().expect("there are layouts"));
    *model.weights.get_mut(layouts.tokens) = (0..32).map(|code| (code % 16) as f32).collect();
    *model.weights.get_mut(layouts.shapes) = vec![2.0, 4.0, 1.0, 4.0, 2.0, 0.0];
    *model.weights.get_mut(styles.classes) = vec![0.0, 1.0];
    model
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(smallest_model)
}

/// Recipes that ask for all that a plan takes from weights: styles and layouts of both classes, by seed and by row.
fn hungry_recipes() -> &'static [Recipe; 2] {
    static RECIPES: OnceLock<[Recipe; 2]> = OnceLock::new();
    RECIPES.get_or_init(|| {
        let plain = Recipe { layout_share: 0.75, ..Recipe::new("brick").with_size(64, 80).with_seed(3) };
        let mask = TokenMask::circle(&plain, [0.0, 0.5], 20.0);
        let blended = plain.clone().with_blend(Blend::from_uv(&plain, "moss", |u, _| u));
        let of_rows = Recipe { style: Some(0), layout: Some(1), ..plain };
        [blended.with_edit_of("moss", mask.clone(), 4).with_edit(mask, 5), of_rows]
    })
}

/// `model.safetensors`: an error, or finite values of the declared shapes, of which plans can be made.
pub fn weights(data: &[u8]) {
    static CONFIG: OnceLock<String> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("discon-fuzz-{}", std::process::id()));
        model().save(&folder).expect("the folder can be written");
        let text = std::fs::read_to_string(folder.join("config.ron")).expect("the file was written");
        std::fs::remove_dir_all(folder).expect("the folder exists");
        text
    });
    if let Ok(model) = Model::from_bytes(config.as_bytes(), data, "fuzz") {
        for (id, spec) in model.table.iter() {
            let values = model.weights.get(id);
            assert_eq!(values.len(), spec.len());
            assert!(values.iter().all(|value| value.is_finite()));
        }
        for recipe in hungry_recipes() {
            plan(&model, recipe).expect("the recipe fits every model of this configuration");
        }
    }
}

/// `config.ron`: an error, without weights at the latest.
pub fn config(data: &[u8]) {
    Model::from_bytes(data, &[], "fuzz").map(|_| ()).expect_err("no weights are no model");
}

/// The text forms: an error, or something that both forms bring back.
pub fn recipe_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        Recipe::parse(data, "fuzz.discon.ron").expect_err("it is no text");
        return;
    };
    if let Ok(recipe) = Recipe::parse(data, "fuzz.discon.ron") {
        survives(&recipe);
    }
    if let Ok(recipe) = Recipe::from_query(text) {
        survives(&recipe);
    }
    if let Ok(list) = CuratedList::parse(text, "fuzz.ron") {
        assert_eq!(CuratedList::parse(&list.to_ron(), "again").ok(), Some(list));
    }
}

/// The binary form, as it is and with a sound length and checksum.
pub fn recipe_bytes(data: &[u8]) {
    for bytes in [data.to_vec(), sealed(data)] {
        if let Ok(recipe) = Recipe::from_bytes(&bytes) {
            assert_eq!(recipe.to_bytes().as_deref(), Ok(&bytes[..]), "one recipe has one form");
            survives(&recipe);
        }
    }
}

/// A file of the disk cache, as it is and as the picture in one that is sealed.
pub fn cache_entry(data: &[u8]) {
    let file = DiskFile { folder: "none".into(), key: "0".repeat(64), size: (64, 80), limit: 0 };
    for picture in [file.decode(data), decode_png(data, file.size)].into_iter().flatten() {
        assert_eq!(picture.len(), 4 * 64 * 80);
    }
}

/// Gives bytes the length and checksum that they should have, so that the fields behind them are reached.
pub fn sealed(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.truncate(bytes.len().saturating_sub(8).min(usize::from(u16::MAX) - 8));
    bytes.resize(bytes.len().max(8), 0);
    bytes[..4].copy_from_slice(b"DSCN");
    bytes[4] = recipe_bytes::VERSION;
    let length = (bytes.len() + 8) as u16;
    bytes[6..8].copy_from_slice(&length.to_le_bytes());
    let checksum = blake3::hash(&bytes);
    bytes.extend(&checksum.as_bytes()[..8]);
    bytes
}

/// A recipe that was read is one that can be written, named and planned.
fn survives(recipe: &Recipe) {
    assert_eq!(Recipe::from_ron(&recipe.to_ron(), "again").as_ref(), Ok(recipe));
    let bytes = recipe.to_bytes().expect("its ranges were checked");
    assert_eq!(Recipe::from_bytes(&bytes).as_ref(), Ok(recipe));
    // The work of a plan grows with the area and the rounds.
    let small = recipe.size.0 * recipe.size.1 <= 1 << 16;
    if recipe.validate(model()).is_ok() && small {
        plan(model(), recipe).expect("the recipe fits the model");
    }
}
