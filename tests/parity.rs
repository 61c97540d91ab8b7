//! Is the whole the sum of its parts? Complete generations on the GPU against the CPU reference.
#![cfg(feature = "gpu")]

mod common;

use bevy_discon::gpu::{Gpu, GpuWeights, JobSlot, KernelVariant, Pipelines, Recording};
use bevy_discon::model::{Fusion, HeadConfig, HeadMixing, Model, ModelConfig, Ops};
use bevy_discon::reference::{self, CpuOps, CpuTensor};
use bevy_discon::sampling::{Plan, Recipe, Tiling, count, decode_coarse, plan, run_step};
use std::ops::Range;
use std::sync::Arc;

fn model(fusion: Fusion) -> Model {
    model_of_codes(fusion, 1)
}

fn model_of_codes(fusion: Fusion, second_codes: usize) -> Model {
    let mut config = ModelConfig { fusion, ..ModelConfig::tiny(&["brick", "moss"]) };
    config.tokenizer.second_codes = second_codes;
    model_of(&config)
}

fn model_of(config: &ModelConfig) -> Model {
    let mut model = Model::new(config, None, 1).expect("the sizes are valid");
    common::randomise(&mut model);
    // Class indices are no random numbers.
    let classes = model.discon.styles.classes;
    for (index, class) in model.weights.get_mut(classes).iter_mut().enumerate() {
        *class = (index % 2) as f32;
    }
    Model::new(config, Some(model.weights), 0).expect("the sizes are valid")
}

fn recipe(width: u32, height: u32) -> Recipe {
    let recipe = Recipe::new("moss").with_size(width, height).with_seed(0x0123_4567_89ab_cdef);
    Recipe { token_rounds: 3, latent_rounds: 2, flow_steps: 3, ..recipe }
}

/// A slot with the recording of a plan, started.
fn start(gpu: &Gpu, model: &Model, plan: &Plan, variant: KernelVariant) -> JobSlot {
    let pipelines = Pipelines::compile(gpu.device(), variant, &model.discon.config).expect("all kernels compile");
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), model).expect("weights fit");
    let recording = Arc::new(Recording::with_taps(model, &plan.shape, variant));
    let slot = JobSlot::new(gpu.device(), &pipelines, &weights, recording).expect("buffers fit");
    slot.start(gpu.queue(), &plan.inputs).expect("inputs fit");
    slot
}

/// All tapped values, in order.
fn taps(gpu: &Gpu, slot: &JobSlot) -> Vec<(String, Vec<f32>)> {
    let read = |tap: &bevy_discon::gpu::Tap| {
        let buffer = slot.buffer_of(&tap.tensor).expect("taps are kept");
        let bytes = gpu.read(buffer, 4 * tap.tensor.count() as u64).expect("the device works");
        (tap.name.clone(), bytemuck::pod_collect_to_vec(&bytes))
    };
    slot.recording().taps.iter().map(read).collect()
}

fn assert_taps_equal(label: &str, expected: &[(String, CpuTensor)], found: &[(String, Vec<f32>)]) {
    assert_eq!(expected.len(), found.len(), "{label}: number of taps");
    for (index, ((name, expected), (found_name, found))) in expected.iter().zip(found).enumerate() {
        assert_eq!(name, found_name, "{label}: tap {index}");
        let (worst, scale) = common::difference(&expected.values, found);
        // Some fifty layers of f32 in another order, each rounding by about 1e-6 of its values, and a sampler that feeds
        // its results back.
        let limit = 2e-4 * scale;
        assert!(
            worst <= limit,
            "{label}: the first tap that differs is {index}, {name}: off by {worst}, allowed {limit}"
        );
    }
}

#[test]
fn generations_equal_the_reference_tap_by_tap() {
    let Some(mut gpu) = common::gpu() else { return };
    for (fusion, second_codes, tiling, guidance, size) in [
        (Fusion::InPlace, 1, Tiling::Both, 1.5, (96, 64)),
        (Fusion::InPlace, 16, Tiling::X, 1.0, (80, 144)),
        (Fusion::Prefix, 48, Tiling::Y, 3.0, (64, 112)),
        (Fusion::Prefix, 1, Tiling::None, 1.5, (128, 64)),
    ] {
        let model = model_of_codes(fusion, second_codes);
        let recipe = Recipe { tiling, guidance, ..recipe(size.0, size.1) };
        check_generation(&mut gpu, &model, &recipe, &format!("{fusion:?} {tiling:?}"));
    }
}

#[test]
fn heads_of_attention_may_have_another_width_in_each_part() {
    let Some(mut gpu) = common::gpu() else { return };
    let mut config = ModelConfig::tiny(&["brick", "moss"]);
    (config.prior.heads, config.mar.heads) = (2, 4);
    config.head = HeadConfig { mixing: HeadMixing::Together { heads: 1, window: 3 }, ..config.head };
    check_generation(&mut gpu, &model_of(&config), &recipe(80, 64), "heads of 16, 8 and 32");
}

