//! The editor in whole apps, with Bevy's renderer and without a window: does what its state asks for arrive?

use super::studio::{PATIENCE, Studio, recipe};
use super::*;
use bevy::camera::RenderTarget;
use bevy::camera::visibility::RenderLayers;
use bevy::image::Image;
use bevy::prelude::*;
use bevy::render::gpu_readback::Readback;
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::time::TimeUpdateStrategy;
use bevy_discon::editor::{
    Body, DisconEditorPlugin, EditorAction, EditorView, FileFormat, GALLERY_SEEDS, Notice, PanelPlace, Thumbnail,
    save_preset,
};
use std::time::{Duration, Instant};

/// How far a pixel is from grey.
fn colour(pixel: &[u8]) -> u8 {
    pixel[..3].iter().max().unwrap_or(&0) - pixel[..3].iter().min().unwrap_or(&0)
}

#[test]
fn a_texture_that_the_state_asks_for_arrives_in_the_picture_and_on_the_lit_body() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::None) else { return };
    let mut state = studio.state();
    state.recipe = recipe(3);
    state.generate();
    studio.until_ready();
    assert!(studio.state().picture.image.is_some(), "egui can show it");
    let pictures = [Body::Sphere, Body::Cube, Body::Plane].map(|body| {
        studio.state().view = EditorView::Lit(body);
        picture_of_body(&mut studio, &recipe(3))
    });
    assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2], "bodies have shapes of their own");
}

/// What the camera sees of the body that is looked at, which is dressed in the texture.
fn picture_of_body(studio: &mut Studio, shown: &Recipe) -> Vec<u8> {
    studio.0.update();
    studio.0.update();

    let world = studio.0.world_mut();
    let (image, ..) = world.resource::<TextureStore>().iter().find(|(_, of, _)| *of == shown).expect("it exists");
    let layer = RenderLayers::layer(DisconEditorPlugin::LAYER);
    let mut bodies = world.query::<(&MeshMaterial3d<StandardMaterial>, &RenderLayers)>();
    let (material, _) = bodies.iter(world).find(|(_, layers)| **layers == layer).expect("there is a body");
    let material = world.resource::<Assets<StandardMaterial>>().get(&material.0).expect("it is dressed");
    assert_eq!(material.base_color_texture.as_ref().map(Handle::id), Some(image));
    assert!(material.normal_map_texture.is_some());

    let mut cameras = world.query::<(&RenderTarget, &RenderLayers)>();
    let (target, _) = cameras.iter(world).find(|(_, layers)| **layers == layer).expect("a camera looks at it");
    let RenderTarget::Image(target) = target else { panic!("{target:?}") };
    let target = target.handle.clone();
    let mut images = world.resource_mut::<Assets<Image>>();
    // So that the test can read it.
    images.get_mut(&target).expect("it exists").texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let start = Instant::now();
    loop {
        let pixels = studio.pixels(&target);
        let side = pixels.len().div_euclid(4).isqrt();
        let at = |x: usize, y: usize| colour(&pixels[4 * (y * side + x)..]);
        let middle = (side / 3..2 * side / 3).flat_map(|y| (side / 3..2 * side / 3).map(move |x| (x, y)));
        assert!(at(2, 2) < 8, "there is nothing in the corner");
        // Lamps and background are grey, and so is a texture that is not made yet.
        if middle.map(|(x, y)| at(x, y)).max() > Some(40) {
            return pixels;
        }
        assert!(start.elapsed() < PATIENCE, "the body stays grey");
    }
}

#[test]
fn a_gallery_stays_coarse_but_for_the_one_that_is_picked_whose_tokens_can_be_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::None) else { return };
    studio.state().fill_gallery();
    studio.0.update();
    let all_coarse = |state: &EditorState| {
        let coarse = |of: &Thumbnail| of.texture.state == Some(TextureState::Coarse) && of.texture.image.is_some();
        state.gallery.len() == GALLERY_SEEDS as usize && state.gallery.iter().all(coarse)
    };
    studio.until("coarse pictures", |world| all_coarse(world.resource::<EditorState>()));
    // As the panel does when one is clicked.
    studio.state().recipe = recipe(3);
    studio.state().ask(EditorAction::Refine(3));
    studio.until_ready();
    let refined: Vec<bool> =
        (studio.state().gallery.iter()).map(|of| matches!(of.texture.state, Some(TextureState::Ready(_)))).collect();
    assert_eq!(refined, (0..GALLERY_SEEDS).map(|number| number == 3).collect::<Vec<_>>());
    let state = studio.state();
    assert_eq!(state.picture.image, state.gallery[3].texture.image, "the same texture");

    assert_eq!(studio.state().recipe.tokens, None);
    studio.state().ask(EditorAction::ReadTokens);
    studio.until("the tokens", |world| world.resource::<EditorState>().recipe.tokens.is_some());
    let read = studio.state().recipe.clone();
    assert_eq!(read.tokens.as_ref().map(Vec::len), Some(16), "one for each 16x16 pixels");
    assert_eq!(studio.state().asked, Some(read), "the picture is that of the tokens: nothing is made again");
    studio.state().undo();
    assert_eq!(studio.state().recipe, recipe(3));

    // A texture without a picture has none.
    studio.state().ask(EditorAction::Generate(Recipe::new("cheese")));
    studio.state().ask(EditorAction::ReadTokens);
    studio.until("the reason", |world| {
        let notice = &world.resource::<EditorState>().notice;
        matches!(notice, Some(Notice::Failed(reason)) if reason.contains("tokens") && reason.contains("cheese"))
    });
}

