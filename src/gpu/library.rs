//! What kernels share: files of `shaders/lib`, some of them once per variant.

use super::kernel::KernelVariant;

/// Text that several kernels share, in `shaders/lib`.
#[derive(Clone, Copy)]
pub(super) enum Library {
    /// Linear index of a thread.
    Index,
    /// Neighbours past a border.
    Border,
    /// Parameters, inner loop and end of a product.
    Product,
    /// Sum and largest value over a workgroup.
    Reduce,
    /// Keys in sight of a query.
    Sight,
    /// Random numbers.
    Rng,
    /// Heights of a picture.
    Relief,
}

impl Library {
    /// The files, in the order in which they stand before a kernel.
    pub fn source(self, variant: KernelVariant) -> &'static [&'static str] {
        const PRODUCT: &str = include_str!("../../shaders/lib/product.wgsl");
        match (self, variant) {
            (Self::Index, _) => &[include_str!("../../shaders/lib/index.wgsl")],
            (Self::Border, _) => &[include_str!("../../shaders/lib/border.wgsl")],
            (Self::Product, KernelVariant::Lanes) => &[PRODUCT, include_str!("../../shaders/lib/product_lanes.wgsl")],
            (Self::Product, KernelVariant::Tiled) => &[PRODUCT, include_str!("../../shaders/lib/product_tiled.wgsl")],
            (Self::Reduce, KernelVariant::Lanes) => &[include_str!("../../shaders/lib/reduce_lanes.wgsl")],
            (Self::Reduce, KernelVariant::Tiled) => &[include_str!("../../shaders/lib/reduce_tiled.wgsl")],
            (Self::Sight, _) => &[include_str!("../../shaders/lib/sight.wgsl")],
            (Self::Relief, _) => &[include_str!("../../shaders/lib/relief.wgsl")],
            (Self::Rng, _) => &[include_str!("../../shaders/lib/rng.wgsl")],
        }
    }
}
