//! Do the benchmarks measure what they say? Their arithmetic, and one run of each kernel.
#![cfg(feature = "bench")]

mod common;

use bevy_discon::bench::allocations::Site;
use bevy_discon::bench::estimate::{DEVICES, Device, EFFICIENCY, estimate};
use bevy_discon::bench::statistics::{Summary, alternate, percentile, significant};
use bevy_discon::bench::table::Table;
use bevy_discon::bench::{Options, clock, kernels, peers};
use bevy_discon::gpu::{Kernel, KernelVariant, Recording};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::sampling::{Recipe, plan};
use std::sync::Arc;

fn tiny() -> Options {
    let model = Model::new(&ModelConfig::tiny(&["brick"]), None, 1).expect("the tiny preset is valid");
    Options { model: Arc::new(model), model_name: "tiny".into(), quick: true }
}

#[test]
fn a_summary_is_the_middle_and_its_span_in_any_order() {
    let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
    assert_eq!((summary.median, summary.low, summary.high, summary.count), (3.0, 2.0, 4.0, 5));
    assert_eq!(summary.text(10.0), "30.0 (20.0–40.0)");
    assert_eq!(Summary::of(&[0.25]).text(1.0), "0.250");
    assert!(Summary::of(&[]).median.is_nan());
    let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
    assert_eq!([0.0, 0.5, 0.99, 1.0, 2.0].map(|share| percentile(&sorted, share)), [0.0, 50.0, 99.0, 100.0, 100.0]);
    assert_eq!(percentile(&[1.0, 2.0], 0.75), 1.75);
}

