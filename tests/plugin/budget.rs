//! Time: budgets, order and idling.

use super::game::*;

#[test]
fn the_budget_changes_the_number_of_frames_and_never_the_picture() {
    let mut frames = Vec::new();
    for (budget, largest) in [(0.1, 0.01), (1000.0, 1000.0), (4.0, 0.05)] {
        let settings = DisconSettings { max_gflop_per_submission: largest, ..default() }.with_budget_ms(budget);
        let Some(mut game) = Game::new(settings) else { return };
        let image = game.generate(recipe(14));
        game.until("the work starts", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.0));
        let mut count = 0;
        game.until("the texture is ready", |game| {
            count += 1;
            game.is_ready(&image)
        });
        frames.push(count);
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe(14)), "budget {budget} ms");
    }
    assert!(frames[0] > 2 * frames[1], "a small budget takes more frames: {frames:?}");
}

#[test]
fn textures_of_higher_priority_come_first() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let images: Vec<Handle<Image>> = [(20, 0.0), (21, -5.0), (22, 0.5), (23, 0.0)]
        .into_iter()
        .map(|(seed, priority)| {
            let ask = move |mut generator: TextureGenerator| generator.generate_with_priority(recipe(seed), priority);
            game.0.world_mut().run_system_once_with_result(ask)
        })
        .collect();
    game.until("all are ready", |game| game.heard().ready.len() == 4);
    let order: Vec<AssetId<Image>> = game.heard().ready.iter().map(|ready| ready.image).collect();
    assert_eq!(order, [2, 0, 3, 1].map(|at: usize| images[at].id()));
}

/// A bound that a mistake (work in every frame) would break; run it with `--nocapture` and in release for numbers.
#[test]
fn an_idle_plugin_takes_next_to_nothing() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let image = game.generate(recipe(17));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(10);
    let mut bare = Game::bare(WgpuSettings::default());
    bare.finish();
    bare.cleanup();
    let batch = |app: &mut App| {
        let start = Instant::now();
        (0..100).for_each(|_| app.update());
        start.elapsed() / 100
    };
    // The fastest of many batches: other programs only make them slower.
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..10 {
        with = with.min(batch(&mut game.0));
        without = without.min(batch(&mut bare));
    }
    println!("a frame without the plugin {without:?}, with the idle plugin {with:?}");
    assert!(with < without + Duration::from_millis(1), "{with:?} instead of {without:?}");
}

/// `DISCON_MODEL=assets/models/small cargo test --release --test plugin -- --ignored --nocapture`
#[test]
#[ignore = "a measurement: prints how exactly the budget is kept with a real model"]
fn how_exactly_the_budget_is_kept() {
    let folder = std::env::var_os("DISCON_MODEL").expect("DISCON_MODEL is a model folder");
    let model = Arc::new(Model::load(Path::new(&folder)).expect("the model is sound"));
    for budget in [2.0, 10.0, 50.0, 200.0] {
        let source = ModelSource::Loaded(model.clone());
        let settings = DisconSettings { memory_cache_bytes: 0, ..default() }.with_budget_ms(budget);
        let mut game = Game::with(WgpuSettings::default(), source, settings);
        let class = model.discon.config.classes[0].clone();
        // The first texture compiles and learns.
        for seed in 0..2 {
            let start = Instant::now();
            let image = game.generate(Recipe::new(class.clone()).with_seed(seed));
            let mut spent = Vec::new();
            let mut last = None;
            game.until("the texture is ready", |game| {
                let store = game.0.world().resource::<bevy::diagnostic::DiagnosticsStore>();
                let newest = store.get_measurement(&GPU_MILLISECONDS).map(|found| (found.time, found.value));
                if newest != last {
                    spent.extend(newest.map(|(_, value)| value));
                    last = newest;
                }
                game.is_ready(&image)
            });
            spent.sort_by(f64::total_cmp);
            let at = |part: usize| spent.get(spent.len() * part / 100).copied().unwrap_or_default();
            println!(
                "budget {budget:5} ms, texture {seed}: {:.1} s, {:.0} ms on the GPU in {} frames; \
                 a frame: median {:.1}, 90 % below {:.1}, most {:.1} ms",
                start.elapsed().as_secs_f32(),
                spent.iter().sum::<f64>(),
                spent.len(),
                at(50),
                at(90),
                spent.last().copied().unwrap_or_default(),
            );
        }
    }
}
