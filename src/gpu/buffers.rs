//! The buffers of a job slot.

use super::recorder::ALIGNMENT;
use super::recording::{PARAM_WORDS, Recording, STATE_BUFFERS};
use crate::sampling::ItemInputs;

/// All buffers that one job at a time runs in.
#[derive(Debug)]
pub struct Buffers {
    pub pool: Vec<wgpu::Buffer>,
    pub state: [wgpu::Buffer; STATE_BUFFERS],
    pub constants: wgpu::Buffer,
    pub params: wgpu::Buffer,
    pub unused: wgpu::Buffer,
}

/// `Item` of `shaders/lib/rng.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ItemWords {
    token_seed: [u32; 2],
    latent_seed: [u32; 2],
    guidance: f32,
    token_temperature: f32,
    latent_temperature: f32,
    padding: f32,
}

impl From<&ItemInputs> for ItemWords {
    fn from(item: &ItemInputs) -> Self {
        let words = |seed: u64| [seed as u32, (seed >> 32) as u32];
        Self {
            token_seed: words(item.token_seed),
            latent_seed: words(item.latent_seed),
            guidance: item.guidance,
            token_temperature: item.token_temperature,
            latent_temperature: item.latent_temperature,
            padding: 0.0,
        }
    }
}

impl Buffers {
    /// Makes the buffers, with the state of `shared` if given. [`Buffers::fill`] has to follow.
    pub fn new(device: &wgpu::Device, recording: &Recording, shared: Option<&Self>) -> Self {
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let buffer = |label: &str, bytes: u64, usage: Usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes.next_multiple_of(ALIGNMENT as u64).max(ALIGNMENT as u64),
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            pool: recording.pool.iter().map(|bytes| buffer("discon activation", *bytes, storage)).collect(),
            state: std::array::from_fn(|index| match shared {
                Some(shared) => shared.state[index].clone(),
                None => buffer("discon state", recording.state_bytes[index], storage),
            }),
            constants: buffer("discon constants", recording.constants.len() as u64, Usage::STORAGE | Usage::COPY_DST),
            params: buffer(
                "discon params",
                (ALIGNMENT * recording.params.len()) as u64,
                Usage::UNIFORM | Usage::COPY_DST,
            ),
            unused: buffer("discon unused", ALIGNMENT as u64, Usage::STORAGE),
        }
    }

    /// Writes what never changes. Only into sound buffers: wgpu gives the device up if it has no memory for what is on
    /// its way.
    pub fn fill(&self, queue: &wgpu::Queue, recording: &Recording) {
        let mut params = vec![0u8; ALIGNMENT * recording.params.len()];
        for (block, words) in params.chunks_exact_mut(ALIGNMENT).zip(&recording.params) {
            block[..4 * PARAM_WORDS].copy_from_slice(bytemuck::cast_slice(words));
        }
        // Copies are of whole words.
        let mut constants = recording.constants.clone();
        constants.resize(constants.len().next_multiple_of(4), 0);
        queue.write_buffer(&self.constants, 0, &constants);
        queue.write_buffer(&self.params, 0, &params);
    }
}