#[test]
fn what_is_cancelled_is_told_and_can_be_asked_for_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::None) else { return };
    studio.0.world_mut().resource_mut::<DisconSettings>().budget_ms = 0.1;
    let large = recipe(9).with_size(256, 256);
    studio.state().recipe = large.clone();
    studio.state().generate();
    studio.until("some work is done", |world| {
        let state = &world.resource::<EditorState>().picture.state;
        matches!(state, Some(TextureState::Generating(fraction)) if *fraction > 0.1)
    });
    studio.state().ask(EditorAction::Cancel);
    let cancelled = Some(TextureState::Failed(GenerationError::Cancelled));
    studio.until("the end", |world| world.resource::<EditorState>().picture.state == cancelled);
    studio.0.world_mut().resource_mut::<DisconSettings>().budget_ms = 50.0;
    studio.state().ask(EditorAction::Generate(large));
    studio.until_ready();
}

/// As if the GPU never answered.
fn lose_pixels(readbacks: Query<Entity, (With<Readback>, Added<Readback>)>, mut commands: Commands) {
    readbacks.iter().for_each(|entity| _ = commands.entity(entity).remove::<Readback>());
}

#[test]
fn only_a_finished_picture_is_exported_and_pixels_that_never_come_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::None) else { return };
    let export = || EditorAction::Export("wall".into(), FileFormat::Png);
    let told = |studio: &mut Studio| format!("{:?}", studio.state().notice);
    studio.state().ask(export());
    studio.0.update();
    assert!(told(&mut studio).contains("no picture to export yet"), "{}", told(&mut studio));
    studio.state().generate();
    studio.until_ready();
    // The panel shows a finished picture, but the next one is on its way.
    // Rows of 80 pixels come with padding.
    studio.state().ask(EditorAction::Generate(recipe(5).with_size(80, 64)));
    studio.state().ask(export());
    studio.0.update();
    assert!(told(&mut studio).contains("not finished"), "{}", told(&mut studio));
    assert_eq!(studio.state().exporting, 0);
    studio.until_ready();
    studio.state().ask(export());
    studio.0.update();
    studio.until("the export", |world| world.resource::<EditorState>().exporting == 0);
    assert!(matches!(studio.state().notice, Some(Notice::Done(_))), "{}", told(&mut studio));
    let file = image::open(folder.path().join("textures/wall.png")).expect("it is a picture");
    assert_eq!((file.width(), file.height()), (80, 64), "of the recipe that was shown, not the one that is edited");

    studio.0.add_systems(Last, lose_pixels);
    studio.0.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs(1)));
    studio.state().ask(export());
    studio.0.update();
    assert_eq!(studio.state().exporting, 1);
    (0..12).for_each(|_| studio.0.update());
    assert!(told(&mut studio).contains("did not come from the GPU"), "{}", told(&mut studio));
    assert_eq!(studio.state().exporting, 0, "another export can be started");
}

#[test]
fn the_panel_stands_where_the_resource_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::Window) else { return };
    // Rows that need no padding.
    let (width, height) = (1024, 512);
    let mut screen = Image::new_target_texture(width, height, TextureFormat::Rgba8UnormSrgb, None);
    screen.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let screen = studio.0.world_mut().resource_mut::<Assets<Image>>().add(screen);
    let camera = Camera { clear_color: Color::srgb(1.0, 0.0, 0.0).into(), ..default() };
    studio.0.world_mut().spawn((Camera2d, camera, RenderTarget::Image(screen.clone().into())));
    for (place, covered) in [
        (PanelPlace::Window, [false, true, false]),
        (PanelPlace::Left, [true, true, false]),
        (PanelPlace::Right, [false, false, true]),
        (PanelPlace::None, [false, false, false]),
    ] {
        *studio.0.world_mut().resource_mut::<PanelPlace>() = place;
        let start = Instant::now();
        loop {
            let pixels = studio.pixels(&screen);
            // Beside a window, in it, and at the right border.
            let found = [2, 20, width - 3].map(|x| {
                let at = 4 * (height / 2 * width + x) as usize;
                // Panels are grey.
                colour(&pixels[at..]) < 60
            });
            if found == covered {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{place:?} covers {found:?}");
        }
    }
}

#[test]
fn a_preset_that_the_app_has_loaded_is_loaded_anew_when_it_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    save_preset(&folder.path().join("recipes"), "wall", &recipe(1)).expect("the folder can be written");
    let Some(mut studio) = Studio::open(folder.path(), PanelPlace::None) else { return };
    let server = studio.0.world().resource::<AssetServer>().clone();
    let path = "recipes/wall.discon.ron";
    let (asset, image): (Handle<Recipe>, Handle<Image>) = (server.load(path), server.load(path));
    let both = |world: &World, seed: u64| {
        let shown = world.resource::<TextureStore>().recipe(&image);
        world.resource::<Assets<Recipe>>().get(&asset) == Some(&recipe(seed)) && shown == Some(&recipe(seed))
    };
    studio.until("the preset", |world| both(world, 1));
    studio.state().recipe = recipe(2);
    studio.state().ask(EditorAction::SavePreset("wall".into()));
    studio.until("the saved preset", |world| both(world, 2));
}
