//! Pictures that are not generated: from the disk cache, and maps that are derived.

use super::clear::write_level;
use super::extract::Queued;
use super::prepare::GpuModel;
use super::run::Gpu;
use crate::gpu::{GpuError, MapTarget, MipChain, Pipelines};
use crate::request::link::{Goal, MapJob, Report, Ticket};
use bevy::prelude::*;

/// Fills one texture from the disk cache; one per frame, since an upload costs time on the processor.
///
/// It needs no model, and is reported at once: the queue keeps the order, so whoever draws or copies the texture from now on
/// finds the picture.
pub fn upload_one(gpu: &Gpu, queued: &mut Queued) {
    if queued.uploads.is_empty() {
        return;
    }
    let Some(levels) = gpu.model.levels() else { return };
    let ready = |(ticket, _): &(Ticket, Vec<u8>)| gpu.images.get(ticket.image).is_some();
    let Some((ticket, pixels)) = queued.uploads.iter().position(ready).and_then(|at| queued.uploads.remove(at)) else {
        return;
    };
    let Some(image) = gpu.images.get(ticket.image) else { return };
    gpu.sender.send(match upload(gpu, levels, &image.texture, &pixels) {
        Ok(()) => Report::Done(ticket),
        Err(error) => Report::Failed(ticket, Goal::Full, error.to_string()),
    });
}

/// Derives the maps of a few textures; of one material, usually. They cost little, but many at once would be felt.
pub fn derive_some(gpu: &Gpu, model: &GpuModel, queued: &mut Queued) {
    const MAPS_PER_FRAME: usize = 3;
    let textures = |map: &MapJob| Some((&gpu.images.get(map.base)?.texture, &gpu.images.get(map.target)?.texture));
    let ready = queued.maps.extract_if(.., |map| textures(map).is_some());
    let ready: Vec<MapJob> = ready.take(MAPS_PER_FRAME).collect();
    if ready.is_empty() {
        return;
    }
    let device = gpu.device.wgpu_device();
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon maps") });
    for map in ready {
        let Some((base, target)) = textures(&map) else { continue };
        match MapTarget::new(device, &model.pipelines, base, target, map.kind, &map.rules, map.wrap) {
            Ok(target) => target.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())),
            // The map stays neutral.
            Err(error) => warn!("a map could not be derived: {error}"),
        }
    }
    gpu.queue.submit([encoder.finish()]);
}

fn upload(gpu: &Gpu, levels: &Pipelines, texture: &wgpu::Texture, pixels: &[u8]) -> Result<(), GpuError> {
    let device = gpu.device.wgpu_device();
    let mips = MipChain::new(device, levels, texture)?;
    write_level(&gpu.queue, texture, 0, pixels);
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon mips") });
    mips.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.queue.submit([encoder.finish()]);
    Ok(())
}
