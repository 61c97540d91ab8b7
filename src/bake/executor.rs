//! What runs the plans of the command lines.

use crate::model::Model;
use crate::reference::GeneratedTexture;
use crate::sampling::Plan;

/// Where to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// The GPU if there is an adapter, else the CPU.
    #[default]
    Auto,
    /// The GPU or an error.
    Gpu,
    /// The processor.
    Cpu,
}

/// Generates textures on a device that is opened when the first one is asked for.
#[derive(Debug)]
pub struct Executor {
    device: Device,
    state: State,
    no_gpu: Option<String>,
}

#[derive(Debug)]
enum State {
    Closed,
    #[cfg(feature = "gpu")]
    Gpu(Box<crate::gpu::Gpu>),
    Processor,
    Failed(String),
}

impl Executor {
    /// An executor that has not opened its device yet.
    pub fn new(device: Device) -> Self {
        Self { device, state: State::Closed, no_gpu: None }
    }

    /// Opens the device, unless it is open.
    ///
    /// # Errors
    /// [`Device::Gpu`] without a usable adapter.
    pub fn open(&mut self) -> Result<(), String> {
        if matches!(self.state, State::Closed) {
            self.state = match self.device {
                Device::Cpu => State::Processor,
                Device::Gpu => open_gpu().unwrap_or_else(State::Failed),
                Device::Auto => open_gpu().unwrap_or_else(|reason| {
                    self.no_gpu = Some(reason);
                    State::Processor
                }),
            };
        }
        match &self.state {
            State::Failed(reason) => Err(reason.clone()),
            _ => Ok(()),
        }
    }

    /// Generates one texture.
    ///
    /// # Errors
    /// A device that cannot be opened, or that fails.
    pub fn generate(&mut self, model: &Model, plan: &Plan) -> Result<GeneratedTexture, String> {
        self.open()?;
        match &mut self.state {
            #[cfg(feature = "gpu")]
            State::Gpu(gpu) => gpu.generate(model, plan).map_err(|error| error.to_string()),
            _ => Ok(on_processor(model, plan)),
        }
    }

    /// Why the processor is used although a GPU was welcome.
    pub fn missing_gpu(&self) -> Option<&str> {
        self.no_gpu.as_deref()
    }

    /// The open device; none before the first texture.
    pub fn description(&self) -> Option<String> {
        match (&self.state, &self.no_gpu) {
            #[cfg(feature = "gpu")]
            (State::Gpu(gpu), _) => Some(format!("GPU: {}", gpu.info().name)),
            (State::Processor, Some(reason)) => Some(format!("processor, because there is no GPU ({reason})")),
            (State::Processor, None) => Some("processor".into()),
            (State::Closed | State::Failed(_), _) => None,
        }
    }
}

#[cfg(feature = "gpu")]
fn open_gpu() -> Result<State, String> {
    crate::gpu::Gpu::new().map(|gpu| State::Gpu(Box::new(gpu))).map_err(|error| error.to_string())
}

#[cfg(not(feature = "gpu"))]
fn open_gpu() -> Result<State, String> {
    Err("this build has no GPU support: build with the feature `gpu`".into())
}

#[cfg(feature = "native")]
fn on_processor(model: &Model, plan: &Plan) -> GeneratedTexture {
    crate::native::generate(model, plan)
}

#[cfg(not(feature = "native"))]
fn on_processor(model: &Model, plan: &Plan) -> GeneratedTexture {
    crate::reference::generate(model, plan)
}
