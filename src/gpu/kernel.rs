//! The kernels: their files, bindings and constants.
//!
//! A kernel is one file in `shaders/`, named like its entry point. Its text is preceded by the library files that it
//! uses and by `const` lines written here, so a number that Rust and WGSL share has one home. One rule extends
//! WGSL: a line that holds a mark such as `$i` is repeated for each index of the mark, see [`marks`]; software
//! rasterisers keep named scalars in registers, but not arrays.

use super::library::Library;
use crate::model::{SMOOTHED_PIXELS, TOKEN_PIXELS};
use crate::reference::rms_norm::EPSILON;
use crate::sampling::rng::Stream;
use crate::sampling::{LATENT_LIMIT, borders};
use std::fmt::Write;

/// Two ways to write the kernels that take most of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelVariant {
    /// Eight lanes that pass values by subgroup broadcasts, no barriers: for software rasterisers, where a
    /// barrier is dear.
    Lanes,
    /// Tiles in workgroup memory, no subgroups, within the default limits of WebGPU: for GPUs.
    Tiled,
}

impl KernelVariant {
    /// The fitting variant for an adapter and the features of the device made from it.
    ///
    /// The environment variable `DISCON_KERNELS=lanes|tiled` overrides the choice, where the device can run it.
    pub fn choose(info: &wgpu::AdapterInfo, features: wgpu::Features) -> Self {
        let wanted = match std::env::var("DISCON_KERNELS").as_deref() {
            Ok("lanes") => Self::Lanes,
            Ok("tiled") => Self::Tiled,
            _ if info.device_type == wgpu::DeviceType::Cpu => Self::Lanes,
            _ => Self::Tiled,
        };
        if Self::can_run_lanes(info, features) { wanted } else { Self::Tiled }
    }

    /// Whether an adapter, with these features of a device made from it, can run [`Self::Lanes`].
    pub fn can_run_lanes(info: &wgpu::AdapterInfo, features: wgpu::Features) -> bool {
        features.contains(wgpu::Features::SUBGROUP) && info.subgroup_min_size >= LANES
    }
}

/// Lanes that work together in [`KernelVariant::Lanes`]: one vector of a software rasteriser.
pub const LANES: u32 = 8;
/// Rows of a block of [`KernelVariant::Lanes`] products.
pub const LANE_ROWS: usize = 8;
/// Columns of a block of packed weights; see `weights.rs`.
pub const BLOCK_COLUMNS: usize = 16;
/// Threads of a workgroup in kernels that treat one value per thread.
pub const THREADS: usize = 64;
/// Rows and columns of the output that one workgroup of a [`KernelVariant::Tiled`] product computes.
pub const TILE: usize = 32;
/// Terms of the sum that a tile holds at once.
pub const TILE_TERMS: usize = 16;
/// Queries of one lane of [`KernelVariant::Lanes`] attention: rows of the grid, one below the other.
pub const LANE_QUERIES: usize = 4;
/// Keys that a tile of [`KernelVariant::Tiled`] attention holds at once.
pub const TILE_KEYS: usize = 16;
/// Queries along each side of the block of one workgroup of [`KernelVariant::Tiled`] attention; lanes take one row of
/// it.
pub const QUERY_BLOCK: usize = 8;

/// What a kernel binds, after the uniform `params` at binding 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Storage buffer, read.
    Read,
    /// Storage buffer, read and written.
    Write,
    /// One mip level, read.
    Texture,
    /// One mip level, written.
    StorageTexture,
}

