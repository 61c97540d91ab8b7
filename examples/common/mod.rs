//! What the examples share: `--screenshot FILE` saves a picture when all textures are finished, and exits.

#![allow(dead_code, reason = "each example uses its own part")]

use bevy::diagnostic::FrameCount;
use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured, save_to_disk};
use bevy_discon::prelude::*;
use std::path::PathBuf;

/// Frames after the last texture in which pipelines are compiled and lights settle.
const SETTLING_FRAMES: u32 = 10;
/// While textures are made, one of so many frames is drawn, so that pipelines are compiled meanwhile.
const REST: u32 = 16;

/// Saves the picture when all textures of the generator are finished.
pub struct ScreenshotPlugin;

impl Plugin for ScreenshotPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(HurryPlugin);
        if screenshot_file().is_some() {
            app.add_systems(Update, save_picture);
        }
    }
}

/// For examples that decide themselves when to save: where a picture is asked for nobody watches, and software
/// renderers need their time for the textures. Cameras rest, and the generator may have nearly all of each frame.
pub struct HurryPlugin;

impl Plugin for HurryPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Settling>();
        if screenshot_file().is_some() {
            // A camera that is woken within a frame would see lights whose shadows were not prepared for it.
            app.add_systems(Startup, hurry).add_systems(First, rest).add_systems(Update, give_up);
        }
    }
}

/// Frames since everything is finished.
#[derive(Resource, Default)]
pub struct Settling(u32);

impl Settling {
    /// Called in every frame: where a picture is asked for, saves it and ends the app some frames after everything is
    /// finished.
    pub fn save_when(&mut self, finished: bool, commands: &mut Commands) {
        let Some(file) = screenshot_file() else { return };
        self.0 = if finished { self.0 + 1 } else { 0 };
        if self.0 == SETTLING_FRAMES {
            save_and_exit(file, commands);
        }
    }
}

/// The first argument, if it is no option.
pub fn first_argument() -> Option<String> {
    std::env::args().nth(1).filter(|argument| !argument.starts_with("--"))
}

/// The file after `--screenshot`.
pub fn screenshot_file() -> Option<PathBuf> {
    std::env::args().skip_while(|argument| argument != "--screenshot").nth(1).map(PathBuf::from)
}

/// Saves a picture of the window and ends the app.
fn save_and_exit(file: PathBuf, commands: &mut Commands) {
    commands.spawn(Screenshot::primary_window()).observe(save_to_disk(file)).observe(
        |_: On<ScreenshotCaptured>, mut exit: MessageWriter<AppExit>| {
            exit.write(AppExit::Success);
        },
    );
}

fn hurry(mut settings: ResMut<DisconSettings>) {
    settings.budget_ms = 1000.0;
}

fn rest(settling: Res<Settling>, frame: Res<FrameCount>, mut cameras: Query<&mut Camera, With<Camera3d>>) {
    let active = settling.0 > 0 || frame.0.is_multiple_of(REST);
    for mut camera in cameras.iter_mut().filter(|camera| camera.is_active != active) {
        camera.is_active = active;
    }
}

/// Without a model nothing will ever be finished.
fn give_up(model: Res<DisconModel>, mut exit: MessageWriter<AppExit>) {
    if matches!(*model, DisconModel::Failed(_)) {
        exit.write(AppExit::error());
    }
}

fn save_picture(store: Res<TextureStore>, mut settling: ResMut<Settling>, mut commands: Commands) {
    settling.save_when(!store.is_empty() && store.unfinished() == 0, &mut commands);
}
