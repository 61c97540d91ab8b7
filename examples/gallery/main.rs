//! A room in which every surface is generated while the program runs.
//!
//! ```text
//! cargo run --release --example gallery -- [--model FOLDER] [--cache FOLDER] [--size 256] [--seed 1] [--budget MS]
//!                                          [--resolution 1280x800] [--screenshot FILE]
//! ```
//!
//! Space asks for the next seed: the whole room changes, texture by texture. `--screenshot` saves a picture when all
//! textures are ready, and exits.

mod options;
mod overlay;
mod scene;

use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured, save_to_disk};
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
    let settings = DisconSettings { budget_ms: options.budget_ms(), disk_cache: options.cache.clone(), ..default() };
    App::new()
        .add_plugins(DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() }))
        .add_plugins(DisconPlugin::from_folder(&options.model).with_settings(settings))
        .insert_resource(options)
        .add_systems(Startup, (scene::light_room, overlay::open))
        .add_systems(
            Update,
            (
                scene::furnish.run_if(resource_exists_and_changed::<DisconModel>),
                scene::next_seed,
                scene::glow,
                overlay::show,
                save_picture.run_if(|options: Res<Options>| options.screenshot.is_some()),
            ),
        )
        .run()
}

/// Saves a picture some frames after the last texture is ready, and exits.
fn save_picture(
    options: Res<Options>,
    store: Res<TextureStore>,
    model: Res<DisconModel>,
    mut frames: Local<u32>,
    mut commands: Commands,
    mut exit: MessageWriter<AppExit>,
) {
    if matches!(*model, DisconModel::Failed(_)) {
        exit.write(AppExit::error());
    }
    if store.is_empty() || store.unfinished() > 0 {
        *frames = 0;
        return;
    }
    *frames += 1;
    // Some frames later every pipeline is compiled and the overlay is up to date.
    if let Some(file) = options.screenshot.clone().filter(|_| *frames == 10) {
        commands.spawn(Screenshot::primary_window()).observe(save_to_disk(file)).observe(
            |_: On<ScreenshotCaptured>, mut exit: MessageWriter<AppExit>| {
                exit.write(AppExit::Success);
            },
        );
    }
}