macro_rules! kernels {
    ($($variant:ident: $stem:literal, $tiled:literal, [$($binding:ident),*], [$($library:ident),*];)*) => {
        /// All kernels, in the order of a generation's parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kernel { $(
            #[doc = concat!("`shaders/", $stem, ".wgsl`")]
            $variant,
        )* }

        impl Kernel {
            /// Every kernel.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Entry point in a variant, which is also the name of the file.
            pub fn entry_point(self, variant: KernelVariant) -> &'static str {
                match (self, variant) { $(
                    (Self::$variant, KernelVariant::Lanes) => $stem,
                    (Self::$variant, KernelVariant::Tiled) => $tiled,
                )* }
            }

            /// Bindings after `params`.
            pub fn bindings(self) -> &'static [Binding] {
                match self { $(Self::$variant => &[$(Binding::$binding),*],)* }
            }

            fn source(self, variant: KernelVariant) -> &'static str {
                match (self, variant) { $(
                    (Self::$variant, KernelVariant::Lanes) => include_str!(concat!("../../shaders/", $stem, ".wgsl")),
                    (Self::$variant, KernelVariant::Tiled) => include_str!(concat!("../../shaders/", $tiled, ".wgsl")),
                )* }
            }

            fn libraries(self) -> &'static [Library] {
                match self { $(Self::$variant => &[$(Library::$library),*],)* }
            }
        }
    };
}

kernels! {
    Linear: "linear", "linear_tiled", [Read, Read, Read, Read, Read, Write], [Product];
    Conv3x3: "conv3x3", "conv3x3_tiled", [Read, Read, Read, Read, Read, Write], [Border, Product];
    RmsNorm: "rms_norm", "rms_norm", [Read, Read, Write], [Index, Reduce];
    ModulatedNorm: "modulated_norm", "modulated_norm", [Read, Read, Write], [Index, Reduce];
    GatedAdd: "gated_add", "gated_add", [Read, Read, Read, Write], [Index];
    Attention: "attention", "attention_tiled", [Read, Read, Write], [Sight];
    Embed: "embed", "embed", [Read, Read, Write], [Index];
    BroadcastSum: "broadcast_sum", "broadcast_sum", [Read, Read, Write], [Index];
    Gather: "gather", "gather", [Read, Read, Write], [Index];
    JoinSegments: "join_segments", "join_segments", [Read, Read, Write], [Index];
    LastSegment: "last_segment", "last_segment", [Read, Write], [Index];
    DepthToSpace: "depth_to_space", "depth_to_space", [Read, Write], [Index];
    SpaceToDepth: "space_to_depth", "space_to_depth", [Read, Write], [Index];
    Denormalise: "denormalise", "denormalise", [Read, Read, Write], [Index];
    SampleTokens: "sample_tokens", "sample_tokens", [Read, Read, Read, Read, Write], [Rng, Reduce];
    Noise: "noise", "noise", [Read, Read, Read, Write], [Index, Rng];
    FlowStep: "flow_step", "flow_step", [Read, Read, Read, Write], [Index];
    CommitLatents: "commit_latents", "commit_latents", [Read, Read, Read, Write], [Index];
    TokensAt: "tokens_at", "tokens_at", [Read, Read, Write], [Index];
    Reopen: "reopen", "reopen", [Read, Read, Write, Write], [Index];
    BorderSteps: "border_steps", "border_steps", [Read, Write], [Index, Border];
    SmoothBorders: "smooth_borders", "smooth_borders", [Read, Read, Write], [Index];
    WriteImage: "write_image", "write_image", [Read, StorageTexture], [];
    Downsample: "downsample", "downsample", [Texture, StorageTexture], [];
    DeriveNormal: "derive_normal", "derive_normal", [Texture, StorageTexture], [Relief];
    DeriveOrm: "derive_orm", "derive_orm", [Texture, StorageTexture], [Relief];
    DeriveHeight: "derive_height", "derive_height", [Texture, StorageTexture], [Relief];
    DownsampleMap: "downsample_map", "downsample_map", [Texture, StorageTexture], [];
}

/// A kernel and the numbers its text is specialised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelKey {
    /// The kernel.
    pub kernel: Kernel,
    /// Columns of one head for [`Kernel::Attention`], else 0.
    pub head_width: usize,
    /// Whether a product moves its result between space and depth; one that does not is spared the divisions.
    pub moves: bool,
}

impl From<Kernel> for KernelKey {
    fn from(kernel: Kernel) -> Self {
        Self { kernel, head_width: 0, moves: false }
    }
}

impl KernelKey {
    /// Attention for heads of `head_width` columns, a multiple of 8 up to 64.
    pub fn attention(head_width: usize) -> Self {
        Self { head_width, ..Kernel::Attention.into() }
    }

