//! Texture arrays that are filled layer by layer: cells of endless surfaces around their viewers, and Wang tiles.
//!
//! Every surface has at most one piece of work among the waiting jobs. It takes part in the order of priorities like
//! any texture, and the next one follows when it was submitted: all works of a surface depend on those before.

use super::active::Active;
use super::extract::{Around, Queued, Waiting};
use super::layers::Layers;
use super::memory::{Memory, afford};
use super::prepare::{GpuModel, ModelOnGpu};
use super::slots::Slots;
use crate::gpu::{GpuError, GpuPages, ImagePlace};
use crate::model::TOKEN_PIXELS;
use crate::request::link::{Goal, Job, Report, ReportSender, Ticket};
use crate::request::surface_link::{Arranger, SurfaceCommand, SurfaceJob, SurfaceReport, View};
use crate::sampling::{Arrangement, EndlessGrid, Piece, WangSet, Work};
use bevy::prelude::*;
use bevy::render::render_asset::RenderAssets;
use bevy::render::renderer::RenderDevice;
use bevy::render::texture::GpuImage;

/// Shapes of plans that one surface needs in turn: four kinds of pieces, and the decoding.
const SHAPES: usize = 5;

/// All open surfaces.
#[derive(Resource, Default)]
pub struct Surfaces(Vec<OpenSurface>);

struct OpenSurface {
    ticket: Ticket,
    source: Source,
    pages: Option<GpuPages>,
    /// A work is waiting or running, or has failed.
    busy: bool,
}

enum Source {
    Endless { grid: Box<EndlessGrid>, layers: Layers, map: AssetId<Image>, view: View, stale_map: bool },
    Wang { set: Box<WangSet>, priority: f32 },
}

/// What a job of a surface was for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SurfaceWork {
    /// Tokens and latents.
    Piece(Piece),
    /// A cell in a layer.
    Cell([i32; 2], u32),
    /// A Wang tile.
    Tile(u32),
}

impl Surfaces {
    /// Shapes whose buffers must stay.
    pub fn shapes(&self) -> usize {
        SHAPES * self.0.len()
    }

    /// Carries out a command.
    pub fn apply(&mut self, command: SurfaceCommand, queued: &mut Queued, active: &mut Active) {
        match command {
            SurfaceCommand::Open(job) => {
                self.close(job.ticket.image, queued, active);
                self.0.push(OpenSurface::new(*job));
            }
            SurfaceCommand::Look(surface, view) => {
                let Some(open) = self.0.iter_mut().find(|open| open.ticket.image == surface) else { return };
                open.look(view);
                let waiting = queued.jobs.iter_mut().filter(|waiting| waiting.job.ticket.image == surface);
                for waiting in waiting {
                    waiting.job.priority = open.priority();
                }
            }
            SurfaceCommand::Close(surface) => self.close(surface, queued, active),
        }
    }

    fn close(&mut self, surface: AssetId<Image>, queued: &mut Queued, active: &mut Active) {
        self.0.retain(|open| open.ticket.image != surface);
        queued.jobs.retain(|waiting| waiting.job.ticket.image != surface);
        active.cancel(surface);
    }

    /// Whether a surface may have a work or a map to write: all that have none under way.
    pub fn want_work(&self) -> bool {
        self.0.iter().any(|open| !open.busy)
    }

    /// Lets every surface have a work among the jobs.
    pub fn feed(&mut self, gpu: &GpuModel, queued: &mut Queued, sender: &ReportSender) {
        for open in self.0.iter_mut().filter(|open| !open.busy) {
            let Some(pages) = open.pages.clone() else { continue };
            match open.next(gpu, pages, sender) {
                Ok(Some(waiting)) => queued.jobs.push(waiting),
                Ok(None) => continue,
                Err(reason) => sender.send(Report::Surface(open.ticket, SurfaceReport::Failed(reason))),
            }
            open.busy = true;
        }
    }

