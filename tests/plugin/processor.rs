//! Textures on the processor, where there is no GPU that can make them: the plugin behaves as it does with one.

use super::{common, game::*};
use bevy::render::settings::{RenderCreation, WgpuLimits};
use bevy_discon::model::Wrap;
use bevy_discon::native;
use bevy_discon::reference::maps::{Picture, derive, levels};

/// A game without a renderer.
fn without_renderer(settings: DisconSettings) -> Game {
    let wgpu = WgpuSettings { backends: None, ..default() };
    Game::with(wgpu, ModelSource::Loaded(model()), settings)
}

/// A game that renders on a device without compute shaders.
fn without_compute(settings: DisconSettings) -> Option<Game> {
    common::gpu()?;
    Some(Game::with(no_compute(), ModelSource::Loaded(model()), settings))
}

fn no_compute() -> WgpuSettings {
    WgpuSettings { constrained_limits: Some(WgpuLimits::downlevel_webgl2_defaults()), ..WgpuSettings::default() }
}

/// The picture of the processor without Bevy, RGB.
fn on_processor(recipe: &Recipe) -> Vec<u8> {
    let model = model();
    native::generate(&model, &plan(&model, recipe).expect("the recipe is sound")).pixels
}

/// RGBA bytes of all levels.
fn all_levels(pixels: Vec<u8>, size: (u32, u32)) -> Vec<u8> {
    let levels = levels(pixels, (size.0 as usize, size.1 as usize), None);
    let rgba = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2], 255];
    levels.iter().flat_map(|level| level.pixels.chunks_exact(3).map(rgba).collect::<Vec<_>>()).flatten().collect()
}

fn data(game: &Game, image: &Handle<Image>) -> Option<Vec<u8>> {
    game.0.world().resource::<Assets<Image>>().get(image).and_then(|image| image.data.clone())
}

fn with_generator(game: &mut Game, mut act: impl FnMut(&mut TextureGenerator) + Send + Sync + 'static) {
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| act(&mut generator));
}

#[test]
fn without_a_renderer_textures_become_the_data_of_their_images_while_frames_go_on() {
    let mut game = without_renderer(DisconSettings::default());
    let wanted = recipe(110).with_size(256, 192);
    let request = GenerateTexture::new(wanted.clone()).with_tokens_read();
    let entity = game.0.world_mut().spawn(request).id();
    game.0.world_mut().flush();
    let image = game.texture_of(entity);
    let (mut frames, mut fractions) = (0, Vec::new());
    game.until("the texture is ready", |game| {
        frames += 1;
        fractions.extend(game.store().state(&image).map(TextureState::fraction));
        game.is_ready(&image)
    });
    game.frames(2);
    assert!(frames > 30, "{frames} frames went by");
    fractions.dedup();
    assert!(fractions.is_sorted() && fractions.len() > 5, "{fractions:?}");
    assert_eq!(data(&game, &image), Some(all_levels(on_processor(&wanted), wanted.size)));
    let heard = game.heard();
    assert_eq!((heard.coarse.len(), heard.ready.len(), heard.failed.len()), (1, 1, 0));
    assert_eq!((heard.generated[0].entity, heard.generated[0].source), (entity, TextureSource::Generated));
    let tokens = heard.tokens[0].recipe.tokens.clone().expect("they were asked for");
    let plan = plan(&model(), &wanted).expect("the recipe is sound");
    let expected = native::generate(&model(), &plan).tokens;
    assert!(tokens.iter().map(|token| u32::from(*token)).eq(expected));
    let counts = game.0.world().resource::<TextureStatistics>().counts;
    assert_eq!((counts.generated, counts.coarse), (1, 1));
    assert!(counts.operations > 0);
    // Equal recipes share it.
    assert_eq!(game.generate(wanted), image);
    game.frames(2);
    assert_eq!(game.heard().ready.last().map(|ready| ready.source), Some(TextureSource::Memory));
}

#[test]
fn where_the_adapter_cannot_run_the_kernels_textures_and_maps_are_uploaded_with_all_levels() {
    let Some(mut game) = without_compute(DisconSettings::default()) else { return };
    let wanted = recipe(111).with_size(80, 64);
    let image = game.generate(wanted.clone());
    let rules = MapRules::default();
    let map = game.0.world_mut().run_system_once_with_result({
        let image = image.clone();
        move |mut generator: TextureGenerator| generator.derive_map(&image, MapKind::Height, &rules)
    });
    game.until("the texture is ready", |game| game.is_ready(&image));
    let picture = on_processor(&wanted);
    let shown: Vec<u8> =
        (0..7).flat_map(|level| game.pixels(&image, level).expect("the texture has this level")).collect();
    assert!(shown == all_levels(picture.clone(), wanted.size), "all levels");
    let gpu = expected(&wanted);
    let worst = picture.iter().zip(&gpu).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(2), "as on a GPU that can: off by {worst:?}");
    let base = Picture { pixels: &picture, size: (80, 64), wrap: Wrap::BOTH };
    let height = derive(base, MapKind::Height, &rules);
    game.until("the map", |game| {
        game.0.sub_app(RenderApp).world().resource::<RenderAssets<GpuImage>>().get(&map).is_some()
    });
    let start = Instant::now();
    while rgb(&game.picture(&map)) != height {
        assert!(start.elapsed() < PATIENCE, "the map is derived from the picture");
        game.frames(2);
    }
    assert_eq!((game.heard().coarse.len(), game.heard().ready.len(), game.heard().failed.len()), (1, 1, 0));
    // Once, though it was planned before the adapter was known to be of no use.
    let counts = game.0.world().resource::<TextureStatistics>().counts;
    let mut generation = native::Generation::new(model(), plan(&model(), &wanted).expect("the recipe is sound"));
    while !generation.is_done() {
        generation.step();
    }
    assert_eq!(counts.operations, generation.flops());
    let settings = WangTileSet::new(recipe(112).with_size(128, 128));
    let entity = game.0.world_mut().spawn(settings).id();
    let error = |game: &Game| game.0.world().get::<WangTextures>(entity).and_then(|set| set.error.clone());
    game.until("tiles fail", |game| error(game).is_some());
    assert!(matches!(error(&game), Some(GenerationError::NeedsGpu(_))));
}

