//! [`SampleOps`] by recording.

use super::kernel::Kernel;
use super::ops::words;
use super::recorder::{Recorder, Work};
use super::recording::{BufferRef, GpuIndices, GpuTensor, StateBuffer};
use crate::model::{Codes, Grid, Ops};
use crate::reference::borders::border_pixels;
use crate::sampling::flow::start_spread;
use crate::sampling::{FlowStep, SampleOps, Stage};
use std::ops::Range;

impl SampleOps for Recorder<'_> {
    fn condition(&mut self, rows: usize) -> GpuTensor {
        state(StateBuffer::Condition, [rows, self.model.discon.config.condition_width()])
    }

    fn style(&mut self, rows: usize) -> GpuTensor {
        state(StateBuffer::Style, [rows, self.model.discon.config.style_width()])
    }

    fn token_grid(&mut self) -> GpuIndices {
        GpuIndices { buffer: BufferRef::State(StateBuffer::Tokens), start: 0, len: self.grid.rows() }
    }

    fn context(&mut self) -> GpuTensor {
        state(StateBuffer::Context, [self.grid.rows(), self.model.discon.config.context_width()])
    }

    fn tokens_at(&mut self, positions: &GpuIndices) -> GpuIndices {
        let tokens = self.output(positions.len, 1).buffer;
        let params = words([positions.len, positions.start]);
        let buffers = [BufferRef::State(StateBuffer::Tokens), positions.buffer, tokens];
        self.dispatch(Kernel::TokensAt, &buffers, &params, Work::threads(positions.len, 1));
        GpuIndices { buffer: tokens, start: 0, len: positions.len }
    }

    fn reopen(&mut self, positions: &GpuIndices, tokens: &GpuIndices) {
        let width = self.model.discon.config.context_width();
        let count = positions.len * width;
        let params = words([count, width, positions.start, tokens.start]);
        let state = [BufferRef::State(StateBuffer::Tokens), BufferRef::State(StateBuffer::Context)];
        let buffers = [positions.buffer, tokens.buffer, state[0], state[1]];
        self.dispatch(Kernel::Reopen, &buffers, &params, Work::threads(count, 1));
    }

    fn positions(&mut self, stage: Stage, range: Range<u32>) -> GpuIndices {
        let order = match stage {
            Stage::Tokens => StateBuffer::TokenOrder,
            Stage::Latents => StateBuffer::LatentOrder,
            Stage::Lists => StateBuffer::Lists,
        };
        GpuIndices { buffer: BufferRef::State(order), start: range.start as usize, len: range.len() }
    }

    fn sample_tokens(&mut self, logits: &GpuTensor, positions: &GpuIndices, codes: Codes, guided: bool, pass: u32) {
        let (keys, of_item) = (pass as usize * self.grid.rows(), self.grid.positions());
        let Codes { first, second } = codes;
        let params = words([positions.len, first, second, positions.start, guided.into(), keys, of_item]);
        let [keys, items, tokens] = [StateBuffer::Keys, StateBuffer::Items, StateBuffer::Tokens].map(BufferRef::State);
        let buffers = [logits.buffer, positions.buffer, keys, items, tokens];
        let work = Work { workgroups: words([positions.len, 1, 1]), flops: 0, values: logits.count() };
        self.dispatch(Kernel::SampleTokens, &buffers, &params, work);
    }

    fn noise(&mut self, positions: Option<&GpuIndices>, pass: u32) -> GpuTensor {
        let width = self.model.discon.config.tokenizer.latent_width;
        let rows = positions.map_or(self.grid.rows(), |positions| positions.len);
        let x = self.output(rows, width);
        // In row-major order the kernel does not read the order; something must be bound all the same.
        let in_order = positions.is_none();
        let positions = positions.copied().unwrap_or_else(|| self.positions(Stage::Latents, 0..rows as u32));
        let (keys, of_item) = (pass as usize * self.grid.rows(), self.grid.positions());
        let params = words([x.count(), width, positions.start, in_order.into(), keys, of_item]);
        let [keys, items] = [StateBuffer::Keys, StateBuffer::Items].map(BufferRef::State);
        let buffers = [positions.buffer, keys, items, x.buffer];
        self.dispatch(Kernel::Noise, &buffers, &params, Work::threads(x.count(), 1));
        x
    }

    fn start_spread(&mut self) -> GpuTensor {
        let spread = start_spread(self.model);
        self.constant(&spread, [1, spread.len()])
    }

    fn flow_step(
        &mut self,
        x: &GpuTensor,
        velocity: &GpuTensor,
        previous: &GpuTensor,
        step: FlowStep,
        guidance: f32,
    ) -> GpuTensor {
        let y = self.output(x.shape[0], x.shape[1]);
        let [guided, previous_guided] = [velocity, previous].map(|velocity| u32::from(velocity.shape[0] > x.shape[0]));
        let excess = (guidance - 1.0).to_bits();
        let [weight, previous_weight] = [step.weight, step.previous_weight].map(f32::to_bits);
        let params = [x.count() as u32, weight, previous_weight, excess, guided, previous_guided];
        let buffers = [x.buffer, velocity.buffer, previous.buffer, y.buffer];
        let work = Work { values: 2 * x.count() + velocity.count() + previous.count(), ..Work::threads(x.count(), 3) };
        self.dispatch(Kernel::FlowStep, &buffers, &params, work);
        y
    }

    fn commit_latents(&mut self, positions: &GpuIndices, rows: Option<&GpuIndices>, latents: &GpuTensor, gain: f32) {
        let width = latents.shape[1];
        let count = positions.len * (width + 1);
        let context_width = self.model.discon.config.context_width();
        let row_start = rows.map_or(0, |rows| rows.start);
        let mut params =
            words([count, width, context_width, positions.start, rows.is_none().into(), row_start]).to_vec();
        params.push(gain.to_bits());
        let rows = rows.map_or(BufferRef::Unused, |rows| rows.buffer);
        let buffers = [latents.buffer, positions.buffer, rows, BufferRef::State(StateBuffer::Context)];
        self.dispatch(Kernel::CommitLatents, &buffers, &params, Work::threads(count, 1));
    }

    fn border_steps(&mut self, pixels: &GpuTensor, grid: Grid) -> GpuTensor {
        let [upright, level] = border_pixels(grid);
        let steps = self.output(upright + level, 3);
        let wraps = [grid.wrap.x, grid.wrap.y].map(usize::from);
        let params = words([steps.shape[0], upright, grid.width, grid.height, wraps[0], wraps[1]]);
        let work = Work { values: pixels.count() + steps.count(), ..Work::threads(steps.shape[0], 1) };
        self.dispatch(Kernel::BorderSteps, &[pixels.buffer, steps.buffer], &params, work);
        steps
    }

    fn smooth_borders(&mut self, pixels: &GpuTensor, steps: &GpuTensor, grid: Grid) -> GpuTensor {
        let y = self.output(pixels.shape[0], 3);
        let params = words([y.shape[0], border_pixels(grid)[0], grid.width, grid.height]);
        let work = Work { values: 2 * y.count() + steps.count(), ..Work::threads(y.shape[0], 1) };
        self.dispatch(Kernel::SmoothBorders, &[pixels.buffer, steps.buffer, y.buffer], &params, work);
        y
    }

    /// Keeps the pixels; [`super::ImageTarget`] writes them into a texture, which is no part of a recording.
    fn write_image(&mut self, pixels: &GpuTensor, grid: Grid) {
        self.draft.picture = Some((*pixels, grid));
    }
}

fn state(buffer: StateBuffer, shape: [usize; 2]) -> GpuTensor {
    GpuTensor { buffer: BufferRef::State(buffer), shape }
}
