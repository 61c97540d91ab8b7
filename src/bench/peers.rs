//! The same network with the same weights through burn: its CPU backend beside the native path, and, with the feature
//! `bench-wgpu`, its wgpu backend beside the kernels on the same adapter.
//!
//! Single steps are compared: the first round of tokens, the first round of latents with all steps of the flow, and the decoder; and
//! all steps of a default texture, whose tokens come from a layout. Each executor starts from the same state, and what comes out is
//! compared before it is timed.

use super::clock::{Times, timed};
use super::peer_ops::{Convolution, PeerOps};
use super::setting::heading;
use super::statistics::{Summary, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::gpu::{Gpu, GpuError, GpuWeights, JobSlot, Pipelines, Recording, StateBuffer};
use crate::model::{Model, TOKEN_PIXELS};
use crate::native;
use crate::reference::CpuOps;
use crate::sampling::{JobInputs, LatentState, Plan, PlanShape, Recipe, Step, plan, run_step};
use burn::tensor::Device;
use std::sync::Arc;

/// Steps, and the state before them.
struct Case {
    name: &'static str,
    shape: PlanShape,
    inputs: JobInputs,
}

/// What steps leave behind.
struct Outcome {
    state: LatentState,
    picture: Vec<u8>,
}

/// Who runs it.
enum Runner<'a> {
    Native,
    Kernels(&'a Gpu, Box<JobSlot>),
    Burn(Box<PeerOps<'a>>),
}

/// Runs the benchmark.
///
/// # Errors
/// See [`BenchError`]; executors whose results differ are an error too.
pub fn run(options: &Options) -> Result<String, BenchError> {
    let gpu = Gpu::new()?;
    let side = options.pick(64, 256);
    // Both stages, though layouts give all tokens by default.
    let default = options.recipe(0).with_size(side, side);
    let recipe = Recipe { layout_share: 0.0, ..default.clone() };
    let mut cases = cases(&options.model, &plan(&options.model, &recipe)?)?;
    cases.push(whole(&options.model, plan(&options.model, &default)?));
    let pipelines = Pipelines::compile(gpu.device(), gpu.variant(), &options.model.discon.config)?;
    let weights = GpuWeights::upload(gpu.device(), gpu.queue(), &options.model)?;
    let mut table = Table::new(&["step", "executor", "wall ms", "CPU ms", "wall of ours", "CPU of ours", "off by"]);
    for case in &cases {
        compare(options, case, Runner::Native, &peers_of_native(), &mut table)?;
        let kernels = kernels(&gpu, options, &pipelines, &weights, case)?;
        compare(options, case, kernels, &peers_of_kernels(), &mut table)?;
    }
    let threads = rayon::current_num_threads();
    Ok(format!(
        "{}A texture of {side}x{side}. burn {BURN_VERSION}; `flex` and the native path on {threads} threads. Wall and CPU of ours: how \
         many times as long burn takes as this crate's executor in the same turn. Off by: largest difference to the native path; parts \
         of tokens that differ, latents, or steps of 1/255.{}\n\n{table}",
        heading("The same network through burn", options, Some(&gpu)),
        if cfg!(feature = "bench-wgpu") {
            ""
        } else {
            " Without the feature `bench-wgpu` there is no peer for the kernels."
        },
    ))
}

/// Version that `Cargo.toml` asks for.
const BURN_VERSION: &str = "0.22.1";

/// A name, burn's device or none for ours, and how it convolves.
type Peer = (&'static str, Option<Device>, Convolution);

fn peers_of_native() -> Vec<Peer> {
    let flex = || Some(Device::flex());
    vec![
        ("native", None, Convolution::Product),
        ("burn flex, convolutions as products", flex(), Convolution::Product),
        ("burn flex, conv2d", flex(), Convolution::Module),
    ]
}

fn peers_of_kernels() -> Vec<Peer> {
    [("kernels", None, Convolution::Product)].into_iter().chain(wgpu_peers()).collect()
}

#[cfg(feature = "bench-wgpu")]
fn wgpu_peers() -> Vec<Peer> {
    let wgpu = || Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
    vec![
        ("burn wgpu, convolutions as products", wgpu(), Convolution::Product),
        ("burn wgpu, conv2d", wgpu(), Convolution::Module),
    ]
}

/// None: the kernels stand alone, with what burn would be compared with.
#[cfg(not(feature = "bench-wgpu"))]
fn wgpu_peers() -> Vec<Peer> {
    Vec::new()
}

/// The steps, each with the state that the native path had before it.
///
/// # Errors
/// A plan without one of them.
fn cases(model: &Model, whole: &Plan) -> Result<Vec<Case>, BenchError> {
    type IsStep = fn(&Step) -> bool;
    let wanted: [(&str, IsStep); 3] = [
        ("first round of tokens", |step| matches!(step, Step::TokenRound { .. })),
        ("first round of latents", |step| matches!(step, Step::LatentRound { .. })),
        ("decoder", |step| matches!(step, Step::Decode)),
    ];
    let mut cases = Vec::new();
    let mut ops = CpuOps::for_job(model, whole).with_loops(native::LOOPS);
    for step in &whole.shape.steps {
        if let Some((name, _)) = wanted.get(cases.len()).filter(|(_, is)| is(step)) {
            let LatentState { tokens, context } = ops.state();
            let shape = PlanShape { steps: vec![step.clone()], ..whole.shape.clone() };
            cases.push(Case {
                name,
                shape,
                inputs: JobInputs { tokens, context: Some(context), ..whole.inputs.clone() },
            });
        }
        run_step(&mut ops, &model.discon, &whole.shape, step);
    }
    match wanted.get(cases.len()) {
        None => Ok(cases),
        Some((step, _)) => Err(BenchError::Missing { step }),
    }
}

/// All steps of a plan.
fn whole(model: &Model, plan: Plan) -> Case {
    let LatentState { tokens, context } = CpuOps::for_job(model, &plan).state();
    let inputs = JobInputs { tokens, context: Some(context), ..plan.inputs };
    Case { name: "a default texture", shape: plan.shape, inputs }
}

fn kernels<'a>(
    gpu: &'a Gpu,
    options: &Options,
    pipelines: &Pipelines,
    weights: &GpuWeights,
    case: &Case,
) -> Result<Runner<'a>, GpuError> {
    let recording = Arc::new(Recording::new(&options.model, &case.shape, gpu.variant()));
    Ok(Runner::Kernels(gpu, Box::new(JobSlot::new(gpu.device(), pipelines, weights, recording)?)))
}

/// Checks that all agree, then times them in turn.
fn compare(
    options: &Options,
    case: &Case,
    ours: Runner<'_>,
    family: &[Peer],
    table: &mut Table,
) -> Result<(), BenchError> {
    let model = &options.model;
    let burn = family.iter().filter_map(|(_, device, convolution)| {
        let ops = PeerOps::new(device.clone()?, model, &case.inputs, *convolution);
        Some(Runner::Burn(Box::new(ops)))
    });
    let mut runners: Vec<Runner<'_>> = std::iter::once(ours).chain(burn).collect();
    let (_, expected) = Runner::Native.run(model, case)?;
    let mut off = Vec::new();
    for (runner, (name, ..)) in runners.iter_mut().zip(family) {
        // Twice: burn chooses among its kernels when it first sees a shape.
        runner.run(model, case)?;
        off.push(difference(&expected, &runner.run(model, case)?.1, case, name)?);
    }
    let mut found: Vec<Vec<Times>> = family.iter().map(|_| Vec::new()).collect();
    for turn in 0..options.pick(2, 9) {
        for step in 0..family.len() {
            // Each goes first in turn.
            let at = (turn + step) % family.len();
            found[at].push(runners[at].run(model, case)?.0);
        }
    }
    for (index, (name, ..)) in family.iter().enumerate() {
        let of = |part: fn(&Times) -> f64| -> [Vec<f64>; 2] {
            let own: Vec<f64> = found[index].iter().map(part).collect();
            let ratios = own.iter().zip(&found[0]).map(|(own, ours)| own / part(ours)).collect();
            [own, ratios]
        };
        let ([wall, wall_ratio], [cpu, cpu_ratio]) = (of(|times| times.wall), of(|times| times.cpu));
        let text = |values: &[f64], factor: f64| Summary::of(values).text(factor);
        let row = [
            case.name.to_string(),
            name.to_string(),
            text(&wall, 1e3),
            text(&cpu, 1e3),
            text(&wall_ratio, 1.0),
            text(&cpu_ratio, 1.0),
            significant(f64::from(off[index])),
        ];
        // burn's wgpu backend takes minutes to choose among its kernels: what is finished is shown at once.
        eprintln!("| {} |", row.join(" | "));
        table.row(row);
    }
    Ok(())
}

impl Runner<'_> {
    /// Runs the steps from their start; only they are timed, not what brings the state there and back.
    fn run(&mut self, model: &Model, case: &Case) -> Result<(Times, Outcome), BenchError> {
        let start = || LatentState {
            tokens: case.inputs.tokens.clone(),
            context: case.inputs.context.clone().unwrap_or_default(),
        };
        match self {
            Self::Native => {
                let plan = Plan { shape: case.shape.clone(), inputs: case.inputs.clone() };
                let mut ops = CpuOps::for_job(model, &plan).with_loops(native::LOOPS);
                let ((), times) = timed(|| {
                    case.shape.steps.iter().for_each(|step| run_step(&mut ops, &model.discon, &case.shape, step));
                });
                Ok((times, Outcome { state: ops.state(), picture: ops.picture }))
            }
            Self::Burn(ops) => {
                ops.state = start();
                // Every step ends on the host, so nothing is still on its way.
                let ((), times) = timed(|| {
                    case.shape.steps.iter().for_each(|step| run_step(&mut **ops, &model.discon, &case.shape, step));
                });
                Ok((times, Outcome { state: ops.state.clone(), picture: ops.picture.clone() }))
            }
            Self::Kernels(gpu, slot) => {
                slot.start(gpu.queue(), &case.inputs)?;
                gpu.submit(|_| {});
                gpu.wait()?;
                let (waited, times) = timed(|| {
                    gpu.submit(|pass| slot.encode(pass, 0..slot.recording().len()));
                    gpu.wait()
                });
                waited?;
                Ok((times, outcome(gpu, slot)?))
            }
        }
    }
}

