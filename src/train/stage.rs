//! Where a generator's stage is trained: on the graphics card, or on the processor.

use super::TrainError;
use super::device::TrainingDevice;
use super::latents::Latents;
use super::learner::Learner;
use super::ops::TrainOps;
use super::run::Session;
use super::tape::{Products, TapeOps};
use super::texture_loss::with_bands;

/// What a stage works on.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// What all stages share.
    pub session: &'a Session,
    /// What the generators learn from.
    pub latents: &'a Latents,
    /// Seconds of training, over all runs.
    pub budget: f64,
}

/// The training of one generator, on any executor; a closure could not be generic over it.
pub trait Stage {
    /// Trains until the budget is used; `executor` makes one, with gradients or without.
    ///
    /// # Errors
    /// Files that cannot be written, or training that diverges.
    fn train<L: Learner + Send>(task: Task, executor: impl Fn(bool) -> L) -> Result<(), TrainError>;
}

/// Trains a stage where the session trains: through burn on the graphics card, or on the tape with the fastest
/// products.
///
/// # Errors
/// See [`Stage::train`].
pub fn train<S: Stage>(task: Task) -> Result<(), TrainError> {
    let session = task.session;
    let count = with_bands(&session.table).len();
    match session.options.device {
        TrainingDevice::Cpu => S::train(task, |records| TapeOps::new(count, records, Products::best())),
        TrainingDevice::Gpu => {
            let device = |records| if records { session.device.clone().autodiff() } else { session.device.clone() };
            S::train(task, |records| TrainOps::new(device(records), count))
        }
        #[cfg(feature = "train-torch")]
        TrainingDevice::Cuda => {
            let card = super::torch::card()?;
            S::train(task, |_| super::torch::TorchOps::new(card, count))
        }
        #[cfg(not(feature = "train-torch"))]
        TrainingDevice::Cuda => unreachable!("the session refuses what was not built in"),
    }
}
