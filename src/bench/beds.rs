//! Any dispatch of a texture alone, as often as wanted.

use super::Options;
use super::clock::{Times, timed};
use crate::gpu::{Gpu, GpuError, GpuWeights, ImageTarget, JobSlot, KernelVariant, MapTarget, Pipelines, Recording};
use crate::model::Wrap;
use crate::sampling::{MapKind, MapRules, Plan};
use std::sync::Arc;

/// What one variant needs to run any dispatch of the recording alone.
pub struct Bed {
    /// Which variant.
    pub variant: KernelVariant,
    /// Buffers and bind groups of the texture.
    pub slot: JobSlot,
    image: ImageTarget,
    /// Derived maps, with the names of their kernels.
    pub maps: Vec<(&'static str, MapTarget)>,
}

/// What is timed.
#[derive(Clone, Copy)]
pub enum Work {
    /// A dispatch of the recording.
    Dispatch(usize),
    /// The finished picture and its levels.
    Image,
    /// A derived map and its levels.
    Map(usize),
}

/// The variants that the device can run; that of software rasterisers first.
pub fn variants(gpu: &Gpu) -> Vec<KernelVariant> {
    match KernelVariant::can_run_lanes(gpu.info(), gpu.device().features()) {
        true => vec![KernelVariant::Lanes, KernelVariant::Tiled],
        false => vec![KernelVariant::Tiled],
    }
}

impl Bed {
    /// Compiles, uploads and binds everything.
    ///
    /// # Errors
    /// What the device refuses.
    pub fn new(gpu: &Gpu, options: &Options, plan: &Plan, variant: KernelVariant) -> Result<Self, GpuError> {
        let model = &options.model;
        let device = gpu.device();
        let pipelines = Pipelines::compile(device, variant, &model.discon.config)?;
        let weights = GpuWeights::upload(device, gpu.queue(), model)?;
        let recording = Arc::new(Recording::new(model, &plan.shape, variant));
        let slot = JobSlot::new(device, &pipelines, &weights, recording)?;
        slot.start(gpu.queue(), &plan.inputs)?;
        let pixels = plan.shape.grid.finer(crate::model::TOKEN_PIXELS);
        let texture = gpu.texture(pixels.width as u32, pixels.height as u32);
        let image = ImageTarget::new(device, &pipelines, &slot, &texture)?;
        let map = |kind| {
            let target = gpu.texture(texture.width(), texture.height());
            MapTarget::new(device, &pipelines, &texture, &target, kind, &MapRules::default(), Wrap::BOTH)
        };
        let maps = vec![
            ("derive_normal, downsample_map", map(MapKind::Normal)?),
            ("derive_orm, downsample_map", map(MapKind::OcclusionRoughnessMetallic)?),
            ("derive_height, downsample_map", map(MapKind::Height)?),
        ];
        Ok(Self { variant, slot, image, maps })
    }

    /// Runs something `repeats` times in one submission and waits.
    ///
    /// # Errors
    /// A device that was lost.
    pub fn run(&self, gpu: &Gpu, work: Work, repeats: usize) -> Result<Times, GpuError> {
        let (waited, times) = timed(|| {
            gpu.submit(|pass| {
                for _ in 0..repeats {
                    match work {
                        Work::Dispatch(index) => self.slot.encode(pass, index..index + 1),
                        Work::Image => self.image.encode(pass),
                        Work::Map(index) => self.maps[index].1.encode(pass),
                    }
                }
            });
            gpu.wait()
        });
        waited.map(|()| times)
    }
}

/// The dispatch that takes longest: its kernel and sizes, operations, and seconds by the wall.
///
/// # Errors
/// See [`Bed::new`].
#[cfg(feature = "material")]
pub fn longest_dispatch(gpu: &Gpu, options: &Options, plan: &Plan) -> Result<(String, u64, f64), GpuError> {
    let bed = Bed::new(gpu, options, plan, gpu.variant())?;
    let recording = bed.slot.recording();
    let mut shapes = super::shapes::shapes(&options.model, recording, 0..recording.len());
    // Only the largest can be the longest.
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.flops + 32 * shape.bytes));
    shapes.truncate(8);
    let mut longest = (String::new(), 0, 0.0);
    for shape in shapes {
        let work = Work::Dispatch(shape.index);
        bed.run(gpu, work, 1)?;
        let mut seconds = Vec::new();
        for _ in 0..options.pick(2, 9) {
            seconds.push(bed.run(gpu, work, 1)?.wall);
        }
        let seconds = super::statistics::Summary::of(&seconds).median;
        if seconds > longest.2 {
            let name = shape.key.kernel.entry_point(bed.variant);
            longest = (format!("`{name}` {}", shape.text), shape.flops, seconds);
        }
    }
    Ok(longest)
}
