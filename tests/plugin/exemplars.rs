//! Pictures as examples, in a game: an asset path becomes tokens, and then textures.

use super::game::*;
use bevy_discon::exemplar::Exemplar;
use bevy_discon::sampling::Tiling;

/// A picture of blocks with some grain.
fn picture() -> image::RgbImage {
    image::RgbImage::from_fn(200, 170, |x, y| {
        let block = (x / 23 + 3 * (y / 17)) * 37 % 90;
        let grain = (x * 7 + y * 13) % 11;
        image::Rgb([(90 + block + grain) as u8, (70 + block / 2 + grain) as u8, (50 + block / 3) as u8])
    })
}

fn result<T: Component + Clone>(game: &Game, entity: Entity) -> Option<T> {
    game.0.world().get::<T>(entity).cloned()
}

#[test]
fn a_picture_file_becomes_a_recipe_on_a_task_and_variations_of_it_are_textures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    picture().save(folder.path().join("blocks.png")).expect("the folder can be written");
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    let load = |server: Res<AssetServer>| server.load::<Image>("blocks.png");
    let handle = game.0.world_mut().run_system_once_with_result(load);
    let request = EncodePicture { class: Some("moss".into()), ..EncodePicture::new(handle) };
    let entity = game.0.world_mut().spawn(request).id();
    game.until("the picture is encoded", |game| {
        assert_eq!(result::<PictureNotEncoded>(game, entity), None);
        result::<EncodedPicture>(game, entity).is_some()
    });
    let found = result::<EncodedPicture>(&game, entity).expect("it was there");
    // The same as without Bevy; 200x170 is cut to 192x160.
    let picture = image::DynamicImage::from(picture());
    let expected =
        Exemplar::from_picture(&model(), &picture, Some("moss"), Tiling::Both).expect("the picture is sound");
    assert_eq!((found.recipe.size, &found.recipe), ((192, 160), &expected.recipe));
    assert_eq!((found.psnr, found.coarse_psnr), (expected.psnr, expected.coarse_psnr));
    let images = game.0.world().resource::<Assets<Image>>();
    let reconstruction = images.get(&found.reconstruction).and_then(|image| image.data.clone()).expect("it has pixels");
    assert_eq!(rgb(&reconstruction), expected.decode(&model()).expect("the model is the same").pixels);
    let varied = game.generate(found.recipe.variation(3));
    game.until("the variation is ready", |game| game.is_ready(&varied));
    let varied = game.picture(&varied);
    drop(game);
    assert_eq!(rgb(&varied), super::game::expected(&found.recipe.variation(3)));
}

#[test]
fn pictures_that_cannot_be_encoded_say_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("broken.png"), b"no picture").expect("the folder can be written");
    image::RgbImage::new(32, 200).save(folder.path().join("narrow.png")).expect("the folder can be written");
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    for (path, class, expected) in [
        ("nowhere.png", None, "nowhere.png"),
        ("broken.png", None, "broken.png"),
        ("narrow.png", None, "width"),
        ("narrow.png", Some("cheese"), "width"),
    ] {
        let load = move |server: Res<AssetServer>| server.load::<Image>(path);
        let picture = game.0.world_mut().run_system_once_with_result(load);
        let request = EncodePicture { class: class.map(Into::into), ..EncodePicture::new(picture) };
        let entity = game.0.world_mut().spawn(request).id();
        game.until("it fails", |game| result::<PictureNotEncoded>(game, entity).is_some());
        let reason = result::<PictureNotEncoded>(&game, entity).map(|failed| failed.0).unwrap_or_default();
        assert!(reason.contains(expected), "{path}: {reason}");
    }
    // An image without pixels in the main world: a generated one.
    let generated = game.generate(recipe(1));
    let entity = game.0.world_mut().spawn(EncodePicture::new(generated)).id();
    game.until("it fails", |game| result::<PictureNotEncoded>(game, entity).is_some());
    let reason = result::<PictureNotEncoded>(&game, entity).map(|failed| failed.0).unwrap_or_default();
    assert!(reason.contains("no pixels"), "{reason}");
}
