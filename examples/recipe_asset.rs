//! Textures by path: from a recipe file, and from a path that is the recipe.
//!
//! ```text
//! cargo run --release --example recipe_asset [--features bevy/file_watcher] -- [--screenshot FILE]
//! ```
//!
//! With `file_watcher`, change `assets/recipes/brick_wall.discon.ron` while it runs and watch the left wall. Without,
//! press R to load the file again.

mod common;
#[path = "common/wall.rs"]
mod wall;

use bevy::prelude::*;
use bevy_discon::prelude::*;

const FILE: &str = "recipes/brick_wall.discon.ron";

fn main() -> AppExit {
    App::new()
        // Before `DefaultPlugins`, so that `discon://` paths work: Bevy takes asset sources only there.
        .add_plugins((DisconSourcePlugin, DefaultPlugins, DisconPlugin::default(), common::ScreenshotPlugin))
        .add_systems(Startup, (hang, wall::look_at_wall))
        .add_systems(Update, (reload, report))
        .run()
}

fn hang(server: Res<AssetServer>, mut wall: wall::Wall) {
    // Images like any others. The materials show a neutral grey until the GPU has filled them.
    for (x, path) in [
        (-2.9, FILE),
        (0.0, "discon://stone_wall?seed=5"),
        (2.9, "discon://wood_planks?seed=3&size=128x128&token_temperature=0.7"),
    ] {
        wall.hang(server.load(path), 2.8, [x, 0.0]);
    }
}

fn reload(keys: Res<ButtonInput<KeyCode>>, server: Res<AssetServer>) {
    if keys.just_pressed(KeyCode::KeyR) {
        server.reload(FILE);
    }
}

/// Failed loads are logged by Bevy; recipes that the model cannot follow are reported here.
fn report(mut ready: MessageReader<TextureReady>, mut failed: MessageReader<TextureFailed>, server: Res<AssetServer>) {
    for ready in ready.read() {
        info!("{:?} is ready", server.get_path(ready.image).map(|path| path.to_string()));
    }
    for failed in failed.read() {
        error!("{}", failed.error);
    }
}