    /// Bytes of their pages on the device.
    pub fn bytes(&self) -> u64 {
        self.0.iter().filter_map(|open| open.pages.as_ref()).map(GpuPages::bytes).sum()
    }

    /// Fails those that have not failed yet.
    pub fn fail_all(&mut self, error: &GpuError, sender: &ReportSender) {
        for open in self.0.iter_mut().filter(|open| !open.busy) {
            open.fail(error, sender);
        }
    }

    /// The first that has no pages yet.
    fn without_pages(&mut self) -> Option<&mut OpenSurface> {
        self.0.iter_mut().find(|open| !open.busy && open.pages.is_none())
    }

    /// Notes a work whose last commands were submitted, and says what there is to report when they are done.
    pub fn finished(
        &mut self,
        ticket: Ticket,
        work: SurfaceWork,
        images: &RenderAssets<GpuImage>,
        queue: &wgpu::Queue,
    ) -> Option<Report> {
        let open = self.0.iter_mut().find(|open| open.ticket == ticket)?;
        open.busy = false;
        let report = open.finished(work);
        open.write_map(images, queue);
        Some(Report::Surface(ticket, report?))
    }
}

/// Prepares pages, the next works, and maps that have changed.
pub fn feed_surfaces(
    gpu: Res<ModelOnGpu>,
    device: Res<RenderDevice>,
    images: Res<RenderAssets<GpuImage>>,
    sender: Res<ReportSender>,
    mut memory: Memory,
    mut slots: ResMut<Slots>,
    mut queued: ResMut<Queued>,
) {
    let Some(model) = gpu.get() else { return };
    while !memory.must_wait() {
        let left = memory.left(model, &slots);
        let Some(open) = memory.surfaces.without_pages() else { break };
        if let Err(error) = open.make_pages(model, device.wgpu_device(), left)
            && !memory.try_again(&error, &mut slots)
            && let Some(open) = memory.surfaces.without_pages()
        {
            open.fail(&error, &sender);
        }
    }
    memory.surfaces.feed(model, &mut queued, &sender);
    let Memory { surfaces, queue, .. } = &mut memory;
    surfaces.0.iter_mut().for_each(|open| open.write_map(&images, queue));
}

impl OpenSurface {
    fn new(job: SurfaceJob) -> Self {
        let SurfaceJob { ticket, arranger } = job;
        let source = match arranger {
            Arranger::Endless { grid, map, radius, layers, view } => {
                let layers = Layers::new(layers, radius, view.centre);
                Source::Endless { grid, layers, map, view, stale_map: true }
            }
            Arranger::Wang { set, priority } => Source::Wang { set, priority },
        };
        Self { ticket, source, pages: None, busy: false }
    }

    fn look(&mut self, to: View) {
        if let Source::Endless { layers, view, stale_map, .. } = &mut self.source {
            *view = to;
            *stale_map |= layers.look(to.centre);
        }
    }

    /// Priority of the next work.
    fn priority(&self) -> f32 {
        match &self.source {
            Source::Endless { layers, view, .. } => {
                let distance = layers.next().map_or(0.0, |cell| layers.distance(cell));
                view.near - view.per_cell * distance
            }
            Source::Wang { priority, .. } => *priority,
        }
    }

    /// The next work as a job; none if everything in sight was made.
    fn next(&mut self, gpu: &GpuModel, pages: GpuPages, sender: &ReportSender) -> Result<Option<Waiting>, String> {
        let priority = self.priority();
        let next = match &mut self.source {
            Source::Endless { grid, layers, .. } => {
                let Some(cell) = layers.next() else { return Ok(None) };
                let (work, arrangement) = grid.next(&gpu.model, cell).map_err(|error| error.to_string())?;
                let work = match work {
                    Work::Piece(piece) => SurfaceWork::Piece(piece),
                    Work::Picture(cell) => {
                        let (layer, lost) = layers.free();
                        if let Some(lost) = lost {
                            sender.send(Report::Surface(self.ticket, SurfaceReport::Lost(lost)));
                        }
                        SurfaceWork::Cell(cell, layer)
                    }
                };
                (work, arrangement)
            }
            Source::Wang { set, .. } => match set.next(&gpu.model) {
                Some((Work::Piece(piece), arrangement)) => (SurfaceWork::Piece(piece), arrangement),
                Some((Work::Picture(tile), arrangement)) => (SurfaceWork::Tile(tile), arrangement),
                None => return Ok(None),
            },
        };
        Ok(Some(self.job(next, pages, priority)))
    }

