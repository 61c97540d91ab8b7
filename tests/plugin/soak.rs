//! Thousands of requests, cancelled, repeated and dropped at random: nothing is lost, and memory stays as it is.

use super::game::*;
use std::collections::{HashMap, HashSet};

/// Requests that equal each other come from so many seeds.
const SEEDS: u64 = 300;
/// Handles that the game holds at most.
const HELD: usize = 48;
/// Bytes in finished textures that stay: about a hundred.
const KEPT_BYTES: u64 = 2 << 20;

/// A multiply-shift generator: the run is the same each time but for the time that things take.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// What the requests of all textures have led to, and those of each that have not ended.
#[derive(Resource, Debug, Default)]
struct Accounts {
    ready: usize,
    coarse: usize,
    cancelled: usize,
    refused: usize,
    other: usize,
    /// Messages without a request: of textures that were refined.
    unasked: usize,
    open: HashMap<AssetId<Image>, usize>,
    refined: HashSet<AssetId<Image>>,
    wrong: Vec<String>,
}

impl Accounts {
    fn all(&self) -> usize {
        self.ready + self.coarse + self.cancelled + self.refused + self.other - self.unasked
    }

    /// All open requests of a texture end in `count` messages of a frame.
    fn end(&mut self, image: AssetId<Image>, count: usize, message: &str) {
        let open = self.open.remove(&image).unwrap_or(0);
        if open == 0 && self.refined.contains(&image) {
            self.unasked += 1;
        }
        let expected = if self.refined.contains(&image) { open.max(1) } else { open };
        if count != expected {
            self.wrong.push(format!("{count} times {message} for {open} requests of {image:?}"));
        }
    }
}

/// How often each image is there.
fn counted(images: impl Iterator<Item = AssetId<Image>>) -> HashMap<AssetId<Image>, usize> {
    let mut counts = HashMap::new();
    images.for_each(|image| *counts.entry(image).or_default() += 1);
    counts
}

/// Books the messages of a frame; after those of `Heard`, whose lists would fill the memory that is measured.
fn keep_accounts(mut heard: ResMut<Heard>, store: Res<TextureStore>, mut accounts: ResMut<Accounts>) {
    let Heard { ready, failed, coarse, .. } = &mut *heard;
    for (image, count) in counted(coarse.drain(..).map(|message| message.image)) {
        if store.state(image) == Some(&TextureState::Coarse) {
            accounts.coarse += count;
            accounts.end(image, count, "coarse");
        } else if count != 1 {
            accounts.wrong.push(format!("{count} coarse pictures of {image:?}, which goes on"));
        }
    }
    for failed in failed.iter() {
        match &failed.error {
            GenerationError::Cancelled => accounts.cancelled += 1,
            GenerationError::TooMany { .. } => accounts.refused += 1,
            error => {
                println!("unexpected: {error}");
                accounts.other += 1;
            }
        }
    }
    for (image, count) in counted(failed.drain(..).map(|message| message.image)) {
        accounts.end(image, count, "failed");
    }
    for (image, count) in counted(ready.drain(..).map(|message| message.image)) {
        accounts.ready += count;
        accounts.end(image, count, "ready");
    }
}

/// Memory of this program in MB, the pixels of a software GPU included; 0 where the system does not say.
fn resident_megabytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

fn random_request(random: &mut Random) -> GenerateTexture {
    let class = ["brick", "moss"][random.below(2)];
    // Two shapes in turn would only measure how fast buffers are made.
    let height = if random.below(200) == 0 { 128 } else { 64 };
    let recipe = Recipe { token_rounds: 2, latent_rounds: 1, flow_steps: 2, ..Recipe::new(class) };
    let recipe = recipe.with_size(64, height).with_seed(random.below(SEEDS as usize) as u64);
    let detail = [TextureDetail::Full, TextureDetail::Direct, TextureDetail::Coarse][random.below(3)];
    GenerateTexture::new(recipe).with_detail(detail).with_priority(random.below(5) as f32)
}

/// What a game may do to its textures in a frame.
fn meddle(
    generator: &mut TextureGenerator,
    accounts: &mut Accounts,
    held: &mut Vec<Handle<Image>>,
    random: &mut Random,
) {
    for _ in 0..random.below(4) {
        if held.is_empty() {
            return;
        }
        let at = random.below(held.len());
        match random.below(7) {
            0 | 1 => generator.cancel(&held[at]),
            2 => generator.set_priority(&held[at], random.below(9) as f32),
            3 => generator.pause(&held[at]),
            4 => generator.resume(&held[at]),
            5 => {
                // What is no longer coarse hears nothing of it.
                accounts.refined.insert(held[at].id());
                generator.refine(&held[at]);
            }
            _ => drop(held.swap_remove(at)),
        }
    }
    while held.len() > HELD {
        held.swap_remove(random.below(held.len()));
    }
}

