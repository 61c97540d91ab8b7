//! Tokens and latents that outlive a run, on the device: copied into the state of a slot before it runs, and out of it
//! afterwards. Nothing is read back.

use super::error::{GpuError, checked};
use super::job::JobSlot;
use super::recording::StateBuffer;
use crate::model::ModelConfig;
use crate::sampling::Span;

/// Pages of equal size.
#[derive(Clone, Debug)]
pub struct GpuPages {
    /// For each part of the state: the buffer, and the bytes of a position.
    parts: [(StateBuffer, wgpu::Buffer, u64); 2],
    /// Positions of a page.
    positions: u64,
}

impl GpuPages {
    /// Bytes of pages on a device.
    pub fn bytes_of(config: &ModelConfig, pages: usize, positions: usize) -> u64 {
        4 * (config.context_width() as u64 + 1) * pages as u64 * positions as u64
    }

    /// Makes `pages` pages of `positions` positions each.
    ///
    /// # Errors
    /// A device without enough memory, or whose buffers are smaller.
    pub fn new(device: &wgpu::Device, config: &ModelConfig, pages: usize, positions: usize) -> Result<Self, GpuError> {
        let of_position = [(StateBuffer::Tokens, 4), (StateBuffer::Context, 4 * config.context_width() as u64)];
        let limit = device.limits().max_buffer_size;
        let size = |bytes: u64| bytes * pages as u64 * positions as u64;
        if let Some((_, bytes)) = of_position.into_iter().find(|(_, bytes)| size(*bytes) > limit) {
            return Err(GpuError::TooLarge { what: "the kept latents".into(), bytes: size(bytes), limit });
        }
        let make = |(state, bytes)| {
            let descriptor = wgpu::BufferDescriptor {
                label: Some("discon pages"),
                size: size(bytes),
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            (state, device.create_buffer(&descriptor), bytes)
        };
        let parts = checked(device, "kept tokens and latents", || of_position.map(make), GpuError::Device)?;
        Ok(Self { parts, positions: positions as u64 })
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|(_, buffer, _)| buffer.size()).sum()
    }

    /// Copies what a job is given into its slot: after [`JobSlot::start`], before its first dispatch.
    pub fn give(&self, encoder: &mut wgpu::CommandEncoder, slot: &JobSlot, given: &[Span]) {
        for (state, buffer, bytes) in &self.parts {
            for span in given {
                let (at, place, count) = self.stretch(span, *bytes);
                encoder.copy_buffer_to_buffer(buffer, at, slot.state(*state), place, Some(count));
            }
        }
    }

    /// Copies what is kept of a job out of its slot: after its last dispatch.
    pub fn keep(&self, encoder: &mut wgpu::CommandEncoder, slot: &JobSlot, kept: &[Span]) {
        for (state, buffer, bytes) in &self.parts {
            for span in kept {
                let (at, place, count) = self.stretch(span, *bytes);
                encoder.copy_buffer_to_buffer(slot.state(*state), place, buffer, at, Some(count));
            }
        }
    }

    /// First byte in the page's buffer, first byte in the slot's, and number of bytes.
    fn stretch(&self, span: &Span, bytes: u64) -> (u64, u64, u64) {
        let at = u64::from(span.page) * self.positions + u64::from(span.at);
        (bytes * at, bytes * u64::from(span.place), bytes * u64::from(span.count))
    }
}
