//! The queue of textures: the nearest first, progress, pause, cancel, and what it costs.
//!
//! ```text
//! cargo run --release --features material --example queue -- [--screenshot FILE]
//! ```
//!
//! Blocks along a road. Arrow keys go forward and back: what comes near is made next. P stops and goes on, C cancels the
//! farthest block that waits, R asks again for those that were cancelled. A screenshot is taken when half of them are ready,
//! after C and P.

mod common;

use bevy::diagnostic::{Diagnostic, DiagnosticPath, DiagnosticsStore};
use bevy::prelude::*;
use bevy_discon::prelude::*;
use std::fmt::Write;

const CLASSES: [&str; 5] = ["brick", "wood_planks", "grass", "stone_wall", "rust"];

fn main() -> AppExit {
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin::default(), common::HurryPlugin))
        .add_systems(Startup, set_up)
        .add_systems(Update, (press_keys, (walk, pause, cancel_farthest, ask_again), show, save_picture).chain())
        .run()
}

/// The text on the screen.
#[derive(Component)]
struct Board;

fn set_up(mut meshes: ResMut<Assets<Mesh>>, mut commands: Commands) -> Result {
    let block = meshes.add(Mesh::from(Cuboid::from_length(1.6)).with_generated_tangents()?);
    for number in 0..10 {
        let recipe = Recipe::new(CLASSES[number % 5]).with_seed(number as u64).with_size(128, 128);
        let side = if number % 2 == 0 { -1.4 } else { 1.4 };
        commands.spawn((
            GenerateTexture::new(recipe),
            // Minus the distance to the camera, as long as it waits.
            PriorityByDistance::default(),
            DisconMaterial::default(),
            Mesh3d(block.clone()),
            Transform::from_xyz(side, 0.8, -1.5 * number as f32),
        ));
    }
    commands
        .spawn((Camera3d::default(), Transform::from_xyz(0.0, 2.6, 6.0).with_rotation(Quat::from_rotation_x(-0.2))));
    commands.spawn((DirectionalLight::default(), Transform::from_xyz(2.0, 5.0, 6.0).looking_at(Vec3::ZERO, Vec3::Y)));
    let place = Node { position_type: PositionType::Absolute, top: px(12), left: px(12), ..default() };
    commands.spawn((Board, Text::default(), TextFont::from_font_size(15.0), place));
    Ok(())
}

fn walk(time: Res<Time>, keys: Res<ButtonInput<KeyCode>>, mut camera: Single<&mut Transform, With<Camera3d>>) {
    let held = |key: KeyCode| f32::from(u8::from(keys.pressed(key)));
    camera.translation.z -= 4.0 * time.delta_secs() * (held(KeyCode::ArrowUp) - held(KeyCode::ArrowDown));
}

/// All textures; `TextureGenerator::pause` stops a single one.
fn pause(keys: Res<ButtonInput<KeyCode>>, mut settings: ResMut<DisconSettings>) {
    if keys.just_pressed(KeyCode::KeyP) {
        settings.paused = !settings.paused;
    }
}

fn cancel_farthest(
    keys: Res<ButtonInput<KeyCode>>,
    blocks: Query<(&GeneratedTexture, &TextureProgress, &Transform)>,
    mut textures: TextureGenerator,
) {
    if keys.just_pressed(KeyCode::KeyC) {
        let waiting = blocks.iter().filter(|(_, progress, _)| !progress.state.is_finished());
        if let Some((texture, ..)) = waiting.min_by(|a, b| a.2.translation.z.total_cmp(&b.2.translation.z)) {
            textures.cancel(&texture.0);
        }
    }
}

fn ask_again(
    keys: Res<ButtonInput<KeyCode>>,
    blocks: Query<(Entity, &GenerateTexture, &TextureProgress)>,
    mut commands: Commands,
) {
    if keys.just_pressed(KeyCode::KeyR) {
        for (entity, request, progress) in &blocks {
            if progress.state == TextureState::Failed(GenerationError::Cancelled) {
                commands.entity(entity).insert(request.clone());
            }
        }
    }
}

/// Numbers, and a line for each block, the nearest first.
fn show(
    statistics: Res<TextureStatistics>,
    diagnostics: Res<DiagnosticsStore>,
    settings: Res<DisconSettings>,
    blocks: Query<(&GenerateTexture, &TextureProgress, &Transform)>,
    mut board: Single<&mut Text, With<Board>>,
) {
    let number = |path: &DiagnosticPath| diagnostics.get(path).and_then(Diagnostic::smoothed).unwrap_or(0.0);
    let mut text = format!(
        "{} of {} textures unfinished{}\n{:.1} ms of the GPU in a frame, {:.0} kB kept for later requests\n",
        statistics.unfinished,
        statistics.textures,
        if settings.paused { ", paused" } else { "" },
        number(&GPU_MILLISECONDS),
        number(&KEPT_BYTES) / 1000.0,
    );
    let mut blocks: Vec<_> = blocks.iter().collect();
    blocks.sort_by(|a, b| b.2.translation.z.total_cmp(&a.2.translation.z));
    for (request, progress, _) in blocks {
        let state = match &progress.state {
            TextureState::Waiting => "waits".into(),
            TextureState::Generating(fraction) => format!("{:.0} %", 100.0 * fraction),
            TextureState::Coarse => "coarse".into(),
            TextureState::Ready(_) => "ready".into(),
            TextureState::Failed(error) => error.to_string(),
        };
        let coarse = if progress.coarse && !progress.state.is_finished() { ", shows its coarse picture" } else { "" };
        write!(text, "\n{} {}: {state}{coarse}", request.recipe.class, request.recipe.seed).ok();
    }
    board.set_if_neq(Text(text));
}

/// For a screenshot, what a person would do.
fn press_keys(mut keys: ResMut<ButtonInput<KeyCode>>, statistics: Res<TextureStatistics>, mut pressed: Local<usize>) {
    let ready = statistics.counts.generated;
    let next = [(1, KeyCode::KeyC), (5, KeyCode::KeyP)].get(*pressed).filter(|(after, _)| ready >= *after);
    if let Some((_, key)) = next.filter(|_| common::screenshot_file().is_some()) {
        *pressed += 1;
        keys.press(*key);
    }
}

fn save_picture(settings: Res<DisconSettings>, mut settling: ResMut<common::Settling>, mut commands: Commands) {
    settling.save_when(settings.paused, &mut commands);
}