    /// Every key that a model with attention heads of these widths can record.
    pub fn all(head_widths: &[usize]) -> Vec<Self> {
        let mut keys: Vec<Self> =
            Kernel::ALL.iter().filter(|kernel| **kernel != Kernel::Attention).map(|kernel| (*kernel).into()).collect();
        keys.extend([Kernel::Linear, Kernel::Conv3x3].map(|kernel| Self { moves: true, ..kernel.into() }));
        keys.extend(head_widths.iter().map(|width| Self::attention(*width)));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The complete WGSL text.
    pub fn source(self, variant: KernelVariant) -> String {
        let mut text = constants(self, variant);
        for library in self.kernel.libraries() {
            for source in library.source(variant) {
                text.push_str(source);
            }
        }
        text.push_str(self.kernel.source(variant));
        repeat_lines(&text, &marks(self, variant))
    }
}

/// Keys that one step of [`KernelVariant::Lanes`] attention takes at once.
const STEP_KEYS: usize = 2;

/// Marks of repeated lines and how often they repeat; a line with several marks runs through all combinations.
fn marks(key: KernelKey, variant: KernelVariant) -> [(&'static str, usize); 3] {
    let rows = if key.kernel == Kernel::Attention { STEP_KEYS } else { LANE_ROWS };
    let queries = if variant == KernelVariant::Lanes { LANE_QUERIES } else { 1 };
    [
        // Rows of a block of a product, keys of a step of attention.
        ("$i", rows),
        // Queries of one lane of attention.
        ("$q", queries),
        // Blocks of eight columns of a head.
        ("$b", key.head_width / 8),
    ]
}

fn constants(key: KernelKey, variant: KernelVariant) -> String {
    let mut text = String::new();
    let reduce_threads = match variant {
        KernelVariant::Lanes => LANES as usize,
        KernelVariant::Tiled => THREADS,
    };
    for (name, value) in [
        ("LANES", LANES as usize),
        ("LANE_ROWS", LANE_ROWS),
        ("BLOCK_COLUMNS", BLOCK_COLUMNS),
        ("THREADS", THREADS),
        ("REDUCE_THREADS", reduce_threads),
        ("TILE", TILE),
        ("TILE_TERMS", TILE_TERMS),
        ("TILE_KEYS", TILE_KEYS),
        ("QUERY_BLOCK", QUERY_BLOCK),
        ("HEAD_WIDTH", key.head_width),
        ("STEP_KEYS", STEP_KEYS),
        ("LANE_QUERIES", LANE_QUERIES),
        ("TOKEN_PIXELS", TOKEN_PIXELS),
        ("SMOOTHED_PIXELS", SMOOTHED_PIXELS),
        ("ALONG", borders::ALONG),
        ("INSIDE_FIRST", borders::INSIDE[0]),
        ("INSIDE_LAST", borders::INSIDE[1]),
        ("STREAM_TOKEN", Stream::Token as usize),
        ("STREAM_LATENT", Stream::Latent as usize),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "const MOVES: bool = {};", key.moves);
    for (name, value) in [
        ("EPSILON", EPSILON),
        ("LATENT_LIMIT", LATENT_LIMIT),
        ("NATURAL", borders::NATURAL),
        ("EDGE", borders::EDGE),
        // Divided in f32 here, as `sampling::rng` does; WGSL would divide its constants in f64.
        ("NORMAL_SCALE", 1.0 / 53_509.95f32),
    ] {
        let _ = writeln!(text, "const {name}: f32 = {value:e}f;");
    }
    text
}

/// Repeats lines with marks; the last mark counts fastest.
fn repeat_lines(text: &str, marks: &[(&str, usize)]) -> String {
    let mut out = String::with_capacity(2 * text.len());
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        let mut lines = vec![code.to_string()];
        for (mark, count) in marks.iter().filter(|(mark, _)| code.contains(mark)) {
            let repeat =
                |line: &String| (0..*count).map(|index| line.replace(mark, &index.to_string())).collect::<Vec<_>>();
            lines = lines.iter().flat_map(repeat).collect();
        }
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}
