//! What runs on task threads.

use crate::cache::DiskFile;
use crate::native::{Generation, Threads};
use crate::reference::GeneratedTexture;
use crate::reference::maps::{Picture, derive, levels};
use crate::request::events::DiskCacheFailed;
use crate::request::link::{MapJob, Report, ReportSender, Ticket};
use crate::sampling::MapKind;
use bevy::tasks::futures_lite::future::yield_now;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// With the tokens.
    Tokens,
    /// With the coarse picture.
    Coarse,
    /// With the picture.
    End,
}

/// A picture that can be shown.
#[derive(Debug)]
pub struct Finished {
    /// The picture.
    pub texture: GeneratedTexture,
    /// RGBA bytes of all levels, the largest first.
    pub levels: Vec<u8>,
}

/// What came out of a task.
#[derive(Debug)]
pub struct Outcome {
    /// Goes on from here.
    pub generation: Box<Generation>,
    /// True if it was stopped before its end.
    pub stopped: bool,
    /// The picture, if it ended with one.
    pub picture: Option<Finished>,
}

/// What a task says, and who stops it.
pub struct Link {
    /// Whose texture it is.
    pub ticket: Ticket,
    /// Where it reports.
    pub sender: ReportSender,
    /// Stops it between two steps.
    pub stop: Arc<AtomicBool>,
}

/// Runs a generation until something is reached. Between steps other tasks of the pool have their turn.
pub async fn run(mut generation: Box<Generation>, until: Until, threads: Arc<Threads>, link: Link) -> Outcome {
    loop {
        let picture = match until {
            Until::Tokens if generation.has_tokens() => None,
            Until::Coarse if generation.has_tokens() => Some(threads.run(|| finished(generation.coarse()))),
            Until::End if generation.is_done() => Some(finished(generation.texture())),
            _ => {
                if link.stop.load(Ordering::Relaxed) {
                    return Outcome { generation, stopped: true, picture: None };
                }
                step(&mut generation, until, &threads, &link);
                yield_now().await;
                continue;
            }
        };
        return Outcome { generation, stopped: false, picture };
    }
}

fn step(generation: &mut Generation, until: Until, threads: &Threads, link: &Link) {
    let had_tokens = generation.has_tokens();
    threads.run(|| generation.step());
    if !had_tokens && generation.has_tokens() {
        // No codebook has more than 2^16 entries.
        let tokens = generation.tokens().iter().map(|token| *token as u16).collect();
        link.sender.send(Report::Tokens(link.ticket, tokens));
    }
    if until != Until::Tokens {
        link.sender.send(Report::Progress(link.ticket, generation.fraction()));
    }
}

/// A picture with its levels.
fn finished(texture: GeneratedTexture) -> Finished {
    let levels = all_levels(texture.pixels.clone(), (texture.width, texture.height), None);
    Finished { texture, levels }
}

/// A picture of the disk cache, RGBA, with its levels.
pub fn from_disk(rgba: &[u8], (width, height): (u32, u32)) -> Finished {
    let pixels = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    finished(GeneratedTexture { width, height, pixels, tokens: Vec::new() })
}

/// A map with its levels.
pub fn map(base: &GeneratedTexture, job: &MapJob) -> Vec<u8> {
    let size = (base.width as usize, base.height as usize);
    let picture = Picture { pixels: &base.pixels, size, wrap: job.wrap };
    all_levels(derive(picture, job.kind, &job.rules), (base.width, base.height), Some(job.kind))
}

fn all_levels(pixels: Vec<u8>, (width, height): (u32, u32), kind: Option<MapKind>) -> Vec<u8> {
    let levels = levels(pixels, (width as usize, height as usize), kind);
    levels.iter().flat_map(|level| level.pixels.chunks_exact(3)).flat_map(rgba).collect()
}

fn rgba(rgb: &[u8]) -> [u8; 4] {
    [rgb[0], rgb[1], rgb[2], 255]
}

/// Keeps a picture on disk.
pub fn store(file: &DiskFile, texture: &GeneratedTexture, sender: &ReportSender) {
    let pixels: Vec<u8> = texture.pixels.chunks_exact(3).flat_map(rgba).collect();
    if let Err(error) = file.write(&pixels) {
        let folder = file.folder.clone();
        sender.send(Report::NotCached(DiskCacheFailed { folder, reason: error.to_string() }));
    }
}
