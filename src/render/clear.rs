//! Textures get a colour before anybody sees them; and pictures that were made on the processor.

use super::extract::{Queued, RenderSettings};
use crate::gpu::{GpuError, checked};
use crate::request::link::ReportSender;
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::texture::GpuImage;

/// Bytes of a colour that lie ready on the device: level 0 of a default texture. A larger level takes several copies.
const COLOUR_BYTES: u32 = 4 << 16;
/// Colours that lie ready: the neutral one, and those of the three maps.
const MAX_COLOURS: usize = 4;

/// Buffers full of one colour, the last used last: the device copies them into textures, and nothing is uploaded.
#[derive(Resource, Default)]
pub struct Colours(Vec<([u8; 4], wgpu::Buffer)>);

impl Colours {
    fn get(&mut self, device: &wgpu::Device, colour: [u8; 4]) -> Result<&wgpu::Buffer, GpuError> {
        match self.0.iter().position(|(known, _)| *known == colour) {
            Some(at) => self.0[at..].rotate_left(1),
            None => {
                let buffer = checked(device, "a colour", || full_of(device, colour), GpuError::Device)?;
                let surplus = (self.0.len() + 1).saturating_sub(MAX_COLOURS);
                self.0.drain(..surplus);
                self.0.push((colour, buffer));
            }
        }
        let last = self.0.last().map(|(_, buffer)| buffer);
        last.ok_or_else(|| GpuError::Device("a colour was not made".into()))
    }
}

fn full_of(device: &wgpu::Device, colour: [u8; 4]) -> wgpu::Buffer {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("discon colour"),
        size: COLOUR_BYTES.into(),
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    buffer.get_mapped_range_mut(..).copy_from_slice(&colour.repeat(COLOUR_BYTES as usize / 4));
    buffer.unmap();
    buffer
}

/// Fills all levels of new textures with the neutral colour, in the frame in which Bevy makes them.
pub fn clear_textures(
    mut queued: ResMut<Queued>,
    mut colours: ResMut<Colours>,
    settings: Res<RenderSettings>,
    images: Res<RenderAssets<GpuImage>>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
) {
    if !queued.clear.iter().any(|(image, _)| images.get(*image).is_some()) {
        return;
    }
    let device = device.wgpu_device();
    let [red, green, blue] = settings.neutral;
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("discon colour") });
    queued.clear.retain(|(image, colour)| {
        let Some(image) = images.get(*image) else { return true };
        match colours.get(device, colour.unwrap_or([red, green, blue, 255])) {
            Ok(colour) => fill(&mut encoder, &image.texture, colour),
            // It stays black until its picture comes.
            Err(error) => debug!("{error}"),
        }
        false
    });
    queue.submit([encoder.finish()]);
}

/// Copies a colour into all levels and layers.
fn fill(encoder: &mut wgpu::CommandEncoder, texture: &wgpu::Texture, colour: &wgpu::Buffer) {
    for level in 0..texture.mip_level_count() {
        let size = level_size(texture, level);
        let row = (4 * size.width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let rows = (COLOUR_BYTES / row).clamp(1, size.height);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        for layer in 0..texture.depth_or_array_layers() {
            for top in (0..size.height).step_by(rows as usize) {
                encoder.copy_buffer_to_texture(
                    wgpu::TexelCopyBufferInfo { buffer: colour, layout },
                    wgpu::TexelCopyTextureInfo {
                        mip_level: level,
                        origin: wgpu::Origin3d { x: 0, y: top, z: layer },
                        ..texture.as_image_copy()
                    },
                    wgpu::Extent3d { height: rows.min(size.height - top), ..size },
                );
            }
        }
    }
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
    let size = level_size(texture, level);
    queue.write_texture(
        wgpu::TexelCopyTextureInfo { mip_level: level, ..texture.as_image_copy() },
        pixels,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * size.width), rows_per_image: None },
        size,
    );
}
