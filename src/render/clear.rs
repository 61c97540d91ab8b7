//! Textures get a colour before anybody sees them; and pictures that were made on the processor.

use super::extract::{Queued, RenderSettings};
use crate::request::link::ReportSender;
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::RenderQueue;
use bevy::render::texture::GpuImage;

/// Fills all levels of new textures with the neutral colour, in the frame in which Bevy makes them.
pub fn clear_textures(
    mut queued: ResMut<Queued>,
    settings: Res<RenderSettings>,
    images: Res<RenderAssets<GpuImage>>,
    queue: Res<RenderQueue>,
) {
    if queued.clear.is_empty() {
        return;
    }
    let [red, green, blue] = settings.neutral;
    queued.clear.retain(|(image, colour)| {
        let Some(image) = images.get(*image) else { return true };
        let colour = colour.unwrap_or([red, green, blue, 255]);
        for level in 0..image.texture.mip_level_count() {
            let size = level_size(&image.texture, level);
            let pixels = colour.repeat((size.width * size.height) as usize);
            for layer in 0..image.texture.depth_or_array_layers() {
                write_layer(&queue, &image.texture, (layer, level), &pixels);
            }
        }
        false
    });
}

/// Uploads pictures that come with all their levels; a dispatch is not needed for them.
pub fn show_pictures(
    mut queued: ResMut<Queued>,
    images: Res<RenderAssets<GpuImage>>,
    queue: Res<RenderQueue>,
    sender: Res<ReportSender>,
) {
    if queued.shown.is_empty() {
        return;
    }
    for shown in queued.shown.extract_if(.., |shown| images.get(shown.image).is_some()) {
        let Some(image) = images.get(shown.image) else { continue };
        let mut rest = shown.levels.as_slice();
        for level in 0..image.texture.mip_level_count() {
            let size = level_size(&image.texture, level);
            // A picture of another size, of which the image was told meanwhile, is on its way.
            let Some((pixels, coarser)) = rest.split_at_checked(4 * (size.width * size.height) as usize) else { break };
            write_level(&queue, &image.texture, level, pixels);
            rest = coarser;
        }
        // The frame's own submission, and every later one, comes after it.
        shown.then.into_iter().for_each(|report| sender.send(report));
    }
}

/// Width and height of a mip level.
fn level_size(texture: &wgpu::Texture, level: u32) -> wgpu::Extent3d {
    let side = |side: u32| (side >> level).max(1);
    wgpu::Extent3d { width: side(texture.width()), height: side(texture.height()), depth_or_array_layers: 1 }
}

/// Uploads RGBA bytes into a level.
pub fn write_level(queue: &wgpu::Queue, texture: &wgpu::Texture, level: u32, pixels: &[u8]) {
    write_layer(queue, texture, (0, level), pixels);
}

fn write_layer(queue: &wgpu::Queue, texture: &wgpu::Texture, (layer, level): (u32, u32), pixels: &[u8]) {
    let size = level_size(texture, level);
    let origin = wgpu::Origin3d { z: layer, ..wgpu::Origin3d::ZERO };
    queue.write_texture(
        wgpu::TexelCopyTextureInfo { mip_level: level, origin, ..texture.as_image_copy() },
        pixels,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * size.width), rows_per_image: None },
        size,
    );
}
