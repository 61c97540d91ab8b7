//! The slow truth: every operation as plain loops, one file per kernel family, run eagerly.
//!
//! Kernels are tested against these functions, and the fast CPU path (`native`) is this executor with its hot loops replaced.
//! Nothing here is tuned.

pub mod attention;
pub mod borders;
pub mod buffers;
pub mod conv3x3;
pub mod denormalise;
pub mod gated_add;
pub mod linear;
pub mod maps;
pub mod modulated_norm;
mod pages;
pub mod rms_norm;
pub mod rows;
pub mod sample;
mod sample_ops;
pub mod space;
mod texture;

use crate::model::layers::{Conv, Linear, Norm};
use crate::model::{Activation, AttentionLayout, Codes, Grid, Model, Ops, ParamId};
use crate::sampling::{ItemInputs, JobInputs, LatentState, Plan, run_step};
use linear::Ending;
use std::rc::Rc;

pub use pages::CpuPages;
pub use texture::GeneratedTexture;

/// A matrix in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuTensor {
    /// Row-major values.
    pub values: Rc<Vec<f32>>,
    /// Rows and width.
    pub shape: [usize; 2],
}

impl CpuTensor {
    /// A matrix of `width` columns.
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        let rows = values.len() / width;
        debug_assert_eq!(rows * width, values.len(), "values fill whole rows");
        Self { values: Rc::new(values), shape: [rows, width] }
    }
}

impl Drop for CpuTensor {
    fn drop(&mut self) {
        if let Some(values) = Rc::get_mut(&mut self.values) {
            buffers::give(std::mem::take(values));
        }
    }
}

/// `y += x w`, see [`linear::product`].
pub type Product = fn(x: &[f32], w: &[f32], inputs: usize, outputs: usize, y: &mut [f32]);

/// Cuts a result into bands, see [`linear::bands`].
pub type Bands = fn(values: &mut [f32], size: usize, work: &(dyn Fn(usize, &mut [f32]) + Sync));

/// The loops that take nearly all of the time, replaceable by tuned ones.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    /// Calls its last argument with pieces of its first, see [`linear::bands`]; in any order, or side by side.
    pub bands: Bands,
    /// Matrix product.
    pub product: Product,
    /// Attention, see [`attention::attention`].
    pub attention: fn(query_key_value: &[f32], bias: &[f32], layout: &AttentionLayout) -> Vec<f32>,
}

impl Loops {
    /// Plain loops.
    pub const PLAIN: Self = Self { bands: linear::bands, product: linear::product, attention: attention::attention };
}

/// Runs operations at once, and keeps the state of one job.
pub struct CpuOps<'a> {
    model: &'a Model,
    inputs: Option<&'a JobInputs>,
    /// Textures of the batch.
    items: usize,
    /// The token grids.
    pub tokens: Vec<u32>,
    /// Context of the continuous model, `(B * T, context_width)`.
    pub context: Vec<f32>,
    /// The pictures, RGB bytes.
    pub picture: Vec<u8>,
    /// Named values in order, if asked for by [`CpuOps::record_taps`].
    pub taps: Vec<(String, CpuTensor)>,
    record_taps: bool,
    loops: Loops,
    /// Frees the buffers of results when the job ends.
    _buffers: buffers::Guard,
}

