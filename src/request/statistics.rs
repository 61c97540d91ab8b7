//! Numbers about the generator: a resource, and diagnostics.

use super::events::{GenerationError, TextureSource};
use super::link::Continued;
use super::store::TextureStore;
use bevy::diagnostic::{Diagnostic, DiagnosticPath, Diagnostics, RegisterDiagnostic};
use bevy::prelude::*;

/// Milliseconds on the GPU that generation takes in a frame, as measured: compare
/// [`DisconSettings::budget_ms`](super::DisconSettings::budget_ms).
pub const GPU_MILLISECONDS: DiagnosticPath = DiagnosticPath::const_new("discon/gpu_ms");
/// Textures that still change; measured in frames in which something happened.
pub const UNFINISHED_TEXTURES: DiagnosticPath = DiagnosticPath::const_new("discon/unfinished");
/// Bytes of GPU memory in textures that are kept for later requests; measured in the same frames.
pub const KEPT_BYTES: DiagnosticPath = DiagnosticPath::const_new("discon/kept_bytes");

/// Events since the start of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
pub struct Counts {
    /// Requests, equal ones counted each.
    pub requests: u64,
    /// Pictures that were generated.
    pub generated: u64,
    /// Coarse pictures.
    pub coarse: u64,
    /// Requests whose picture was in memory.
    pub from_memory: u64,
    /// Pictures that were read from the disk cache.
    pub from_disk: u64,
    /// Pictures whose last edits alone were generated, on from kept latents.
    pub continued: u64,
    /// Pictures that were generated in a batch with others, see [`BatchLimit`](super::BatchLimit).
    pub together: u64,
    /// Floating-point operations of all pictures that were generated.
    pub operations: u64,
    /// Textures that failed, for any reason but the next two.
    pub failed: u64,
    /// Textures that were cancelled by a call.
    pub cancelled: u64,
    /// Requests that were refused because too many were unfinished.
    pub refused: u64,
    /// Requests whose last handle was dropped before they ended: nobody is left to be told.
    pub dropped: u64,
    /// Pictures that could not be written into the disk cache, see [`DiskCacheFailed`](super::DiskCacheFailed).
    pub not_cached: u64,
}

impl Counts {
    pub(super) fn failure(&mut self, error: &GenerationError) {
        match error {
            GenerationError::Cancelled => self.cancelled += 1,
            GenerationError::TooMany { .. } => self.refused += 1,
            _ => self.failed += 1,
        }
    }

    /// Counts the work of a texture.
    pub(super) fn worked(&mut self, operations: u64, continued: Continued, together: usize) {
        self.operations += operations;
        self.continued += u64::from(continued == Continued::Yes);
        self.together += u64::from(together > 1);
    }

    pub(super) fn finished(&mut self, source: TextureSource) {
        match source {
            TextureSource::Disk => self.from_disk += 1,
            TextureSource::Generated | TextureSource::Memory => self.generated += 1,
        }
    }
}

/// What the generator has done and holds. A resource, for overlays and budgets; up to date from `Update` on.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq, Reflect)]
#[reflect(Resource, Default)]
pub struct TextureStatistics {
    /// Events since the start of the program.
    pub counts: Counts,
    /// Textures that exist.
    pub textures: usize,
    /// Those that still change.
    pub unfinished: usize,
    /// Bytes of GPU memory of all textures, mip levels included; buffers and weights are not.
    pub texture_bytes: u64,
    /// Bytes of those that are kept for later requests.
    pub kept_bytes: u64,
}

pub(super) fn build(app: &mut App) {
    app.init_resource::<TextureStatistics>()
        .register_type::<TextureStatistics>()
        .register_diagnostic(Diagnostic::new(GPU_MILLISECONDS).with_suffix(" ms"))
        .register_diagnostic(Diagnostic::new(UNFINISHED_TEXTURES))
        .register_diagnostic(Diagnostic::new(KEPT_BYTES).with_suffix(" bytes"));
}

/// Counts again when the store has changed.
pub(super) fn count(store: Res<TextureStore>, mut statistics: ResMut<TextureStatistics>, mut diagnostics: Diagnostics) {
    let (texture_bytes, kept_bytes) = store.bytes();
    let (textures, unfinished) = (store.len(), store.unfinished());
    debug_assert_eq!(unfinished, store.iter().filter(|(.., state)| !state.is_finished()).count(), "all are counted");
    let new = TextureStatistics { counts: store.counts, textures, unfinished, texture_bytes, kept_bytes };
    if statistics.set_if_neq(new) {
        diagnostics.add_measurement(&UNFINISHED_TEXTURES, || unfinished as f64);
        diagnostics.add_measurement(&KEPT_BYTES, || kept_bytes as f64);
    }
}
