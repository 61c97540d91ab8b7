//! Loops compiled for several vector widths, chosen when they run.

/// Vector instructions of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What every machine of the target has.
    Base,
    /// Eight numbers at once.
    Avx2,
    /// Sixteen numbers at once.
    Avx512,
}

/// The widest instructions that this machine has.
#[inline]
pub fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Base
}

/// Defines a function whose body is compiled once per [`Level`]; what it calls must be `#[inline(always)]`.
macro_rules! wide {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "one argument per term of the formula")]
            fn body($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "one argument per term of the formula")]
                fn sixteen($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "one argument per term of the formula")]
                fn eight($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                match $crate::train::wide::level() {
                    // SAFETY: the level is only reported on machines with exactly these instructions.
                    $crate::train::wide::Level::Avx512 => return unsafe { sixteen($($argument),*) },
                    // SAFETY: as above.
                    $crate::train::wide::Level::Avx2 => return unsafe { eight($($argument),*) },
                    $crate::train::wide::Level::Base => {}
                }
            }
            body($($argument),*)
        }
    )*};
}
pub(super) use wide;

/// Numbers that a reduction adds side by side.
pub(super) const LANES: usize = 16;

/// `e^x` within two units in the last place for `-87..88`; clamped outside.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest integer in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = shifted - ROUNDER;
    // ln 2 in two parts, the first with few enough bits that its product is exact.
    let rest = (x - whole * (355.0 / 512.0)) + whole * 2.121_944_4e-4;
    // The series of e^x, its last terms adjusted for -ln 2 / 2 .. ln 2 / 2.
    let mut series = 1.987_569_2e-4;
    series = series * rest + 1.398_199_9e-3;
    series = series * rest + 8.333_452e-3;
    series = series * rest + 4.166_579_6e-2;
    series = series * rest + 1.666_666_5e-1;
    series = series * rest + 5.000_000_3e-1;
    let value = series * rest * rest + rest + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127) << 23;
    value * f32::from_bits(power)
}

/// Sum of the products of two rows of equal length.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut total = 0.0;
    for (a, b) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        total += a * b;
    }
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    total + sum_lanes(&lanes)
}

/// Largest value of a row, and [`f32::NEG_INFINITY`] for none.
#[inline(always)]
pub(super) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let mut best = f32::NEG_INFINITY;
    for value in chunks.remainder() {
        best = if *value > best { *value } else { best };
    }
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    for lane in lanes {
        best = if lane > best { lane } else { best };
    }
    best
}

/// `e^x` for `x` up to 0, and 0 below -60: less than any sum of a softmax can show, and its products would
/// otherwise fall into the range of numbers that processors compute a hundred times slower.
#[inline(always)]
fn share(x: f32) -> f32 {
    if x < -60.0 { 0.0 } else { exp(x) }
}

/// Replaces a row by `e^(x - shift)`, with `shift` the largest, and returns the sum.
#[inline(always)]
pub(super) fn exp_row(row: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut total = 0.0;
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            let value = share(chunk[lane] - shift);
            chunk[lane] = value;
            lanes[lane] += value;
        }
    }
    for value in chunks.into_remainder() {
        *value = share(*value - shift);
        total += *value;
    }
    total + sum_lanes(&lanes)
}

#[inline(always)]
fn sum_lanes(lanes: &[f32; LANES]) -> f32 {
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    total
}
