//! Benchmarks: tables of what the generator costs on this machine.

#[cfg(feature = "material")]
use bevy_discon::bench::frames::{self, Load};
use bevy_discon::bench::{
    BenchError, Options, allocations::CountingAllocator, batches, kernels, peers, scale, texture,
};
use bevy_discon::model::{Model, ModelConfig};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// For the allocations of a frame.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Prints Markdown tables; numbers are only comparable within one run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Every kernel at the shapes of a default texture, beside the `gemm` crate and the peak of the processor.
    Kernels(Common),
    /// One texture and eight: GPU path, processor, in a game, caches, and an estimate for hardware.
    Texture(Common),
    #[cfg(feature = "material")]
    /// Frame times while textures are generated, cost of the idle plugin, allocations of a frame.
    Frames {
        #[command(flatten)]
        common: Common,
        /// Width and height of the textures.
        #[arg(long, default_value_t = 128)]
        size: u32,
        /// Textures at once.
        #[arg(long, default_value_t = 2)]
        textures: u64,
    },
    /// Textures in one batch against one after the other.
    Batches(Common),
    /// Cost against size, rounds and number of textures.
    Scale(Common),
    /// The same network through burn.
    Peers(Common),
}

#[derive(Args)]
struct Common {
    /// Model folder, or `tiny` for a tiny model with fresh weights.
    #[arg(long, default_value = "assets/models/small")]
    model: PathBuf,
    /// Few repeats and small sizes: to see that it works.
    #[arg(long)]
    quick: bool,
    /// File to write the tables to, besides printing them.
    #[arg(long)]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (common, result) = match &arguments.benchmark {
        Benchmark::Kernels(common) => (common, run(common, kernels::run)),
        Benchmark::Texture(common) => (common, run(common, texture::run)),
        #[cfg(feature = "material")]
        Benchmark::Frames { common, size, textures } => {
            let load = Load { size: *size, textures: *textures };
            (common, run(common, |options| frames::run(options, load)))
        }
        Benchmark::Batches(common) => (common, run(common, batches::run)),
        Benchmark::Scale(common) => (common, run(common, scale::run)),
        Benchmark::Peers(common) => (common, run(common, peers::run)),
    };
    match result.and_then(|text| write(common.output.as_deref(), &text).map(|()| text)) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("discon-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(common: &Common, benchmark: impl FnOnce(&Options) -> Result<String, BenchError>) -> Result<String, BenchError> {
    let tiny = common.model == Path::new("tiny");
    let model = match tiny {
        true => Model::new(&ModelConfig::tiny(&["class"]), None, 1).map_err(bevy_discon::model::WeightsError::from)?,
        false => Model::load(&common.model)?,
    };
    let model_name = if tiny { "tiny, fresh weights".into() } else { common.model.display().to_string() };
    benchmark(&Options { model: Arc::new(model), model_name, quick: common.quick })
}

fn write(path: Option<&Path>, text: &str) -> Result<(), BenchError> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text).map_err(|source| BenchError::Io { path: path.into(), source })
}
