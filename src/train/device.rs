//! Where a run computes.

use super::TrainError;
use burn::tensor::Device;
use clap::ValueEnum;

/// Where decoder and generators are trained; the rest is trained by burn, on the processor or by its wgpu backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TrainingDevice {
    /// The processor.
    #[default]
    Cpu,
    /// Any graphics card, by burn's wgpu backend (a build with the feature `train-wgpu`).
    Gpu,
    /// An NVIDIA card, by libtorch (a build with the feature `train-torch`).
    Cuda,
}

impl TrainingDevice {
    /// Threads that make inputs ahead, of `threads`. On the processor, those that compute the steps have no time to
    /// spare.
    pub fn threads_ahead(self, threads: usize) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Gpu | Self::Cuda => threads,
        }
    }

    /// burn's device.
    ///
    /// # Errors
    /// A device that was not built in.
    pub fn of_burn(self) -> Result<Device, TrainError> {
        let missing = |found: &str, feature: &str| TrainError::Option {
            option: "--device".into(),
            found: found.into(),
            expected: format!("cpu, or a build with the feature `{feature}`"),
        };
        match self {
            Self::Gpu if !cfg!(feature = "train-wgpu") => Err(missing("gpu", "train-wgpu")),
            Self::Cuda if !cfg!(feature = "train-torch") => Err(missing("cuda", "train-torch")),
            #[cfg(feature = "train-wgpu")]
            Self::Gpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            _ => Ok(Device::flex()),
        }
    }
}
