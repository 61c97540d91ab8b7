//! Thousands of requests, cancelled, repeated and dropped at random: nothing is lost, and memory stays as it is.

use super::game::*;

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

/// What the requests have led to.
#[derive(Debug, Default)]
struct Ends {
    ready: u64,
    cancelled: u64,
    refused: u64,
    other: u64,
}

impl Ends {
    /// Takes the messages, so that they do not fill the memory that is measured.
    fn take(&mut self, game: &mut Game) {
        let mut heard = game.0.world_mut().resource_mut::<Heard>();
        let Heard { ready, failed, coarse, .. } = &mut *heard;
        coarse.clear();
        self.ready += ready.drain(..).len() as u64;
        for failed in failed.drain(..) {
            match failed.error {
                GenerationError::Cancelled => self.cancelled += 1,
                GenerationError::TooMany { .. } => self.refused += 1,
                error => {
                    println!("unexpected: {error}");
                    self.other += 1;
                }
            }
        }
    }

    fn all(&self) -> u64 {
        self.ready + self.cancelled + self.refused + self.other
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
    let detail = [TextureDetail::Full, TextureDetail::Direct][random.below(2)];
    GenerateTexture::new(recipe).with_detail(detail).with_priority(random.below(5) as f32)
}

/// What a game may do to its textures in a frame.
fn meddle(generator: &mut TextureGenerator, held: &mut Vec<Handle<Image>>, random: &mut Random) {
    for _ in 0..random.below(4) {
        if held.is_empty() {
            return;
        }
        let at = random.below(held.len());
        match random.below(6) {
            0 | 1 => generator.cancel(&held[at]),
            2 => generator.set_priority(&held[at], random.below(9) as f32),
            3 => generator.pause(&held[at]),
            4 => generator.resume(&held[at]),
            _ => drop(held.swap_remove(at)),
        }
    }
    while held.len() > HELD {
        held.swap_remove(random.below(held.len()));
    }
}

fn soak(requests: u64) {
    let settings = DisconSettings { memory_cache_bytes: KEPT_BYTES, max_unfinished: 32, ..default() };
    let Some(mut game) = Game::new(settings.with_budget_ms(200.0)) else { return };
    let (mut random, mut ends, mut held) = (Random(7), Ends::default(), Vec::new());
    let (mut asked, mut most_textures, mut warm) = (0, 0, 0.0);
    let start = Instant::now();
    while asked < requests {
        let mut state = (std::mem::replace(&mut random, Random(0)), std::mem::take(&mut held), asked);
        let world = game.0.world_mut();
        let frame = move |mut generator: TextureGenerator| {
            let (random, held, asked) = &mut state;
            for _ in 0..random.below(5) {
                held.push(generator.request(random_request(random)));
                *asked += 1;
            }
            meddle(&mut generator, held, random);
            std::mem::replace(&mut state, (Random(0), Vec::new(), 0))
        };
        (random, held, asked) = world.run_system_once_with_result(frame);
        game.frames(1 + random.below(3));
        ends.take(&mut game);
        most_textures = most_textures.max(game.store().len());
        if asked < requests / 5 {
            warm = resident_megabytes();
        }
    }
    let resume = held.clone();
    game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| {
        resume.iter().for_each(|image| generator.resume(image));
    });
    game.until("all textures have ended", |game| game.store().unfinished() == 0);
    game.frames(5);
    ends.take(&mut game);
    let statistics = *game.0.world().resource::<TextureStatistics>();
    let after = resident_megabytes();
    println!(
        "{asked} requests in {:.0} s: {ends:?}, {} dropped; {:?}; at most {most_textures} textures; {} kB in textures; \
         {warm:.0} MB of memory after a fifth of the requests, {after:.0} MB at the end",
        start.elapsed().as_secs_f64(),
        statistics.counts.dropped,
        statistics.counts,
        statistics.texture_bytes / 1000,
    );
    assert_eq!(
        ends.all() + statistics.counts.dropped,
        asked,
        "every request ends in exactly one message, or was dropped"
    );
    assert_eq!((ends.other, statistics.counts.requests), (0, asked));
    assert!(ends.ready > asked / 10 && ends.cancelled > 0 && statistics.counts.dropped > 0, "all ends happen");
    assert!(statistics.counts.from_memory > 0, "repeats happen");
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
