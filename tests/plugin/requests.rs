//! Requests: from the question to the picture, to a reason, or to nothing.

use super::game::*;
use bevy_discon::reference::maps::downsample_colour;
use std::collections::HashSet;

#[test]
fn the_handle_is_usable_at_once_neutral_at_first_and_the_same_when_the_texture_is_ready() {
    // The smallest budget: many frames between the request and the picture.
    let settings = DisconSettings { neutral: [10, 130, 250], ..default() }.with_budget_ms(0.1);
    let Some(mut game) = Game::new(settings) else { return };
    let (entity, image) = game.spawn(recipe(1));
    game.until("the texture exists", |game| {
        let world = game.0.sub_app(RenderApp).world();
        world.resource::<RenderAssets<GpuImage>>().get(&image).is_some()
    });
    assert!(!game.is_ready(&image), "the budget allows no picture yet");
    for level in 0..7 {
        let pixels = game.pixels(&image, level).expect("the texture exists");
        assert!(pixels.chunks_exact(4).all(|pixel| pixel == [10, 130, 250, 255]), "level {level} is neutral");
    }

    game.until("half of the work", |game| {
        let progress = game.0.world().get::<TextureProgress>(entity);
        progress.is_some_and(|progress| progress.state.fraction() > 0.5)
    });
    game.until("the texture is ready", |game| !game.heard().ready.is_empty());
    game.frames(3);
    assert_eq!(game.texture_of(entity), image, "the handle has not changed");
    let ready = TextureReady { image: image.id(), recipe: recipe(1), source: TextureSource::Generated };
    assert_eq!(game.heard().ready, [ready], "one message");
    let events: Vec<_> = game.heard().generated.iter().map(|event| (event.entity, event.image.id())).collect();
    assert_eq!(events, [(entity, image.id())], "one event");
    assert!(game.heard().failed.is_empty() && game.heard().not_generated.is_empty());
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(1)), "the picture of the executor");
}

#[test]
fn all_mip_levels_are_filled_with_means_in_linear_light() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(1).with_size(128, 80));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let mut finer = rgb(&game.picture(&image));
    // 80 becomes 5, 2 and 1: odd levels, too.
    let mut size = (128, 80);
    for level in 1..8 {
        let pixels = game.pixels(&image, level).expect("the texture exists");
        assert!(pixels.chunks_exact(4).all(|pixel| pixel[3] == 255), "level {level} is opaque");
        let (found, expected) = (rgb(&pixels), downsample_colour(&finer, size));
        assert_eq!(found.len(), expected.len(), "level {level}");
        let off = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        // Powers of a driver may cross the border between two bytes.
        assert!(off <= Some(1), "level {level} is off by {off:?}");
        let colours: HashSet<&[u8]> = found.chunks_exact(3).collect();
        assert!(colours.len() > 1 || found.len() <= 6, "level {level} is flat");
        (finer, size) = (found, (size.0 / 2, (size.1 / 2).max(1)));
    }
    assert_eq!(size, (1, 1));
}

#[test]
fn equal_recipes_share_one_texture_and_every_request_hears_of_it() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (first, image) = game.spawn(recipe(3));
    let (second, same) = game.spawn(recipe(3));
    assert_eq!(image, same);
    assert_eq!(image, game.generate(recipe(3)));
    assert_ne!(image, game.generate(recipe(4)));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(2);
    let mut told: Vec<Entity> = game.heard().generated.iter().map(|event| event.entity).collect();
    told.retain(|entity| [first, second].contains(entity));
    assert_eq!(told.len(), 2, "both entities got their event");

    let (late, same) = game.spawn(recipe(3));
    assert_eq!(image, same);
    game.frames(2);
    let event =
        game.heard().generated.iter().find(|event| event.entity == late).expect("the late entity got its event");
    assert_eq!(event.source, TextureSource::Memory);
    assert!(game.0.world().get::<TextureProgress>(late).is_some_and(|progress| progress.state.is_finished()));
}

#[test]
fn despawning_the_entity_or_dropping_the_last_handle_cancels() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let (entity, image) = game.spawn(recipe(5));
    let held = game.generate(recipe(6));
    let kept = game.generate(recipe(7));
    let (shared, also_kept) = game.spawn(recipe(7));
    game.frames(3);
    let ids = [image.id(), held.id()];
    drop((image, held, also_kept));
    game.0.world_mut().despawn(entity);
    game.0.world_mut().despawn(shared);
    game.until("two textures are forgotten", |game| game.store().len() == 1);
    game.until("the other texture is ready", |game| game.is_ready(&kept));
    game.frames(5);
    assert!(game.heard().ready.iter().all(|ready| !ids.contains(&ready.image)), "cancelled textures are never ready");
    assert!(game.heard().failed.is_empty(), "nobody is left to be told");
    let world = game.0.sub_app(RenderApp).world();
    let images = world.resource::<RenderAssets<GpuImage>>();
    assert!(ids.iter().all(|id| images.get(*id).is_none()), "their memory on the GPU is free");
}

