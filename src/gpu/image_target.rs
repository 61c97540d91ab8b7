//! From the pixels of a finished job to a texture with all mip levels.

use super::error::{GpuError, checked};
use super::job::JobSlot;
use super::kernel::Kernel;
use super::pipelines::{Compiled, Pipelines};
use super::recorder::ALIGNMENT;

/// Which picture of a batch is shown, in which layer of a texture, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImagePlace {
    /// Number of the texture in its batch.
    pub item: u32,
    /// Layer of the texture.
    pub layer: u32,
    /// Pixels at each side of the picture that are left out.
    pub border: u32,
}

/// Writes the picture of a slot into level 0 of a texture and fills the other levels.
#[derive(Debug)]
pub struct ImageTarget {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
    mips: MipChain,
    // Bind groups hold it; named so that its purpose is seen.
    _params: wgpu::Buffer,
}

impl ImageTarget {
    /// Binds a texture of format `Rgba8Unorm` and the size of the slot's picture, with usages `STORAGE_BINDING` and
    /// `TEXTURE_BINDING`. It is filled with sRGB-encoded colours, so it should be sampled through an sRGB view.
    ///
    /// # Errors
    /// A texture of another size, format or usage, or a recording without the picture.
    pub fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        slot: &JobSlot,
        texture: &wgpu::Texture,
    ) -> Result<Self, GpuError> {
        Self::at(device, pipelines, slot, texture, ImagePlace::default())
    }

    /// The same for one layer of a texture, which has the size of the picture without its border.
    ///
    /// # Errors
    /// See [`ImageTarget::new`]; a layer that the texture does not have.
    pub fn at(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        slot: &JobSlot,
        texture: &wgpu::Texture,
        place: ImagePlace,
    ) -> Result<Self, GpuError> {
        let picture = slot.recording().picture;
        let pixels = picture.and_then(|(pixels, grid)| Some((slot.buffer_of(&pixels)?, grid)));
        let (pixels, grid) = pixels.ok_or_else(|| GpuError::Device("the recording has no picture".into()))?;
        let ImagePlace { item, layer, border } = place;
        let inner = |side: usize| (side as u32).saturating_sub(2 * border);
        let size = (inner(grid.width), inner(grid.height));
        check(texture, Some(size))?;
        if item as usize >= grid.items {
            return Err(GpuError::Device(format!("there is no picture {item} in a batch of {}", grid.items)));
        }
        // Pictures lie one below the other.
        let top = item * grid.height as u32 + border;
        let compiled = pipelines.get(Kernel::WriteImage.into())?;
        let make = || {
            let params = uniform(device, &[[size.0, size.1, grid.width as u32, border, top]]);
            let view = level_view(texture, (layer, 0), wgpu::TextureUsages::STORAGE_BINDING);
            let resources = [pixels.as_entire_binding(), wgpu::BindingResource::TextureView(&view)];
            (bind(device, compiled, &params, 0, resources), params)
        };
        let (bind_group, params) = checked(device, "the target of a picture", make, GpuError::Device)?;
        Ok(Self {
            pipeline: compiled.pipeline.clone(),
            bind_group,
            workgroups: [size.0.div_ceil(8), size.1.div_ceil(8)],
            mips: MipChain::of_layer(device, pipelines, texture, layer)?,
            _params: params,
        })
    }

    /// Writes the picture and all mip levels; after the last dispatch of the job.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
        self.mips.encode(pass);
    }
}

/// What one level of a texture binds, and its workgroups along x and y.
pub(super) type Level = (wgpu::BindGroup, [u32; 2]);

/// Fills the mip levels of a texture from its level 0, averaging in linear light.
#[derive(Debug)]
pub struct MipChain {
    pipeline: wgpu::ComputePipeline,
    levels: Vec<Level>,
}

impl MipChain {
    /// Binds a texture of format `Rgba8Unorm` that holds sRGB-encoded colours, with usages `STORAGE_BINDING` and
    /// `TEXTURE_BINDING`.
    ///
    /// # Errors
    /// A texture of another format or usage.
    pub fn new(device: &wgpu::Device, pipelines: &Pipelines, texture: &wgpu::Texture) -> Result<Self, GpuError> {
        Self::of_layer(device, pipelines, texture, 0)
    }

