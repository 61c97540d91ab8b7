//! How far the textures are.

use bevy::prelude::*;
use bevy_discon::prelude::*;
use std::fmt::Write;

/// The text in the corner.
#[derive(Component)]
pub struct Overlay;

pub fn open(mut commands: Commands) {
    commands.spawn((
        Node {
            position_type: PositionType::Absolute,
            top: px(12),
            left: px(12),
            padding: UiRect::axes(px(12), px(8)),
            border_radius: BorderRadius::all(px(6)),
            ..default()
        },
        BackgroundColor(Color::srgba(0.0, 0.0, 0.0, 0.55)),
        children![(Overlay, Text::default(), TextFont::from_font_size(14.0), TextColor(Color::srgb(0.9, 0.92, 0.95)))],
    ));
}

pub fn show(
    store: Res<TextureStore>,
    model: Res<DisconModel>,
    mut failed: MessageReader<TextureFailed>,
    mut text: Single<&mut Text, With<Overlay>>,
) {
    for failed in failed.read() {
        error!("{}: {}", failed.recipe.class, failed.error);
    }
    let line = match &*model {
        DisconModel::Loading => "loading the model".into(),
        DisconModel::Failed(reason) => reason.clone(),
        DisconModel::Ready(_) => progress(&store),
    };
    // Only a changed text is laid out again.
    if text.0 != line {
        text.0 = line;
    }
}

fn progress(store: &TextureStore) -> String {
    let finished = store.len() - store.unfinished();
    let mut line = format!("{finished} of {} textures", store.len());
    for (_, recipe, state) in store.iter() {
        if let TextureState::Generating(fraction) = state {
            let full = (fraction * 20.0) as usize;
            // The built-in font has no blocks.
            let bar = "|".repeat(full) + &".".repeat(20 - full.min(20));
            write!(line, "\n{bar} {}", recipe.class).ok();
        }
    }
    if finished == store.len() {
        line += "\nspace: next seed";
    }
    line
}