/// Compares a whole generation with the reference, in all variants.
fn check_generation(gpu: &mut Gpu, model: &Model, recipe: &Recipe, name: &str) {
    let plan = plan(model, recipe).expect("the recipe is valid");
    let mut cpu = CpuOps::for_job(model, &plan).record_taps();
    for step in &plan.shape.steps {
        run_step(&mut cpu, &model.discon, &plan.shape, step);
    }
    for variant in common::variants(gpu) {
        let label = format!("{variant:?} {name}");
        let slot = start(gpu, model, &plan, variant);
        gpu.submit(|pass| slot.encode(pass, 0..slot.recording().len()));
        assert_taps_equal(&label, &cpu.taps, &taps(gpu, &slot));
        gpu.set_variant(variant);
        let texture = gpu.generate(model, &plan).expect("the device works");
        assert_eq!(texture.tokens, cpu.tokens, "{label}: tokens");
        let worst = texture.pixels.iter().zip(&cpu.picture).map(|(a, b)| a.abs_diff(*b)).max();
        // One for the rounding to bytes and one for the difference of the values.
        assert!(worst <= Some(2), "{label}: pixels differ by {worst:?}");
        assert_eq!(texture.pixels.len(), cpu.picture.len());
    }
}

#[test]
fn the_encoder_equals_the_reference() {
    let Some(gpu) = common::gpu() else { return };
    let model = model(Fusion::InPlace);
    let plan = plan(&model, &recipe(64, 64)).expect("the recipe is valid");
    let grid = plan.shape.grid.finer(16);
    let image = common::numbers(4, 3 * grid.rows());
    let mut cpu = CpuOps::new(&model);
    let expected = model.discon.encoder.forward(&mut cpu, &CpuTensor::new(image.clone(), 3), grid);
    for variant in common::variants(&gpu) {
        let pipelines = Pipelines::compile(gpu.device(), variant, &model.discon.config).expect("all kernels compile");
        let weights = GpuWeights::upload(gpu.device(), gpu.queue(), &model).expect("weights fit");
        let mut recorder = bevy_discon::gpu::Recorder::new(&model, plan.shape.grid, variant).keep_taps();
        let image = recorder.constant(&image, [grid.rows(), 3]);
        let latents = model.discon.encoder.forward(&mut recorder, &image, grid);
        let slot = JobSlot::new(gpu.device(), &pipelines, &weights, Arc::new(recorder.finish())).expect("buffers fit");
        gpu.submit(|pass| slot.encode(pass, 0..slot.recording().len()));
        let bytes = gpu.read(slot.buffer_of(&latents).expect("tapped"), 4 * latents.count() as u64);
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes.expect("the device works"));
        let (worst, scale) = common::difference(&expected.values, &found);
        assert!(worst <= 5e-5 * scale, "{variant:?}: off by {worst}, values are about {scale}");
    }
}

#[test]
fn the_size_of_submissions_does_not_change_a_bit() {
    let Some(gpu) = common::gpu() else { return };
    let model = model(Fusion::InPlace);
    let plan = plan(&model, &recipe(96, 80)).expect("the recipe is valid");
    for variant in common::variants(&gpu) {
        let slot = start(&gpu, &model, &plan, variant);
        let length = slot.recording().len();
        let mut first: Option<Vec<(String, Vec<f32>)>> = None;
        for at_once in [1, 3, 17, length] {
            slot.start(gpu.queue(), &plan.inputs).expect("inputs fit");
            let ranges: Vec<Range<usize>> =
                (0..length).step_by(at_once).map(|start| start..(start + at_once).min(length)).collect();
            for range in ranges {
                gpu.submit(|pass| slot.encode(pass, range));
            }
            let found = taps(&gpu, &slot);
            let first = first.get_or_insert_with(|| found.clone());
            for (a, b) in first.iter().zip(&found) {
                assert!(a == b, "{variant:?}: {at_once} dispatches at once change {}", a.0);
            }
        }
    }
}

#[test]
fn a_slot_and_a_device_forget_the_job_before() {
    let Some(mut gpu) = common::gpu() else { return };
    let model = model(Fusion::InPlace);
    let recipe = recipe(64, 64);
    let first = plan(&model, &recipe).expect("the recipe is valid");
    let second = plan(&model, &recipe.clone().with_seed(7)).expect("the recipe is valid");
    let other_size = plan(&model, &recipe.with_size(96, 64)).expect("the recipe is valid");
    let expected = gpu.generate(&model, &first).expect("the device works");
    for between in [&second, &other_size] {
        assert_ne!(gpu.generate(&model, between).expect("the device works").pixels, expected.pixels);
        assert_eq!(gpu.generate(&model, &first).expect("the device works"), expected);
    }
}

