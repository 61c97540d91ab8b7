//! A model of the time of a texture on hardware that was not measured: an estimate, and marked as one wherever it is printed.

use super::shapes::{bytes, describe};
use super::statistics::significant;
use super::table::Table;
use crate::gpu::{Dispatch, KernelVariant, Recording};
use crate::model::Model;

/// A GPU as its maker describes it.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Name and class.
    pub name: &'static str,
    /// Numbers that are multiplied at once.
    pub lanes: u32,
    /// Operations per second in f32, at the highest clock.
    pub flops: f64,
    /// Bytes per second from memory.
    pub bandwidth: f64,
    /// Where the figures are published.
    pub source: &'static str,
}

/// One of each class.
pub const DEVICES: [Device; 3] = [
    Device {
        name: "integrated: Intel Iris Xe, 96 EU",
        lanes: 768,
        flops: 2.07e12,
        bandwidth: 68e9,
        source: "Intel ARK, Core i7-1185G7: 96 EU of 8 lanes, 1.35 GHz, LPDDR4x-4267 on 128 bits",
    },
    Device {
        name: "mid-range: NVIDIA GeForce RTX 3060",
        lanes: 3584,
        flops: 12.7e12,
        bandwidth: 360e9,
        source: "NVIDIA product page: 3584 cores, 1.78 GHz; 15 Gbit/s GDDR6 on 192 bits",
    },
    Device {
        name: "high-end: NVIDIA GeForce RTX 4090",
        lanes: 16_384,
        flops: 82.6e12,
        bandwidth: 1008e9,
        source: "NVIDIA Ada GPU architecture whitepaper: 16384 cores, 2.52 GHz; 21 Gbit/s GDDR6X on 384 bits",
    },
];

/// Part of the peak that a WGSL product of this kind reaches when the GPU is full: 1.2 of 3.6 TFLOP/s on an M2
/// (FL33TW00D/wgpu-mm, issue 20).
pub const EFFICIENCY: f64 = 0.33;
/// Seconds from one dispatch to the next that depends on it, at best: an assumption.
pub const SHORT_LAUNCH: f64 = 5e-6;
/// The same at worst: 24 to 36 microseconds were measured through WebGPU on Vulkan (arXiv 2604.02344).
pub const LONG_LAUNCH: f64 = 30e-6;
/// Threads of a workgroup of the tiled kernels.
const GROUP_THREADS: u64 = 64;

/// Estimated seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Of arithmetic, where that is longer than reading and writing.
    pub arithmetic: f64,
    /// Of reading and writing, where that is longer.
    pub memory: f64,
    /// Number of launches.
    pub launches: usize,
    /// The longest dispatch, without its launch.
    pub longest: f64,
}

impl Estimate {
    /// Everything, with a time per launch.
    pub fn total(&self, launch: f64) -> f64 {
        self.arithmetic + self.memory + launch * self.launches as f64
    }
}

/// Seconds of arithmetic and of reading and writing of a dispatch of tiled kernels; it takes the longer of both.
fn seconds(device: &Device, model: &Model, dispatch: &Dispatch, batch: u64) -> [f64; 2] {
    let groups: u64 = dispatch.workgroups.iter().map(|count| u64::from(*count)).product();
    let fill = ((groups * batch * GROUP_THREADS) as f64 / f64::from(device.lanes)).min(1.0);
    let arithmetic = (dispatch.flops * batch) as f64 / (device.flops * EFFICIENCY * fill);
    // Weights are read once for all.
    let values = 4 * dispatch.values;
    [arithmetic, (values * batch + bytes(model, dispatch) - values) as f64 / device.bandwidth]
}

/// Estimates a recording of tiled kernels; `batch` textures side by side fill the GPU better.
pub fn estimate(device: &Device, model: &Model, recording: &Recording, batch: u64) -> Estimate {
    let mut sum = Estimate { launches: recording.len(), ..Estimate::default() };
    for dispatch in &recording.dispatches {
        let [arithmetic, memory] = seconds(device, model, dispatch, batch);
        match arithmetic > memory {
            true => sum.arithmetic += arithmetic,
            false => sum.memory += memory,
        }
        sum.longest = sum.longest.max(arithmetic.max(memory));
    }
    sum
}

/// Most milliseconds that one dispatch should take on a mid-range GPU: half of the default budget, since nothing takes the
/// GPU away from it.
const LONGEST_MS: f64 = 2.0;

/// The longest dispatch of the largest texture on the mid-range device, in a sentence.
///
/// A recording without dispatches has none.
pub fn longest_text(model: &Model, largest: &Recording) -> Option<String> {
    let device = &DEVICES[1];
    let time = |dispatch: &Dispatch| seconds(device, model, dispatch, 1).into_iter().fold(0.0, f64::max);
    let times = largest.dispatches.iter().map(time).enumerate();
    let (index, seconds) = times.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let (ms, name) = (1e3 * seconds, describe(largest, index, KernelVariant::Tiled));
    let verdict = if ms <= LONGEST_MS { "within" } else { "above" };
    Some(format!(
        "The longest dispatch of a texture of 1024x1024 is {name}: {} ms on the {} (computed), {verdict} the {LONGEST_MS} ms that \
         one dispatch should take at most.\n",
        significant(ms),
        device.name
    ))
}

/// All devices, with what is assumed.
pub fn text(model: &Model, recording: &Recording) -> String {
    let mut table = Table::new(&[
        "GPU (not measured)",
        "arithmetic ms",
        "memory ms",
        "launches",
        "texture ms, 5 µs a launch",
        "30 µs a launch",
        "longest dispatch ms",
        "in a batch of 8, ms a texture",
    ]);
    let mut sources = String::new();
    for device in &DEVICES {
        let one = estimate(device, model, recording, 1);
        let eight = estimate(device, model, recording, 8);
        let ms = |seconds: f64| significant(seconds * 1e3);
        table.row([
            device.name.to_string(),
            ms(one.arithmetic),
            ms(one.memory),
            one.launches.to_string(),
            ms(one.total(SHORT_LAUNCH)),
            ms(one.total(LONG_LAUNCH)),
            ms(one.longest),
            ms(eight.total(SHORT_LAUNCH) / 8.0),
        ]);
        sources.push_str(&format!("- {}: {}\n", device.name, device.source));
    }
    format!(
        "### Estimate for hardware: computed, not measured\n\n\
         Each dispatch takes the longer of its arithmetic ({} % of the published peak, times the part of the lanes that its\n\
         threads fill) and its bytes over the published bandwidth, caches not counted. Between dispatches lie 5 µs (assumed) or\n\
         30 µs (24 to 36 µs measured through WebGPU on Vulkan, arXiv 2604.02344). The part of the peak: 1.2 of 3.6 TFLOP/s of\n\
         a WGSL product on an M2 (FL33TW00D/wgpu-mm, issue 20).\n\n{table}\n{sources}",
        (100.0 * EFFICIENCY).round()
    )
}
