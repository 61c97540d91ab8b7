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
    /// The device refused an object or was lost.
    #[error("the graphics device failed: {0}")]
    Device(String),
}

/// Runs `make` and turns the device's validation and memory errors into `fail(message)`.
///
/// Without a scope wgpu reports them to a handler that ends the program by default.
pub(crate) fn checked<T>(
    device: &wgpu::Device,
    make: impl FnOnce() -> T,
    fail: impl FnOnce(String) -> GpuError,
) -> Result<T, GpuError> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    // Both futures are ready at once on native backends.
    let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
    match errors.into_iter().flatten().next() {
        None => Ok(made),
        Some(error) => Err(fail(error.to_string())),
    }
}
