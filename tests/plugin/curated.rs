//! Builds that make the recipes of a list and no others.

use super::game::*;
use bevy_discon::sampling::CuratedList;

fn plugin(settings: DisconSettings, allowed: &[Recipe]) -> DisconPlugin {
    let mut list = CuratedList::default();
    for (number, recipe) in allowed.iter().enumerate() {
        list.add(format!("texture {number}"), recipe);
    }
    // As a build would have it: from text.
    let list = CuratedList::parse(&list.to_ron(), "curated.ron").expect("it was written by us");
    DisconPlugin { model: ModelSource::Loaded(model()), settings, curated: Some(list) }
}

#[test]
fn recipes_that_are_not_on_the_list_fail_with_a_reason_also_from_files_and_from_the_disk_cache() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (listed, other) = (recipe(70), recipe(71));
    std::fs::write(folder.path().join("other.discon.ron"), other.to_ron()).expect("the folder can be written");
    std::fs::write(folder.path().join("listed.discon"), listed.to_bytes().expect("the recipe is sound"))
        .expect("the folder can be written");
    let settings = DisconSettings::default().with_disk_cache(folder.path().join("cache"));
    // The other recipe is in the disk cache, made by a build without a list.
    {
        let Some(mut game) = Game::new(settings.clone()) else { return };
        let image = game.generate(other.clone());
        game.until("the texture is ready", |game| game.is_ready(&image));
        game.until("the file", |_| {
            std::fs::read_dir(folder.path().join("cache")).is_ok_and(|files| {
                files.flatten().any(|file| file.path().extension().is_some_and(|extension| extension == "png"))
            })
        });
    }
    let Some(mut game) = Game::with_plugin(folder.path(), plugin(settings, std::slice::from_ref(&listed))) else {
        return;
    };
    let good = game.generate(listed.clone());
    let bad = game.generate(other.clone());
    let varied = game.generate(listed.clone().variation(5));
    game.until("two refusals", |game| game.heard().failed.len() == 2);
    game.until("the listed texture is ready", |game| game.is_ready(&good));
    assert_eq!(rgb(&game.picture(&good)), expected(&listed));
    assert!(game.picture(&bad).chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 255]), "it stays neutral");
    for (image, recipe) in [(&bad, &other), (&varied, &listed.clone().variation(5))] {
        let failed = game.heard().failed.iter().find(|failed| failed.image == image.id()).expect("it was refused");
        let GenerationError::NotCurated(reason) = &failed.error else { panic!("{:?}", failed.error) };
        let parts = ["\"brick\"", &recipe.digest().to_string(), "one of the 1 recipes"];
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }

    let load =
        |game: &Game, path: &str| -> Handle<Image> { game.0.world().resource::<AssetServer>().load(path.to_string()) };
    let from_file = load(&game, "listed.discon");
    let refused = [load(&game, "other.discon.ron"), load(&game, "discon://moss?size=64x64")];
    game.until("the file on the list is ready", |game| game.is_ready(&from_file));
    game.until("two more refusals", |game| game.heard().failed.len() == 4);
    for (image, path) in refused.iter().zip(["other.discon.ron: ", "discon://moss"]) {
        let failed = game.heard().failed.iter().find(|failed| failed.image == image.id()).expect("it was refused");
        assert!(failed.error.to_string().contains(path), "{}", failed.error);
    }
}

#[test]
fn surfaces_and_wang_tiles_that_are_not_on_the_list_say_why_and_those_that_are_on_it_are_made() {
    let side = |seed| Recipe { token_rounds: 2, flow_steps: 2, ..recipe(seed).with_size(128, 128) };
    let (listed, other) = (side(72), side(73));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plugin = plugin(DisconSettings::default(), std::slice::from_ref(&listed));
    let Some(mut game) = Game::with_plugin(folder.path(), plugin) else { return };
    let world = game.0.world_mut();
    let [good, bad] = [&listed, &other].map(|recipe| {
        let surface = EndlessSurface { radius: 1, spare_layers: 0, ..EndlessSurface::new(recipe.clone()) };
        [world.spawn(surface).id(), world.spawn(WangTileSet::new(recipe.clone())).id()]
    });
    world.flush();
    let errors = |game: &Game, entities: [Entity; 2]| {
        let world = game.0.world();
        let cells = world.get::<SurfaceCells>(entities[0]).expect("the textures are there in the same frame");
        let tiles = world.get::<WangTextures>(entities[1]).expect("the textures are there in the same frame");
        [cells.error.clone(), tiles.error.clone()]
    };
    game.until("both are refused", |game| errors(game, bad).iter().all(Option::is_some));
    for error in errors(&game, bad) {
        let Some(GenerationError::NotCurated(reason)) = error else { panic!("{error:?}") };
        let parts = ["\"brick\"", "seed 73", &other.digest().to_string(), "one of the 1 recipes"];
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    game.until("a cell and a tile of the recipe on the list are made", |game| {
        assert_eq!(errors(game, good), [None, None]);
        let made = game.0.world().get::<WangTextures>(good[1]).is_some_and(|tiles| tiles.made > 0);
        made && game.0.world().get::<SurfaceCells>(good[0]).is_some_and(|cells| !cells.layers.is_empty())
    });
    let cells = game.0.world().get::<SurfaceCells>(bad[0]).expect("the surface exists");
    assert!(cells.layers.is_empty(), "nothing of the other one is made");
}
