//! The life of a texture: coarse and refined, paused, refused, its tokens, and the numbers about all of it.

use super::{common, game::*};
use bevy::diagnostic::DiagnosticsStore;
use bevy_discon::reference::CpuOps;
use bevy_discon::sampling::decode_coarse;

/// Runs something with the generator.
fn ask<T: 'static>(game: &mut Game, what: impl Fn(&mut TextureGenerator) -> T + Send + Sync + 'static) -> T {
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| what(&mut generator))
}

fn request(game: &mut Game, request: GenerateTexture) -> Handle<Image> {
    ask(game, move |generator| generator.request(request.clone()))
}

fn coarse_only(seed: u64) -> GenerateTexture {
    GenerateTexture::new(recipe(seed)).with_detail(TextureDetail::Coarse)
}

/// The tokens that the executor samples without Bevy.
fn tokens(recipe: &Recipe) -> Vec<u16> {
    let plan = plan(&model(), recipe).expect("the recipe is sound");
    let mut gpu = common::gpu().expect("the caller has checked");
    let made = gpu.generate(&model(), &plan).expect("the device works");
    made.tokens.iter().map(|token| *token as u16).collect()
}

/// Largest difference to the coarse picture of the CPU reference.
fn off_coarse(found: &[u8], recipe: &Recipe) -> u8 {
    let model = model();
    let plan = plan(&model, &recipe.clone().with_tokens(tokens(recipe))).expect("the recipe is sound");
    let mut cpu = CpuOps::for_job(&model, &plan);
    decode_coarse(&mut cpu, &model.discon, &plan.shape);
    let expected = cpu.into_texture(&plan).pixels;
    assert_eq!(found.len(), expected.len());
    found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
}

#[test]
fn a_texture_can_stop_at_the_picture_of_its_tokens_and_go_on_in_place() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = request(&mut game, coarse_only(40));
    game.until("the coarse picture", |game| game.store().state(&image) == Some(&TextureState::Coarse));
    game.frames(20);
    assert_eq!(game.heard().coarse, [TextureCoarse { image: image.id(), recipe: recipe(40) }], "one message");
    assert!(game.heard().ready.is_empty(), "it stays there");
    let coarse = rgb(&game.picture(&image));
    // Another order of sums may cross the border between two bytes.
    assert!(off_coarse(&coarse, &recipe(40)) <= 1, "it is the picture of the tokens");
    assert_ne!(coarse, expected(&recipe(40)));
    // In linear light, about.
    let light = |pixels: &[u8]| {
        pixels.iter().map(|byte| (f32::from(*byte) / 255.0).powf(2.2)).sum::<f32>() / pixels.len() as f32
    };
    let smallest = rgb(&game.pixels(&image, 6).expect("the texture exists"));
    assert!((light(&smallest) - light(&coarse)).abs() < 0.03, "the mip levels follow: {smallest:?}");

    let id = image.id();
    ask(&mut game, move |generator| generator.refine(id));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(2);
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(40)), "as if it had never stopped");
    assert_eq!((game.heard().coarse.len(), game.heard().ready.len()), (1, 1));

    let other = request(&mut game, coarse_only(41));
    game.until("the coarse picture", |game| game.store().state(&other) == Some(&TextureState::Coarse));
    assert_eq!(game.generate(recipe(41)), other, "a request for the full picture refines it too");
    game.until("the texture is ready", |game| game.is_ready(&other));
    assert_eq!(rgb(&game.picture(&other)), expected(&recipe(41)));
}

#[test]
fn every_texture_shows_its_coarse_picture_before_any_is_refined_and_ends_as_without() {
    // Budgets below the whole, so that the order is seen.
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let priorities = [(42, 0.0), (43, 5.0), (44, -5.0)];
    let images = priorities
        .map(|(seed, priority)| request(&mut game, GenerateTexture::new(recipe(seed)).with_priority(priority)));
    game.until("the first coarse picture", |game| !game.heard().coarse.is_empty());
    game.until("the first is ready", |game| !game.heard().ready.is_empty());
    assert_eq!(game.heard().coarse.len(), 3, "all coarse pictures come before the first refined one");
    game.until("all are ready", |game| game.heard().ready.len() == 3);
    let order = |messages: Vec<AssetId<Image>>| messages == [1, 0, 2].map(|at: usize| images[at].id());
    assert!(order(game.heard().coarse.iter().map(|coarse| coarse.image).collect()), "by priority");
    assert!(order(game.heard().ready.iter().map(|ready| ready.image).collect()), "by priority");
    for (image, (seed, _)) in images.iter().zip(priorities) {
        assert_eq!(rgb(&game.picture(image)), expected(&recipe(seed)), "seed {seed}");
    }
}