#[test]
fn numbers_keep_three_digits() {
    for (value, text) in [(1234.4, "1234"), (99.96, "100"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123")] {
        assert_eq!(significant(value), text);
    }
    assert_eq!([0.0, -0.0, f64::NAN, -2.5].map(significant), ["0", "0", "–", "-2.50"]);
}

#[test]
fn a_table_is_markdown_whatever_its_cells_hold() {
    let mut table = Table::new(&["a", "b"]);
    table.row(["1"]);
    table.row(["x|y", "2", "3"]);
    assert_eq!(table.to_string(), "| a | b |\n|---|---|\n| 1 |  |\n| x/y | 2 |\n");
}

#[test]
fn compared_things_take_turns_and_each_goes_first() {
    let mut order = Vec::new();
    let found = alternate(2, 2, |thing| {
        order.push(thing);
        Ok::<f64, ()>(order.len() as f64)
    });
    assert_eq!(order, [0, 1, 1, 0]);
    assert_eq!(found, Ok(vec![vec![1.0, 4.0], vec![2.0, 3.0]]));
    assert_eq!(alternate(1, 3, |_| Err::<f64, &str>("lost")), Err("lost"));
}

#[test]
fn clocks_of_processor_and_wall_run_and_sleep_costs_no_processor() {
    let (sum, busy) = clock::timed_here(|| (0..20_000_000u64).fold(0u64, |sum, at| std::hint::black_box(sum ^ at)));
    assert!(busy.cpu > 1e-3 && busy.cpu < 1.5 * busy.wall + 1e-3, "{sum} {busy:?}");
    let ((), idle) = clock::timed_here(|| std::thread::sleep(std::time::Duration::from_millis(50)));
    assert!(idle.wall > 0.045 && idle.cpu < 0.01, "{idle:?}");
    assert!(clock::process_seconds() >= clock::thread_seconds());
}

#[test]
fn an_estimate_is_the_formula_written_out() {
    let options = tiny();
    let plan = plan(&options.model, &Recipe::new("brick").with_size(64, 64)).expect("the recipe is valid");
    let mut recording = Recording::new(&options.model, &plan.shape, KernelVariant::Tiled);
    let launches = recording.len();
    let whole = estimate(&DEVICES[1], &options.model, &recording, 1);
    assert_eq!(whole.launches, launches);
    assert_eq!(whole.total(1e-3), whole.arithmetic + whole.memory + launches as f64 * 1e-3);
    // One product whose threads fill half of the lanes, then the whole GPU.
    let at = recording.dispatches.iter().position(|dispatch| dispatch.key.kernel == Kernel::Linear);
    let mut dispatch = recording.dispatches[at.expect("there are products")].clone();
    (dispatch.flops, dispatch.values, dispatch.workgroups) = (4_000_000_000, 1000, [8, 4, 1]);
    dispatch.buffers.clear();
    recording.dispatches = vec![dispatch];
    let device = Device { name: "", lanes: 4096, flops: 1e12, bandwidth: 1e9, source: "" };
    let one = estimate(&device, &options.model, &recording, 1);
    assert!((one.arithmetic - 4e9 / (1e12 * EFFICIENCY * 0.5)).abs() < 1e-12, "{one:?}");
    assert_eq!((one.memory, one.longest), (0.0, one.arithmetic));
    let four = estimate(&device, &options.model, &recording, 4);
    assert!((four.arithmetic - 2.0 * one.arithmetic).abs() < 1e-12, "four textures fill it twice as well: {four:?}");
    let slow = Device { bandwidth: 1e3, ..device };
    let bound = estimate(&slow, &options.model, &recording, 1);
    assert_eq!((bound.arithmetic, bound.memory), (0.0, 4.0));
}

#[test]
fn published_figures_fit_together() {
    for device in DEVICES {
        let clock = device.flops / (2.0 * f64::from(device.lanes));
        assert!((1.0e9..3.0e9).contains(&clock), "{}: a clock of {clock} Hz", device.name);
    }
}

#[test]
fn an_allocation_belongs_to_the_innermost_of_crate_and_graphics() {
    let trace = "   0: std::backtrace::Backtrace::create\n             at /rustc/x\n   \
                 1: bevy_discon::bench::allocations::count\n   2: alloc::raw_vec::finish_grow\n   \
                 3: wgpu_core::device::queue::Queue::submit\n   4: <bevy_discon::render::run::Gpu as X>::f\n";
    let site = Site::of(trace);
    assert!(site.graphics && site.function.starts_with("bevy_discon::render::run::Gpu"), "{site:?}");
    let own = Site::of("  2: alloc::vec::Vec::push\n  3: bevy_discon::render::timing::read\n  4: wgpu::Queue::x\n");
    assert_eq!(own, Site { graphics: false, function: "bevy_discon::render::timing::read".into() });
    assert_eq!(Site::of("  0: main").function, "outside this crate");
}

#[test]
fn every_kernel_of_a_texture_gets_numbers_in_every_variant() {
    let Some(gpu) = common::gpu() else { return };
    let options = tiny();
    let plan = plan(&options.model, &options.recipe(0)).expect("the recipe is valid");
    let recording = Recording::new(&options.model, &plan.shape, gpu.variant());
    let variants = common::variants(&gpu).len();
    drop(gpu);
    let text = kernels::run(&options).expect("the adapter runs the model");
    println!("{text}");
    for dispatch in &recording.dispatches {
        let name = dispatch.key.kernel.entry_point(KernelVariant::Lanes);
        assert!(text.contains(&format!("| {name} |")), "{name} is missing");
    }
    for name in ["sample_tokens", "tokens_at", "reopen"] {
        assert!(text.contains(&format!("| {name} |")), "{name} is missing: layouts and whole textures have none");
    }
    let products: Vec<&str> = text.lines().filter(|line| line.starts_with("| linear | ")).collect();
    // Shapes, and the sums of each variant.
    assert!(products.len() > 5 + variants, "{products:?}");
    for line in products {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert!(cells[1..cells.len() - 1].iter().all(|cell| !cell.is_empty() && *cell != "–"), "{line}");
    }
}

#[test]
fn the_peers_run_both_stages_and_the_decoder_of_a_model_with_layouts() {
    if common::gpu().is_none() {
        return;
    }
    let config = ModelConfig { layout_tokens: 64, ..ModelConfig::tiny(&["brick"]) };
    let mut model = Model::new(&config, None, 1).expect("the sizes are valid");
    let layouts = model.discon.layouts.clone().expect("there are layouts");
    *model.weights.get_mut(layouts.shapes) = [2.0, 4.0, 1.0].repeat(8);
    let text = peers::run(&Options { model: Arc::new(model), ..tiny() }).expect("all executors agree");
    for step in ["first round of tokens", "first round of latents", "decoder"] {
        for executor in ["native", "burn flex, conv2d", "kernels"] {
            assert!(text.contains(&format!("| {step} | {executor} |")), "{step}, {executor}: {text}");
        }
    }
}
