//! burn as an executor of a generation: the trainer's [`Ops`] without gradients, and the steps of sampling, whose
//! random numbers come from the same counters as everywhere.

use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Grid, Model, Ops, ParamId};
use crate::reference::{borders, sample};
use crate::sampling::flow::start_spread;
use crate::sampling::{FlowStep, ItemInputs, JobInputs, LatentState, SampleOps, Stage};
use crate::train::ops::TrainOps;
use crate::train::workers::values;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor};
use std::ops::Range;

/// Indices on the host and on the device.
#[derive(Clone)]
pub struct Places {
    host: Vec<u32>,
    device: Tensor<1, Int>,
}

/// How burn computes convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convolution {
    /// A product over gathered neighbours, as the trainer does.
    Product,
    /// burn's `conv2d` on a border that is copied round.
    Module,
}

/// Runs steps of a generation on burn tensors.
pub struct PeerOps<'a> {
    inner: TrainOps,
    model: &'a Model,
    inputs: &'a JobInputs,
    convolution: Convolution,
    /// Tokens and latents.
    pub state: LatentState,
    /// The picture, RGB bytes.
    pub picture: Vec<u8>,
}

impl<'a> PeerOps<'a> {
    /// An executor with all weights of a model on a device.
    pub fn new(device: Device, model: &'a Model, inputs: &'a JobInputs, convolution: Convolution) -> Self {
        let mut inner = TrainOps::new(device, model.table.len());
        for (id, spec) in model.table.iter() {
            inner.set(id, model.weights.get(id), spec.shape, false);
        }
        let state = LatentState { tokens: Vec::new(), context: Vec::new() };
        Self { inner, model, inputs, convolution, state, picture: Vec::new() }
    }

    fn places(&self, host: Vec<u32>) -> Places {
        Places { device: self.inner.indices(&host), host }
    }

    /// burn's own convolution, between the layouts that it wants.
    fn conv2d(&mut self, x: &Tensor<2>, conv: &Conv, grid: Grid) -> Tensor<2> {
        let Grid { items, height, width, .. } = grid;
        let x = x.clone().reshape([items, height, width, conv.inputs]).permute([0, 3, 1, 2]);
        let edge = |x: &Tensor<4>, axis: usize, wraps: bool| {
            let length = x.dims()[axis];
            let (before, after) = if wraps { (length - 1, 0) } else { (0, length - 1) };
            let parts = [x.clone().narrow(axis, before, 1), x.clone(), x.clone().narrow(axis, after, 1)];
            Tensor::cat(parts.to_vec(), axis)
        };
        let x = edge(&edge(&x, 2, grid.wrap.y), 3, grid.wrap.x);
        let weight = self.inner.parameter(conv.linear.weight).reshape([3, 3, conv.inputs, conv.outputs]);
        let weight = weight.permute([3, 2, 0, 1]);
        let bias = conv.linear.bias.map(|bias| self.inner.parameter(bias).reshape([conv.outputs]));
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let y = burn::tensor::module::conv2d(x, weight, bias, options);
        y.permute([0, 2, 3, 1]).reshape([grid.rows(), conv.outputs])
    }
}

impl Ops for PeerOps<'_> {
    type Tensor = Tensor<2>;
    type Indices = Places;

    fn shape(&self, x: &Tensor<2>) -> [usize; 2] {
        x.dims()
    }

    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> Tensor<2> {
        self.inner.constant(values, shape)
    }

    fn linear(
        &mut self,
        x: &Tensor<2>,
        linear: &Linear,
        activation: Activation,
        residual: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        self.inner.linear(x, linear, activation, residual)
    }

    fn conv3x3(
        &mut self,
        x: &Tensor<2>,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        if self.convolution == Convolution::Product {
            return self.inner.conv3x3(x, conv, grid, activation, residual);
        }
        let y = self.conv2d(x, conv, grid);
        let y = match activation {
            Activation::None => y,
            Activation::Silu => burn::tensor::activation::silu(y),
        };
        match residual {
            Some(residual) => y + residual.clone(),
            None => y,
        }
    }

    fn rms_norm(&mut self, x: &Tensor<2>, norm: &Norm) -> Tensor<2> {
        self.inner.rms_norm(x, norm)
    }

    fn modulated_norm(&mut self, x: &Tensor<2>, modulation: &Tensor<2>, shift_at: usize, scale_at: usize) -> Tensor<2> {
        self.inner.modulated_norm(x, modulation, shift_at, scale_at)
    }

    fn gated_add(&mut self, x: &Tensor<2>, modulation: &Tensor<2>, gate_at: usize, y: &Tensor<2>) -> Tensor<2> {
        self.inner.gated_add(x, modulation, gate_at, y)
    }

    fn attention(&mut self, query_key_value: &Tensor<2>, bias: ParamId, layout: &AttentionLayout) -> Tensor<2> {
        self.inner.attention(query_key_value, bias, layout)
    }

    fn embed(&mut self, table: ParamId, tokens: &Places, codes: Codes) -> Tensor<2> {
        self.inner.embed(table, &tokens.device, codes)
    }

    fn broadcast_sum(&mut self, x: &Tensor<2>, y: &Tensor<2>, rows: usize) -> Tensor<2> {
        self.inner.broadcast_sum(x, y, rows)
    }

    fn gather(&mut self, x: &Tensor<2>, indices: &Places, items: usize) -> Tensor<2> {
        self.inner.gather(x, &indices.device, items)
    }

    fn join_segments(&mut self, first: &Tensor<2>, second: &Tensor<2>, items: usize) -> Tensor<2> {
        self.inner.join_segments(first, second, items)
    }

    fn last_segment(&mut self, x: &Tensor<2>, items: usize) -> Tensor<2> {
        self.inner.last_segment(x, items)
    }

    fn depth_to_space(&mut self, x: &Tensor<2>, grid: Grid, factor: usize) -> Tensor<2> {
        self.inner.depth_to_space(x, grid, factor)
    }

    fn space_to_depth(&mut self, x: &Tensor<2>, grid: Grid, factor: usize) -> Tensor<2> {
        self.inner.space_to_depth(x, grid, factor)
    }

    fn denormalise(&mut self, x: &Tensor<2>, style: &Tensor<2>) -> Tensor<2> {
        self.inner.denormalise(x, style)
    }
}

