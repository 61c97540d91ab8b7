//! Is each kernel its CPU twin? Every operation, in both variants, at awkward sizes.
#![cfg(feature = "gpu")]

mod common;
/// Cases of `linear` and `conv3x3` with what ends them.
#[path = "kernel_cases/ends.rs"]
mod ends;
/// Cases of `derive_normal`, `derive_orm`, `derive_height` and `downsample_map`.
#[path = "kernel_cases/maps.rs"]
mod maps;
/// Cases of `rms_norm`, `modulated_norm` and `gated_add`.
#[path = "kernel_cases/norms.rs"]
mod norms;
/// Cases of `border_steps`, `smooth_borders`, `write_image` and `downsample`.
#[path = "kernel_cases/pictures.rs"]
mod pictures;
/// Cases of `linear`, `conv3x3` and `attention`.
#[path = "kernel_cases/products.rs"]
mod products;
/// Cases of `noise`, `flow_step`, `commit_latents`, `reopen` and `denormalise`.
#[path = "kernel_cases/sampling.rs"]
mod sampling;
/// Cases of `embed`, `gather`, `reopen`, `tokens_at` and `sample_tokens`.
#[path = "kernel_cases/tokens.rs"]
mod tokens;

use bevy_discon::gpu::{Gpu, GpuWeights, JobSlot, Kernel, KernelKey, KernelVariant, Pipelines, Recorder};
use bevy_discon::model::{Grid, Model, ModelConfig, Ops, ParamTable, Weights, Wrap};
use bevy_discon::reference::CpuOps;
use bevy_discon::sampling::{ItemInputs, JobInputs, Plan, PlanShape, SampleOps, Stage};
use std::sync::{Arc, OnceLock};

const WRAPS: [Wrap; 4] = [Wrap::BOTH, Wrap::NONE, Wrap { x: true, y: false }, Wrap { x: false, y: true }];
/// Around the blocks of 8 rows and the tiles of 32, and one row alone.
const ROWS: [usize; 6] = [1, 7, 8, 9, 63, 65];

#[test]
fn every_kernel_is_valid_wgsl_and_tiles_need_no_feature() {
    for variant in [KernelVariant::Lanes, KernelVariant::Tiled] {
        for key in KernelKey::all(&[8, 16, 24, 32, 40, 48, 56, 64]) {
            let source = key.source(variant);
            let name = key.kernel.entry_point(variant);
            let module = naga::front::wgsl::parse_str(&source)
                .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));
            assert_eq!(module.entry_points.len(), 1, "{name}");
            assert_eq!(module.entry_points[0].name, name);
            let storage = module
                .global_variables
                .iter()
                .filter(|(_, variable)| matches!(variable.space, naga::AddressSpace::Storage { .. }));
            assert!(storage.count() <= 8, "{name} binds more storage buffers than WebGPU promises");
            // `unpack2x16float` is core WGSL; naga counts it as a capability because some OpenGL drivers lack it.
            let core = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            let capabilities = match variant {
                KernelVariant::Lanes => core | naga::valid::Capabilities::SUBGROUP,
                KernelVariant::Tiled => core,
            };
            let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
            if variant == KernelVariant::Lanes {
                validator
                    .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
                    .subgroup_operations(naga::valid::SubgroupOperationSet::all());
            }
            if let Err(error) = validator.validate(&module) {
                panic!("{name}: {}", error.emit_to_string(&source));
            }
        }
    }
}

/// Operations to run on both executors; returns what to compare.
trait Case {
    fn declare(&mut self, _table: &mut ParamTable) {}
    /// Temperature of the tokens.
    fn temperature(&self) -> f32 {
        0.9
    }
    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor;
}

/// The grid, orders and tokens that cases may use.
const GRID: Grid = Grid { items: 1, height: 5, width: 7, wrap: Wrap::BOTH };

struct Bench {
    gpu: Gpu,
    pipelines: Vec<Pipelines>,
}

impl Bench {
    /// One device and one set of pipelines for all tests of this file.
    fn get() -> Option<&'static Self> {
        static BENCH: OnceLock<Option<Bench>> = OnceLock::new();
        BENCH.get_or_init(Self::new).as_ref()
    }

    fn new() -> Option<Self> {
        let gpu = common::gpu()?;
        let keys = KernelKey::all(&[8, 16, 24, 32, 64]);
        let pipelines = common::variants(&gpu)
            .into_iter()
            .map(|variant| Pipelines::compile_keys(gpu.device(), variant, &keys).expect("all kernels compile"))
            .collect();
        Some(Self { gpu, pipelines })
    }

    /// Runs a case everywhere. `tolerance` is relative to the size of the expected values.
    fn check(&self, name: &str, tolerance: f32, mut case: impl Case) {
        let mut model = Model::new(&ModelConfig::tiny(&["a"]), None, 1).expect("the tiny preset is valid");
        let mut table = ParamTable::default();
        case.declare(&mut table);
        model.weights = Weights::fresh(&table, 0);
        model.table = table;
        common::randomise(&mut model);
        let mut plan = plan(&model);
        plan.inputs.items[0].token_temperature = case.temperature();
        let mut cpu = CpuOps::for_job(&model, &plan);
        let expected = case.run(&mut cpu);
        for pipelines in &self.pipelines {
            let variant = pipelines.variant();
            let mut recorder = Recorder::new(&model, GRID, variant).keep_taps();
            let output = case.run(&mut recorder);
            recorder.tap("output", &output);
            assert_eq!(output.shape, expected.shape, "{name} {variant:?}: shape");
            let weights = GpuWeights::upload(self.gpu.device(), self.gpu.queue(), &model).expect("weights fit");
            let recording = Arc::new(recorder.finish());
            let slot = JobSlot::new(self.gpu.device(), pipelines, &weights, recording).expect("buffers fit");
            slot.start(self.gpu.queue(), &plan.inputs).expect("inputs fit");
            self.gpu.submit(|pass| slot.encode(pass, 0..slot.recording().len()));
            let buffer = slot.buffer_of(&output).expect("the output was tapped");
            let bytes = self.gpu.read(buffer, 4 * output.count() as u64).expect("the device works");
            let found: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            let (worst, scale) = common::difference(&expected.values, &found);
            let limit = tolerance * scale.max(1e-3);
            assert!(worst <= limit, "{name} {variant:?}: off by {worst}, allowed {limit}, values are about {scale}");
        }
    }
}

