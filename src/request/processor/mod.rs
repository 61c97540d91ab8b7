//! Textures that are made on the processor, where no GPU can make them: without a renderer, or on an adapter that
//! cannot run the kernels.
//!
//! Takes the place of the render world: the same commands, the same order, the same reports. One texture at a time runs
//! on a task thread, in steps, so that loading and planning on the same threads go on; the main thread only moves
//! results. Without a renderer pictures become the data of their images; else the render world uploads them.

mod queue;
mod work;

use super::events::GenerationError;
use super::link::{Command, Continued, Goal, MapJob, Outbox, Report, ReportSender, Shown, Ticket};
use super::model_source::DisconModel;
use super::settings::{DisconSettings, ProcessorThreads};
use super::store::TextureStore;
use super::systems::{Ask, DisconSchedule};
use crate::native::{Generation, Threads};
use crate::reference::GeneratedTexture;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use bevy::tasks::{AsyncComputeTaskPool, IoTaskPool, Task, block_on, poll_once};
use queue::Waiting;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use work::{Finished, Link, Outcome};

/// All work of the processor, and the pictures that it has made.
#[derive(Resource, Default)]
pub struct Processor {
    waiting: Vec<Waiting>,
    running: Option<Running>,
    /// Work of some milliseconds, which does not wait for textures.
    short: VecDeque<Short>,
    short_running: Option<(AssetId<Image>, Task<Made>)>,
    /// What images show: maps are derived from it.
    pictures: HashMap<AssetId<Image>, Arc<GeneratedTexture>>,
    threads: Option<(usize, Arc<Threads>)>,
}

/// The texture that is being made.
struct Running {
    job: Waiting,
    stop: Arc<AtomicBool>,
    task: Task<Outcome>,
}

/// Something that takes some milliseconds.
enum Short {
    /// RGBA bytes from the disk cache need their levels.
    Picture(Ticket, Vec<u8>, (u32, u32)),
    Map(MapJob),
}

impl Short {
    fn concerns(&self, image: AssetId<Image>) -> bool {
        match self {
            Self::Picture(ticket, ..) => ticket.image == image,
            Self::Map(map) => map.base == image || map.target == image,
        }
    }
}

/// What became of it.
enum Made {
    Picture(Ticket, Finished),
    Map(Vec<u8>),
}

impl Processor {
    fn is_busy(&self) -> bool {
        let waits = !self.short.is_empty() || self.waiting.iter().any(Waiting::can_run);
        waits || self.running.is_some() || self.short_running.is_some()
    }

    fn jobs_mut(&mut self, image: AssetId<Image>) -> impl Iterator<Item = &mut Waiting> {
        let running = self.running.iter_mut().map(|running| &mut running.job);
        running.chain(&mut self.waiting).filter(move |job| job.ticket.image == image)
    }

    /// Drops what is made for an image; of a step that runs nothing is heard.
    fn cancel(&mut self, image: AssetId<Image>) {
        self.waiting.retain(|job| job.ticket.image != image);
        self.running.take_if(|running| running.job.ticket.image == image);
        self.short.retain(|short| !short.concerns(image));
        self.short_running.take_if(|(target, _)| *target == image);
        self.pictures.remove(&image);
    }

    /// Stops the running texture between two steps, to wait again.
    fn set_aside(&self) {
        self.running.iter().for_each(|running| running.stop.store(true, Ordering::Relaxed));
    }

    fn threads(&mut self, setting: ProcessorThreads) -> Arc<Threads> {
        let count = match setting {
            ProcessorThreads::Exactly(count) => count.max(1) as usize,
            ProcessorThreads::Automatic | ProcessorThreads::Never => AsyncComputeTaskPool::get().thread_num(),
        };
        let known = self.threads.take().filter(|(known, _)| *known == count);
        let (_, threads) = self.threads.insert(known.unwrap_or_else(|| (count, Arc::new(Threads::new(count)))));
        threads.clone()
    }
}

/// Adds the systems. They do nothing as long as a GPU makes the textures.
pub fn build(app: &mut App) {
    app.init_resource::<Processor>().add_systems(DisconSchedule::Request, run_jobs.after(Ask).run_if(has_work));
}

fn has_work(store: Res<TextureStore>, outbox: Res<Outbox>, processor: Res<Processor>) -> bool {
    match &store.no_gpu {
        Some(_) => !outbox.0.is_empty() || processor.is_busy(),
        // There is a new device, which may be able to.
        None => processor.is_busy() || !processor.pictures.is_empty(),
    }
}

fn run_jobs(
    mut processor: ResMut<Processor>,
    mut outbox: ResMut<Outbox>,
    mut images: ResMut<Assets<Image>>,
    store: Res<TextureStore>,
    model: Res<DisconModel>,
    settings: Res<DisconSettings>,
    sender: Res<ReportSender>,
) {
    let Some(reason) = &store.no_gpu else {
        *processor = Processor::default();
        return;
    };
    let renders = *reason != GenerationError::NoRenderer;
    let processor = &mut *processor;
    take_commands(processor, &mut outbox, &store, &model, renders);
    if settings.paused {
        processor.set_aside();
    }
    let mut shown = Vec::new();
    finish_texture(processor, &sender, &mut shown);
    finish_short(processor, &mut shown);
    start_short(processor);
    if !settings.paused {
        start_texture(processor, &settings, &sender);
    }
    for shown in shown {
        if renders {
            outbox.0.push(Command::Show(Box::new(shown)));
        } else if let Some(mut image) = images.get_mut(shown.image) {
            image.data = Some(shown.levels);
            shown.then.into_iter().for_each(|report| sender.send(report));
        }
    }
}

