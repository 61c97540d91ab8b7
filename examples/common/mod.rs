//! What the examples share: `--screenshot FILE` saves a picture when all textures are finished, and exits.

use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured, save_to_disk};
use bevy_discon::prelude::*;
use std::path::PathBuf;

/// Frames after the last texture in which pipelines are compiled and lights settle.
const SETTLING_FRAMES: u32 = 10;

pub struct ScreenshotPlugin;

/// Where the picture goes.
#[derive(Resource)]
struct File(PathBuf);

impl Plugin for ScreenshotPlugin {
    fn build(&self, app: &mut App) {
        let mut arguments = std::env::args().skip_while(|argument| argument != "--screenshot");
        if let Some(file) = arguments.nth(1) {
            app.insert_resource(File(file.into())).add_systems(Startup, hurry).add_systems(Update, save_picture);
        }
    }
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
        commands.spawn(Screenshot::primary_window()).observe(save_to_disk(file.0.clone())).observe(
            |_: On<ScreenshotCaptured>, mut exit: MessageWriter<AppExit>| {
                exit.write(AppExit::Success);
            },
        );
    }
}