#[test]
fn the_coarse_picture_decodes_the_tokens_of_a_running_job() {
    let Some(gpu) = common::gpu() else { return };
    let model = model(Fusion::InPlace);
    let plan = plan(&model, &recipe(80, 64)).expect("the recipe is valid");
    let mut cpu = CpuOps::for_job(&model, &plan);
    for step in &plan.shape.steps[..3] {
        run_step(&mut cpu, &model.discon, &plan.shape, step);
    }
    decode_coarse(&mut cpu, &model.discon, &plan.shape);
    for variant in common::variants(&gpu) {
        let slot = start(&gpu, &model, &plan, variant);
        let pipelines = Pipelines::compile(gpu.device(), variant, &model.discon.config).expect("all kernels compile");
        let weights = GpuWeights::upload(gpu.device(), gpu.queue(), &model).expect("weights fit");
        let recording = Arc::new(Recording::coarse(&model, &plan.shape, variant));
        let coarse = JobSlot::sharing(gpu.device(), &pipelines, &weights, recording, &slot).expect("buffers fit");
        let token_rounds = slot.recording().steps[2].end;
        gpu.submit(|pass| {
            slot.encode(pass, 0..token_rounds);
            coarse.encode(pass, 0..coarse.recording().len());
        });
        let (pixels, _) = coarse.recording().picture.expect("decoding makes a picture");
        let bytes = gpu.read(coarse.buffer_of(&pixels).expect("kept"), 4 * pixels.count() as u64);
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes.expect("the device works"));
        let found = reference::sample::write_image(&found);
        let worst = cpu.picture.iter().zip(&found).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{variant:?}: pixels differ by {worst:?}");
    }
}

#[test]
fn a_recording_does_the_work_that_the_description_counts() {
    let model = Model::new(&ModelConfig::small(&["a"]), None, 1).expect("the small preset is valid");
    let plan = plan(&model, &Recipe::new("a")).expect("the recipe is valid");
    let counted = count(&model.discon, &model.table, &plan.shape);
    for variant in [KernelVariant::Lanes, KernelVariant::Tiled] {
        let recording = Recording::new(&model, &plan.shape, variant);
        assert_eq!(recording.steps.len(), counted.len());
        let (mut recorded, mut expected) = (0, 0);
        for (range, (step, cost)) in recording.steps.iter().zip(&counted) {
            let found = recording.cost(range.clone()).flops;
            // Linear maps of inputs that never change are computed once, in the first round that needs them.
            assert!(found <= cost.flops && found * 100 >= cost.flops * 99, "{step:?}: {found} of {}", cost.flops);
            (recorded, expected) = (recorded + found, expected + cost.flops);
        }
        assert!(recorded < expected);
        assert!(
            recording.slices(1_000_000_000).iter().all(|slice| recording.cost(slice.clone()).flops < 2_000_000_000)
        );
    }
}

#[test]
fn the_largest_texture_stays_within_the_limits_that_webgpu_promises() {
    let limits = wgpu::Limits::default();
    let model = Model::new(&ModelConfig::small(&["a"]), None, 1).expect("the small preset is valid");
    let plan = plan(&model, &Recipe::new("a").with_size(1024, 1024)).expect("the recipe is valid");
    for variant in [KernelVariant::Lanes, KernelVariant::Tiled] {
        let recording = Recording::new(&model, &plan.shape, variant);
        for dispatch in &recording.dispatches {
            let largest = dispatch.workgroups.iter().max();
            assert!(largest <= Some(&limits.max_compute_workgroups_per_dimension), "{variant:?} {dispatch:?}");
        }
        let largest = recording.pool.iter().max();
        assert!(largest <= Some(&limits.max_storage_buffer_binding_size), "{variant:?}: a buffer of {largest:?} bytes");
    }
}

#[test]
fn inputs_and_textures_of_another_shape_are_refused() {
    let Some(gpu) = common::gpu() else { return };
    let model = model(Fusion::InPlace);
    let right = plan(&model, &recipe(64, 64)).expect("the recipe is valid");
    let wrong = plan(&model, &recipe(96, 64)).expect("the recipe is valid");
    let variant = gpu.variant();
    let slot = start(&gpu, &model, &right, variant);
    let error = slot.start(gpu.queue(), &wrong.inputs).expect_err("24 tokens do not fit 16 positions");
    assert_eq!(error.to_string(), "job input `tokens` has 24 values, but the recording was made for 16");
    let pipelines = Pipelines::compile(gpu.device(), variant, &model.discon.config).expect("all kernels compile");
    let texture = gpu.texture(96, 64);
    let error = bevy_discon::gpu::ImageTarget::new(gpu.device(), &pipelines, &slot, &texture).expect_err("too wide");
    assert!(error.to_string().starts_with("the target texture is 96x64 Rgba8Unorm"), "{error}");
    let other = Pipelines::compile_keys(gpu.device(), variant, &[]).expect("nothing to compile");
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), &model).expect("weights fit");
    let error = JobSlot::new(gpu.device(), &other, &weights, slot.recording().clone()).expect_err("no kernels");
    assert!(error.to_string().contains("was not compiled"), "{error}");
}