/// Asks, meddles and runs frames until so many requests were made. Memory after a fifth of them, and the most textures.
fn run(game: &mut Game, random: &mut Random, held: &mut Vec<Handle<Image>>, requests: usize) -> (f64, usize) {
    let (mut asked, mut most_textures, mut warm) = (0, 0, 0.0);
    while asked < requests {
        let mut state = (std::mem::replace(random, Random(0)), std::mem::take(held), asked);
        let frame = move |mut generator: TextureGenerator, mut accounts: ResMut<Accounts>| {
            let (random, held, asked) = &mut state;
            for _ in 0..random.below(5) {
                let image = generator.request(random_request(random));
                *accounts.open.entry(image.id()).or_default() += 1;
                held.push(image);
                *asked += 1;
            }
            meddle(&mut generator, &mut accounts, held, random);
            std::mem::replace(&mut state, (Random(0), Vec::new(), 0))
        };
        (*random, *held, asked) = game.0.world_mut().run_system_once_with_result(frame);
        game.frames(1 + random.below(3));
        most_textures = most_textures.max(game.store().len());
        if asked < requests / 5 {
            warm = resident_megabytes();
        }
    }
    (warm, most_textures)
}

fn soak(requests: usize) {
    let settings = DisconSettings { memory_cache_bytes: KEPT_BYTES, max_unfinished: 32, ..default() };
    let Some(mut game) = Game::new(settings.with_budget_ms(200.0)) else { return };
    game.0.init_resource::<Accounts>().add_systems(Update, keep_accounts.after(listen));
    let (mut random, mut held) = (Random(7), Vec::new());
    let start = Instant::now();
    let (warm, most_textures) = run(&mut game, &mut random, &mut held, requests);
    let resume = held.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| {
        resume.iter().for_each(|image| generator.resume(image));
    });
    game.until("all textures have ended", |game| game.store().unfinished() == 0);
    game.frames(5);
    let statistics = *game.0.world().resource::<TextureStatistics>();
    let asked = statistics.counts.requests as usize;
    let dropped = statistics.counts.dropped as usize;
    let after = resident_megabytes();
    let mut accounts = std::mem::take(&mut *game.0.world_mut().resource_mut::<Accounts>());
    let (open, wrong) = (std::mem::take(&mut accounts.open), std::mem::take(&mut accounts.wrong));
    accounts.refined.clear();
    println!(
        "{asked} requests in {:.0} s: {accounts:?}, {dropped} dropped; {:?}; at most {most_textures} textures; {} kB in textures; \
         {warm:.0} MB of memory after a fifth of the requests, {after:.0} MB at the end",
        start.elapsed().as_secs_f64(),
        statistics.counts,
        statistics.texture_bytes / 1000,
    );
    assert!(wrong.is_empty(), "requests of a texture end in one message each: {wrong:?}");
    let forgotten: usize = open.values().sum();
    let waits = open.keys().filter(|image| game.store().state(**image).is_some()).count();
    assert_eq!((forgotten, waits), (dropped, 0), "only requests whose texture was dropped end without a message");
    assert_eq!(accounts.all() + dropped, asked, "every request ends");
    assert!(asked >= requests && accounts.other == 0);
    assert!(accounts.ready > asked / 10 && accounts.coarse > asked / 50 && accounts.unasked > 0, "all ends happen");
    assert!(accounts.cancelled > 0 && dropped > 0 && statistics.counts.from_memory > 0, "all ends happen");
    assert!(statistics.kept_bytes <= KEPT_BYTES, "{statistics:?}");
    // Kept, held and unfinished ones.
    assert!(most_textures < 250, "{most_textures} textures at a time");
    // Caches of the driver grow a little; a leaked texture in every tenth request would add 22 kB each.
    assert!(after < warm + 24.0, "{after} MB after {warm} MB");
    pictures_are_whole(&mut game, &held);
    drop(held);
    nothing_is_left(&mut game);
}

/// Without handles and caches no texture takes memory.
fn nothing_is_left(game: &mut Game) {
    game.0.world_mut().run_system_once_with_result(|mut generator: TextureGenerator| generator.unload_all());
    game.until("all textures are forgotten", |game| game.store().is_empty());
    game.frames(2);
    assert_eq!(game.0.world().resource::<TextureStatistics>().texture_bytes, 0);
}

/// What is ready at the end is what its recipe makes.
fn pictures_are_whole(game: &mut Game, held: &[Handle<Image>]) {
    let ready: Vec<Handle<Image>> = held.iter().filter(|image| game.is_ready(image)).take(6).cloned().collect();
    assert!(!ready.is_empty(), "something is ready");
    for image in ready {
        let recipe = game.store().recipe(&image).cloned().expect("it is held");
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe));
    }
}

#[test]
fn hundreds_of_requests_end_in_one_message_each_and_memory_stays() {
    soak(500);
}

/// `cargo test --features $(<.ci/features) --test plugin -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "takes ten minutes"]
fn ten_thousand_requests_end_in_one_message_each_and_memory_stays() {
    soak(10_000);
}