/// Takes what is work, and leaves the render world the rest if there is one.
fn take_commands(
    processor: &mut Processor,
    outbox: &mut Outbox,
    store: &TextureStore,
    model: &DisconModel,
    renders: bool,
) {
    for command in std::mem::take(&mut outbox.0) {
        match command {
            Command::Generate(job) => {
                // Nothing is planned without a model.
                let Some(model) = model.get() else { continue };
                processor.waiting.push(Waiting::new(*job, |plan| Generation::new(model.clone(), plan)));
            }
            Command::Upload(ticket, pixels) => {
                let Some(recipe) = store.recipe(ticket.image) else { continue };
                processor.short.push_back(Short::Picture(ticket, pixels, recipe.size));
            }
            Command::Derive(map) => {
                // Only the newest picture counts.
                processor.short.retain(|short| !matches!(short, Short::Map(waiting) if waiting.target == map.target));
                processor.short.push_back(Short::Map(map));
            }
            Command::Prioritise(image, priority) => processor.jobs_mut(image).for_each(|job| job.priority = priority),
            Command::Pause(image, paused) => {
                processor.jobs_mut(image).for_each(|job| job.paused = paused);
                if processor.running.as_ref().is_some_and(|running| running.job.paused) {
                    processor.set_aside();
                }
            }
            Command::Refine(image) => {
                let rests = |job: &&mut Waiting| job.goal == Goal::Coarse;
                processor.jobs_mut(image).filter(rests).for_each(|job| job.goal = Goal::Full);
            }
            Command::Cancel(image) => {
                processor.cancel(image);
                outbox.0.extend(renders.then_some(command));
            }
            Command::UseModel(_) | Command::Clear(..) | Command::Surface(_) | Command::Show(_) => {
                outbox.0.extend(renders.then_some(command));
            }
        }
    }
}

/// Takes the result of the running texture.
fn finish_texture(processor: &mut Processor, sender: &ReportSender, shown: &mut Vec<Shown>) {
    let Some(running) = &mut processor.running else { return };
    let Some(outcome) = block_on(poll_once(&mut running.task)) else { return };
    let Some(Running { mut job, .. }) = processor.running.take() else { return };
    let (ticket, until) = (job.ticket, job.until());
    let Outcome { generation, stopped, picture } = outcome;
    let Some(Finished { texture, levels }) = picture else {
        if stopped {
            job.generation = Some(generation);
            processor.waiting.push(job);
        }
        return;
    };
    let texture = Arc::new(texture);
    processor.pictures.insert(ticket.image, texture.clone());
    let report = if until == work::Until::Coarse {
        (job.generation, job.coarse_shown) = (Some(generation), true);
        processor.waiting.push(job);
        Report::Coarse(ticket)
    } else {
        let operations = generation.flops();
        sender.send(Report::Cost { operations, continued: Continued::No, together: 1 });
        if let Some(file) = job.file {
            let sender = sender.clone();
            IoTaskPool::get().spawn(async move { work::store(&file, &texture, &sender) }).detach();
        }
        Report::Done(ticket)
    };
    shown.push(Shown { image: ticket.image, levels, then: Some(report) });
}

/// Starts the next texture: one at a time.
fn start_texture(processor: &mut Processor, settings: &DisconSettings, sender: &ReportSender) {
    if processor.running.is_some() {
        return;
    }
    let Some(mut job) = queue::next(&mut processor.waiting) else { return };
    let Some(generation) = job.generation.take() else { return };
    let threads = processor.threads(settings.processor_threads);
    let stop = Arc::new(AtomicBool::new(false));
    let link = Link { ticket: job.ticket, sender: sender.clone(), stop: stop.clone() };
    let task = AsyncComputeTaskPool::get().spawn(work::run(generation, job.until(), threads, link));
    processor.running = Some(Running { job, stop, task });
}

fn finish_short(processor: &mut Processor, shown: &mut Vec<Shown>) {
    let Some((image, task)) = &mut processor.short_running else { return };
    let Some(made) = block_on(poll_once(task)) else { return };
    let image = *image;
    processor.short_running = None;
    shown.push(match made {
        Made::Picture(ticket, Finished { texture, levels }) => {
            processor.pictures.insert(image, Arc::new(texture));
            Shown { image, levels, then: Some(Report::Done(ticket)) }
        }
        Made::Map(levels) => Shown { image, levels, then: None },
    });
}

fn start_short(processor: &mut Processor) {
    while processor.short_running.is_none() {
        let Some(short) = processor.short.pop_front() else { return };
        let pool = AsyncComputeTaskPool::get();
        match short {
            Short::Picture(ticket, rgba, size) => {
                let work = async move { Made::Picture(ticket, work::from_disk(&rgba, size)) };
                processor.short_running = Some((ticket.image, pool.spawn(work)));
            }
            Short::Map(map) => {
                // Without a picture it is asked for again when there is one.
                let Some(base) = processor.pictures.get(&map.base).cloned() else { continue };
                let work = async move { Made::Map(work::map(&base, &map)) };
                processor.short_running = Some((map.target, pool.spawn(work)));
            }
        }
    }
}
