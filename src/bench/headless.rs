//! An app with a renderer and no window; the plugin's tests use this file too.

use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::settings::{RenderCreation, WgpuSettings};
use bevy::window::ExitCondition;

/// Adds the least that the plugin needs: no window, no cameras, no `CorePipelinePlugin`. Frames follow each other only when
/// `App::update` is called, and the render world runs in it, not beside it.
pub fn add_renderer(app: &mut App, assets: AssetPlugin, wgpu: WgpuSettings) {
    app.add_plugins((
        MinimalPlugins,
        TransformPlugin,
        assets,
        WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() },
        bevy::mesh::MeshPlugin,
        bevy::camera::CameraPlugin,
        RenderPlugin { render_creation: RenderCreation::Automatic(Box::new(wgpu)), ..default() },
        ImagePlugin::default(),
    ));
}