#[test]
fn removing_the_request_takes_the_handle_and_inserting_another_recipe_gives_another() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (entity, image) = game.spawn(recipe(8));
    game.0.world_mut().entity_mut(entity).insert(GenerateTexture::new(recipe(9)));
    game.0.world_mut().flush();
    let other = game.texture_of(entity);
    assert_ne!(other, image);
    game.until("the second texture is ready", |game| game.is_ready(&other));
    game.frames(2);
    assert!(game.heard().generated.iter().all(|event| event.image == other), "only the newer request is answered");
    game.0.world_mut().entity_mut(entity).remove::<GenerateTexture>();
    game.0.world_mut().flush();
    assert!(game.0.world().get::<GeneratedTexture>(entity).is_none());
    assert!(game.0.world().get::<TextureProgress>(entity).is_none());
}

#[test]
fn a_cancelled_texture_fails_and_an_equal_request_starts_it_again() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let (entity, image) = game.spawn(recipe(10));
    game.until("some work is done", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.1));
    let cancelled = image.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.cancel(&cancelled));
    game.frames(3);
    assert_eq!(game.heard().failed.len(), 1);
    assert_eq!(game.heard().failed[0].error, GenerationError::Cancelled);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert_eq!(game.generate(recipe(10)), image, "in the same texture");
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(10)), "from the beginning");
}

#[test]
fn impossible_recipes_fail_with_a_reason_and_keep_the_neutral_colour() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (entity, image) = game.spawn(Recipe::new("brck"));
    let odd = game.generate(Recipe::new("brick").with_size(70, 5000));
    game.until("both fail", |game| game.heard().failed.len() == 2);
    game.frames(3);
    let failed = game.heard().failed.iter().find(|failed| failed.image == image.id()).expect("the first one failed");
    let reason = failed.error.to_string();
    assert!(reason.contains("\"brck\"") && reason.contains("brick, moss"), "{reason}");
    assert_eq!(game.heard().not_generated.len(), 1);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert!(game.picture(&image).chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 255]));
    let reason =
        game.heard().failed.iter().find(|failed| failed.image == odd.id()).map(|failed| failed.error.to_string());
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("width") && reason.contains("70")), "{reason:?}");
}

#[test]
fn without_a_renderer_and_the_processor_every_request_fails_and_nothing_else_happens() {
    let wgpu = WgpuSettings { backends: None, ..default() };
    let settings = DisconSettings { processor_threads: ProcessorThreads::Never, ..default() };
    let mut game = Game::with(wgpu, ModelSource::Loaded(model()), settings);
    let (entity, image) = game.spawn(recipe(1));
    game.until("the request fails", |game| !game.heard().failed.is_empty());
    game.frames(2);
    assert_eq!(game.heard().failed[0].error, GenerationError::NoRenderer);
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert_eq!(game.texture_of(entity), image, "the handle stays valid");
}

#[test]
fn a_texture_with_edits_and_a_blend_is_a_texture_like_any_other() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let base = recipe(31).with_size(128, 128);
    let mask = TokenMask::circle(&base, [0.0, 0.5], 20.0);
    let blend = Blend::from_uv(&base, "moss", |u, _| u);
    let edited = base.clone().with_blend(blend).with_edit_of("moss", mask.clone(), 1).with_edit(mask, 2);
    let image = game.generate(edited.clone());
    game.until("the texture is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&edited));
    // Edits are part of what makes recipes equal.
    assert_eq!(game.generate(edited.clone()).id(), image.id());
    assert_ne!(game.generate(base).id(), image.id());
    // Its tokens are those that the edits start from, so that tokens and edits together give it again.
    let ask = {
        let image = image.clone();
        move |mut generator: TextureGenerator| generator.read_tokens(&image)
    };
    game.0.world_mut().run_system_once_with_result(ask);
    game.until("the tokens are there", |game| !game.heard().tokens.is_empty());
    let with_tokens = game.heard().tokens[0].recipe.clone();
    assert!(with_tokens.tokens.is_some() && with_tokens.edits == edited.edits);
    let again = game.generate(with_tokens);
    game.until("it is ready again", |game| game.is_ready(&again));
    assert!(game.picture(&again) == game.picture(&image));
}