impl<'a> CpuOps<'a> {
    /// An executor without a job: for [`Ops`] alone.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            inputs: None,
            items: 1,
            tokens: Vec::new(),
            context: Vec::new(),
            picture: Vec::new(),
            taps: Vec::new(),
            record_taps: false,
            loops: Loops::PLAIN,
            _buffers: buffers::Guard,
        }
    }

    /// An executor at the start of a job.
    pub fn for_job(model: &'a Model, plan: &'a Plan) -> Self {
        let empty = || vec![0.0; plan.shape.grid.rows() * model.discon.config.context_width()];
        let context = plan.inputs.context.clone().unwrap_or_else(empty);
        let (inputs, items) = (Some(&plan.inputs), plan.shape.grid.items);
        Self { inputs, items, tokens: plan.inputs.tokens.clone(), context, ..Self::new(model) }
    }

    /// Keeps a copy of every tapped value.
    #[must_use]
    pub fn record_taps(mut self) -> Self {
        self.record_taps = true;
        self
    }

    /// Uses other loops for the expensive operations.
    #[must_use]
    pub fn with_loops(mut self, loops: Loops) -> Self {
        self.loops = loops;
        self
    }

    /// Tokens and latents as they are now.
    pub fn state(&self) -> LatentState {
        LatentState { tokens: self.tokens.clone(), context: self.context.clone() }
    }

    /// The picture and tokens of a finished job, of the first texture of a batch.
    pub fn into_texture(self, plan: &Plan) -> GeneratedTexture {
        GeneratedTexture::of_item(plan.shape.grid, &self.picture, &self.tokens, 0)
    }

    /// Pictures and tokens of a finished batch.
    pub fn into_textures(self, plan: &Plan) -> Vec<GeneratedTexture> {
        let texture = |item| GeneratedTexture::of_item(plan.shape.grid, &self.picture, &self.tokens, item);
        (0..plan.shape.grid.items).map(texture).collect()
    }

    fn inputs(&self) -> &'a JobInputs {
        self.inputs.expect("sampling operations need an executor made by `for_job`")
    }

    /// What random numbers of positions are drawn with in a pass.
    fn keys(&self, positions: &[u32], pass: u32) -> Vec<u32> {
        let start = pass as usize * self.tokens.len();
        positions.iter().map(|position| self.inputs().keys[start + *position as usize]).collect()
    }

    /// The textures that positions belong to.
    fn items_of(&self, positions: &[u32]) -> Vec<ItemInputs> {
        let of_item = self.tokens.len() / self.items;
        positions.iter().map(|position| self.inputs().items[*position as usize / of_item]).collect()
    }

    /// Groups of rows of which products are taken: each texture of a batch rounds as it would alone.
    fn parts(&self, rows: usize) -> usize {
        if rows.is_multiple_of(self.items) { self.items } else { 1 }
    }

    fn linear_parameters(&self, linear: &Linear) -> (&'a [f32], Option<&'a [f32]>) {
        let model = self.model;
        (model.weights.get(linear.weight), linear.bias.map(|bias| model.weights.get(bias)))
    }
}

/// Runs a plan on the CPU; of a batch, the first texture is returned.
pub fn generate(model: &Model, plan: &Plan) -> GeneratedTexture {
    run(model, plan).into_texture(plan)
}

/// Runs the plan of a batch on the CPU.
pub fn generate_batch(model: &Model, plan: &Plan) -> Vec<GeneratedTexture> {
    run(model, plan).into_textures(plan)
}

fn run<'a>(model: &'a Model, plan: &'a Plan) -> CpuOps<'a> {
    let mut ops = CpuOps::for_job(model, plan);
    for step in &plan.shape.steps {
        run_step(&mut ops, &model.discon, &plan.shape, step);
    }
    ops
}

