//! What the examples share: `--screenshot FILE` saves a picture when all textures are finished, and exits.

#![allow(dead_code, reason = "each example uses its own part")]

use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured, save_to_disk};
use bevy_discon::prelude::*;
use std::path::PathBuf;

/// Frames after the last texture in which pipelines are compiled and lights settle.
pub const SETTLING_FRAMES: u32 = 10;

pub struct ScreenshotPlugin;

/// Where the picture goes.
#[derive(Resource)]
struct File(PathBuf);

impl Plugin for ScreenshotPlugin {
    fn build(&self, app: &mut App) {
        if let Some(file) = screenshot_file() {
            app.insert_resource(File(file)).add_systems(Startup, hurry).add_systems(Update, save_picture);
        }
    }
}

/// The file after `--screenshot`.
pub fn screenshot_file() -> Option<PathBuf> {
    std::env::args().skip_while(|argument| argument != "--screenshot").nth(1).map(PathBuf::from)
}

/// Saves a picture of the window and ends the app.
pub fn save_and_exit(file: PathBuf, commands: &mut Commands) {
    commands.spawn(Screenshot::primary_window()).observe(save_to_disk(file)).observe(
        |_: On<ScreenshotCaptured>, mut exit: MessageWriter<AppExit>| {
            exit.write(AppExit::Success);
        },
    );
}

/// Nobody watches: the generator may have nearly all of each frame.
fn hurry(mut settings: ResMut<DisconSettings>) {
    settings.budget_ms = 500.0;
}

fn save_picture(
    file: Res<File>,
    store: Res<TextureStore>,
    model: Res<DisconModel>,
    mut frames: Local<u32>,
    mut commands: Commands,
    mut exit: MessageWriter<AppExit>,
) {
    if matches!(*model, DisconModel::Failed(_)) {
        exit.write(AppExit::error());
    }
    *frames = if store.is_empty() || store.unfinished() > 0 { 0 } else { *frames + 1 };
    if *frames == SETTLING_FRAMES {
        save_and_exit(file.0.clone(), &mut commands);
    }
}
