//! Edits that go on from kept tokens and latents: the same picture, for a cost that falls with the mask.

use super::game::*;

/// Floating-point operations, and number of edits that went on from kept latents.
fn counts(game: &Game) -> (u64, u64) {
    let counts = game.0.world().resource::<TextureStatistics>().counts;
    (counts.operations, counts.continued)
}

fn base() -> Recipe {
    Recipe { token_rounds: 4, ..recipe(41).with_size(512, 512) }
}

fn disc(radius: f32) -> TokenMask {
    TokenMask::circle(&base(), [0.3, 0.6], radius)
}

/// Generates a texture to its end; its image, and what it cost.
fn finish(game: &mut Game, recipe: Recipe) -> (Handle<Image>, u64) {
    let before = counts(game).0;
    let image = game.generate(recipe);
    game.until("the texture is ready", |game| game.is_ready(&image));
    (image, counts(game).0 - before)
}

fn without_coarse() -> DisconSettings {
    DisconSettings { coarse_first: false, ..default() }
}

#[test]
fn an_edit_goes_on_from_kept_latents_with_the_same_picture_for_the_cost_of_its_mask() {
    let Some(mut game) = Game::new(without_coarse()) else { return };
    let (image, whole) = finish(&mut game, base());
    let before = game.picture(&image);
    let mut costs = Vec::new();
    for radius in [250.0, 120.0, 50.0, 16.0] {
        let edited = base().with_edit(disc(radius), 9);
        let (image, cost) = finish(&mut game, edited);
        costs.push(cost as f64 / whole as f64);
        // The last one is looked at below.
        if radius == 50.0 {
            check_pixels(&before, &game.picture(&image), &disc(radius));
        }
    }
    assert_eq!(counts(&game).1, 4, "all went on");
    println!("cost of the edit over that of the texture, decoding included, for falling masks: {costs:.3?}");
    assert!(costs.windows(2).all(|pair| pair[1] < pair[0]), "{costs:.3?}");
    // An edit of an edit, of another class.
    let twice = base().with_edit(disc(50.0), 9).with_edit_of("moss", disc(16.0), 4);
    let (image, _) = finish(&mut game, twice.clone());
    assert_eq!(counts(&game).1, 5);
    let found = game.picture(&image);
    drop(game);
    assert!(rgb(&found) == expected(&twice), "the picture of the whole plan");
}

/// Beyond the reach of the decoder every pixel is the same; nearer ones are not.
fn check_pixels(before: &[u8], after: &[u8], mask: &TokenMask) {
    let reach = model().discon.decoder.reach() as i32;
    let along = |at: i32, cell: i32| {
        let offset = (at - 16 * cell).rem_euclid(512);
        if offset < 16 { 0 } else { (offset - 15).min(512 - offset) }
    };
    let distance = |x: i32, y: i32| {
        let of_cell = |cell: &u16| along(x, i32::from(*cell) % 32).max(along(y, i32::from(*cell) / 32));
        mask.cells.iter().map(of_cell).min().unwrap_or(i32::MAX)
    };
    let (mut changed, mut untouched) = (0, 0);
    for (at, (a, b)) in (0..).zip(before.chunks_exact(4).zip(after.chunks_exact(4))) {
        let beyond = distance(at % 512, at / 512) > reach;
        assert!(!beyond || a == b, "pixel {}, {} changed beyond {reach}", at % 512, at / 512);
        changed += i32::from(a != b);
        untouched += i32::from(beyond);
    }
    assert!(changed > 1_000 && untouched > 10_000, "{changed} changed, {untouched} beyond the reach");
}

#[test]
fn without_kept_latents_an_edit_begins_at_the_start_with_the_same_picture() {
    let settings = DisconSettings { kept_latent_bytes: 0, ..without_coarse() };
    let Some(mut game) = Game::new(settings) else { return };
    let small = recipe(5).with_size(128, 128);
    let edited = small.clone().with_edit(TokenMask { cells: vec![9, 10, 17] }, 2);
    let (_, whole) = finish(&mut game, small.clone());
    let (image, cost) = finish(&mut game, edited.clone());
    assert_eq!(counts(&game).1, 0, "nothing was kept");
    assert!(cost > whole);
    let from_start = game.picture(&image);
    drop(game);
    // Room for one texture: the oldest goes.
    let positions = 64 * (model().discon.config.context_width() as u64 + 1);
    let settings = DisconSettings { kept_latent_bytes: 4 * positions + 8, ..without_coarse() };
    let Some(mut game) = Game::new(settings) else { return };
    finish(&mut game, small.clone());
    finish(&mut game, recipe(6).with_size(128, 128));
    let (image, _) = finish(&mut game, edited.clone());
    assert_eq!(counts(&game).1, 0, "the other texture has taken the room");
    assert!(game.picture(&image) == from_start);
    // The edited texture is the newest now.
    let further = edited.clone().with_edit(TokenMask { cells: vec![40] }, 3);
    let (image, _) = finish(&mut game, further.clone());
    assert_eq!(counts(&game).1, 1);
    let found = game.picture(&image);
    drop(game);
    assert!(rgb(&found) == expected(&further));
}

#[test]
fn an_edit_that_waits_for_its_texture_goes_on_from_it_and_tokens_can_still_be_had() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let small = recipe(15).with_size(128, 128);
    let edited = small.clone().with_edit(TokenMask { cells: vec![20, 21] }, 2);
    // Both at once.
    let (first, second) = (game.generate(small), game.generate(edited.clone()));
    game.until("both are ready", |game| game.is_ready(&first) && game.is_ready(&second));
    let found = game.picture(&second);
    let again = GenerateTexture::new(edited.clone().with_edit(TokenMask { cells: vec![3] }, 1)).with_tokens_read();
    let recipe = again.recipe.clone();
    let third = game
        .0
        .world_mut()
        .run_system_once_with_result(move |mut textures: TextureGenerator| textures.request(again.clone()));
    game.until("the third is ready", |game| game.is_ready(&third));
    game.until("its tokens are there", |game| !game.heard().tokens.is_empty());
    let with_tokens = game.heard().tokens[0].recipe.clone();
    let fourth = game.generate(with_tokens);
    game.until("it is ready again", |game| game.is_ready(&fourth));
    assert!(game.picture(&third) == game.picture(&fourth));
    let third = game.picture(&third);
    drop(game);
    assert!(rgb(&found) == expected(&edited));
    assert!(rgb(&third) == expected(&recipe));
}