impl Ops for CpuOps<'_> {
    type Tensor = CpuTensor;
    type Indices = Vec<u32>;

    fn shape(&self, x: &CpuTensor) -> [usize; 2] {
        x.shape
    }

    fn constant(&mut self, values: &[f32], shape: [usize; 2]) -> CpuTensor {
        CpuTensor::new(values.to_vec(), shape[1])
    }

    fn tap(&mut self, name: &str, x: &CpuTensor) {
        if self.record_taps {
            self.taps.push((name.to_string(), x.clone()));
        }
    }

    fn linear(
        &mut self,
        x: &CpuTensor,
        linear: &Linear,
        activation: Activation,
        residual: Option<&CpuTensor>,
    ) -> CpuTensor {
        let (weight, bias) = self.linear_parameters(linear);
        let ending = Ending { bias, activation, residual: residual.map(|residual| residual.values.as_slice()) };
        let parts = self.parts(x.shape[0]);
        let y = linear::linear(&self.loops, parts, &x.values, weight, linear.outputs, ending);
        CpuTensor::new(y, linear.outputs)
    }

    fn conv3x3(
        &mut self,
        x: &CpuTensor,
        conv: &Conv,
        grid: Grid,
        activation: Activation,
        residual: Option<&CpuTensor>,
    ) -> CpuTensor {
        let (weight, bias) = self.linear_parameters(&conv.linear);
        let ending = Ending { bias, activation, residual: residual.map(|residual| residual.values.as_slice()) };
        let y = conv3x3::conv3x3(&self.loops, &x.values, weight, conv.outputs, grid, ending);
        CpuTensor::new(y, conv.outputs)
    }

    fn rms_norm(&mut self, x: &CpuTensor, norm: &Norm) -> CpuTensor {
        CpuTensor::new(rms_norm::rms_norm(&x.values, self.model.weights.get(norm.gain)), x.shape[1])
    }

    fn modulated_norm(&mut self, x: &CpuTensor, modulation: &CpuTensor, shift_at: usize, scale_at: usize) -> CpuTensor {
        let y = modulated_norm::modulated_norm(&x.values, x.shape[1], &modulation.values, shift_at, scale_at);
        CpuTensor::new(y, x.shape[1])
    }

    fn gated_add(&mut self, x: &CpuTensor, modulation: &CpuTensor, gate_at: usize, y: &CpuTensor) -> CpuTensor {
        let sum = gated_add::gated_add(&x.values, x.shape[1], &modulation.values, gate_at, &y.values);
        CpuTensor::new(sum, x.shape[1])
    }

    fn attention(&mut self, query_key_value: &CpuTensor, bias: ParamId, layout: &AttentionLayout) -> CpuTensor {
        let y = (self.loops.attention)(&query_key_value.values, self.model.weights.get(bias), layout);
        CpuTensor::new(y, query_key_value.shape[1] / 3)
    }

    fn embed(&mut self, table: ParamId, tokens: &Vec<u32>, codes: Codes) -> CpuTensor {
        let width = self.model.table.spec(table).shape[1];
        CpuTensor::new(rows::embed(self.model.weights.get(table), width, tokens, codes), width)
    }

    fn broadcast_sum(&mut self, x: &CpuTensor, y: &CpuTensor, rows: usize) -> CpuTensor {
        CpuTensor::new(rows::broadcast_sum(&x.values, &y.values, x.shape[1], rows), x.shape[1])
    }

    fn gather(&mut self, x: &CpuTensor, indices: &Vec<u32>, items: usize) -> CpuTensor {
        CpuTensor::new(rows::gather(&x.values, x.shape[1], indices, items), x.shape[1])
    }

    fn join_segments(&mut self, first: &CpuTensor, second: &CpuTensor, items: usize) -> CpuTensor {
        CpuTensor::new(rows::join_segments(&first.values, &second.values, items), first.shape[1])
    }

    fn last_segment(&mut self, x: &CpuTensor, items: usize) -> CpuTensor {
        CpuTensor::new(rows::last_segment(&x.values, items), x.shape[1])
    }

    fn depth_to_space(&mut self, x: &CpuTensor, grid: Grid, factor: usize) -> CpuTensor {
        CpuTensor::new(space::depth_to_space(&x.values, grid, factor), x.shape[1] / (factor * factor))
    }

    fn space_to_depth(&mut self, x: &CpuTensor, grid: Grid, factor: usize) -> CpuTensor {
        CpuTensor::new(space::space_to_depth(&x.values, grid, factor), x.shape[1] * factor * factor)
    }

    fn denormalise(&mut self, x: &CpuTensor, style: &CpuTensor) -> CpuTensor {
        let width = style.shape[1] / 2;
        CpuTensor::new(denormalise::denormalise(&x.values, x.shape[1], &style.values, width), width)
    }
}