    /// The same for one layer of a texture.
    ///
    /// # Errors
    /// See [`MipChain::new`]; a layer that the texture does not have.
    pub fn of_layer(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        texture: &wgpu::Texture,
        layer: u32,
    ) -> Result<Self, GpuError> {
        check(texture, None)?;
        let compiled = pipelines.get(Kernel::Downsample.into())?;
        let make = || {
            let sizes: Vec<[u32; 2]> = (1..texture.mip_level_count())
                .map(|level| [(texture.width() >> level).max(1), (texture.height() >> level).max(1)])
                .collect();
            let params = uniform(device, &sizes);
            let bind_level = |(index, [width, height]): (usize, &[u32; 2])| {
                let finer = level_view(texture, (layer, index as u32), wgpu::TextureUsages::TEXTURE_BINDING);
                let coarser = level_view(texture, (layer, index as u32 + 1), wgpu::TextureUsages::STORAGE_BINDING);
                let resources =
                    [wgpu::BindingResource::TextureView(&finer), wgpu::BindingResource::TextureView(&coarser)];
                (bind(device, compiled, &params, index, resources), [width.div_ceil(8), height.div_ceil(8)])
            };
            sizes.iter().enumerate().map(bind_level).collect()
        };
        let levels = checked(device, "the levels of a texture", make, GpuError::Device)?;
        Ok(Self { pipeline: compiled.pipeline.clone(), levels })
    }

    /// Fills all levels below 0.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        for (bind_group, [x, y]) in &self.levels {
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
    }
}

pub(super) fn check(texture: &wgpu::Texture, size: Option<(u32, u32)>) -> Result<(), GpuError> {
    let usages = wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::TEXTURE_BINDING;
    let found = (texture.width(), texture.height());
    let fits = texture.format() == wgpu::TextureFormat::Rgba8Unorm
        && texture.usage().contains(usages)
        && size.is_none_or(|size| size == found);
    if fits {
        return Ok(());
    }
    let (width, height) = size.unwrap_or(found);
    Err(GpuError::Texture {
        found: format!("{}x{} {:?} with {:?}", found.0, found.1, texture.format(), texture.usage()),
        expected: format!("{width}x{height} Rgba8Unorm with {usages:?}"),
    })
}

/// One level of one layer.
pub(super) fn level_view(
    texture: &wgpu::Texture,
    (layer, level): (u32, u32),
    usage: wgpu::TextureUsages,
) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor {
        label: Some("discon mip level"),
        format: Some(wgpu::TextureFormat::Rgba8Unorm),
        usage: Some(usage),
        base_mip_level: level,
        mip_level_count: Some(1),
        dimension: Some(wgpu::TextureViewDimension::D2),
        base_array_layer: layer,
        array_layer_count: Some(1),
        ..Default::default()
    })
}

/// Blocks of parameters.
pub(super) fn uniform<const N: usize>(device: &wgpu::Device, blocks: &[[u32; N]]) -> wgpu::Buffer {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("discon image params"),
        size: (ALIGNMENT * blocks.len().max(1)) as u64,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: true,
    });
    for (index, block) in blocks.iter().enumerate() {
        let start = (ALIGNMENT * index) as u64;
        buffer.get_mapped_range_mut(start..start + 4 * N as u64).copy_from_slice(bytemuck::cast_slice(block));
    }
    buffer.unmap();
    buffer
}

pub(super) fn bind(
    device: &wgpu::Device,
    compiled: &Compiled,
    params: &wgpu::Buffer,
    block: usize,
    resources: [wgpu::BindingResource<'_>; 2],
) -> wgpu::BindGroup {
    let offset = (ALIGNMENT * block) as u64;
    let params = wgpu::BufferBinding { buffer: params, offset, size: wgpu::BufferSize::new(ALIGNMENT as u64) };
    let [first, second] = resources;
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("discon image"),
        layout: &compiled.layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(params) },
            wgpu::BindGroupEntry { binding: 1, resource: first },
            wgpu::BindGroupEntry { binding: 2, resource: second },
        ],
    })
}
