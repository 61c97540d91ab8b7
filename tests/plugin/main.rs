//! Does the plugin do in a game what it says? Whole apps without a window, on a tiny model with random weights.
#![cfg(feature = "render")]

mod assets;
mod batches;
mod budget;
mod caches;
#[path = "../common/mod.rs"]
mod common;
mod continued;
mod curated;
#[cfg(feature = "material")]
mod dressed;
#[cfg(feature = "native")]
mod exemplars;
mod failures;
mod game;
#[path = "../../src/bench/headless.rs"]
mod headless;
mod hot_reload;
mod life;
mod maps;
mod memory;
mod pictures;
#[cfg(feature = "native")]
mod processor;
mod requests;
mod restored;
mod scenes;
mod soak;
mod surfaces;
