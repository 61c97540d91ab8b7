//! Where and with what a benchmark runs: the first lines of every output.

use super::Options;
use crate::gpu::Gpu;
use crate::model::{Grid, Wrap};
use std::fmt::Write;

/// A title and the circumstances.
pub fn heading(title: &str, options: &Options, gpu: Option<&Gpu>) -> String {
    let mut text = format!("## {title}\n\n");
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {name}: {value}");
    };
    if let Some(gpu) = gpu {
        let info = gpu.info();
        let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
        let adapter = format!("{} ({:?}, {driver}), {:?} kernels", info.name, info.device_type, gpu.variant());
        line("adapter", adapter);
    }
    line("processor", processor());
    let parameters: usize = options.model.table.iter().map(|(_, spec)| spec.len()).sum();
    line("model", format!("{}, {:.2} million parameters", options.model_name, parameters as f64 / 1e6));
    line("build", build().into());
    if options.quick {
        line("note", "quick: few repeats, the numbers are not for comparison".into());
    }
    text.push('\n');
    text
}

/// Kind and number of cores, and how busy they were when the benchmark began.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load =
        load.as_deref().and_then(|text| text.split(' ').next()).map(|load| format!(", load {load} at the start"));
    format!("{}, {cores} cores{}", name.unwrap_or("unknown"), load.unwrap_or_default())
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "with debug assertions (dev profile)" } else { "release" }
}

/// Rows and columns, and whether borders wrap.
pub fn grid_text(grid: Grid) -> String {
    let items = if grid.items == 1 { String::new() } else { format!("{}x", grid.items) };
    let wraps = if grid.wrap == Wrap::BOTH { "" } else { ", open borders" };
    format!("{items}{}x{}{wraps}", grid.height, grid.width)
}
