//! Joins neighbours of a recording: what only changes how the result of a product is added or stored becomes the
//! end of the product.
//!
//! Joined are gated sums, and moves between space and depth. The description of the network does not know of it, and the
//! values are those of separate dispatches.

use super::kernel::{Binding, Kernel};
use super::product::{binding, word};
use super::recording::{BufferRef, Dispatch, Draft, PARAM_WORDS};
use std::collections::HashMap;

type Block = [u32; PARAM_WORDS];

/// What a dispatch does with the only value that it takes from a product.
enum End {
    /// `sum + gate * value`.
    GatedAdd { sum: BufferRef, modulation: BufferRef, width: u32, gate_at: u32 },
    /// Each row becomes `factor` x `factor` rows; `width` is that of the grid before.
    Finer { width: u32, factor: u32 },
    /// `factor` x `factor` rows become one.
    Coarser { width: u32, factor: u32 },
}

impl End {
    /// The end that a dispatch can be, and the value that it takes.
    fn of(dispatch: &Dispatch, words: &Block) -> Option<(BufferRef, Self)> {
        let buffers = &dispatch.buffers;
        Some(match dispatch.key.kernel {
            Kernel::GatedAdd => {
                let [width, gate_at] = [words[2], words[3]];
                (buffers[2], Self::GatedAdd { sum: buffers[0], modulation: buffers[1], width, gate_at })
            }
            Kernel::DepthToSpace => (buffers[0], Self::Finer { width: words[1], factor: words[2] }),
            Kernel::SpaceToDepth => (buffers[0], Self::Coarser { width: words[1] * words[2], factor: words[2] }),
            _ => return None,
        })
    }

    /// What it reads besides the value.
    fn reads(&self) -> Vec<BufferRef> {
        match *self {
            Self::GatedAdd { sum, modulation, .. } => vec![sum, modulation],
            Self::Finer { .. } | Self::Coarser { .. } => Vec::new(),
        }
    }

    /// Makes it the end of a product; false, and nothing changed, if that dispatch cannot end so.
    fn join(&self, product: &mut Dispatch, words: &mut Block) -> bool {
        if !matches!(product.key.kernel, Kernel::Linear | Kernel::Conv3x3) {
            return false;
        }
        let moves = words[word::FINER] * words[word::COARSER] > 1;
        // A convolution has a grid already; a linear map gets one with its first move.
        let fits = |width: u32| [0, width].contains(&words[word::WIDTH]);
        match *self {
            Self::GatedAdd { sum, modulation, width, gate_at } if !moves && words[word::HAS_RESIDUAL] == 0 => {
                (words[word::HAS_RESIDUAL], words[word::GATE_WIDTH], words[word::GATE_AT]) = (1, width, gate_at);
                (product.buffers[binding::RESIDUAL], product.buffers[binding::GATE]) = (sum, modulation);
                product.values += 2 * u64::from(words[word::ROWS]) * u64::from(words[word::OUTPUTS]);
            }
            Self::Finer { width, factor } if !moves && fits(width) => {
                (words[word::WIDTH], words[word::FINER]) = (width, factor);
            }
            // Digits of a place must not carry, see `place` in the shader.
            Self::Coarser { width, factor }
                if words[word::COARSER] == 1
                    && (words[word::FINER] == 1 || words[word::FINER].is_multiple_of(factor))
                    && fits(width / words[word::FINER]) =>
            {
                (words[word::WIDTH], words[word::COARSER]) = (width / words[word::FINER], factor);
            }
            _ => return false,
        }
        product.key.moves |= !matches!(self, Self::GatedAdd { .. });
        true
    }
}

/// Who writes a value, and how many dispatches need it.
#[derive(Clone, Copy, Default)]
struct Use {
    writer: Option<usize>,
    readers: usize,
}

fn uses(draft: &Draft) -> Vec<Use> {
    let mut uses = vec![Use::default(); draft.values.len()];
    for (at, dispatch) in draft.dispatches.iter().enumerate() {
        for (buffer, binding) in dispatch.buffers.iter().zip(dispatch.key.kernel.bindings()) {
            match (buffer, binding) {
                (BufferRef::Value(value), Binding::Write) => uses[*value].writer = Some(at),
                (BufferRef::Value(value), _) => uses[*value].readers += 1,
                _ => {}
            }
        }
    }
    for tensor in draft.kept() {
        if let BufferRef::Value(value) = tensor.buffer {
            uses[value].readers += 1;
        }
    }
    uses
}

/// Joins all dispatches of a draft that can be joined.
pub(super) fn fuse(draft: &mut Draft) {
    let mut uses = uses(draft);
    let mut blocks: Vec<Block> = draft.dispatches.iter().map(|dispatch| draft.params[dispatch.params]).collect();
    let mut stays = vec![true; draft.dispatches.len()];
    for at in 0..draft.dispatches.len() {
        let (before, rest) = draft.dispatches.split_at_mut(at);
        let Some((BufferRef::Value(source), end)) = End::of(&rest[0], &blocks[at]) else { continue };
        let Use { writer: Some(writer), readers: 1 } = uses[source] else { continue };
        let written = |buffer: &BufferRef| match buffer {
            BufferRef::Value(value) => uses[*value].writer.is_some_and(|other| other < writer),
            BufferRef::Weight(_) | BufferRef::Constant { .. } => true,
            // It may change between the two.
            BufferRef::State(_) | BufferRef::Unused => false,
        };
        let product = &mut before[writer];
        if !end.reads().iter().all(written) || !end.join(product, &mut blocks[writer]) {
            continue;
        }
        let output = rest[0].buffers[rest[0].buffers.len() - 1];
        product.buffers[binding::OUTPUT] = output;
        if let BufferRef::Value(value) = output {
            uses[value].writer = Some(writer);
        }
        stays[at] = false;
    }
    keep(draft, blocks, &stays);
}

/// Takes out the dispatches that do not stay, and gives the others their changed parameters.
fn keep(draft: &mut Draft, blocks: Vec<Block>, stays: &[bool]) {
    let mut places = vec![0];
    places.extend(stays.iter().scan(0, |count, stays| {
        *count += usize::from(*stays);
        Some(*count)
    }));
    for step in &mut draft.steps {
        *step = places[step.start]..places[step.end];
    }
    draft.params.clear();
    let mut known = HashMap::new();
    let all = std::mem::take(&mut draft.dispatches).into_iter().zip(blocks);
    for ((mut dispatch, block), _) in all.zip(stays).filter(|(_, stays)| **stays) {
        dispatch.params = *known.entry(block).or_insert_with(|| {
            draft.params.push(block);
            draft.params.len() - 1
        });
        draft.dispatches.push(dispatch);
    }
}
