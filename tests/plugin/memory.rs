//! Too little memory for the work: what is only kept goes first, then work waits for work, then requests fail with the
//! reason, and succeed when there is memory again.
//!
//! `work_memory_bytes` stands for the memory of a device: what is above it fails where a device without memory would,
//! before the buffers are made. That wgpu's own errors are told the same way is tested beside `GpuError`.

use super::caches::cached;
use super::common;
use super::game::*;
use bevy_discon::gpu::{GpuWeights, Recording};

/// Bytes of the weights, and of the buffers that recipes are made in, one after the other.
fn needs(recipes: &[&Recipe]) -> Option<(u64, Vec<u64>)> {
    let (gpu, model) = (common::gpu()?, model());
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), &model).expect("the device works").bytes();
    let buffers = recipes.iter().map(|recipe| {
        let shape = plan(&model, recipe).expect("the recipe is sound").shape;
        let coarse = Recording::coarse(&model, &shape, gpu.variant()).bytes();
        Recording::new(&model, &shape, gpu.variant()).bytes() + coarse
    });
    Some((weights, buffers.collect()))
}

fn allow(game: &mut Game, bytes: u64) {
    game.0.world_mut().resource_mut::<DisconSettings>().work_memory_bytes = bytes;
}

fn game(bytes: u64) -> Game {
    let settings = DisconSettings { work_memory_bytes: bytes, ..default() };
    Game::new(settings).expect("the caller has checked")
}

#[test]
fn buffers_that_are_only_kept_make_room_and_work_waits_for_the_work_before_it() {
    let (first, second) = (recipe(1).with_size(128, 128), recipe(2).with_size(64, 128));
    let Some((weights, needs)) = needs(&[&first, &second]) else { return };
    let larger = needs[0].max(needs[1]);
    // Either fits, with some kB to spare, and both do not.
    assert!(needs.iter().sum::<u64>() > larger + 20_000, "{needs:?}");
    let mut game = game(weights + larger + 10_000);
    for wanted in [&first, &second, &first] {
        let image = game.generate(wanted.clone().with_seed(10));
        game.until("the texture is ready", |game| game.is_ready(&image));
        assert_eq!(rgb(&game.picture(&image)), expected(&wanted.clone().with_seed(10)));
    }
    let running = game.generate(first.clone());
    game.until("it runs", |game| matches!(game.store().state(&running), Some(TextureState::Generating(_))));
    let urgent = game.spawn_request(GenerateTexture::new(second.clone()).with_priority(5.0));
    game.until("both are ready", |game| game.is_ready(&running) && game.is_ready(&urgent));
    assert_eq!(rgb(&game.picture(&running)), expected(&first));
    assert_eq!(rgb(&game.picture(&urgent)), expected(&second));
    assert_eq!(game.heard().failed.len(), 0);
}

#[test]
fn what_finds_no_room_fails_with_the_reason_and_succeeds_when_there_is_some() {
    let (large, small) = (recipe(3).with_size(256, 256), recipe(4));
    let Some((weights, needs)) = needs(&[&large, &small]) else { return };
    let enough = weights + needs[0];
    let mut game = game(weights + needs[1] + 10_000);
    let images = [game.generate(large.clone()), game.generate(small.clone())];
    game.until("the small one is ready", |game| game.is_ready(&images[1]));
    game.until("the large one fails", |game| game.heard().failed.len() == 1);
    for parts in [["no memory", "256x256"], ["kB", "work_memory_bytes"]] {
        let reason = game.heard().failed[0].error.to_string();
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    game.frames(5);
    assert!(game.picture(&images[0]).chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 255]), "neutral");
    // Asked again it fails again: there is no more than before.
    let again = game.generate(large.clone());
    game.until("it fails again", |game| game.heard().failed.len() == 2);
    assert_eq!(again, images[0]);
    allow(&mut game, enough);
    let again = game.generate(large.clone());
    game.until("there is room", |game| game.is_ready(&again));
    assert_eq!(rgb(&game.picture(&again)), expected(&large));
    game.frames(5);
    assert_eq!((game.heard().ready.len(), game.heard().failed.len()), (2, 2));
}