/// Reads what the kernels have left.
fn outcome(gpu: &Gpu, slot: &JobSlot) -> Result<Outcome, GpuError> {
    let read = |state: StateBuffer| gpu.read(slot.state(state), slot.recording().state_bytes[state as usize]);
    let state = LatentState {
        tokens: bytemuck::pod_collect_to_vec(&read(StateBuffer::Tokens)?),
        context: bytemuck::pod_collect_to_vec(&read(StateBuffer::Context)?),
    };
    let picture = match slot.recording().picture {
        Some((pixels, grid)) => {
            let buffer = slot.buffer_of(&pixels).ok_or_else(|| GpuError::Device("the picture has no buffer".into()))?;
            debug_assert_eq!(pixels.shape[0], grid.rows(), "a row for each pixel");
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(buffer, 4 * pixels.count() as u64)?);
            crate::reference::sample::write_image(&values)
        }
        None => Vec::new(),
    };
    Ok(Outcome { state, picture })
}

/// How far two outcomes are apart; an error beyond rounding.
fn difference(expected: &Outcome, found: &Outcome, case: &Case, name: &str) -> Result<f32, BenchError> {
    let largest = |pairs: &mut dyn Iterator<Item = f32>| pairs.fold(0.0f32, f32::max);
    let apart = |a: &[f32], b: &[f32]| largest(&mut a.iter().zip(b).map(|(a, b)| (a - b).abs()));
    let bytes = |values: &[u8]| values.iter().map(|value| f32::from(*value)).collect::<Vec<f32>>();
    let (what, found, allowed) = match case.shape.steps.last() {
        Some(Step::Decode) => {
            let side = TOKEN_PIXELS * TOKEN_PIXELS * 3 * case.shape.grid.positions();
            debug_assert_eq!(found.picture.len(), side, "all pixels were decoded");
            ("pixels", apart(&bytes(&expected.picture), &bytes(&found.picture)), 2.0)
        }
        Some(Step::LatentRound { .. }) => ("latents", apart(&expected.state.context, &found.state.context), 0.1),
        Some(Step::TokenRound { .. } | Step::Reopen { .. }) | None => {
            let pairs = expected.state.tokens.iter().zip(&found.state.tokens);
            let other = pairs.filter(|(a, b)| a != b).count();
            // Two tokens may be all but equally likely.
            ("parts of the tokens", other as f32 / expected.state.tokens.len() as f32, 0.02)
        }
    };
    if found.is_finite() && found <= allowed {
        return Ok(found);
    }
    Err(BenchError::Differ { what: format!("{}, {name}: {what}", case.name), found, allowed })
}
