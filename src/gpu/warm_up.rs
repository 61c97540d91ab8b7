//! One run of every kernel, before a texture needs it.

use super::error::{GpuError, checked};
use super::image_target::{MipChain, level_view};
use super::kernel::{Binding, Kernel};
use super::pipelines::{Compiled, Pipelines};
use super::recorder::ALIGNMENT;

/// Bytes of a buffer that stands for any other.
const BYTES: u64 = 4096;
/// Width and height of a texture that stands for any other.
const SIDE: u32 = 8;
/// Most buffers that a kernel writes.
const MOST_WRITTEN: usize = 2;

/// Zeros that every kernel can be bound to: with parameters of zero none has anything to do.
///
/// Some drivers turn a kernel into machine code when it first runs. The texture that needs it would wait, and its time
/// would be taken for that of the work.
pub(super) struct WarmUp {
    params: wgpu::Buffer,
    read: wgpu::Buffer,
    written: [wgpu::Buffer; MOST_WRITTEN],
    source: wgpu::TextureView,
    target: wgpu::TextureView,
}

impl WarmUp {
    /// Makes them, some kilobytes.
    ///
    /// # Errors
    /// A device without memory.
    pub fn new(device: &wgpu::Device) -> Result<Self, GpuError> {
        let make = || {
            let buffer = |size, usage| {
                let label = Some("discon warm-up");
                device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
            };
            let storage = || buffer(BYTES, wgpu::BufferUsages::STORAGE);
            let view = |usage| level_view(&texture(device, usage, 1), (0, 0), usage);
            Self {
                params: buffer(ALIGNMENT as u64, wgpu::BufferUsages::UNIFORM),
                read: storage(),
                written: std::array::from_fn(|_| storage()),
                source: view(wgpu::TextureUsages::TEXTURE_BINDING),
                target: view(wgpu::TextureUsages::STORAGE_BINDING),
            }
        };
        checked(device, "trying the kernels", make, GpuError::Device)
    }

    /// Submits one workgroup, alone: what others submit meanwhile waits for no more than this kernel.
    ///
    /// # Errors
    /// A device without memory, or one that was lost.
    pub fn run(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        kernel: Kernel,
        compiled: &Compiled,
    ) -> Result<(), GpuError> {
        let mut written = self.written.iter();
        let resources = kernel.bindings().iter().map(|binding| match binding {
            Binding::Read => self.read.as_entire_binding(),
            Binding::Write => written.next().unwrap_or(&self.read).as_entire_binding(),
            Binding::Texture => wgpu::BindingResource::TextureView(&self.source),
            Binding::StorageTexture => wgpu::BindingResource::TextureView(&self.target),
        });
        let entries = std::iter::once(self.params.as_entire_binding()).chain(resources).zip(0..);
        let entries: Vec<_> = entries.map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource }).collect();
        let run = || {
            let layout = &compiled.layout;
            let descriptor = wgpu::BindGroupDescriptor { label: Some("discon warm-up"), layout, entries: &entries };
            let bind_group = device.create_bind_group(&descriptor);
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some("discon warm-up") };
            let mut encoder = device.create_command_encoder(&descriptor);
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&compiled.pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
            drop(pass);
            queue.submit([encoder.finish()]);
        };
        checked(device, "trying the kernels", run, GpuError::Device)
    }
}

/// Uploads a small picture and fills its levels: drivers also finish what reads and writes textures when there is one with
/// levels.
///
/// # Errors
/// A device without memory, or one that was lost.
pub(super) fn fill_levels(device: &wgpu::Device, queue: &wgpu::Queue, levels: &Pipelines) -> Result<(), GpuError> {
    use wgpu::TextureUsages as Usage;
    let usage = Usage::TEXTURE_BINDING | Usage::STORAGE_BINDING | Usage::COPY_SRC | Usage::COPY_DST;
    let make = || texture(device, usage, u32::BITS - SIDE.leading_zeros());
    let texture = checked(device, "trying the kernels", make, GpuError::Device)?;
    let chain = MipChain::new(device, levels, &texture)?;
    let run = || {
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * SIDE), rows_per_image: None };
        let pixels = [0; 4 * (SIDE * SIDE) as usize];
        queue.write_texture(texture.as_image_copy(), &pixels, layout, texture.size());
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("discon warm-up") };
        let mut encoder = device.create_command_encoder(&descriptor);
        chain.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        queue.submit([encoder.finish()]);
    };
    checked(device, "trying the kernels", run, GpuError::Device)
}

fn texture(device: &wgpu::Device, usage: wgpu::TextureUsages, levels: u32) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("discon warm-up"),
        size: wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 },
        mip_level_count: levels,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage,
        view_formats: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::super::kernel::{KernelKey, KernelVariant};
    use super::super::pipelines::compile;
    use super::*;
    use crate::gpu::Gpu;

    #[test]
    fn every_kernel_runs_on_nothing() {
        if std::env::var_os("DISCON_SKIP_GPU_TESTS").is_some_and(|value| value == "1") {
            return println!("skipped: DISCON_SKIP_GPU_TESTS=1");
        }
        let gpu = Gpu::new().expect("there is an adapter, or DISCON_SKIP_GPU_TESTS=1");
        let (device, queue) = (gpu.device(), gpu.queue());
        let warm_up = WarmUp::new(device).expect("there is memory");
        let lanes = KernelVariant::can_run_lanes(gpu.info(), device.features()).then_some(KernelVariant::Lanes);
        for variant in lanes.into_iter().chain([KernelVariant::Tiled]) {
            for key in KernelKey::all(&[8, 64]) {
                let compiled = compile(device, variant, key).expect("it compiles");
                let ran = warm_up.run(device, queue, key.kernel, &compiled);
                assert!(ran.is_ok(), "{key:?} {variant:?}: {ran:?}");
            }
        }
        let levels = Pipelines::compile_keys(device, gpu.variant(), &[Kernel::Downsample.into()]).expect("it compiles");
        let filled = fill_levels(device, queue, &levels);
        assert!(filled.is_ok(), "{filled:?}");
        gpu.wait().expect("none of them runs for ever");
    }
}
