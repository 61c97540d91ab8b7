//! A room in which every surface is generated while the program runs.
//!
//! ```text
//! cargo run --release --example gallery -- [--model FOLDER] [--cache FOLDER] [--size 256] [--seed 1] [--budget MS]
//!                                          [--resolution 1280x800] [--screenshot FILE]
//! ```
//!
//! Space asks for the next seed: the whole room changes, texture by texture. `--screenshot` saves a picture when all
//! textures are ready, and exits; the generator then has nearly all of each frame, whatever `--budget` says.

#[path = "../common/mod.rs"]
mod common;
mod options;
mod overlay;
mod scene;

use bevy::prelude::*;
use bevy::window::PresentMode;
use bevy_discon::prelude::*;
use options::Options;

fn main() -> AppExit {
    let options = match Options::from_arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return AppExit::error();
        }
    };
    let window = Window {
        title: "bevy_discon: gallery".into(),
        resolution: options.resolution.into(),
        present_mode: PresentMode::AutoVsync,
        ..default()
    };
    let settings = DisconSettings { budget_ms: options.budget_ms, disk_cache: options.cache.clone(), ..default() };
    App::new()
        .add_plugins(DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() }))
        .add_plugins(DisconPlugin::from_folder(&options.model).with_settings(settings))
        .add_plugins(common::ScreenshotPlugin)
        .insert_resource(options)
        .add_systems(Startup, (scene::light_room, overlay::open))
        .add_systems(
            Update,
            (
                scene::furnish.run_if(resource_exists_and_changed::<DisconModel>),
                scene::next_seed,
                scene::glow,
                overlay::show,
            ),
        )
        .run()
}
