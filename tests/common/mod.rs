//! What the GPU tests share: a device, models whose every weight counts, and comparisons.

#![allow(dead_code, reason = "each test file uses its own part")]

#[cfg(feature = "gpu")]
use bevy_discon::gpu::{Gpu, KernelVariant};
use bevy_discon::model::{Model, Role};

/// Environment variable that turns GPU tests off.
const SKIP: &str = "DISCON_SKIP_GPU_TESTS";

/// A device, or `None` if GPU tests are turned off.
///
/// # Panics
/// Without an adapter: a test that runs nothing must not look green.
#[cfg(feature = "gpu")]
pub fn gpu() -> Option<Gpu> {
    if std::env::var_os(SKIP).is_some_and(|value| value == "1") {
        println!("skipped: {SKIP}=1");
        return None;
    }
    match Gpu::new() {
        Ok(gpu) => Some(gpu),
        Err(error) => panic!("{error}. Run .ci/setup for a software Vulkan driver, or set {SKIP}=1 to skip GPU tests"),
    }
}

/// The variants that a device can run.
#[cfg(feature = "gpu")]
pub fn variants(gpu: &Gpu) -> Vec<KernelVariant> {
    let lanes = KernelVariant::can_run_lanes(gpu.info(), gpu.device().features());
    if lanes { vec![KernelVariant::Lanes, KernelVariant::Tiled] } else { vec![KernelVariant::Tiled] }
}

/// Numbers in -1..1 that differ for every seed and place.
pub fn numbers(seed: u32, count: usize) -> Vec<f32> {
    (1..=count as u32)
        .map(|j| {
            let bits = j.wrapping_mul(0x9e37_79b1).wrapping_add(seed.wrapping_mul(0x85eb_ca6b));
            let bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
            let bits = (bits ^ (bits >> 12)).wrapping_mul(0x297a_2d39);
            (bits >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Replaces all weights; fresh models are silent, because their residual branches end in zeros.
pub fn randomise(model: &mut Model) {
    let specs: Vec<_> = model.table.iter().map(|(id, spec)| (id, spec.clone())).collect();
    for (id, spec) in specs {
        let scale = match spec.role {
            Role::Matrix => (3.0 / spec.shape[0] as f32).sqrt(),
            Role::Vector if spec.name.ends_with("gain") => 0.25,
            Role::Vector => 0.5,
            Role::Table => 1.0,
            // The style bank: standardised by numbers near 1.
            Role::Host => 0.3,
        };
        let offset = if spec.name.ends_with("gain") { 1.0 } else { 0.0 };
        *model.weights.get_mut(id) = numbers(id.0 as u32, spec.len()).iter().map(|v| offset + scale * v).collect();
    }
    model.weights.round_to_storage(&model.table);
}

/// Largest difference, and the root mean square of what was expected.
pub fn difference(expected: &[f32], found: &[f32]) -> (f32, f32) {
    assert_eq!(expected.len(), found.len(), "number of values");
    // A NaN must not vanish in a maximum.
    let worst = expected
        .iter()
        .zip(found)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0f32, |worst, d| if d.is_nan() || worst.is_nan() { f32::NAN } else { worst.max(d) });
    let scale = (expected.iter().map(|v| v * v).sum::<f32>() / expected.len().max(1) as f32).sqrt();
    (worst, scale)
}
