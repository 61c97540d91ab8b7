//! The trainer: gradients, agreement with the reference, and runs on a few made-up pictures.
#![cfg(feature = "train")]

use bevy_discon::model::{Discon, Grid, Model, ModelConfig, Ops, Weights, Wrap};
use bevy_discon::reference::CpuOps;
use bevy_discon::train::batches::{Source, Split};
use bevy_discon::train::dataset::DataOptions;
use bevy_discon::train::head_loss::HeadLoss;
use bevy_discon::train::ops::TrainOps;
use bevy_discon::train::params::{AdamW, ParamSet};
use bevy_discon::train::rng::Rng;
use bevy_discon::train::run::{Options, Session, run};
use bevy_discon::train::texture_loss::TextureLossOptions;
use bevy_discon::train::tokenizer_recipe::TokenizerRecipe;
use bevy_discon::train::workers::{gradients, values};
use bevy_discon::train::{continuous, decoder, latents, prior, tokenizer};
use burn::tensor::Device;
use operations::random;
use std::path::Path;

mod operations;

/// Both executors on all networks of the tiny model, with weights that are nowhere zero.
#[test]
fn forward_equals_the_reference() {
    let config = ModelConfig::tiny(&["a", "b"]);
    let (_, table) = Discon::declare(&config).expect("the preset is valid");
    let mut weights = Weights::fresh(&table, 1);
    for (id, spec) in table.iter() {
        let noise = random(spec.len(), 7 + id.0 as u64);
        weights.get_mut(id).iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.05 * noise);
    }
    let model = Model::new(&config, Some(weights), 0).expect("the preset is valid");
    let mut train = TrainOps::new(Device::flex(), table.len());
    for (id, spec) in table.iter() {
        train.set(id, model.weights.get(id), spec.shape, false);
    }
    let mut reference = CpuOps::new(&model);
    for wrap in [Wrap::NONE, Wrap::BOTH] {
        let grid = Grid { items: 2, height: 8, width: 8, wrap };
        let ours = forward(&mut train, &model.discon, grid, &mut |ops, values| ops.indices(values));
        let ours: Vec<Vec<f32>> = ours.into_iter().map(values).collect();
        let theirs = forward(&mut reference, &model.discon, grid, &mut |_, values| values.to_vec());
        for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours.len(), theirs.values.len());
            let worst =
                ours.iter().zip(theirs.values.iter()).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
            assert!(worst < 1e-3, "result {index} with {wrap:?}: largest difference {worst}");
        }
    }
}

fn forward<O: Ops>(
    ops: &mut O,
    model: &Discon,
    grid: Grid,
    indices: &mut impl FnMut(&mut O, &[u32]) -> O::Indices,
) -> Vec<O::Tensor> {
    let config = &model.config;
    let rows = grid.rows();
    let tokens: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 65).collect();
    let tokens = indices(ops, &tokens);
    let condition = ops.constant(&random(2 * config.condition_width(), 2), [2, config.condition_width()]);
    let context = ops.constant(&random(rows * config.context_width(), 3), [rows, config.context_width()]);
    let x = ops.constant(&random(rows * config.tokenizer.latent_width, 4), [rows, config.tokenizer.latent_width]);
    let time = ops.constant(&random(32, 5), [1, 32]);
    let pixels = ops.constant(&random(rows * 256 * 3, 6), [rows * 256, 3]);
    let logits = model.prior.forward(ops, &tokens, &condition, grid, None);
    let states = model.mar.forward(ops, &tokens, &context, &condition, grid, None);
    let states = model.head.condition(ops, &states);
    let velocity = model.head.velocity(ops, &x, &time, &states, grid);
    let encoded = model.encoder.forward(ops, &pixels, grid.finer(16));
    let decoded = model.decoder.forward(ops, &x, grid);
    vec![logits, velocity, encoded, decoded]
}

/// Two classes of simple tiles.
fn pictures(folder: &Path) {
    for (class, vertical) in [("bars", true), ("steps", false)] {
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).expect("temporary folder");
        for index in 0..10u32 {
            let picture = image::RgbImage::from_fn(128, 128, |x, y| {
                let along = if vertical { x } else { y };
                let level = if (along / (4 << (index % 3))) % 2 == 0 { 60 } else { 180 };
                image::Rgb([level, level / 2 + 8 * index as u8, 255 - level])
            });
            picture.save(folder.join(format!("{index}.png"))).expect("temporary file");
        }
    }
}

fn options(folder: &Path, steps: u64) -> Options {
    let data = DataOptions { folder: folder.join("data"), classes: vec![], min_class_images: 8, threads: 2 };
    let config = ModelConfig { styles: 0, ..ModelConfig::tiny(&["none"]) };
    Options {
        seconds: 60.0,
        tokenizer_share: 1.0 / 6.0,
        decoder_share: 1.0 / 6.0,
        seed: 5,
        seconds_per_step: Some(1.0),
        stop_after: Some(steps),
        texture_loss: TextureLossOptions { from: 0.1, textures: 6, ..TextureLossOptions::default() },
        ..Options::new(data, config, folder.join("out"))
    }
}

