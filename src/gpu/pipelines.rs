//! Compiled kernels.

use super::error::{GpuError, checked};
use super::kernel::{Binding, Kernel, KernelKey, KernelVariant};
use super::warm_up::{self, WarmUp};
use crate::model::{HeadMixing, ModelConfig};
use std::collections::BTreeMap;

/// All kernels that a model needs, compiled for one device.
///
/// Compilation takes some tenths of a second on a software rasteriser, so programs with frames do it on another thread.
#[derive(Debug)]
pub struct Pipelines {
    variant: KernelVariant,
    compiled: BTreeMap<KernelKey, Compiled>,
}

/// A compiled kernel and the layout of its bind group 0.
#[derive(Debug)]
pub(super) struct Compiled {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Pipelines {
    /// Compiles every kernel that a model of this size records.
    ///
    /// # Errors
    /// The first kernel that the device refuses.
    pub fn compile(device: &wgpu::Device, variant: KernelVariant, config: &ModelConfig) -> Result<Self, GpuError> {
        Self::compile_keys(device, variant, &keys(config))
    }

    /// The same, and runs each kernel once on nothing: some drivers finish a kernel when it first runs.
    ///
    /// # Errors
    /// See [`Pipelines::compile`].
    pub fn compile_and_try(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        variant: KernelVariant,
        config: &ModelConfig,
    ) -> Result<Self, GpuError> {
        Self::try_keys(device, queue, variant, &keys(config))
    }

    /// The only kernel of [`MipChain`](super::MipChain), which needs no model, tried on all levels of a small texture.
    ///
    /// # Errors
    /// See [`Pipelines::compile`].
    pub fn for_levels(device: &wgpu::Device, queue: &wgpu::Queue, variant: KernelVariant) -> Result<Self, GpuError> {
        let levels = Self::compile_keys(device, variant, &[Kernel::Downsample.into()])?;
        // As with other kernels: what fails here fails with a reason later.
        warm_up::fill_levels(device, queue, &levels).ok();
        Ok(levels)
    }

    fn try_keys(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        variant: KernelVariant,
        keys: &[KernelKey],
    ) -> Result<Self, GpuError> {
        let warm_up = WarmUp::new(device);
        let tried = |key: &KernelKey| {
            let compiled = compile(device, variant, *key)?;
            // A kernel that could not be tried, for lack of memory or of the device, fails with a reason where it is needed.
            if let Ok(warm_up) = &warm_up {
                warm_up.run(device, queue, key.kernel, &compiled).ok();
            }
            Ok((*key, compiled))
        };
        Ok(Self { variant, compiled: keys.iter().map(tried).collect::<Result<_, GpuError>>()? })
    }

    /// Compiles the given kernels.
    ///
    /// # Errors
    /// The first kernel that the device refuses.
    pub fn compile_keys(device: &wgpu::Device, variant: KernelVariant, keys: &[KernelKey]) -> Result<Self, GpuError> {
        let compiled =
            keys.iter().map(|key| Ok((*key, compile(device, variant, *key)?))).collect::<Result<_, GpuError>>()?;
        Ok(Self { variant, compiled })
    }

    /// The variant that recordings for these pipelines must be made with.
    pub fn variant(&self) -> KernelVariant {
        self.variant
    }

    pub(super) fn get(&self, key: KernelKey) -> Result<&Compiled, GpuError> {
        let name = || GpuError::MissingKernel(key.kernel.entry_point(self.variant).into());
        self.compiled.get(&key).ok_or_else(name)
    }
}

/// Every kernel that a model of this size records.
fn keys(config: &ModelConfig) -> Vec<KernelKey> {
    let head = match config.head.mixing {
        HeadMixing::Together { heads, .. } => Some(config.head.width / heads),
        HeadMixing::Alone => None,
    };
    let trunks = [&config.prior, &config.mar].map(|trunk| trunk.width / trunk.heads);
    KernelKey::all(&trunks.into_iter().chain(head).collect::<Vec<_>>())
}

pub(super) fn compile(device: &wgpu::Device, variant: KernelVariant, key: KernelKey) -> Result<Compiled, GpuError> {
    let name = key.kernel.entry_point(variant);
    let make = || {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(key.source(variant).into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(name),
            entries: &layout_entries(key.kernel.bindings()),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(name),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Compiled { pipeline, layout }
    };
    checked(device, name, make, |message| GpuError::Kernel { kernel: name.into(), message })
}

fn layout_entries(bindings: &[Binding]) -> Vec<wgpu::BindGroupLayoutEntry> {
    let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
    let types = bindings.iter().map(|binding| match binding {
        Binding::Read => buffer(wgpu::BufferBindingType::Storage { read_only: true }),
        Binding::Write => buffer(wgpu::BufferBindingType::Storage { read_only: false }),
        Binding::Texture => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        Binding::StorageTexture => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format: wgpu::TextureFormat::Rgba8Unorm,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    });
    std::iter::once(buffer(wgpu::BufferBindingType::Uniform))
        .chain(types)
        .zip(0..)
        .map(|(ty, binding)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect()
}