#[test]
fn after_a_device_was_lost_textures_are_made_again_where_the_new_one_allows_it() {
    let Some(mut game) = without_compute(DisconSettings::default()) else { return };
    let image = game.generate(recipe(113));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let picture = game.picture(&image);
    game.replace_device_by(RenderErrorHandler(|error, _, _| match error.ty {
        ErrorType::DeviceLost => RenderErrorPolicy::Recover(RenderCreation::Automatic(Box::new(no_compute()))),
        _ => RenderErrorPolicy::StopRendering,
    }));
    game.until_shown("the texture of the processor", &image, &picture);
    // One that can run the kernels takes over.
    let other = game.generate(recipe(114).with_size(128, 128));
    game.replace_device();
    game.until("the other is ready", |game| game.is_ready(&other));
    assert!(rgb(&game.picture(&other)) == expected(&recipe(114).with_size(128, 128)));
    let again: Vec<u8> =
        expected(&recipe(113)).chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    game.until_shown("the texture of the GPU", &image, &again);
    game.frames(5);
    assert_eq!((game.heard().ready.len(), game.heard().failed.len()), (2, 0), "nobody is told twice");
}

#[test]
fn the_processor_takes_the_highest_priority_first_and_drops_what_is_cancelled() {
    let mut game = without_renderer(DisconSettings { paused: true, coarse_first: false, ..default() });
    let images: Vec<Handle<Image>> = (120..124).map(|seed| game.generate(recipe(seed))).collect();
    game.frames(20);
    assert_eq!(game.store().unfinished(), 4, "nothing runs while the plugin is paused");
    let (cancelled, first, waits) = (images[0].clone(), images[3].clone(), images[1].clone());
    with_generator(&mut game, move |generator| {
        generator.set_priority(&first, 2.0);
        generator.pause(&waits);
        generator.cancel(&cancelled);
    });
    game.0.world_mut().resource_mut::<DisconSettings>().paused = false;
    game.until("two are ready", |game| game.heard().ready.len() == 2);
    let order: Vec<u64> = game.heard().ready.iter().map(|ready| ready.recipe.seed).collect();
    assert_eq!(order, [123, 122]);
    assert_eq!(game.heard().failed.len(), 1);
    assert_eq!(
        (game.heard().failed[0].image, &game.heard().failed[0].error),
        (images[0].id(), &GenerationError::Cancelled)
    );
    let resumed = images[1].clone();
    with_generator(&mut game, move |generator| generator.resume(&resumed));
    game.until("the third is ready", |game| game.is_ready(&images[1]));
    assert_eq!(data(&game, &images[0]), None, "of the cancelled one nothing is shown");
    // Cancelled in its work; asked for again, it starts again.
    let large = recipe(124).with_size(256, 256);
    let image = game.generate(large.clone());
    game.until("it works", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.0));
    let cancelled = image.clone();
    with_generator(&mut game, move |generator| generator.cancel(&cancelled));
    game.frames(20);
    assert_eq!((game.heard().failed.len(), data(&game, &image)), (2, None));
    assert_eq!(game.generate(large.clone()), image);
    game.until("it is ready", |game| game.is_ready(&image));
    assert_eq!(data(&game, &image), Some(all_levels(on_processor(&large), large.size)));
}

#[test]
fn coarse_textures_rest_until_they_are_refined() {
    let mut game = without_renderer(DisconSettings::default());
    let image = game.spawn_request(GenerateTexture::new(recipe(130)).with_detail(TextureDetail::Coarse));
    game.until("the coarse picture", |game| game.store().state(&image) == Some(&TextureState::Coarse));
    game.frames(20);
    assert_eq!(game.store().state(&image), Some(&TextureState::Coarse));
    let coarse = data(&game, &image).expect("it is shown");
    let refined = image.clone();
    with_generator(&mut game, move |generator| generator.refine(&refined));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let full = data(&game, &image).expect("it is shown");
    assert!(full != coarse && full == all_levels(on_processor(&recipe(130)), (64, 64)));
}

#[test]
fn both_paths_share_the_disk_cache() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = DisconSettings::default().with_disk_cache(folder.path());
    let files = || {
        std::fs::read_dir(folder.path()).map_or(0, |entries| {
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "png"))
                .count()
        })
    };
    let mut game = without_renderer(settings.clone());
    let image = game.generate(recipe(131));
    game.until("the texture is in the cache", |game| game.is_ready(&image) && files() == 1);
    drop(game);
    let mut game = without_renderer(settings.clone());
    let image = game.generate(recipe(131));
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(game.heard().ready[0].source, TextureSource::Disk);
    assert_eq!(data(&game, &image), Some(all_levels(on_processor(&recipe(131)), (64, 64))));
    drop(game);
    let Some(mut game) = Game::new(settings) else { return };
    let image = game.generate(recipe(131));
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!((game.heard().ready[0].source, files()), (TextureSource::Disk, 1));
    assert_eq!(rgb(&game.picture(&image)), on_processor(&recipe(131)));
}
