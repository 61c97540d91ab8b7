//! How long submissions take on the GPU, without waiting for any.
//!
//! With timestamp queries the time is exact. Without them it is the time until the device says that the submission is
//! done, which is noticed once or twice per frame: too long, so that the generator then takes less than its budget.

use super::budget::Phase;
use bevy::platform::time::Instant;
use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender};

/// Submissions that are timed at the same time; others run untimed.
const MAX_SPANS: usize = 32;
/// Longer than any submission: a clock that jumped.
const LONGEST_MS: f32 = 10_000.0;

/// A measured submission.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What ran.
    pub phase: Phase,
    /// How much.
    pub work: f32,
    /// How long.
    pub ms: f32,
}

/// One submission that is on its way.
#[derive(Clone, Copy, Debug)]
struct Running {
    phase: Phase,
    work: f32,
    expected_ms: f32,
    start: Instant,
}

struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    mapped: wgpu::Buffer,
}

struct Span {
    queries: Option<Queries>,
    running: Option<Running>,
}

/// Times submissions.
#[derive(Resource)]
pub struct Timer {
    spans: Vec<Span>,
    /// Nanoseconds per tick, if the device has timestamps.
    period: Option<f32>,
    sender: Sender<Finished>,
    finished: Receiver<Finished>,
}

/// The GPU has finished a span.
struct Finished {
    span: usize,
    /// Whether its timestamps can be read.
    readable: bool,
}

impl Timer {
    /// Uses timestamps where the device has them.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let period = timestamps.then(|| queue.get_timestamp_period()).filter(|period| *period > 0.0);
        let (sender, finished) = crossbeam_channel::unbounded();
        Self { spans: Vec::new(), period, sender, finished }
    }

    /// Expected time of all submissions that are on their way.
    pub fn outstanding_ms(&self) -> f32 {
        self.spans.iter().filter_map(|span| Some(span.running?.expected_ms)).sum()
    }

    /// True while a submission is on its way.
    pub fn is_waiting(&self) -> bool {
        self.spans.iter().any(|span| span.running.is_some())
    }

    /// A free span for the next submission.
    pub fn begin(&mut self, device: &wgpu::Device) -> Option<usize> {
        if let Some(free) = self.spans.iter().position(|span| span.running.is_none()) {
            return Some(free);
        }
        if self.spans.len() == MAX_SPANS {
            return None;
        }
        let queries = self.period.map(|_| Queries::new(device));
        self.spans.push(Span { queries, running: None });
        Some(self.spans.len() - 1)
    }

    /// Where the pass of a span writes its timestamps.
    pub fn writes(&self, span: Option<usize>) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let queries = self.spans.get(span?)?.queries.as_ref()?;
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &queries.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    /// After the pass.
    pub fn resolve(&self, span: Option<usize>, encoder: &mut wgpu::CommandEncoder) {
        let queries = span.and_then(|span| self.spans.get(span)?.queries.as_ref());
        if let Some(queries) = queries {
            encoder.resolve_query_set(&queries.set, 0..2, &queries.resolved, 0);
            encoder.copy_buffer_to_buffer(&queries.resolved, 0, &queries.mapped, 0, Some(16));
        }
    }

    /// After the submission.
    pub fn submitted(
        &mut self,
        span: Option<usize>,
        queue: &wgpu::Queue,
        (phase, work): (Phase, f32),
        expected_ms: f32,
    ) {
        let Some(number) = span else { return };
        let Some(span) = self.spans.get_mut(number) else { return };
        span.running = Some(Running { phase, work, expected_ms, start: Instant::now() });
        let sender = self.sender.clone();
        // Nobody listens any more after a device was lost.
        let finished = move |readable| _ = sender.send(Finished { span: number, readable });
        match &span.queries {
            Some(queries) => {
                queries.mapped.map_async(wgpu::MapMode::Read, .., move |result| finished(result.is_ok()));
            }
            None => queue.on_submitted_work_done(move || finished(false)),
        }
    }

    /// Measurements that have arrived.
    pub fn collect(&mut self, mut learn: impl FnMut(Sample)) {
        for Finished { span, readable } in self.finished.try_iter() {
            let Some(span) = self.spans.get_mut(span) else { continue };
            let Some(running) = span.running.take() else { continue };
            let ms = match &span.queries {
                Some(queries) if readable => {
                    queries.read().map(|ticks| ticks as f32 * self.period.unwrap_or(1.0) * 1e-6)
                }
                Some(_) => None,
                None => Some(running.start.elapsed().as_secs_f32() * 1e3),
            };
            if let Some(ms) = ms.filter(|ms| *ms < LONGEST_MS) {
                learn(Sample { phase: running.phase, work: running.work, ms });
            }
        }
    }
}

impl Queries {
    fn new(device: &wgpu::Device) -> Self {
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("discon time"),
                size: 16,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("discon time"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            mapped: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
        }
    }

    /// Ticks between the two timestamps.
    fn read(&self) -> Option<u64> {
        let [start, end]: [u64; 2] = bytemuck::pod_read_unaligned(&self.mapped.get_mapped_range(..));
        self.mapped.unmap();
        end.checked_sub(start)
    }
}