#[test]
fn tokens_that_find_no_room_fail_with_the_reason_and_the_picture_stays() {
    let Some((weights, needs)) = needs(&[&recipe(7)]) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = |bytes: u64| DisconSettings { work_memory_bytes: bytes, ..default() }.with_disk_cache(folder.path());
    let Some(mut game) = Game::new(settings(u64::MAX)) else { return };
    let image = game.generate(recipe(7));
    game.until("the texture is ready", |game| game.is_ready(&image));
    let before = game.picture(&image);
    cached(&mut game, folder.path(), 1);
    drop(game);
    let Some(mut game) = Game::new(settings(weights + needs[0] / 2)) else { return };
    let ask = |game: &mut Game| game.spawn_request(GenerateTexture::new(recipe(7)).with_tokens_read());
    let image = ask(&mut game);
    game.until("an answer", |game| !game.heard().no_tokens.is_empty());
    let TextureTokensFailed { image: of, error } = game.heard().no_tokens[0].clone();
    assert_eq!(of, image.id());
    assert!(error.to_string().contains("no memory"), "{error}");
    assert_eq!((game.heard().tokens.len(), game.heard().failed.len()), (0, 0), "the texture has its picture");
    assert_eq!(game.picture(&image), before);
    allow(&mut game, u64::MAX);
    ask(&mut game);
    game.until("the tokens", |game| !game.heard().tokens.is_empty());
    // A texture that fails has none, and that is told too.
    let _cheese = game.spawn_request(GenerateTexture::new(Recipe::new("cheese")).with_tokens_read());
    game.until("both messages", |game| game.heard().failed.len() == 1 && game.heard().no_tokens.len() == 2);
    assert_eq!(game.heard().no_tokens[1].error, game.heard().failed[0].error);
}

#[test]
fn without_room_for_the_weights_everything_fails_and_the_next_request_tries_again() {
    let Some((weights, needs)) = needs(&[&recipe(5)]) else { return };
    let mut game = game(weights / 2);
    let look = Recipe { token_rounds: 3, flow_steps: 2, ..recipe(6).with_size(128, 128) };
    let surface = EndlessSurface { radius: 1, spare_layers: 0, ..EndlessSurface::new(look) };
    let entity = game.0.world_mut().spawn(surface.clone()).id();
    let image = game.generate(recipe(5));
    game.until("it fails", |game| game.heard().failed.len() == 1);
    let reason = game.heard().failed[0].error.to_string();
    assert!(["no memory", "weights"].iter().all(|part| reason.contains(part)), "{reason}");
    let cells = |game: &Game| game.0.world().get::<SurfaceCells>(entity).expect("it was answered").clone();
    game.until("the surface fails", |game| cells(game).error.is_some());
    game.frames(20);
    assert_eq!(game.heard().failed.len(), 1, "one message");
    // Enough for a texture.
    allow(&mut game, weights + needs[0] + 10_000);
    let again = game.generate(recipe(5));
    assert_eq!(again, image);
    game.until("it is ready", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(5)));
    // Not enough for what a surface keeps, then not for what it is made with.
    for (bytes, part) in [(weights + 1000, "cells of a surface"), (weights + needs[0], "the buffers")] {
        allow(&mut game, bytes);
        game.0.world_mut().entity_mut(entity).insert(surface.clone());
        game.until("the surface fails again", |game| cells(game).error.is_some());
        let reason = cells(&game).error.map(|error| error.to_string()).unwrap_or_default();
        assert!(["no memory", part].iter().all(|part| reason.contains(part)), "{reason}");
    }
    allow(&mut game, u64::MAX);
    game.0.world_mut().entity_mut(entity).insert(surface);
    game.until("the surface is complete", |game| {
        assert_eq!(cells(game).error, None);
        cells(game).missing() == 0
    });
}
