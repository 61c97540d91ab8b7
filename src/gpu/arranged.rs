//! Runs arrangements on a device without Bevy.

use super::error::{GpuError, checked};
use super::headless::Gpu;
use super::image_target::{ImagePlace, ImageTarget};
use super::pages::GpuPages;
use crate::model::{Model, TOKEN_PIXELS};
use crate::reference::GeneratedTexture;
use crate::sampling::{Arrangement, RunArrangement};

/// A device and pages on it.
#[derive(Debug)]
pub struct GpuExecutor<'a> {
    gpu: &'a mut Gpu,
    pages: Option<GpuPages>,
}

impl<'a> GpuExecutor<'a> {
    /// No pages yet.
    pub fn new(gpu: &'a mut Gpu) -> Self {
        Self { gpu, pages: None }
    }

    /// Runs all steps, and keeps what is to be kept.
    fn run(&mut self, model: &Model, arrangement: &Arrangement) -> Result<(), GpuError> {
        self.gpu.prepare(model, &arrangement.plan.shape)?;
        let Some(pages) = &self.pages else { return Err(GpuError::Device("no pages were reserved".into())) };
        let slot = &self.gpu.slot()?.job;
        slot.start(self.gpu.queue(), &arrangement.plan.inputs)?;
        let run = || {
            self.gpu.record(|encoder| pages.give(encoder, slot, &arrangement.given));
            self.gpu.run_all(slot)?;
            self.gpu.record(|encoder| pages.keep(encoder, slot, &arrangement.kept));
            Ok(())
        };
        checked(self.gpu.device(), "a run", run, GpuError::Device)?
    }
}

impl RunArrangement for GpuExecutor<'_> {
    type Picture = GeneratedTexture;
    type Error = GpuError;

    fn reserve(&mut self, model: &Model, pages: usize, positions: usize) -> Result<(), GpuError> {
        self.pages = Some(GpuPages::new(self.gpu.device(), &model.discon.config, pages, positions)?);
        Ok(())
    }

    fn make(&mut self, model: &Model, arrangement: Arrangement) -> Result<(), GpuError> {
        self.run(model, &arrangement)
    }

    fn show(&mut self, model: &Model, arrangement: Arrangement) -> Result<GeneratedTexture, GpuError> {
        self.run(model, &arrangement)?;
        let grid = arrangement.plan.shape.grid;
        let halo = arrangement.halo as usize;
        let side = |tokens: usize| tokens.saturating_sub(2 * halo);
        let (columns, rows) = (side(grid.width), side(grid.height));
        let [width, height] = [columns, rows].map(|tokens| (tokens * TOKEN_PIXELS) as u32);
        let texture = checked(self.gpu.device(), "a picture", || self.gpu.texture(width, height), GpuError::Device)?;
        let place = ImagePlace { border: arrangement.halo * TOKEN_PIXELS as u32, ..Default::default() };
        let (pipelines, slot) = (self.gpu.pipelines()?, &self.gpu.slot()?.job);
        let target = ImageTarget::at(self.gpu.device(), pipelines, slot, &texture, place)?;
        self.gpu.submit(|pass| target.encode(pass));
        let tokens = self.gpu.read(slot.tokens_buffer(), 4 * grid.positions() as u64)?;
        let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&tokens);
        let inner = tokens.chunks_exact(grid.width).skip(halo).take(rows).flat_map(|row| &row[halo..halo + columns]);
        let tokens = inner.copied().collect();
        Ok(GeneratedTexture { width, height, pixels: self.gpu.read_texture(&texture)?, tokens })
    }
}
