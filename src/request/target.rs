//! The final texture, allocated when it is asked for.

use crate::sampling::MapKind;
use crate::sampling::recipe::SIZE_RANGE;
use bevy::asset::RenderAssetUsages;
use bevy::image::{ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::prelude::*;
use bevy::render::render_resource::{
    Extent3d, TextureDimension, TextureFormat, TextureUsages, TextureViewDescriptor, TextureViewDimension,
};

/// An image without content that the generator can fill: sampled as sRGB, written as bytes, with all mip levels,
/// repeating. A size that no recipe may have is moved into range; such a recipe fails later, with a reason.
///
/// The image lives on the GPU alone and has no data in the main world, so that it survives `Assets::get_mut` and
/// a new graphics device: Bevy makes or keeps the texture, and the generator fills it.
pub fn target_image((width, height): (u32, u32)) -> Image {
    let within = |side: u32| side.clamp(*SIZE_RANGE.start(), *SIZE_RANGE.end()).next_multiple_of(16);
    let size = Extent3d { width: within(width), height: within(height), depth_or_array_layers: 1 };
    let mut image =
        Image::new_uninit(size, TextureDimension::D2, TextureFormat::Rgba8Unorm, RenderAssetUsages::RENDER_WORLD);
    let descriptor = &mut image.texture_descriptor;
    descriptor.mip_level_count = mip_levels(size.width, size.height);
    // Storage textures cannot be sRGB, so kernels write encoded colours and materials read through an sRGB view.
    descriptor.view_formats = &[TextureFormat::Rgba8UnormSrgb];
    descriptor.usage = TextureUsages::TEXTURE_BINDING
        | TextureUsages::STORAGE_BINDING
        | TextureUsages::COPY_SRC
        | TextureUsages::COPY_DST;
    image.texture_view_descriptor = Some(TextureViewDescriptor {
        label: Some("discon texture"),
        format: Some(TextureFormat::Rgba8UnormSrgb),
        // Without it the view would inherit a usage that sRGB formats do not have.
        usage: Some(TextureUsages::TEXTURE_BINDING),
        ..default()
    });
    image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
        label: Some("discon texture".into()),
        address_mode_u: ImageAddressMode::Repeat,
        address_mode_v: ImageAddressMode::Repeat,
        mag_filter: ImageFilterMode::Linear,
        min_filter: ImageFilterMode::Linear,
        mipmap_filter: ImageFilterMode::Linear,
        anisotropy_clamp: 16,
        ..default()
    });
    image
}

/// An image for a map that is derived from a texture of this size: numbers, not colours, else as [`target_image`].
pub fn map_image(size: (u32, u32), kind: MapKind) -> Image {
    let mut image = target_image(size);
    image.texture_descriptor.view_formats = &[];
    let label = match kind {
        MapKind::Normal => "discon derived normal map",
        MapKind::OcclusionRoughnessMetallic => "discon derived occlusion, roughness and metallic",
        MapKind::Height => "discon derived height map",
    };
    image.texture_view_descriptor =
        Some(TextureViewDescriptor { label: Some(label), usage: Some(TextureUsages::TEXTURE_BINDING), ..default() });
    image
}

/// An array of such textures, clamped at the borders: what continues a layer is another layer.
pub fn layered_image(size: (u32, u32), layers: u32) -> Image {
    let mut image = target_image(size);
    image.texture_descriptor.size.depth_or_array_layers = layers;
    if let Some(view) = &mut image.texture_view_descriptor {
        view.label = Some("discon layers");
        view.dimension = Some(TextureViewDimension::D2Array);
    }
    if let ImageSampler::Descriptor(sampler) = &mut image.sampler {
        (sampler.address_mode_u, sampler.address_mode_v) =
            (ImageAddressMode::ClampToEdge, ImageAddressMode::ClampToEdge);
    }
    image
}

/// A table of whole numbers for shaders, zero at first.
pub fn lookup_image((width, height): (u32, u32), format: TextureFormat) -> Image {
    let size = Extent3d { width, height, depth_or_array_layers: 1 };
    let mut image = Image::new_uninit(size, TextureDimension::D2, format, RenderAssetUsages::RENDER_WORLD);
    image.texture_descriptor.usage = TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST | TextureUsages::COPY_SRC;
    image.sampler = ImageSampler::nearest();
    image
}

/// Levels down to 1x1.
pub fn mip_levels(width: u32, height: u32) -> u32 {
    u32::BITS - width.max(height).leading_zeros()
}

/// Bytes of a target with all levels, about.
pub fn texture_bytes((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height) * 16 / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textures_and_maps_repeat_with_all_levels_and_anisotropy() {
        let kinds = [MapKind::Normal, MapKind::OcclusionRoughnessMetallic, MapKind::Height];
        let maps = kinds.map(|kind| map_image((256, 256), kind));
        for image in maps.into_iter().chain([target_image((256, 256))]) {
            let ImageSampler::Descriptor(sampler) = &image.sampler else { panic!("{:?}", image.sampler) };
            let repeat = ImageAddressMode::Repeat;
            assert_eq!((sampler.address_mode_u, sampler.address_mode_v), (repeat, repeat), "seamless textures repeat");
            let filters = [sampler.mag_filter, sampler.min_filter, sampler.mipmap_filter];
            // Devices take anisotropy only where all three are linear.
            assert_eq!(filters, [ImageFilterMode::Linear; 3]);
            assert_eq!(sampler.anisotropy_clamp, 16);
            assert_eq!(image.texture_descriptor.mip_level_count, 9);
        }
    }

    #[test]
    fn targets_have_all_levels_and_a_legal_size() {
        for (asked, size, levels) in [
            ((256, 256), (256, 256), 9),
            ((1024, 64), (1024, 64), 11),
            ((0, 70), (64, 80), 7),
            ((100_000, 65), (1024, 80), 11),
        ] {
            let image = target_image(asked);
            assert_eq!((image.width(), image.height()), size, "{asked:?}");
            assert_eq!(image.texture_descriptor.mip_level_count, levels, "{asked:?}");
            assert!(image.data.is_none(), "nothing is kept in the main world");
        }
    }
}