#[test]
fn without_coarse_first_and_for_direct_requests_there_is_no_coarse_picture() {
    let settings = DisconSettings { coarse_first: false, ..default() };
    let Some(mut game) = Game::new(settings) else { return };
    let first = game.generate(recipe(45));
    game.until("the texture is ready", |game| game.is_ready(&first));
    game.0.world_mut().resource_mut::<DisconSettings>().coarse_first = true;
    let second = request(&mut game, GenerateTexture::new(recipe(46)).with_detail(TextureDetail::Direct));
    game.until("the texture is ready", |game| game.is_ready(&second));
    assert!(game.heard().coarse.is_empty());
    assert_eq!(rgb(&game.picture(&second)), expected(&recipe(46)));
}

#[test]
fn a_paused_texture_lets_others_pass_and_ends_with_the_same_picture() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    for part in [0.1, 0.6] {
        let seed = 47 + (10.0 * part) as u64;
        let image = game.generate(recipe(seed));
        game.until("some work is done", |game| game.store().state(&image).is_some_and(|state| state.fraction() > part));
        let id = image.id();
        ask(&mut game, move |generator| generator.pause(id));
        game.frames(5);
        let stopped = game.store().state(&image).cloned();
        let other = game.generate(recipe(seed + 100));
        game.until("the other texture is ready", |game| game.is_ready(&other));
        assert_eq!(game.store().state(&image).cloned(), stopped, "nothing was done");
        ask(&mut game, move |generator| generator.resume(id));
        game.until("the texture is ready", |game| game.is_ready(&image));
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe(seed)), "paused at {part}");
    }
}

#[test]
fn a_paused_plugin_does_nothing_until_it_goes_on() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let image = game.generate(recipe(60));
    game.until("some work is done", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.1));
    game.0.world_mut().resource_mut::<DisconSettings>().paused = true;
    game.frames(5);
    let stopped = game.store().state(&image).cloned();
    game.frames(50);
    assert_eq!(game.store().state(&image).cloned(), stopped);
    game.0.world_mut().resource_mut::<DisconSettings>().paused = false;
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(60)));
}

#[test]
fn more_unfinished_textures_than_the_limit_are_refused_with_a_reason_and_may_ask_again() {
    let settings = DisconSettings { max_unfinished: 2, ..default() };
    let Some(mut game) = Game::new(settings) else { return };
    let images: Vec<_> = (61..64).map(|seed| game.generate(recipe(seed))).collect();
    game.until("a message", |game| !game.heard().failed.is_empty());
    assert_eq!(game.heard().failed[0].image, images[2].id());
    let reason = game.heard().failed[0].error.to_string();
    assert!(reason.contains("2 textures") && reason.contains("max_unfinished"), "{reason}");
    game.until("the others are ready", |game| game.is_ready(&images[0]) && game.is_ready(&images[1]));
    assert_eq!(game.generate(recipe(63)), images[2]);
    game.until("the third is ready", |game| game.is_ready(&images[2]));
    let statistics = *game.0.world().resource::<TextureStatistics>();
    assert_eq!((statistics.counts.requests, statistics.counts.refused, statistics.counts.generated), (4, 1, 3));
}

#[test]
fn a_texture_gives_back_its_tokens_and_a_recipe_with_them_gives_the_same_picture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = DisconSettings { memory_cache_bytes: 0, ..default() }.with_disk_cache(folder.path());
    let Some(mut game) = Game::new(settings) else { return };
    let image = request(&mut game, GenerateTexture::new(recipe(64)).with_tokens_read());
    game.until("the tokens", |game| !game.heard().tokens.is_empty());
    let found = game.heard().tokens[0].clone();
    let sampled = tokens(&recipe(64));
    assert_eq!(found, TextureTokens { image: image.id(), recipe: recipe(64).with_tokens(sampled) });
    game.until("the texture is ready", |game| game.is_ready(&image));
    let before = game.picture(&image);
    let again = game.generate(found.recipe.clone());
    assert_ne!(again, image, "another recipe");
    game.until("the texture is ready", |game| game.is_ready(&again));
    assert_eq!(game.picture(&again), before);

    // From disk it comes without tokens: stage 1 runs alone, and the picture stays.
    game.until("the file", |_| {
        std::fs::read_dir(folder.path()).is_ok_and(|files| {
            files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "png")).count()
                == 2
        })
    });
    drop((image, again));
    game.until("the textures are forgotten", |game| game.store().is_empty());
    let image = request(&mut game, GenerateTexture::new(recipe(64)).with_tokens_read());
    game.until("the tokens", |game| game.heard().tokens.len() == 2);
    assert_eq!(game.heard().ready.last().map(|ready| ready.source), Some(TextureSource::Disk));
    assert_eq!(game.heard().tokens[1].recipe, found.recipe);
    assert_eq!(game.picture(&image), before);
}

