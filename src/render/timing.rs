//! How long submissions take on the GPU, without waiting for any.
//!
//! With timestamp queries the time is exact. Without them the device only says what is done, and only when it is asked:
//! once or twice per frame. So nothing is known but [`Bounds`].

use super::budget::{Bounds, Phase, Sample, Took};
use bevy::platform::time::Instant;
use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender};

/// Submissions that are timed at the same time; others run untimed.
const MAX_SPANS: usize = 32;
/// Longer than any submission: a clock that jumped.
const LONGEST_MS: f32 = 10_000.0;

/// One submission that is on its way.
#[derive(Clone, Copy, Debug)]
struct Running {
    number: u64,
    phase: Phase,
    work: f32,
    expected_ms: f32,
    /// It has not begun before.
    start: Instant,
    /// When everything before it was seen to be done.
    begun: Option<Instant>,
    /// When it was last seen not to be done.
    unfinished: Option<Instant>,
}

impl Running {
    /// What follows when it is seen to be done.
    fn bounds(&self, done: Instant) -> Bounds {
        let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f32() * 1e3;
        let least = self.begun.zip(self.unfinished).map_or(0.0, |(begun, unfinished)| ms(begun, unfinished));
        Bounds { least, most: ms(self.start, done).max(least), at_once: self.unfinished.is_none() }
    }

    /// It was not done when the device was asked.
    fn looked_at(&mut self, time: Instant) {
        self.unfinished = Some(time);
        if self.begun.is_none() {
            self.start = time;
        }
    }
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
    /// Number of the next submission.
    next: u64,
    sender: Sender<News>,
    news: Receiver<News>,
}

/// Something about the submission of a span.
struct News {
    span: usize,
    number: u64,
    event: Event,
    at: Instant,
}

enum Event {
    /// Everything before it is done.
    Begun,
    /// It is done.
    Finished {
        /// Whether its timestamps can be read.
        readable: bool,
    },
}

impl Timer {
    /// Uses timestamps where the device has them.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let period = timestamps.then(|| queue.get_timestamp_period()).filter(|period| *period > 0.0);
        let (sender, news) = crossbeam_channel::unbounded();
        Self { spans: Vec::new(), period, next: 0, sender, news }
    }

    /// Expected time of all submissions that are on their way.
    pub fn outstanding_ms(&self) -> f32 {
        self.spans.iter().filter_map(|span| Some(span.running?.expected_ms)).sum()
    }

    /// True while a submission is on its way.
    pub fn is_waiting(&self) -> bool {
        self.spans.iter().any(|span| span.running.is_some())
    }

    /// A free span for the next submission, before it is submitted.
    pub fn begin(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) -> Option<usize> {
        let span = match self.spans.iter().position(|span| span.running.is_none()) {
            Some(free) => free,
            None if self.spans.len() == MAX_SPANS => return None,
            None => {
                self.spans.push(Span { queries: self.period.map(|_| Queries::new(device)), running: None });
                self.spans.len() - 1
            }
        };
        self.next += 1;
        if self.period.is_none() {
            let tell = self.teller(span);
            queue.on_submitted_work_done(move || tell(Event::Begun));
        }
        Some(span)
    }

    /// Sends news of the next submission in a span.
    fn teller(&self, span: usize) -> impl FnOnce(Event) + Send + 'static {
        let (sender, number) = (self.sender.clone(), self.next);
        // The time of the call, not that of the frame in which it is noticed. Nobody listens any more after a device was
        // lost.
        move |event| _ = sender.send(News { span, number, event, at: Instant::now() })
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
        let Some(place) = span else { return };
        let tell = self.teller(place);
        let Some(span) = self.spans.get_mut(place) else { return };
        let (number, start) = (self.next, Instant::now());
        span.running = Some(Running { number, phase, work, expected_ms, start, begun: None, unfinished: None });
        match &span.queries {
            Some(queries) => {
                let finished = move |result: Result<(), _>| tell(Event::Finished { readable: result.is_ok() });
                queries.mapped.map_async(wgpu::MapMode::Read, .., finished);
            }
            None => queue.on_submitted_work_done(move || tell(Event::Finished { readable: false })),
        }
    }

    /// Asks the device, without waiting, and gives what has arrived to `learn`.
    pub fn collect(&mut self, device: &wgpu::Device, mut learn: impl FnMut(Sample)) {
        let looked = Instant::now();
        // Runs callbacks and returns at once. Without cameras nobody else would do it.
        device.poll(wgpu::PollType::Poll).ok();
        for News { span, number, event, at } in self.news.try_iter() {
            let Some(Span { queries, running: place }) = self.spans.get_mut(span) else { continue };
            let Some(running) = place.as_mut().filter(|running| running.number == number) else { continue };
            let Event::Finished { readable } = event else {
                running.begun = Some(at);
                continue;
            };
            let ticks = queries.as_ref().filter(|_| readable).and_then(Queries::read);
            let took = match (queries, self.period, ticks) {
                (Some(_), Some(period), Some(ticks)) => Some(Took::Exactly(ticks as f32 * period * 1e-6)),
                (Some(_), ..) => None,
                (None, ..) => Some(Took::Within(running.bounds(at))),
            };
            let Running { phase, work, expected_ms, .. } = *running;
            *place = None;
            let sample = took.map(|took| Sample { phase, work, took, expected_ms });
            sample.filter(|sample| sample.ms() < LONGEST_MS).into_iter().for_each(&mut learn);
        }
        self.spans.iter_mut().filter_map(|span| span.running.as_mut()).for_each(|running| running.looked_at(looked));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bounds_count_neither_what_ran_before_nor_what_was_not_seen() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let running = |begun: Option<u64>, looks: &[u64]| {
            let phase = Phase::Latents;
            let (begun_at, unfinished) = (None, None);
            let mut running =
                Running { number: 1, phase, work: 1.0, expected_ms: 4.0, start, begun: begun_at, unfinished };
            for look in looks {
                if let Some(begun) = begun.filter(|begun| begun <= look) {
                    running.begun = Some(at(begun));
                }
                running.looked_at(at(*look));
            }
            running.begun = begun.map(at);
            running
        };
        for (begun, looks, done, least, most, at_once) in [
            (Some(0), &[][..], 16, 0.0, 16.0, true),
            // It was seen to run.
            (Some(2), &[16, 32], 48, 30.0, 48.0, false),
            // The GPU was busy with something else until its end was seen.
            (Some(48), &[16, 32], 48, 0.0, 16.0, false),
        ] {
            let bounds = running(begun, looks).bounds(at(done));
            let found = (bounds.least.round(), bounds.most.round(), bounds.at_once);
            assert_eq!(found, (least, most, at_once), "begun {begun:?}, looks {looks:?}");
        }
    }
}