impl SampleOps for PeerOps<'_> {
    fn condition(&mut self, rows: usize) -> Tensor<2> {
        let width = self.model.discon.config.condition_width();
        self.inner.constant(&self.inputs.condition[..rows * width], [rows, width])
    }

    fn style(&mut self, rows: usize) -> Tensor<2> {
        let width = self.model.discon.config.style_width();
        self.inner.constant(&self.inputs.style[..rows * width], [rows, width])
    }

    fn token_grid(&mut self) -> Places {
        self.places(self.state.tokens.clone())
    }

    fn context(&mut self) -> Tensor<2> {
        let width = self.model.discon.config.context_width();
        self.inner.constant(&self.state.context, [self.state.tokens.len(), width])
    }

    fn tokens_at(&mut self, positions: &Places) -> Places {
        self.places(positions.host.iter().map(|position| self.state.tokens[*position as usize]).collect())
    }

    fn reopen(&mut self, positions: &Places, given: &Places) {
        let config = &self.model.discon.config;
        let LatentState { tokens, context } = &mut self.state;
        sample::reopen(tokens, context, config.context_width(), &positions.host, &given.host);
    }

    fn positions(&mut self, stage: Stage, range: Range<u32>) -> Places {
        let order = match stage {
            Stage::Tokens => &self.inputs.token_order,
            Stage::Latents => &self.inputs.latent_order,
            Stage::Lists => &self.inputs.lists,
        };
        self.places(order[range.start as usize..range.end as usize].to_vec())
    }

    fn sample_tokens(&mut self, logits: &Tensor<2>, positions: &Places, codes: Codes, guided: bool, pass: u32) {
        let logits = values(logits.clone());
        let (first, second) = logits.split_at(if guided { logits.len() / 2 } else { logits.len() });
        let keys = self.keys(&positions.host, pass);
        let other = guided.then_some(second);
        let tokens = sample::sample_tokens(first, other, &keys, &self.items(&positions.host), codes);
        for (position, token) in positions.host.iter().zip(tokens) {
            self.state.tokens[*position as usize] = token;
        }
    }

    fn noise(&mut self, positions: Option<&Places>, pass: u32) -> Tensor<2> {
        let width = self.model.discon.config.tokenizer.latent_width;
        let all: Vec<u32> = (0..self.state.tokens.len() as u32).collect();
        let places = positions.map_or(&all, |places| &places.host);
        let keys = self.keys(places, pass);
        let noise = sample::noise(&keys, &self.items(places), width);
        self.inner.constant(&noise, [keys.len(), width])
    }

    fn start_spread(&mut self) -> Tensor<2> {
        let spread = start_spread(self.model);
        self.constant(&spread, [1, spread.len()])
    }

    fn flow_step(
        &mut self,
        x: &Tensor<2>,
        velocity: &Tensor<2>,
        previous: &Tensor<2>,
        step: FlowStep,
        guidance: f32,
    ) -> Tensor<2> {
        let rows = x.dims()[0];
        let guided = |velocity: &Tensor<2>| {
            let with = velocity.clone().narrow(0, 0, rows);
            if velocity.dims()[0] == rows {
                return with;
            }
            let without = velocity.clone().narrow(0, rows, rows);
            with.clone() + (with - without).mul_scalar(guidance - 1.0)
        };
        x.clone() + guided(velocity).mul_scalar(step.weight) + guided(previous).mul_scalar(step.previous_weight)
    }

    fn commit_latents(&mut self, positions: &Places, rows: Option<&Places>, latents: &Tensor<2>, gain: f32) {
        let width = self.model.discon.config.context_width();
        let latents = rows.map_or(latents.clone(), |rows| self.gather(latents, rows, 1));
        sample::commit_latents(&mut self.state.context, width, &positions.host, &values(latents), gain);
    }

    /// On the host, like all that reads or writes the state: as kernels they take a fiftieth of the decoder's time.
    fn border_steps(&mut self, pixels: &Tensor<2>, grid: Grid) -> Tensor<2> {
        let steps = borders::border_steps(&values(pixels.clone()), grid);
        let rows = steps.len() / 3;
        self.constant(&steps, [rows, 3])
    }

    fn smooth_borders(&mut self, pixels: &Tensor<2>, steps: &Tensor<2>, grid: Grid) -> Tensor<2> {
        let smooth = borders::smooth_borders(&values(pixels.clone()), &values(steps.clone()), grid);
        self.constant(&smooth, [grid.rows(), 3])
    }

    fn write_image(&mut self, pixels: &Tensor<2>, _: Grid) {
        self.picture = sample::write_image(&values(pixels.clone()));
    }
}

impl PeerOps<'_> {
    /// The one texture, for each of `positions`.
    fn items(&self, positions: &[u32]) -> Vec<ItemInputs> {
        self.inputs.items.iter().take(1).cycle().take(positions.len()).copied().collect()
    }

    fn keys(&self, positions: &[u32], pass: u32) -> Vec<u32> {
        let start = pass as usize * self.state.tokens.len();
        positions.iter().map(|position| self.inputs.keys[start + *position as usize]).collect()
    }
}