    /// Makes the pages, of which there may be `left` bytes.
    fn make_pages(&mut self, gpu: &GpuModel, device: &wgpu::Device, mut left: u64) -> Result<(), GpuError> {
        let (count, positions, what) = match &self.source {
            Source::Endless { grid, .. } => (grid.page_count(), grid.page_positions(), "the cells of a surface"),
            Source::Wang { set, .. } => (set.page_count(), set.page_positions(), "a set of Wang tiles"),
        };
        let config = &gpu.model.discon.config;
        let what = || format!("the latents of {what}");
        afford(&mut left, GpuPages::bytes_of(config, count, positions), what)?;
        let pages = GpuPages::new(device, config, count, positions);
        self.pages = Some(pages.map_err(|error| error.needed_for(what))?);
        Ok(())
    }

    /// Ends the work: a new opening may begin it again.
    fn fail(&mut self, error: &GpuError, sender: &ReportSender) {
        sender.send(Report::Surface(self.ticket, SurfaceReport::Failed(error.to_string())));
        self.busy = true;
    }

    fn job(&self, (work, arrangement): (SurfaceWork, Arrangement), pages: GpuPages, priority: f32) -> Waiting {
        let Arrangement { plan, given, kept, halo } = arrangement;
        let layer = match work {
            SurfaceWork::Cell(_, layer) | SurfaceWork::Tile(layer) => layer,
            SurfaceWork::Piece(_) => 0,
        };
        let around = Around {
            given: Some((pages.clone(), given)),
            kept: Some((pages, kept)),
            place: ImagePlace { item: 0, layer, border: halo * TOKEN_PIXELS as u32 },
            work: Some(work),
        };
        let job = Job {
            ticket: self.ticket,
            plan,
            priority,
            file: None,
            goal: Goal::Full,
            coarse: false,
            read_tokens: false,
            paused: false,
            state: None,
        };
        Waiting { job, tokens: None, coarse_shown: false, around, alone: true }
    }

    fn finished(&mut self, work: SurfaceWork) -> Option<SurfaceReport> {
        match (&mut self.source, work) {
            (Source::Endless { grid, .. }, SurfaceWork::Piece(piece)) => grid.made(piece),
            (Source::Endless { layers, stale_map, .. }, SurfaceWork::Cell(cell, layer)) => {
                layers.put(layer, cell);
                *stale_map = true;
                return Some(SurfaceReport::Cell(cell, layer));
            }
            (Source::Wang { set, .. }, SurfaceWork::Piece(_)) => set.made(),
            (Source::Wang { set, .. }, SurfaceWork::Tile(tile)) => {
                set.made();
                return Some(SurfaceReport::Tile(tile));
            }
            _ => {}
        }
        None
    }

    /// Uploads the map if it has changed: some hundred bytes, in the order of the submissions around it.
    fn write_map(&mut self, images: &RenderAssets<GpuImage>, queue: &wgpu::Queue) {
        let Source::Endless { layers, map, stale_map, .. } = &mut self.source else { return };
        let Some(image) = images.get(*map).filter(|_| *stale_map) else { return };
        *stale_map = false;
        let side = layers.map_side();
        queue.write_texture(
            image.texture.as_image_copy(),
            bytemuck::cast_slice(&layers.map()),
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(8 * side), rows_per_image: None },
            wgpu::Extent3d { width: side, height: side, depth_or_array_layers: 1 },
        );
    }
}
