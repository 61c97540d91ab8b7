//! Cost against size, rounds and number of textures: what is measured beside what is counted.

use super::clock::{Times, timed};
use super::setting::heading;
use super::statistics::{Summary, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::gpu::{Gpu, Recording};
use crate::model::{Model, ModelConfig};
use crate::native;
use crate::sampling::{Plan, Recipe, count, plan};
use std::sync::Arc;

/// Runs the benchmark. The model of the options runs on the processor, a tiny one of the same kind everywhere.
///
/// # Errors
/// See [`BenchError`].
pub fn run(options: &Options) -> Result<String, BenchError> {
    let tiny = Options {
        model: Arc::new(Model::new(&ModelConfig::tiny(&["class"]), None, 1).map_err(crate::model::WeightsError::from)?),
        model_name: "tiny, fresh weights".into(),
        quick: options.quick,
    };
    let mut gpu = Gpu::new()?;
    let mut text = heading("Cost against size, rounds and number", options, Some(&gpu));
    // It takes long: what is finished is shown at once.
    let mut add = |part: String| {
        eprint!("{part}");
        text.push_str(&part);
    };
    add(sizes(&tiny, &mut gpu)?);
    add(sizes_on_the_processor(options)?);
    add(rounds(&tiny, &mut gpu)?);
    add(together(&tiny, &mut gpu)?);
    add(super::batches::table(&tiny, &gpu, tiny.pick(64, 256))?);
    add(super::batches::table(options, &gpu, tiny.pick(64, 128))?);
    drop(gpu);
    #[cfg(feature = "material")]
    add(super::queue::text(&tiny)?);
    Ok(text)
}

/// Median times of `work` after one run that does not count.
fn repeated(rounds: usize, mut work: impl FnMut() -> Result<(), BenchError>) -> Result<[Summary; 2], BenchError> {
    work()?;
    let mut times: Vec<Times> = Vec::new();
    for _ in 0..rounds {
        let (result, time) = timed(&mut work);
        result?;
        times.push(time);
    }
    let of = |part: fn(&Times) -> f64| Summary::of(&times.iter().map(part).collect::<Vec<_>>());
    Ok([of(|times| times.wall), of(|times| times.cpu)])
}

fn flops(model: &Model, plan: &Plan) -> f64 {
    count(&model.discon, &model.table, &plan.shape).iter().map(|(_, cost)| cost.flops as f64).sum()
}

/// A row of a measurement beside its count: the last cell should not change where cost grows as counted.
fn row(table: &mut Table, name: String, flops: f64, [wall, cpu]: &[Summary; 2], more: Option<String>) {
    let numbers = [significant(flops * 1e-9), wall.text(1.0), cpu.text(1.0), significant(cpu.median / (flops * 1e-9))];
    table.row(std::iter::once(name).chain(numbers).chain(more));
}

fn sizes(tiny: &Options, gpu: &mut Gpu) -> Result<String, BenchError> {
    let mut table =
        Table::new(&["size, tiny model, GPU", "GFLOP counted", "wall s", "CPU s", "CPU s a GFLOP", "work buffers MB"]);
    for side in sides(tiny) {
        let plan = plan(&tiny.model, &tiny.recipe(1).with_size(*side, *side))?;
        let bytes = Recording::new(&tiny.model, &plan.shape, gpu.variant()).bytes();
        let times = repeated(tiny.pick(1, 5), || {
            gpu.generate(&tiny.model, &plan)?;
            Ok(())
        })?;
        let memory = significant(bytes as f64 * 1e-6);
        row(&mut table, format!("{side}x{side}"), flops(&tiny.model, &plan), &times, Some(memory));
    }
    Ok(format!("{table}\n"))
}

fn sides(options: &Options) -> &'static [u32] {
    options.pick(&[64, 128][..], &[128, 256, 512, 1024])
}

fn sizes_on_the_processor(options: &Options) -> Result<String, BenchError> {
    let head = format!("size, {}, processor", options.model_name);
    let mut table = Table::new(&[&head, "GFLOP counted", "wall s", "CPU s", "CPU s a GFLOP"]);
    for side in sides(options) {
        let plan = plan(&options.model, &options.recipe(1).with_size(*side, *side))?;
        // Large ones take long enough to be exact.
        let rounds = if *side > 256 { 1 } else { options.pick(1, 3) };
        let times = repeated(rounds, || {
            native::generate(&options.model, &plan);
            Ok(())
        })?;
        row(&mut table, format!("{side}x{side}"), flops(&options.model, &plan), &times, None);
    }
    Ok(format!("{table}\n"))
}

fn rounds(tiny: &Options, gpu: &mut Gpu) -> Result<String, BenchError> {
    let mut table =
        Table::new(&["rounds, tiny model, GPU", "GFLOP counted", "wall s", "CPU s", "CPU s a GFLOP", "dispatches"]);
    let all: &[u32] = tiny.pick(&[1, 4], &[1, 2, 4, 8, 16, 32]);
    type SetRounds = fn(&mut Recipe, u32);
    let kinds: [(&str, SetRounds); 3] = [
        ("of tokens", |recipe, rounds| recipe.token_rounds = rounds),
        ("of latents", |recipe, rounds| recipe.latent_rounds = rounds),
        ("steps of the flow", |recipe, rounds| recipe.flow_steps = rounds),
    ];
    for (name, change) in kinds {
        for rounds in all {
            let mut recipe = tiny.recipe(1);
            change(&mut recipe, *rounds);
            let plan = plan(&tiny.model, &recipe)?;
            let dispatches = Recording::new(&tiny.model, &plan.shape, gpu.variant()).len().to_string();
            let times = repeated(tiny.pick(1, 5), || {
                gpu.generate(&tiny.model, &plan)?;
                Ok(())
            })?;
            row(&mut table, format!("{rounds} {name}"), flops(&tiny.model, &plan), &times, Some(dispatches));
        }
    }
    Ok(format!("{table}\n"))
}

/// Textures that run one after the other, in the same buffers, each to its end.
fn together(tiny: &Options, gpu: &mut Gpu) -> Result<String, BenchError> {
    let mut table =
        Table::new(&["textures together, tiny model, GPU", "GFLOP counted", "wall s", "CPU s", "CPU s a GFLOP"]);
    for number in [1, 2, 4, 8] {
        let plans: Vec<Plan> =
            (0..number).map(|seed| plan(&tiny.model, &tiny.recipe(seed))).collect::<Result<_, _>>()?;
        let times = repeated(tiny.pick(1, 5), || {
            for plan in &plans {
                gpu.generate(&tiny.model, plan)?;
            }
            Ok(())
        })?;
        row(&mut table, number.to_string(), number as f64 * flops(&tiny.model, &plans[0]), &times, None);
    }
    Ok(format!("{table}\n"))
}
