//! Textures that wait together run as one batch: the same pictures and messages, whatever happens to one of them.

use super::game::*;

/// Batches are forced: this adapter may be one on which they gain nothing.
fn settings(most: u32) -> DisconSettings {
    DisconSettings { batch: BatchLimit::AtMost(most), ..default() }
}

fn together(game: &Game) -> u64 {
    game.0.world().resource::<TextureStatistics>().counts.together
}

fn request(game: &mut Game, seeds: std::ops::Range<u64>) -> Vec<Handle<Image>> {
    seeds.map(|seed| game.generate(recipe(seed))).collect()
}

/// Waits until a texture has done more than a part of its work.
fn until_part(game: &mut Game, image: &Handle<Image>, part: f32) {
    game.until("some work is done", |game| game.store().state(image).is_some_and(|state| state.fraction() > part));
}

fn check(game: &mut Game, images: &[Handle<Image>], seeds: std::ops::Range<u64>) {
    for (image, seed) in images.iter().zip(seeds) {
        assert!(rgb(&game.picture(image)) == expected(&recipe(seed)), "seed {seed}: the picture it has alone");
    }
}

#[test]
fn textures_of_a_batch_are_those_that_they_are_alone_and_each_is_told_once() {
    let Some(mut game) = Game::new(settings(4)) else { return };
    // A batch of four, one of two and one alone, or what the first frames make of them; and one of another size
    // between.
    let images = request(&mut game, 300..307);
    let other = game.generate(recipe(300).with_size(80, 64));
    game.until("all are ready", |game| game.heard().ready.len() == 8);
    game.frames(3);
    assert_eq!((game.heard().coarse.len(), game.heard().ready.len(), game.heard().failed.len()), (8, 8, 0));
    let mut told: Vec<_> = game.heard().ready.iter().map(|ready| ready.image).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 8, "each once");
    assert!(together(&game) >= 6, "{} of seven equal ones ran in batches", together(&game));
    check(&mut game, &images, 300..307);
    assert!(rgb(&game.picture(&other)) == expected(&recipe(300).with_size(80, 64)));
}

#[test]
fn a_texture_that_is_cancelled_in_a_batch_does_not_disturb_the_others() {
    for part in [0.1, 0.6] {
        let Some(mut game) = Game::new(settings(4).with_budget_ms(0.1)) else { return };
        let mut images = request(&mut game, 310..314);
        until_part(&mut game, &images[2], part);
        let dropped = images.remove(1).id();
        game.until("all others are ready", |game| images.iter().all(|image| game.is_ready(image)));
        game.frames(3);
        assert!(game.heard().ready.iter().all(|ready| ready.image != dropped) && game.heard().failed.is_empty());
        assert_eq!(game.store().len(), 3, "the cancelled one is forgotten");
        assert_eq!(together(&game), 3, "they ran in one batch to the end");
        check(&mut game, &images[..1], 310..311);
        check(&mut game, &images[1..], 312..314);
    }
}

#[test]
fn a_texture_that_is_paused_in_a_batch_leaves_it_and_ends_with_the_same_picture() {
    let Some(mut game) = Game::new(settings(2).with_budget_ms(0.1)) else { return };
    let images = request(&mut game, 320..322);
    until_part(&mut game, &images[0], 0.6);
    let id = images[0].id();
    game.0.world_mut().run_system_once_with_result(move |mut textures: TextureGenerator| textures.pause(id));
    game.frames(5);
    let stopped = game.store().state(&images[0]).cloned();
    game.until("the other is ready", |game| game.is_ready(&images[1]));
    assert_eq!(game.store().state(&images[0]).cloned(), stopped, "nothing was done");
    game.0.world_mut().run_system_once_with_result(move |mut textures: TextureGenerator| textures.resume(id));
    game.until("the paused one is ready", |game| game.is_ready(&images[0]));
    check(&mut game, &images, 320..322);
}

#[test]
fn priorities_choose_who_comes_first_and_coarse_requests_leave_the_batch_there() {
    let settings = DisconSettings { kept_latent_bytes: 0, ..settings(2) };
    let Some(mut game) = Game::new(settings.with_budget_ms(0.1)) else { return };
    let images: Vec<_> = [(330, 0.0), (331, 5.0), (332, 5.0), (333, -1.0)]
        .map(|(seed, priority)| {
            let request = GenerateTexture::new(recipe(seed)).with_priority(priority);
            game.spawn_request(if seed == 333 { request.with_detail(TextureDetail::Coarse) } else { request })
        })
        .into();
    game.until("three are ready", |game| game.heard().ready.len() == 3);
    game.frames(5);
    let coarse: Vec<_> = game.heard().coarse.iter().map(|coarse| coarse.image).collect();
    assert_eq!(coarse.len(), 4);
    let first = [images[1].id(), images[2].id()];
    assert!(first.contains(&coarse[0]) && first.contains(&coarse[1]), "the important ones come first");
    let ready: Vec<_> = game.heard().ready.iter().map(|ready| ready.image).collect();
    assert_eq!(ready[2], images[0].id());
    assert_eq!(game.store().state(&images[3]), Some(&TextureState::Coarse), "it stays coarse");
    let id = images[3].id();
    game.0.world_mut().run_system_once_with_result(move |mut textures: TextureGenerator| textures.refine(id));
    game.until("it is refined", |game| game.is_ready(&images[3]));
    check(&mut game, &images, 330..334);
}

#[test]
fn tokens_files_and_kept_latents_of_a_batch_belong_to_their_textures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = DisconSettings { coarse_first: false, memory_cache_bytes: 0, ..settings(2) };
    let Some(mut game) = Game::new(settings.with_disk_cache(folder.path())) else { return };
    let base = |seed: u64| recipe(seed).with_size(128, 128);
    let images = [340, 341].map(|seed| game.spawn_request(GenerateTexture::new(base(seed)).with_tokens_read()));
    game.until("both are ready", |game| game.heard().ready.len() == 2 && game.heard().tokens.len() == 2);
    assert_eq!(together(&game), 2);
    let pictures = images.clone().map(|image| game.picture(&image));
    // An edit of the second goes on from what was kept of it.
    let edited = base(341).with_edit(TokenMask { cells: vec![9, 10, 17] }, 2);
    let image = game.generate(edited.clone());
    game.until("the edit is ready", |game| game.is_ready(&image));
    assert_eq!(game.0.world().resource::<TextureStatistics>().counts.continued, 1);
    let found = game.picture(&image);
    // Tokens of each give its picture.
    let with_tokens: Vec<Recipe> = game.heard().tokens.iter().map(|tokens| tokens.recipe.clone()).collect();
    for recipe in with_tokens {
        let at = usize::from(recipe.seed == 341);
        let again = game.generate(recipe);
        game.until("the picture of the tokens", |game| game.is_ready(&again));
        assert!(game.picture(&again) == pictures[at], "tokens of texture {at}");
    }
    // Files are those of their textures.
    let files = |_: &Game| {
        let entries = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        entries.filter(|file| file.path().extension().is_some_and(|extension| extension == "png")).count()
    };
    game.until("all files", |game| files(game) == 5);
    drop((images, image));
    game.until("the textures are forgotten", |game| game.store().is_empty());
    for (at, seed) in [340, 341].into_iter().enumerate() {
        let image = game.generate(base(seed));
        game.until("the texture comes from disk", |game| game.is_ready(&image));
        assert_eq!(game.store().state(&image), Some(&TextureState::Ready(TextureSource::Disk)));
        assert!(game.picture(&image) == pictures[at], "file of texture {at}");
    }
    drop(game);
    assert!(rgb(&found) == expected(&edited));
}
