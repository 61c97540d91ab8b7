//! Parameters on the device.
//!
//! A matrix `(K, N)` is packed for both variants of the product kernels as u32 words `[N / 16][K / 2][8][2]`: a word
//! holds two halves, terms `k` and `k + 1` of one column, and eight lanes of two columns lie together. Rows are padded
//! to a multiple of 8 and columns to a multiple of 16 with zeros, so that no kernel has to test for the end of a sum.

use super::error::{GpuError, checked};
use super::kernel::BLOCK_COLUMNS;
use super::recorder::ALIGNMENT;
use crate::model::{Model, ParamId, ParamSpec, Role};
use half::f16;

/// Largest buffer that is made: what WebGPU lets every device bind.
const MAX_BUFFER_BYTES: u64 = 128 << 20;
/// Bytes that are submitted at once: the frame of a game that is drawn meanwhile waits for some of these, not for all weights.
const UPLOAD_BYTES: usize = 1 << 20;
/// What memory is needed for.
const WEIGHTS: &str = "the weights of the model";

/// All parameters of a model that kernels read.
#[derive(Debug)]
pub struct GpuWeights {
    /// The queue of their device.
    queue: wgpu::Queue,
    buffers: Vec<wgpu::Buffer>,
    /// Buffer, offset and size of each parameter; `None` for those that only the host reads.
    places: Vec<Option<(usize, u64, u64)>>,
}

impl GpuWeights {
    /// Packs and uploads the parameters of a model.
    ///
    /// # Errors
    /// A parameter that is larger than the device can bind, or a device without enough memory.
    pub fn upload(device: &wgpu::Device, queue: &wgpu::Queue, model: &Model) -> Result<Self, GpuError> {
        let limits = device.limits();
        let limit = MAX_BUFFER_BYTES.min(limits.max_buffer_size).min(limits.max_storage_buffer_binding_size);
        let mut contents: Vec<Vec<u8>> = vec![Vec::new()];
        let mut places = Vec::with_capacity(model.table.len());
        for (id, spec) in model.table.iter() {
            if spec.role == Role::Host {
                places.push(None);
                continue;
            }
            let bytes = pack(spec, model.weights.get(id));
            let size = bytes.len() as u64;
            if size > limit {
                return Err(GpuError::TooLarge { what: format!("parameter `{}`", spec.name), bytes: size, limit });
            }
            let last = contents.len() - 1;
            let start = contents[last].len().next_multiple_of(ALIGNMENT);
            let (buffer, start) = if start as u64 + size > limit { (last + 1, 0) } else { (last, start) };
            contents.resize_with(buffer + 1, Vec::new);
            contents[buffer].resize(start, 0);
            contents[buffer].extend_from_slice(&bytes);
            places.push(Some((buffer, start as u64, size)));
        }
        let make = || contents.iter().map(|bytes| buffer(device, bytes.len())).collect();
        let buffers: Vec<wgpu::Buffer> = checked(device, WEIGHTS, make, GpuError::Device)?;
        // Only into sound buffers: wgpu gives the device up if it has no memory for what is on its way.
        for (buffer, bytes) in buffers.iter().zip(&contents) {
            for (number, part) in bytes.chunks(UPLOAD_BYTES).enumerate() {
                if number > 0 {
                    pause();
                }
                let upload = || {
                    queue.write_buffer(buffer, (number * UPLOAD_BYTES) as u64, part);
                    queue.submit([]);
                };
                checked(device, WEIGHTS, upload, GpuError::Device)?;
            }
        }
        Ok(Self { queue: queue.clone(), buffers, places })
    }

    /// The queue of their device.
    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(wgpu::Buffer::size).sum()
    }

    pub(super) fn binding(&self, id: ParamId) -> Option<wgpu::BufferBinding<'_>> {
        let (buffer, offset, size) = (*self.places.get(id.0)?)?;
        Some(wgpu::BufferBinding { buffer: &self.buffers[buffer], offset, size: wgpu::BufferSize::new(size) })
    }
}

/// Lets others submit between two parts; uploads run on task threads.
fn pause() {
    // There a thread cannot sleep.
    #[cfg(not(target_arch = "wasm32"))]
    std::thread::sleep(std::time::Duration::from_millis(2));
}

fn buffer(device: &wgpu::Device, bytes: usize) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("discon weights"),
        size: bytes.max(ALIGNMENT) as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// A parameter as kernels read it.
fn pack(spec: &ParamSpec, values: &[f32]) -> Vec<u8> {
    let words: Vec<u32> = match spec.role {
        Role::Matrix => pack_matrix(values, spec.shape),
        Role::Table => values.chunks(2).map(|pair| halves(pair[0], pair.get(1).copied().unwrap_or(0.0))).collect(),
        Role::Vector | Role::Host => values.iter().map(|value| value.to_bits()).collect(),
    };
    bytemuck::cast_slice(&words).to_vec()
}

fn halves(low: f32, high: f32) -> u32 {
    u32::from(f16::from_f32(low).to_bits()) | u32::from(f16::from_f32(high).to_bits()) << 16
}

fn pack_matrix(values: &[f32], [terms, columns]: [usize; 2]) -> Vec<u32> {
    let value = |term: usize, column: usize| {
        if term < terms && column < columns { values[term * columns + column] } else { 0.0 }
    };
    let (pairs, blocks) = (terms.next_multiple_of(8) / 2, columns.div_ceil(BLOCK_COLUMNS));
    let mut words = Vec::with_capacity(blocks * pairs * BLOCK_COLUMNS);
    for block in 0..blocks {
        for pair in 0..pairs {
            for within in 0..BLOCK_COLUMNS {
                let column = block * BLOCK_COLUMNS + within;
                words.push(halves(value(2 * pair, column), value(2 * pair + 1, column)));
            }
        }
    }
    words
}
