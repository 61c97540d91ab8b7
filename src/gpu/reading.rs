//! Reading from a device without Bevy, which waits for it: for tools and tests.

use super::error::{GpuError, checked};
use super::headless::Gpu;

impl Gpu {
    /// The first bytes of a buffer, after all work submitted so far.
    ///
    /// # Errors
    /// A device that was lost.
    pub fn read(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, GpuError> {
        self.read_back(bytes, |encoder, target| encoder.copy_buffer_to_buffer(buffer, 0, target, 0, Some(bytes)))
    }

    /// RGB bytes of level 0 of a texture, after all work submitted so far.
    ///
    /// # Errors
    /// A device that was lost.
    pub fn read_texture(&self, texture: &wgpu::Texture) -> Result<Vec<u8>, GpuError> {
        self.read_level(texture, 0)
    }

    /// RGB bytes of a mip level of a texture, after all work submitted so far.
    ///
    /// # Errors
    /// A device that was lost.
    pub fn read_level(&self, texture: &wgpu::Texture, level: u32) -> Result<Vec<u8>, GpuError> {
        let (width, height) = ((texture.width() >> level).max(1), (texture.height() >> level).max(1));
        let row = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let bytes = self.read_back(u64::from(row * height), |encoder, target| {
            encoder.copy_texture_to_buffer(
                wgpu::TexelCopyTextureInfo { mip_level: level, ..texture.as_image_copy() },
                wgpu::TexelCopyBufferInfo {
                    buffer: target,
                    layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
                },
                wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            );
        })?;
        let rows = bytes.chunks_exact(row as usize);
        Ok(rows
            .flat_map(|row| row[..4 * width as usize].chunks_exact(4))
            .flat_map(|pixel| &pixel[..3])
            .copied()
            .collect())
    }

    fn read_back(
        &self,
        bytes: u64,
        copy: impl FnOnce(&mut wgpu::CommandEncoder, &wgpu::Buffer),
    ) -> Result<Vec<u8>, GpuError> {
        let make = || {
            let target = self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("discon readback"),
                size: bytes.next_multiple_of(4),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            copy(&mut encoder, &target);
            self.queue().submit([encoder.finish()]);
            target
        };
        let target = checked(self.device(), "reading back", make, GpuError::Device)?;
        let (sender, receiver) = std::sync::mpsc::channel();
        target.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only if this function failed before.
            let _ = sender.send(result);
        });
        self.wait()?;
        match receiver.recv() {
            Ok(Ok(())) => Ok(target.get_mapped_range(..bytes).to_vec()),
            Ok(Err(error)) => Err(GpuError::Device(error.to_string())),
            Err(error) => Err(GpuError::Device(error.to_string())),
        }
    }
}
