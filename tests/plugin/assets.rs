//! Recipes as assets: files, paths, reloads and errors.

use super::game::*;
use bevy::asset::LoadState;

/// Files in a folder of their own.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("the folder can be written");
    }
    folder
}

fn load<A: Asset>(game: &Game, path: &str) -> Handle<A> {
    game.0.world().resource::<AssetServer>().load(path.to_string())
}

/// Waits for the end of a load that fails, and gives the reason.
fn failure<A: Asset>(game: &mut Game, handle: &Handle<A>) -> String {
    let state = |game: &Game| game.0.world().resource::<AssetServer>().load_state(handle);
    game.until("the load fails", |game| matches!(state(game), LoadState::Failed(_)));
    match state(game) {
        LoadState::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recipe_file_in_either_form_is_loaded_as_a_recipe_and_as_the_texture_it_makes() {
    let text = recipe(31).to_ron();
    let binary = recipe(32).to_bytes().expect("the recipe is sound");
    let folder = folder(&[("moss.discon.ron", text.as_bytes()), ("brick.discon", &binary)]);
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    for (path, seed) in [("moss.discon.ron", 31), ("brick.discon", 32)] {
        let image: Handle<Image> = load(&game, path);
        let asset: Handle<Recipe> = load(&game, path);
        game.until("the texture is ready", |game| game.is_ready(&image));
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe(seed)), "{path}");
        game.until("the recipe is loaded", |game| {
            game.0.world().resource::<Assets<Recipe>>().get(&asset) == Some(&recipe(seed))
        });
        game.frames(2);
        assert_eq!(game.heard().ready.iter().filter(|ready| ready.image == image.id()).count(), 1, "{path}");
    }
}

#[test]
fn a_reloaded_file_fills_the_same_texture_anew() {
    let folder = folder(&[("a.discon.ron", recipe(33).to_ron().as_bytes())]);
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    let image: Handle<Image> = load(&game, "a.discon.ron");
    game.until("the texture is ready", |game| game.is_ready(&image));
    for changed in [recipe(34), recipe(35).with_size(128, 64)] {
        let heard = game.heard().ready.len();
        std::fs::write(folder.path().join("a.discon.ron"), changed.to_ron()).expect("the folder can be written");
        game.0.world().resource::<AssetServer>().reload("a.discon.ron");
        game.until("the new picture", |game| game.heard().ready.len() > heard);
        assert_eq!(rgb(&game.picture(&image)), expected(&changed));
    }
    let other: Handle<Image> = load(&game, "a.discon.ron");
    assert_eq!(other, image, "the asset server knows it");
    drop((image, other));
    game.until("the texture is forgotten", |game| game.store().is_empty());
}

#[test]
fn a_path_of_the_generators_source_is_a_texture_and_its_errors_name_the_field() {
    let folder = folder(&[]);
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    for (path, guidance) in [
        ("discon://brick?seed=36&size=64x64", recipe(36).guidance),
        ("discon://brick.discon.ron?seed=36&guidance=2.5&size=64x64", 2.5),
    ] {
        let image: Handle<Image> = load(&game, path);
        game.until("the texture is ready", |game| game.is_ready(&image));
        assert_eq!(rgb(&game.picture(&image)), expected(&Recipe { guidance, ..recipe(36) }), "{path}");
    }
    let asset: Handle<Recipe> = load(&game, "discon://brick.discon.ron?seed=36&size=64x64");
    game.until("the recipe is loaded", |game| {
        game.0.world().resource::<Assets<Recipe>>().get(&asset) == Some(&recipe(36))
    });
    let wrong: Handle<Image> = load(&game, "discon://brick?sed=7");
    let reason = failure(&mut game, &wrong);
    assert!(reason.contains("`sed`") && reason.contains("brick?sed=7"), "{reason}");

    let unknown: Handle<Image> = load(&game, "discon://brck?size=64x64");
    game.until("the texture fails", |game| !game.heard().failed.is_empty());
    let failed = game.heard().failed[0].clone();
    assert_eq!(failed.image, unknown.id());
    let reason = failed.error.to_string();
    assert!(["discon://brck", "\"brck\"", "brick, moss"].iter().all(|part| reason.contains(part)), "{reason}");
}

#[test]
fn what_the_model_does_not_have_is_told_with_its_line() {
    let folder = folder(&[
        ("a.discon.ron", b"(\n    class: \"brck\",\n)"),
        ("b.discon.ron", b"(\n    class: \"brick\",\n    size: (64, 64),\n    style: Some(60000),\n)"),
    ]);
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    for (number, path, expected) in [(1, "a.discon.ron", "2:12: "), (2, "b.discon.ron", "4:5: ")] {
        let _image: Handle<Image> = load(&game, path);
        game.until("the texture fails", |game| game.heard().failed.len() == number);
        let reason = game.heard().failed[number - 1].error.to_string();
        assert!(reason.starts_with(&format!("{path}: {expected}")), "{reason}");
    }
}

#[test]
fn damaged_files_fail_with_file_position_and_field_and_are_mended_by_a_reload() {
    let mut binary = recipe(37).to_bytes().expect("the recipe is sound");
    binary[20] ^= 1;
    let folder = folder(&[
        ("a.discon.ron", b"(\n    class: \"brick\",\n    size: (64, 100_000),\n)"),
        ("b.discon", &binary),
        ("c.discon.ron", &vec![b'('; 1_200_000]),
    ]);
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    for (path, expected) in [("a.discon.ron", "3:5"), ("b.discon", "`checksum` at offset"), ("c.discon.ron", "1048576")]
    {
        let image: Handle<Image> = load(&game, path);
        let reason = failure(&mut game, &image);
        assert!(reason.contains(path) && reason.contains(expected), "{reason}");
    }
    let image: Handle<Image> = load(&game, "a.discon.ron");
    std::fs::write(folder.path().join("a.discon.ron"), recipe(37).to_ron()).expect("the folder can be written");
    game.0.world().resource::<AssetServer>().reload("a.discon.ron");
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(37)));
}
