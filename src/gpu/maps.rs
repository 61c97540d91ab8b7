//! Maps of a material, derived from a finished picture.

use super::error::{GpuError, checked};
use super::image_target::{Level, bind, check, level_view, uniform};
use super::kernel::Kernel;
use super::pipelines::Pipelines;
use crate::model::Wrap;
use crate::sampling::maps::{MapKind, MapRules};

/// Derives one map of a picture, with all mip levels.
#[derive(Debug)]
pub struct MapTarget {
    derive: wgpu::ComputePipeline,
    downsample: wgpu::ComputePipeline,
    levels: Vec<Level>,
    /// Width and height of the map.
    size: (u32, u32),
}

impl MapTarget {
    /// Binds a picture and the texture of its map, both of format `Rgba8Unorm` and of equal size, with usages
    /// `STORAGE_BINDING` and `TEXTURE_BINDING`. The picture holds sRGB-encoded colours.
    ///
    /// # Errors
    /// Textures of other formats or usages, or of different sizes.
    pub fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        picture: &wgpu::Texture,
        map: &wgpu::Texture,
        kind: MapKind,
        rules: &MapRules,
        wrap: Wrap,
    ) -> Result<Self, GpuError> {
        let size = (picture.width(), picture.height());
        check(picture, None)?;
        check(map, Some(size))?;
        let derive = pipelines.get(kernel(kind).into())?;
        let downsample = pipelines.get(Kernel::DownsampleMap.into())?;
        let make = || {
            let mut blocks = vec![derive_params(size, &rules.clamped(), wrap)];
            let sizes = (0..map.mip_level_count()).map(|level| ((size.0 >> level).max(1), (size.1 >> level).max(1)));
            let sizes: Vec<(u32, u32)> = sizes.collect();
            blocks.extend(sizes.iter().skip(1).map(|(width, height)| {
                let mut block = [0; 10];
                block[..3].copy_from_slice(&[*width, *height, u32::from(kind == MapKind::Normal)]);
                block
            }));
            let params = uniform(device, &blocks);
            let bind_level = |(index, (width, height)): (usize, &(u32, u32))| {
                let (compiled, source, level) =
                    if index == 0 { (derive, picture, 0) } else { (downsample, map, index as u32 - 1) };
                let source = level_view(source, (0, level), wgpu::TextureUsages::TEXTURE_BINDING);
                let target = level_view(map, (0, index as u32), wgpu::TextureUsages::STORAGE_BINDING);
                let views = [wgpu::BindingResource::TextureView(&source), wgpu::BindingResource::TextureView(&target)];
                (bind(device, compiled, &params, index, views), [width.div_ceil(8), height.div_ceil(8)])
            };
            sizes.iter().enumerate().map(bind_level).collect()
        };
        let levels = checked(device, "the levels of a map", make, GpuError::Device)?;
        Ok(Self { derive: derive.pipeline.clone(), downsample: downsample.pipeline.clone(), levels, size })
    }

    /// Writes the map and all mip levels.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        for (index, (bind_group, [x, y])) in self.levels.iter().enumerate() {
            pass.set_pipeline(if index == 0 { &self.derive } else { &self.downsample });
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
    }

    /// Width and height of the map.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }
}

fn kernel(kind: MapKind) -> Kernel {
    match kind {
        MapKind::Normal => Kernel::DeriveNormal,
        MapKind::OcclusionRoughnessMetallic => Kernel::DeriveOrm,
        MapKind::Height => Kernel::DeriveHeight,
    }
}

/// In the order of `Params` in the shaders.
fn derive_params((width, height): (u32, u32), rules: &MapRules, wrap: Wrap) -> [u32; 10] {
    let MapRules { relief, occlusion, roughness, wear, metallic } = rules;
    let [relief, occlusion, roughness, wear, metallic] =
        [relief, occlusion, roughness, wear, metallic].map(|value| value.to_bits());
    let radius = MapRules::radius(width);
    [width, height, wrap.x.into(), wrap.y.into(), relief, occlusion, roughness, wear, metallic, radius]
}