#[test]
fn an_unloaded_texture_is_freed_with_its_last_handle_and_the_statistics_show_it() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(65));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(2);
    let statistics = |game: &Game| *game.0.world().resource::<TextureStatistics>();
    let full = statistics(&game);
    assert_eq!((full.textures, full.unfinished, full.counts.generated, full.counts.coarse), (1, 0, 1, 1));
    assert!(full.kept_bytes == full.texture_bytes && full.kept_bytes > 64 * 64 * 4, "{full:?}");
    let id = image.id();
    ask(&mut game, move |generator| generator.unload(id));
    game.frames(3);
    assert_eq!(statistics(&game).kept_bytes, 0);
    assert!(game.is_ready(&image), "handles keep it");
    drop(image);
    game.until("the texture is forgotten", |game| game.store().is_empty());
    game.frames(2);
    assert_eq!(statistics(&game).texture_bytes, 0);
}

#[test]
fn the_texture_nearest_to_a_camera_comes_first() {
    let settings = DisconSettings { coarse_first: false, ..default() }.with_budget_ms(0.1);
    let Some(mut game) = Game::new(settings) else { return };
    let world = game.0.world_mut();
    world.spawn((Camera::default(), Transform::from_xyz(100.0, 0.0, 0.0), GlobalTransform::default()));
    let entities = [(66, 0.0), (67, 90.0), (68, 50.0)].map(|(seed, x)| {
        let place = (Transform::from_xyz(x, 0.0, 0.0), GlobalTransform::default());
        world.spawn((GenerateTexture::new(recipe(seed)), PriorityByDistance::default(), place)).id()
    });
    game.until("all are ready", |game| game.heard().generated.len() == 3);
    let order: Vec<Entity> = game.heard().generated.iter().map(|event| event.entity).collect();
    assert_eq!(order, [1, 2, 0].map(|at: usize| entities[at]));
}

#[test]
fn diagnostics_show_what_the_statistics_say() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let shown = |game: &Game| {
        let store = game.0.world().resource::<DiagnosticsStore>();
        let newest = |path| store.get_measurement(path).map(|found| found.value);
        [newest(&UNFINISHED_TEXTURES), newest(&KEPT_BYTES), newest(&GPU_MILLISECONDS)]
    };
    let said = |game: &Game| {
        let statistics = game.0.world().resource::<TextureStatistics>();
        [statistics.unfinished as f64, statistics.kept_bytes as f64]
    };
    game.frames(2);
    assert_eq!(shown(&game), [None; 3], "nothing has happened");
    let images: Vec<_> = (68..70).map(|seed| game.generate(recipe(seed))).collect();
    game.until("both are counted", |game| shown(game)[0] == Some(2.0));
    game.until("both are ready", |game| {
        assert!(shown(game)[..2].iter().zip(said(game)).all(|(shown, said)| *shown == Some(said)), "in every frame");
        images.iter().all(|image| game.is_ready(image))
    });
    game.frames(2);
    // 64x64 pixels of four bytes each; mip levels take a third of that.
    let bytes = 2.0 * 64.0 * 64.0 * 4.0 * 4.0 / 3.0;
    assert_eq!(shown(&game)[0], Some(0.0));
    assert!(shown(&game)[1].is_some_and(|kept| (kept - bytes).abs() < 8.0), "{:?}", shown(&game));
    assert!(shown(&game)[2].is_some_and(|ms| ms > 0.0), "work takes time: {:?}", shown(&game)[2]);
    drop(images);
    game.0.world_mut().resource_mut::<DisconSettings>().memory_cache_bytes = 0;
    game.until("the textures are forgotten", |game| game.store().is_empty());
    game.frames(2);
    assert_eq!(shown(&game)[..2], [Some(0.0), Some(0.0)]);
}