fn checkpoint(options: &Options, stage: &str) -> ParamSet {
    let session = Session::open(options.clone()).expect("session");
    let prefixes: &[&str] = match stage {
        prior::STAGE => prior::PREFIXES,
        continuous::STAGE => continuous::PREFIXES,
        decoder::STAGE => decoder::PREFIXES,
        _ => &["tokenizer.encoder.", "tokenizer.decoder."],
    };
    let mut set = ParamSet::new(&session.table, &session.weights, prefixes);
    assert!(set.load(&session.checkpoint(stage)).expect("a readable checkpoint"), "`{stage}` has a checkpoint");
    set
}

#[test]
fn a_resumed_run_equals_an_unbroken_one() {
    let (once, twice) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    for folder in [&once, &twice] {
        pictures(&folder.path().join("data"));
    }
    // Ten steps complete the tokenizer, ten the decoder, and the generators make as many as each run has.
    run(options(once.path(), 10)).expect("a run");
    for _ in 0..4 {
        run(options(twice.path(), 5)).expect("a run");
    }
    for stage in [tokenizer::STAGE, decoder::STAGE, prior::STAGE, continuous::STAGE] {
        let (a, b) = (checkpoint(&options(once.path(), 1), stage), checkpoint(&options(twice.path(), 1), stage));
        assert_eq!((a.step, a.seconds), (10, 10.0));
        assert_eq!((b.step, b.seconds), (10, 10.0));
        for (a, b) in a.parameters.iter().zip(&b.parameters) {
            assert_eq!(a.value, b.value, "{}", a.name);
            assert_eq!((&a.moment_1, &a.moment_2), (&b.moment_1, &b.moment_2), "{}", a.name);
            assert_eq!(a.average, b.average, "{}", a.name);
        }
    }
    let metrics = std::fs::read_to_string(once.path().join("out/metrics.csv")).expect("metrics");
    assert!(metrics.contains(",texture_distance,"), "the texture loss did not join in:\n{metrics}");
    Model::load(&once.path().join("out")).expect("an exported model can be read");
}

/// What only comparisons of heads and tokenizers use.
#[test]
fn a_head_of_one_pass_and_a_linear_path_without_neighbours_are_trained() {
    let folder = tempfile::tempdir().expect("folder");
    pictures(&folder.path().join("data"));
    let options = Options {
        decoder_share: 0.0,
        head_loss: HeadLoss::Energy,
        tokenizer_recipe: TokenizerRecipe { lapped: false, gradient_loss: false, adversarial: false },
        texture_loss: TextureLossOptions { share: 0.0, ..TextureLossOptions::default() },
        ..options(folder.path(), 10)
    };
    run(options.clone()).expect("a run");
    assert_eq!(checkpoint(&options, continuous::STAGE).step, 10);
    let model = Model::load(&options.out).expect("an exported model can be read");
    let path = &model.discon.decoder.linear_path;
    let weights = model.weights.get(path.linear.weight).chunks_exact(path.inputs * path.outputs);
    for (tap, weights) in weights.enumerate() {
        assert_eq!(weights.iter().any(|weight| *weight != 0.0), tap == 4, "tap {tap}");
    }
    let metrics = std::fs::read_to_string(options.out.join("metrics.csv")).expect("metrics");
    assert!(!metrics.contains("discriminator_loss"), "nobody asked for a discriminator:\n{metrics}");
}

#[test]
fn the_prior_starts_at_chance_and_learns_one_batch() {
    let folder = tempfile::tempdir().expect("folder");
    pictures(&folder.path().join("data"));
    let mut session = Session::open(options(folder.path(), 1)).expect("session");
    let mut set = tokenizer::open(&mut session).expect("principal components");
    set.export(&mut session.weights);
    let latents = latents::prepare(&mut session).expect("latents");
    let source = Source::new(&session, &latents);
    let batch = source.draw(&mut Rng::new(&[1]), 0, Split::Training);
    let masked = prior::hide(&batch, session.model.config.mask_token(), 64, &mut Rng::new(&[2]), 0.0);
    set = ParamSet::new(&session.table, &session.weights, prior::PREFIXES);
    let mut ops = TrainOps::new(Device::flex().autodiff(), session.table.len());
    let mut last = 0.0;
    for step in 0..60 {
        set.upload(&mut ops, |_| true);
        let (loss, _) = prior::loss(&session, &mut ops, &batch, &masked);
        last = values(loss.clone())[0];
        if step == 0 {
            let chance = 64f32.ln();
            assert!((last - chance).abs() < 0.1, "first loss {last}, expected about {chance}");
        }
        set.update(&gradients(&ops, &set, &loss), 3e-3, &AdamW::GENERATOR);
    }
    assert!(last < 0.5 * 64f32.ln(), "loss {last} after 60 steps on one batch");
}

#[test]
fn bad_folders_are_named() {
    let folder = tempfile::tempdir().expect("folder");
    let missing = run(options(folder.path(), 1)).expect_err("there is no data folder");
    assert!(missing.to_string().contains("data"), "{missing}");
    std::fs::create_dir_all(folder.path().join("data/brick")).expect("folder");
    let empty = run(options(folder.path(), 1)).expect_err("there are no pictures").to_string();
    assert!(empty.contains("no pictures") && empty.contains("expected"), "{empty}");
    pictures(&folder.path().join("data"));
    std::fs::write(folder.path().join("data/bars/broken.png"), b"no picture").expect("file");
    Session::open(options(folder.path(), 1)).expect("a broken picture is left out");
}
