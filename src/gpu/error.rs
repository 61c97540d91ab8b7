//! What can go wrong between a model and an adapter.

/// The network cannot run on this device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter was found.
    #[error("no graphics adapter was found ({0}); install a Vulkan, Metal or DirectX 12 driver, or use the CPU")]
    NoAdapter(String),
    /// The adapter gave no device.
    #[error("the graphics adapter gave no device: {0}")]
    NoDevice(String),
    /// A driver refused a kernel.
    #[error("kernel `{kernel}` does not compile on this device: {message}")]
    Kernel {
        /// Name of the kernel, which is also its file in `shaders/`.
        kernel: String,
        /// What the driver said.
        message: String,
    },
    /// A recording uses a kernel that was not compiled.
    #[error("kernel `{0}` was not compiled; the pipelines belong to a model of another size")]
    MissingKernel(String),
    /// A buffer is larger than the device can bind.
    #[error("{what} needs a buffer of {bytes} bytes, but this device binds at most {limit}")]
    TooLarge {
        /// What the buffer is for.
        what: String,
        /// Its size.
        bytes: u64,
        /// The limit of the device.
        limit: u64,
    },
    /// The inputs of a job belong to another recording.
    #[error("job input `{field}` has {found} values, but the recording was made for {expected}")]
    Inputs {
        /// Field of the inputs.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The length that the recording needs.
        expected: usize,
    },
    /// A texture cannot be written.
    #[error("the target texture is {found}, but the picture needs {expected}")]
    Texture {
        /// Size, format and usage of the texture.
        found: String,
        /// What is needed.
        expected: String,
    },
    /// The device has no memory left, or the generator may not use more of it.
    #[error("the graphics device has no memory for {what}")]
    Memory {
        /// What it was needed for.
        what: String,
    },
    /// The device refused an object or was lost.
    #[error("the graphics device failed: {0}")]
    Device(String),
}

impl GpuError {
    /// True if the same may succeed when there is more memory.
    pub fn is_memory(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// The same, with what the memory was needed for in other words.
    #[must_use]
    pub(crate) fn needed_for(self, needed_for: impl FnOnce() -> String) -> Self {
        match self {
            Self::Memory { .. } => Self::Memory { what: needed_for() },
            other => other,
        }
    }
}

/// Runs `make` and turns the device's validation errors into `fail(message)`, and missing memory into
/// [`GpuError::Memory`] for `what`.
///
/// Without a scope wgpu reports them to a handler that ends the program by default.
pub(crate) fn checked<T>(
    device: &wgpu::Device,
    what: &str,
    make: impl FnOnce() -> T,
    fail: impl FnOnce(String) -> GpuError,
) -> Result<T, GpuError> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    // Both futures are ready at once on native backends.
    let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
    errors.into_iter().flatten().next().map_or(Ok(made), |error| Err(told(error, what, fail)))
}

/// An error of the device in words of this crate.
fn told(error: wgpu::Error, what: &str, fail: impl FnOnce(String) -> GpuError) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { .. } => GpuError::Memory { what: what.into() },
        error => fail(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that may take only a few percent of the memory that is free now, and an adapter's largest buffer.
    fn device_with_little_memory() -> Option<(wgpu::Device, u64)> {
        (1..95).find_map(|percent| {
            let threshold =
                wgpu::MemoryBudgetThresholds { for_resource_creation: Some(percent), for_device_loss: None };
            let descriptor = wgpu::InstanceDescriptor {
                memory_budget_thresholds: threshold,
                ..wgpu::InstanceDescriptor::new_without_display_handle()
            };
            let instance = wgpu::Instance::new(descriptor);
            let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).ok()?;
            let limits = adapter.limits();
            let largest = limits.max_buffer_size.min(4 << 30);
            let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
            Some((pollster::block_on(adapter.request_device(&descriptor)).ok()?.0, largest))
        })
    }

    #[test]
    fn missing_memory_is_told_from_what_the_device_refuses() {
        let memory = told(wgpu::Error::OutOfMemory { source: "none".into() }, "a test", GpuError::Device);
        assert!(memory.is_memory(), "{memory:?}");
        assert_eq!(memory.to_string(), "the graphics device has no memory for a test");
        let (source, description) = ("no".into(), "such a usage does not exist".into());
        let refused = told(wgpu::Error::Validation { source, description }, "a test", GpuError::Device);
        assert!(matches!(&refused, GpuError::Device(reason) if reason.contains("does not exist")), "{refused:?}");
    }

    #[test]
    #[ignore = "needs a driver that can be told how much memory to use, and takes what the machine has"]
    fn a_device_without_memory_says_so() {
        let (device, largest) = device_with_little_memory().expect("a device with a budget");
        let make = |size: u64, usage: wgpu::BufferUsages| {
            let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            let make = || device.create_buffer(&descriptor);
            checked(&device, "a test", make, GpuError::Device)
        };
        let usage = wgpu::BufferUsages::COPY_DST;
        // Never written: nothing of it is taken from other programs.
        let held: Result<Vec<_>, _> = (0..16).map(|_| make(largest, usage)).collect();
        let error = held.expect_err("there is no room for all");
        assert!(error.is_memory(), "{error:?}");
        let refused = make(64, usage | wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE);
        assert!(matches!(refused, Err(GpuError::Device(_))), "a usage that does not exist: {refused:?}");
    }
}
