//! Runs arrangements on the CPU, with pages in memory.

use super::{CpuOps, GeneratedTexture, Loops};
use crate::model::{Model, TOKEN_PIXELS};
use crate::sampling::{Arrangement, LatentState, RunArrangement, run_step};
use std::convert::Infallible;

/// Pages in memory, and the loops that work on them.
#[derive(Clone, Debug)]
pub struct CpuPages {
    loops: Loops,
    positions: usize,
    state: LatentState,
}

impl CpuPages {
    /// No pages yet.
    pub fn new(loops: Loops) -> Self {
        Self { loops, positions: 0, state: LatentState { tokens: Vec::new(), context: Vec::new() } }
    }

    fn run(&mut self, model: &Model, arrangement: Arrangement) -> GeneratedTexture {
        let Arrangement { mut plan, given, kept, halo } = arrangement;
        let width = model.discon.config.context_width();
        let mut context = vec![0.0; plan.inputs.tokens.len() * width];
        for span in given {
            let (from, to, count) = self.stretch(span.page, span.at, span.place, span.count);
            plan.inputs.tokens[to..to + count].copy_from_slice(&self.state.tokens[from..from + count]);
            let values = &self.state.context[from * width..(from + count) * width];
            context[to * width..(to + count) * width].copy_from_slice(values);
        }
        plan.inputs.context = Some(context);
        let mut ops = CpuOps::for_job(model, &plan).with_loops(self.loops);
        for step in &plan.shape.steps {
            run_step(&mut ops, &model.discon, &plan.shape, step);
        }
        for span in kept {
            let (from, to, count) = self.stretch(span.page, span.at, span.place, span.count);
            self.state.tokens[from..from + count].copy_from_slice(&ops.tokens[to..to + count]);
            let values = &ops.context[to * width..(to + count) * width];
            self.state.context[from * width..(from + count) * width].copy_from_slice(values);
        }
        cut(&ops.into_texture(&plan), halo as usize)
    }

    /// First position in all pages, first position in the grid, and number of positions.
    fn stretch(&self, page: u32, at: u32, place: u32, count: u32) -> (usize, usize, usize) {
        (page as usize * self.positions + at as usize, place as usize, count as usize)
    }
}

impl RunArrangement for CpuPages {
    type Picture = GeneratedTexture;
    type Error = Infallible;

    fn reserve(&mut self, model: &Model, pages: usize, positions: usize) -> Result<(), Infallible> {
        self.positions = positions;
        self.state.tokens = vec![model.discon.config.mask_token(); pages * positions];
        self.state.context = vec![0.0; pages * positions * model.discon.config.context_width()];
        Ok(())
    }

    fn make(&mut self, model: &Model, arrangement: Arrangement) -> Result<(), Infallible> {
        self.run(model, arrangement);
        Ok(())
    }

    fn show(&mut self, model: &Model, arrangement: Arrangement) -> Result<GeneratedTexture, Infallible> {
        Ok(self.run(model, arrangement))
    }
}

/// A picture without the outer `halo` tokens of each side.
fn cut(texture: &GeneratedTexture, halo: usize) -> GeneratedTexture {
    fn inner<T: Copy>(values: &[T], width: usize, border: usize, parts: usize) -> Vec<T> {
        let rows = values.chunks_exact(width * parts);
        let count = rows.len().saturating_sub(2 * border);
        rows.skip(border).take(count).flat_map(|row| &row[parts * border..parts * (width - border)]).copied().collect()
    }
    let border = halo * TOKEN_PIXELS;
    let width = texture.width as usize;
    GeneratedTexture {
        width: texture.width - 2 * border as u32,
        height: texture.height - 2 * border as u32,
        pixels: inner(&texture.pixels, width, border, 3),
        tokens: inner(&texture.tokens, width / TOKEN_PIXELS, halo, 1),
    }
}
