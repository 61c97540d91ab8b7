//! What can go wrong, how a game hears of it, and a picture that it shows instead.
//!
//! ```text
//! cargo run --release --example failures -- [--screenshot FILE]
//! ```
//!
//! From left to right: a texture that is made, a class that the model does not have, a recipe that is not on the list
//! of this build, and a damaged file. Without a picture of the game's own a texture that fails keeps its neutral grey.

mod common;

use bevy::asset::{AssetLoadFailedEvent, RenderAssetUsages};
use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy_discon::prelude::*;

fn main() -> AppExit {
    // Only these recipes may be made. `discon-bake curate` writes such a list; here one of them is a mistake.
    let mut list = CuratedList::default();
    list.add("a wall", &wall());
    list.add("a mistake", &mistake());
    App::new()
        .add_plugins((DefaultPlugins, DisconPlugin { curated: Some(list), ..default() }, common::ScreenshotPlugin))
        .add_systems(Startup, ask)
        .add_systems(Update, (explain_textures, explain_files))
        .run()
}

fn wall() -> Recipe {
    Recipe::new("brick").with_seed(7)
}

fn mistake() -> Recipe {
    Recipe::new("cheese")
}

/// The line below an image.
#[derive(Component)]
struct Line(AssetId<Image>);

/// What is shown instead of a picture.
#[derive(Resource)]
struct Fallback(Handle<Image>);

fn ask(mut textures: TextureGenerator, server: Res<AssetServer>, mut commands: Commands) {
    let columns = [
        ("on the list", textures.generate(wall())),
        ("unknown class", textures.generate(mistake())),
        ("not on the list", textures.generate(Recipe::new("moss").with_seed(1))),
        ("damaged file", server.load("failures/damaged.discon.ron")),
    ];
    commands.insert_resource(Fallback(server.add(checkers())));
    commands.spawn(Camera2d);
    let row = Node { width: percent(100), padding: UiRect::all(px(24)), column_gap: px(24), ..default() };
    commands.spawn(row).with_children(|row| {
        for (title, image) in columns {
            let column = Node { flex_direction: FlexDirection::Column, width: px(290), row_gap: px(10), ..default() };
            // Digests are long words.
            let wrap = TextLayout::linebreak(LineBreak::WordOrCharacter);
            let line = (Line(image.id()), Text::new("waiting"), TextFont::from_font_size(15.0), wrap);
            let picture = Node { width: percent(100), aspect_ratio: Some(1.0), ..default() };
            let title = (Text::new(title), TextFont::from_font_size(22.0));
            row.spawn((column, children![title, (ImageNode::new(image), picture), line]));
        }
    });
}

/// Textures that are asked for: each ends in one of two messages. Entities with `GenerateTexture` get events, too.
fn explain_textures(
    mut ready: MessageReader<TextureReady>,
    mut failed: MessageReader<TextureFailed>,
    mut shown: Shown,
) {
    for ready in ready.read() {
        shown.say(ready.image, format!("{} is ready", ready.recipe.class));
    }
    for failed in failed.read() {
        shown.say(failed.image, failed.error.to_string());
        shown.replace(failed.image);
    }
}

/// Files that are no recipes: there is no texture, not even a grey one.
fn explain_files(mut failed: MessageReader<AssetLoadFailedEvent<Image>>, mut shown: Shown) {
    for failed in failed.read() {
        // With RUST_BACKTRACE=1 Bevy adds where the error was made.
        let message = failed.error.to_string();
        shown.say(failed.id, message.lines().next().unwrap_or_default().into());
        shown.replace(failed.id);
    }
}

/// What is on the screen.
#[derive(bevy::ecs::system::SystemParam)]
struct Shown<'w, 's> {
    lines: Query<'w, 's, (&'static Line, &'static mut Text)>,
    pictures: Query<'w, 's, &'static mut ImageNode>,
    fallback: Res<'w, Fallback>,
}

impl Shown<'_, '_> {
    fn say(&mut self, image: AssetId<Image>, message: String) {
        info!("{message}");
        if let Some((_, mut text)) = self.lines.iter_mut().find(|(line, _)| line.0 == image) {
            text.0 = message;
        }
    }

    fn replace(&mut self, image: AssetId<Image>) {
        for mut picture in self.pictures.iter_mut().filter(|picture| picture.image.id() == image) {
            picture.image = self.fallback.0.clone();
        }
    }
}

/// A picture that nobody overlooks.
fn checkers() -> Image {
    let size = Extent3d { width: 8, height: 8, depth_or_array_layers: 1 };
    let pixel = |at: u32| if (at / 8 + at).is_multiple_of(2) { [230, 0, 230, 255] } else { [20, 20, 20, 255] };
    let pixels = (0..64).flat_map(pixel).collect();
    let mut image =
        Image::new(size, TextureDimension::D2, pixels, TextureFormat::Rgba8UnormSrgb, RenderAssetUsages::default());
    image.sampler = ImageSampler::nearest();
    image
}
