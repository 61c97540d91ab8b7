//! The different dispatches of a recording, with what they cost and in words.

use super::peak::Product;
use crate::gpu::{BufferRef, Dispatch, Kernel, KernelKey, KernelVariant, Recording};
use crate::model::Model;

/// Dispatches that do the same on other buffers.
pub struct Shape {
    /// The first of them.
    pub index: usize,
    /// How many there are in a texture.
    pub count: usize,
    /// Kernel and sizes.
    pub key: KernelKey,
    /// Sizes in words.
    pub text: String,
    /// Operations of one.
    pub flops: u64,
    /// Bytes that one reads and writes, weights included.
    pub bytes: u64,
    /// The products that the `gemm` crate would compute for one.
    pub products: Vec<[usize; 3]>,
}

/// The shapes of some dispatches of a recording in their order.
pub fn shapes(model: &Model, recording: &Recording, dispatches: impl Iterator<Item = usize>) -> Vec<Shape> {
    type Key = (KernelKey, [u32; 3], Vec<u32>);
    let mut known: Vec<(Key, Shape)> = Vec::new();
    for index in dispatches {
        let dispatch = &recording.dispatches[index];
        let words = words(recording, dispatch);
        let same = (dispatch.key, dispatch.workgroups, identity(dispatch.key.kernel, words));
        match known.iter_mut().find(|(key, _)| *key == same) {
            Some((_, shape)) => shape.count += 1,
            None => known.push((same, shape(model, recording, index))),
        }
    }
    known.into_iter().map(|(_, shape)| shape).collect()
}

fn words<'a>(recording: &'a Recording, dispatch: &Dispatch) -> &'a [u32] {
    &recording.params[dispatch.params]
}

/// The parameters that change the work: places in lists and columns do not.
fn identity(kernel: Kernel, words: &[u32]) -> Vec<u32> {
    match kernel {
        Kernel::Linear | Kernel::Conv3x3 | Kernel::Attention => words.to_vec(),
        _ => words[..2].to_vec(),
    }
}

fn shape(model: &Model, recording: &Recording, index: usize) -> Shape {
    let dispatch = &recording.dispatches[index];
    let words = words(recording, dispatch);
    Shape {
        index,
        count: 1,
        key: dispatch.key,
        text: text(dispatch.key, words),
        flops: dispatch.flops,
        bytes: bytes(model, dispatch),
        products: products(dispatch.key.kernel, words),
    }
}

/// Bytes that a dispatch reads and writes: values in f32, weights as they are packed, in halves.
pub fn bytes(model: &Model, dispatch: &Dispatch) -> u64 {
    let weights = dispatch.buffers.iter().filter_map(|buffer| match buffer {
        BufferRef::Weight(id) => Some(2 * model.table.spec(*id).len() as u64),
        _ => None,
    });
    4 * dispatch.values + weights.sum::<u64>()
}

/// Sizes in words; the order of the parameters is that of the shaders.
fn text(key: KernelKey, words: &[u32]) -> String {
    match key.kernel {
        Kernel::Linear => {
            let extras = [(words[4], " +SiLU"), (words[6], " +residual")];
            let extras: String = extras.iter().filter(|(on, _)| *on != 0).map(|(_, text)| *text).collect();
            format!("{} rows, {} to {}{extras}", words[0], words[1], words[3])
        }
        Kernel::Conv3x3 => format!("{}x{}, {} to {}", words[7], words[8], words[1], words[3]),
        Kernel::Attention => {
            format!("{}x{}, {} heads of {}, window {}", words[0], words[1], words[6], key.head_width, words[4])
        }
        Kernel::RmsNorm | Kernel::ModulatedNorm => format!("{} rows of {}", words[0], words[1]),
        _ => format!("{} values", words[0]),
    }
}

/// The same work as plain products. Attention shows all keys to a product, since none is left out there.
fn products(kernel: Kernel, words: &[u32]) -> Vec<[usize; 3]> {
    let at = |index: usize| words[index] as usize;
    match kernel {
        Kernel::Linear => vec![[at(0), at(1), at(3)]],
        Kernel::Conv3x3 => vec![[at(0), 9 * at(1), at(3)]],
        Kernel::Attention => {
            let (positions, heads, width) = (at(5) * at(0) * at(1), at(6), at(7) / at(6));
            (0..heads).flat_map(|_| [[positions, width, positions], [positions, positions, width]]).collect()
        }
        _ => Vec::new(),
    }
}

/// Matrices for the products of a shape.
pub fn matrices(shape: &Shape) -> Vec<Product> {
    shape.products.iter().map(|shape| Product::new(*shape)).collect()
}

/// A dispatch in words: its kernel and sizes.
pub fn describe(recording: &Recording, index: usize, variant: KernelVariant) -> String {
    let dispatch = &recording.dispatches[index];
    format!("`{}` {}", dispatch.key.kernel.entry_point(variant), text(dispatch.key, words(recording, dispatch)))
}

/// Kernels that a model may record and that none of these recordings has.
pub fn unused(recordings: &[&Recording], variant: KernelVariant) -> Vec<&'static str> {
    let dispatches = || recordings.iter().flat_map(|recording| &recording.dispatches);
    let used = |kernel: Kernel| dispatches().any(|dispatch| dispatch.key.kernel == kernel);
    // Those of textures are measured apart.
    let apart = [
        Kernel::WriteImage,
        Kernel::Downsample,
        Kernel::DeriveNormal,
        Kernel::DeriveOrm,
        Kernel::DeriveHeight,
        Kernel::DownsampleMap,
    ];
    let kernels = Kernel::ALL.iter().filter(|kernel| !used(**kernel) && !apart.contains(kernel));
    kernels.map(|kernel| kernel.entry_point(variant)).collect()
}
