//! Lost devices and lost jobs: what is made again, what ends, and what stays as it is.

use super::failures::failure;
use super::game::*;

/// Leaves this much memory for the work, from the next frame on.
fn leave_memory(game: &mut Game, bytes: u64) {
    game.0.world_mut().resource_mut::<DisconSettings>().work_memory_bytes = bytes;
    game.frames(2);
}

#[test]
fn a_texture_that_cannot_be_made_again_after_a_device_was_lost_fails() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let (entity, image) = game.spawn(recipe(96));
    game.until("it is ready", |game| game.is_ready(&image));
    leave_memory(&mut game, 1);
    game.replace_device();
    let reason = failure(&mut game);
    assert!(reason.contains("work_memory_bytes"), "{reason}");
    game.frames(5);
    assert_eq!((game.heard().ready.len(), game.heard().failed.len()), (1, 1), "one message for each end");
    assert_eq!(game.heard().not_generated[0].entity, entity);
    assert!(matches!(game.store().state(&image), Some(TextureState::Failed(GenerationError::Gpu(_)))));
    // Asked for again, it is tried again.
    leave_memory(&mut game, u64::MAX);
    assert_eq!(game.generate(recipe(96)), image);
    game.until("it is ready again", |game| game.is_ready(&image));
    assert_eq!(rgb(&game.picture(&image)), expected(&recipe(96)));
}

#[test]
fn tokens_that_cannot_be_read_leave_the_texture_as_it_is_and_can_be_asked_for_again() {
    let Some(mut game) = Game::new(DisconSettings { kept_shapes: 1, ..default() }) else { return };
    let ready = game.generate(recipe(97));
    let coarse = game.spawn_request(GenerateTexture::new(recipe(98)).with_detail(TextureDetail::Coarse));
    game.until("both have ended", |game| game.store().unfinished() == 0);
    // Buffers of another shape take the place of theirs.
    let other = game.generate(recipe(97).with_size(80, 64));
    game.until("the other is ready", |game| game.is_ready(&other));
    leave_memory(&mut game, 1);
    let images = [ready.clone(), coarse.clone()];
    let ask = move |mut generator: TextureGenerator| images.iter().for_each(|image| generator.read_tokens(image));
    game.0.world_mut().run_system_once_with_result(ask.clone());
    game.frames(100);
    assert!(game.is_ready(&ready), "{:?}", game.store().state(&ready));
    assert_eq!(game.store().state(&coarse), Some(&TextureState::Coarse));
    assert_eq!((game.heard().failed.len(), game.heard().tokens.len()), (0, 0));
    leave_memory(&mut game, u64::MAX);
    game.0.world_mut().run_system_once_with_result(ask);
    game.until("both are answered", |game| game.heard().tokens.len() == 2);
    assert_eq!(game.store().state(&coarse), Some(&TextureState::Coarse));
}

#[test]
fn after_a_device_was_lost_every_live_texture_is_made_again() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let ready: Vec<Handle<Image>> = (90..93).map(|seed| game.generate(recipe(seed))).collect();
    let coarse = game.spawn_request(GenerateTexture::new(recipe(93)).with_detail(TextureDetail::Coarse));
    let bad = game.generate(Recipe::new("brck"));
    game.until("all have ended", |game| game.store().unfinished() == 0 && game.heard().failed.len() == 1);
    let map = game.0.world_mut().run_system_once_with_result({
        let base = ready[0].clone();
        move |mut generator: TextureGenerator| generator.derive_map(&base, MapKind::Height, &MapRules::default())
    });
    // One waits, and one is at work.
    let paused = game.generate(recipe(94));
    let pause = paused.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.pause(&pause));
    game.frames(20);
    let running = game.generate(recipe(95).with_size(128, 128));
    let live = [&ready[0], &ready[1], &ready[2], &coarse, &bad, &map];
    let before: Vec<Vec<u8>> = live.iter().map(|image| game.picture(image)).collect();
    let neutral = [128, 128, 128, 255];
    assert!(before[5].chunks_exact(4).any(|pixel| pixel != &before[5][..4]), "the map has been derived");
    game.replace_device();
    let names = ["the first", "the second", "the third", "the coarse one", "the one that failed", "the map"];
    for ((image, picture), name) in live.iter().zip(&before).zip(names) {
        game.until_shown(name, image, picture);
    }
    game.until("the one at work is ready", |game| game.is_ready(&running));
    assert_eq!(rgb(&game.picture(&running)), expected(&recipe(95).with_size(128, 128)));
    assert!(game.picture(&paused).chunks_exact(4).all(|pixel| pixel == neutral), "it still waits");
    let resume = paused.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.resume(&resume));
    game.until("the one that waited is ready", |game| game.is_ready(&paused));
    assert_eq!(rgb(&game.picture(&paused)), expected(&recipe(94)));
    game.frames(5);
    assert_eq!((game.heard().ready.len(), game.heard().failed.len()), (5, 1), "one message for each request");
    assert_eq!(game.store().state(&coarse), Some(&TextureState::Coarse));
}
