//! [`Ops`](crate::model::Ops) over libtorch: the executor for training on NVIDIA cards.
//!
//! Products and convolutions are made in bf16 with f32 sums, and what they give stays in bf16 until it is added to
//! a residual stream, which is f32; on the CPU everything is f32, for comparison with the other executors.

mod learner;
mod ops;

use super::TrainError;
use super::layout_tables::{LayoutTables, layout_tables};
use crate::model::{AttentionLayout, Grid, ParamId};
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// A matrix on the device; clones share its memory.
#[derive(Debug)]
pub struct TorchTensor(pub(super) Tensor);

impl Clone for TorchTensor {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

/// What attention over one layout needs besides parameters.
struct LayoutTensors {
    /// Column of the bias table for every pair of positions of one segment.
    columns: Tensor,
    /// A large negative number where the key is out of sight: `(S*T, S*T)`; none if all see all.
    hidden: Option<Tensor>,
}

/// Runs the network on tensors of libtorch.
pub struct TorchOps {
    device: Device,
    /// Type of the factors of products.
    factors: Kind,
    parameters: Vec<Option<Tensor>>,
    layouts: HashMap<AttentionLayout, LayoutTensors>,
    /// Equal columns of modulations, by the address and the width of the whole: cut once, since walking each cut back
    /// on its own would fill the whole with zeros every time.
    parts: HashMap<(usize, usize), Vec<Tensor>>,
    /// Where gradients are copied to; see [`Self::fetched`].
    fetched: Option<Tensor>,
}

/// The first NVIDIA card.
///
/// # Errors
/// If libtorch finds none.
pub fn card() -> Result<Device, TrainError> {
    if tch::Cuda::is_available() {
        return Ok(Device::Cuda(0));
    }
    Err(TrainError::Option {
        option: "--device".into(),
        found: "cuda".into(),
        expected: "cpu, since libtorch finds no NVIDIA card (driver, or a libtorch for another version of CUDA?)"
            .into(),
    })
}

impl TorchOps {
    /// An executor for `count` parameters, none of them set.
    pub fn new(device: Device, count: usize) -> Self {
        let factors = if device.is_cuda() { Kind::BFloat16 } else { Kind::Float };
        let parameters = (0..count).map(|_| None).collect();
        Self { device, factors, parameters, layouts: HashMap::new(), parts: HashMap::new(), fetched: None }
    }

    /// An executor whose products are f32 on a card too, for what is computed once.
    pub fn exact(device: Device, count: usize) -> Self {
        Self { factors: Kind::Float, ..Self::new(device, count) }
    }

    /// A parameter's tensor.
    ///
    /// # Panics
    /// If it was not set: a bug of the trainer.
    pub fn parameter(&self, id: ParamId) -> TorchTensor {
        TorchTensor(self.value_of(id).shallow_clone())
    }

    fn value_of(&self, id: ParamId) -> &Tensor {
        self.parameters[id.0].as_ref().expect("the stage sets every parameter that it uses")
    }

    /// A parameter as a factor of a product.
    fn factor(&self, id: ParamId) -> Tensor {
        self.value_of(id).to_kind(self.factors)
    }

    fn layout(&mut self, layout: &AttentionLayout) -> &LayoutTensors {
        let (device, factors) = (self.device, self.factors);
        self.layouts.entry(*layout).or_insert_with(|| {
            let LayoutTables { columns, hidden } = layout_tables(layout);
            let segments = layout.segments as i64;
            let positions = layout.grid.positions() as i64;
            LayoutTensors {
                columns: indices(&columns, device),
                hidden: hidden.map(|hidden| {
                    let one = Tensor::from_slice(&hidden).reshape([positions, positions]).to_device(device);
                    one.repeat([segments, segments]).to_kind(factors)
                }),
            }
        })
    }

    /// Columns `at..at + width` of a modulation.
    fn part(&mut self, modulation: &TorchTensor, at: usize, width: usize) -> Tensor {
        let whole = &modulation.0;
        if at % width != 0 || whole.size()[1] as usize % width != 0 {
            return whole.narrow(1, at as i64, width as i64);
        }
        let key = (whole.data_ptr() as usize, width);
        let parts = self.parts.entry(key).or_insert_with(|| whole.split(width as i64, 1));
        parts[at / width].shallow_clone()
    }
}

fn indices(values: &[u32], device: Device) -> Tensor {
    let values: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
    Tensor::from_slice(&values).to_device(device)
}

/// `(B*h*w, C)` as `(B, h, w, C)`.
fn as_grid(x: &Tensor, grid: Grid) -> Tensor {
    x.reshape([grid.items as i64, grid.height as i64, grid.width as i64, -1])
}

/// One more position at every border of a `(B, h, w, C)` tensor, by the border rule.
fn padded(x: &Tensor, grid: Grid) -> Tensor {
    let extend = |x: &Tensor, axis: i64, wraps: bool| {
        let last = x.size()[axis as usize] - 1;
        let (before, after) = if wraps { (last, 0) } else { (0, last) };
        Tensor::cat(&[x.narrow(axis, before, 1), x.shallow_clone(), x.narrow(axis, after, 1)], axis)
    };
    extend(&extend(x, 1, grid.wrap.y), 2, grid.wrap.x)
}
