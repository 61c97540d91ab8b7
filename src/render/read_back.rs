//! Finished pictures on their way to the disk cache, and tokens to those who asked. Nothing waits for them.

use crate::cache::DiskFile;
use crate::gpu::{GpuError, checked};
use crate::request::DiskCacheFailed;
use crate::request::link::{Report, ReportSender, Ticket};
use bevy::log::debug;
use bevy::tasks::IoTaskPool;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A copy of a picture that the GPU has been told to make.
pub struct PictureReadBack {
    buffer: wgpu::Buffer,
    row: u32,
    file: DiskFile,
}

/// Copies that are on their way, for the node to know that the device has to be polled.
static PENDING: AtomicUsize = AtomicUsize::new(0);

/// True while a copy is on its way.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed) > 0
}

impl PictureReadBack {
    /// Copies level 0 of a texture into a buffer.
    ///
    /// # Errors
    /// A device without enough memory.
    pub fn record(
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        texture: &wgpu::Texture,
        file: DiskFile,
    ) -> Result<Self, GpuError> {
        let (width, height) = (texture.width(), texture.height());
        let row = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = buffer(device, "discon disk cache", u64::from(row) * u64::from(height))?;
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
        Ok(Self { buffer, row, file })
    }

    /// After the submission: writes the file on a task thread as soon as the copy is done.
    pub fn submitted(self, sender: ReportSender) {
        PENDING.fetch_add(1, Ordering::Relaxed);
        let buffer = self.buffer.clone();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            PENDING.fetch_sub(1, Ordering::Relaxed);
            // Fails when the device was lost; the texture is generated again then.
            if result.is_ok() {
                IoTaskPool::get().spawn(async move { self.store(&sender) }).detach();
            }
        });
    }

    fn store(&self, sender: &ReportSender) {
        let used = 4 * self.file.size.0 as usize;
        let mapped = self.buffer.get_mapped_range(..);
        let pixels: Vec<u8> = mapped.chunks_exact(self.row as usize).flat_map(|row| &row[..used]).copied().collect();
        drop(mapped);
        match self.file.write(&pixels) {
            Ok(()) => debug!("texture {} is in the disk cache", self.file.key),
            Err(error) => {
                let folder = self.file.folder.clone();
                sender.send(Report::NotCached(DiskCacheFailed { folder, reason: error.to_string() }));
            }
        }
    }
}

/// A buffer that the processor can read.
fn buffer(device: &wgpu::Device, label: &str, size: u64) -> Result<wgpu::Buffer, GpuError> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    checked(device, label, || device.create_buffer(&descriptor), GpuError::Device)
}

/// A copy of the tokens of a texture that the GPU has been told to make.
pub struct TokenReadBack {
    buffer: wgpu::Buffer,
    ticket: Ticket,
}

impl TokenReadBack {
    /// Copies the tokens in a range of bytes into a buffer.
    ///
    /// # Errors
    /// A device without enough memory.
    pub fn record(
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        tokens: &wgpu::Buffer,
        range: Range<u64>,
        ticket: Ticket,
    ) -> Result<Self, GpuError> {
        let bytes = range.end - range.start;
        let buffer = buffer(device, "discon tokens", bytes)?;
        encoder.copy_buffer_to_buffer(tokens, range.start, &buffer, 0, Some(bytes));
        Ok(Self { buffer, ticket })
    }

    /// After the submission: reports the tokens as soon as the copy is done.
    pub fn submitted(self, sender: ReportSender) {
        PENDING.fetch_add(1, Ordering::Relaxed);
        let buffer = self.buffer.clone();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            PENDING.fetch_sub(1, Ordering::Relaxed);
            // Fails when the device was lost; the main world asks again then.
            if result.is_ok() {
                let words: Vec<u32> = bytemuck::pod_collect_to_vec(&self.buffer.get_mapped_range(..));
                // No codebook has more than 2^16 entries.
                sender.send(Report::Tokens(self.ticket, words.iter().map(|word| *word as u16).collect()));
            }
        });
    }
}