fn plan(model: &Model) -> Plan {
    let config = &model.discon.config;
    let positions = GRID.positions() as u32;
    let order = |factor: u32| (0..positions).map(|index| (index * factor + 3) % positions).collect::<Vec<u32>>();
    Plan {
        shape: PlanShape {
            grid: GRID,
            steps: Vec::new(),
            flow_steps: 1,
            starts_at_tokens: true,
            token_guidance: 1f32.to_bits(),
            flow_gain: 1f32.to_bits(),
            guided: false,
            passes: Vec::new(),
            condition_rows: 2,
            style_rows: 1,
        },
        inputs: JobInputs {
            condition: common::numbers(1, 2 * config.condition_width()),
            style: common::numbers(2, config.style_width()),
            tokens: (0..positions).map(|index| index * 11 % 65).collect(),
            token_order: order(8),
            latent_order: order(12),
            lists: (0..positions).map(|index| (index * 7 + 5) % 65).collect(),
            keys: (0..positions).map(|index| index.wrapping_mul(0x9e37_79b1)).collect(),
            context: None,
            items: vec![ItemInputs {
                token_seed: 0x1234_5678_9abc_def0,
                latent_seed: 0xfeed_0000_beef_0001,
                guidance: 1.75,
                token_temperature: 0.9,
                latent_temperature: 0.8,
            }],
        },
    }
}

fn input<O: Ops>(ops: &mut O, seed: u32, shape: [usize; 2]) -> O::Tensor {
    let values = common::numbers(seed, shape[0] * shape[1]);
    ops.constant(&values, shape)
}

// f32 sums of `terms` products in another order: rounding grows with the square root of their number.
fn sum_tolerance(terms: usize) -> f32 {
    1e-6 * (terms as f32).sqrt() + 2e-6
}

/// A case of one expression over `ops`, with an optional norm.
macro_rules! case {
    ($bench:expr, $name:expr, $tolerance:expr, |$ops:ident| $body:expr) => {{
        struct Inline;
        impl Case for Inline {
            fn run<O: SampleOps>(&self, $ops: &mut O) -> O::Tensor {
                $body
            }
        }
        $bench.check($name, $tolerance, Inline);
    }};
}
use case;

#[test]
fn row_movements_equal_the_reference_exactly() {
    let Some(bench) = Bench::get() else { return };
    case!(bench, "gather of two items", 0.0, |ops| {
        let x = input(ops, 1, [70, 9]);
        let positions = ops.positions(Stage::Tokens, 30..35);
        ops.gather(&x, &positions, 2)
    });
    case!(bench, "broadcast_sum of positions and items", 0.0, |ops| {
        let (x, y) = (input(ops, 1, [7, 24]), input(ops, 2, [3, 24]));
        ops.broadcast_sum(&x, &y, 21)
    });
    case!(bench, "broadcast_sum of one row", 0.0, |ops| {
        let (x, y) = (input(ops, 1, [9, 40]), input(ops, 2, [1, 40]));
        ops.broadcast_sum(&x, &y, 9)
    });
    case!(bench, "segments", 0.0, |ops| {
        let (first, second) = (input(ops, 1, [10, 24]), input(ops, 2, [10, 24]));
        let joined = ops.join_segments(&first, &second, 2);
        let last = ops.last_segment(&joined, 2);
        let both = ops.join_segments(&last, &first, 1);
        ops.join_segments(&both, &joined, 4)
    });
}

#[test]
fn space_and_depth_equal_the_reference_exactly() {
    let Some(bench) = Bench::get() else { return };
    case!(bench, "depth_to_space 2", 0.0, |ops| {
        let grid = Grid { items: 2, height: 3, width: 5, wrap: Wrap::BOTH };
        let x = input(ops, 1, [30, 4 * 24]);
        ops.depth_to_space(&x, grid, 2)
    });
    case!(bench, "depth_to_space 16 then space_to_depth 4", 0.0, |ops| {
        let grid = Grid { items: 1, height: 3, width: 2, wrap: Wrap::BOTH };
        let x = input(ops, 2, [6, 256 * 3]);
        let pixels = ops.depth_to_space(&x, grid, 16);
        ops.space_to_depth(&pixels, grid.finer(16), 4)
    });
    case!(bench, "space_to_depth 2", 0.0, |ops| {
        let grid = Grid { items: 2, height: 6, width: 10, wrap: Wrap::BOTH };
        let x = input(ops, 3, [120, 12]);
        ops.space_to_depth(&x, grid, 2)
    });
}

#[test]
fn every_shader_file_is_a_kernel_with_its_name() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of shaders is readable")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".wgsl")?.to_string()))
        .collect();
    files.sort();
    let variants = [KernelVariant::Lanes, KernelVariant::Tiled];
    let mut names: Vec<String> =
        Kernel::ALL.iter().flat_map(|kernel| variants.map(|variant| kernel.entry_point(variant).to_string())).collect();
    names.sort();
    names.dedup();
    assert_eq!(files, names);
}
