//! Time: budgets, order and idling.

use super::{common, game::*};
use bevy::ecs::change_detection::Tick;
use bevy::ecs::schedule::{InternedScheduleLabel, ScheduleLabel, Schedules};
use bevy::render::Render;
use bevy::render::renderer::RenderGraph;
use bevy::render::settings::WgpuFeatures;
use std::any::TypeId;

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

/// The systems of a render world by their types, and when each last ran.
fn last_runs(app: &App) -> Vec<(TypeId, Tick)> {
    let schedules = app.sub_app(RenderApp).world().resource::<Schedules>();
    let of = |label: InternedScheduleLabel| {
        let systems = schedules.get(label).expect("Bevy has the schedule").systems().expect("it has run");
        systems.map(|(_, system)| (system.system_type(), system.get_last_run())).collect::<Vec<_>>()
    };
    [Render.intern(), RenderGraph.intern()].into_iter().flat_map(of).collect()
}

#[test]
fn no_system_of_the_render_world_runs_in_an_idle_frame() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    let mut bare = Game::bare(WgpuSettings::default());
    bare.finish();
    bare.cleanup();
    bare.update();
    let others: Vec<TypeId> = last_runs(&bare).into_iter().map(|(system, _)| system).collect();
    // Those that only the app with the plugin has.
    let own =
        |game: &Game| last_runs(&game.0).into_iter().filter(|(system, _)| !others.contains(system)).collect::<Vec<_>>();
    game.frames(1);
    let started = own(&game);
    assert!(started.len() >= 6, "{} systems", started.len());
    let image = game.generate(recipe(17));
    game.until("the texture is ready", |game| game.is_ready(&image));
    game.frames(10);
    let idle = own(&game);
    assert!(started.iter().zip(&idle).all(|(before, after)| before != after), "all have run for the texture");
    game.frames(100);
    assert_eq!(own(&game), idle);
}

#[test]
fn without_timestamps_a_texture_takes_no_more_frames_than_its_budget_asks_for() {
    let Some(_) = common::gpu() else { return };
    let timestamps = WgpuFeatures::TIMESTAMP_QUERY
        | WgpuFeatures::TIMESTAMP_QUERY_INSIDE_ENCODERS
        | WgpuFeatures::TIMESTAMP_QUERY_INSIDE_PASSES;
    let wgpu = WgpuSettings { disabled_features: Some(timestamps), ..default() };
    let settings = DisconSettings { coarse_first: false, ..default() };
    let mut game = Game::with(wgpu, ModelSource::Loaded(model()), settings);
    let device = game.0.sub_app(RenderApp).world().resource::<RenderDevice>();
    assert!(!device.features().contains(WgpuFeatures::TIMESTAMP_QUERY));
    let mut counts = Vec::new();
    for seed in 18..21 {
        let image = game.generate(recipe(seed));
        game.until("the work starts", |game| game.store().state(&image).is_some_and(|state| state.fraction() > 0.0));
        let mut frames = 0;
        while !game.is_ready(&image) {
            // A screen of 60 frames per second: far longer than the work of a frame.
            std::thread::sleep(Duration::from_millis(16));
            game.0.update();
            frames += 1;
            assert!(frames < 1000, "a dispatch per frame");
        }
        assert_eq!(rgb(&game.picture(&image)), expected(&recipe(seed)));
        counts.push(frames);
    }
    println!("frames: {counts:?}");
    assert!(counts.iter().all(|frames| *frames < 40), "{counts:?}");
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
