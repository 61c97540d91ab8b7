//! Places for values: a small pool of buffers that values take in turn.
//!
//! A value has a whole buffer for itself while it lives, because wgpu refuses a buffer that one dispatch both reads and
//! writes, even at ranges that do not overlap (gfx-rs/wgpu issue 8470).

/// Size of a value and the dispatches that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Its size.
    pub bytes: u64,
    /// The dispatch that writes it.
    pub first: usize,
    /// The last dispatch that reads it.
    pub last: usize,
}

/// A buffer for each value, and the size of each buffer. Values must be ordered by their first dispatch.
pub fn place(lifetimes: &[Lifetime]) -> (Vec<usize>, Vec<u64>) {
    let mut pool: Vec<u64> = Vec::new();
    // Last dispatch of the value that holds each buffer.
    let mut taken_until: Vec<usize> = Vec::new();
    let places = lifetimes
        .iter()
        .map(|value| {
            // The smallest free buffer that is large enough, else the largest free one, which then grows.
            let free = (0..pool.len()).filter(|buffer| taken_until[*buffer] < value.first);
            let best = free.min_by_key(|buffer| {
                let size = pool[*buffer];
                if size >= value.bytes { (false, size) } else { (true, u64::MAX - size) }
            });
            let buffer = best.unwrap_or_else(|| {
                pool.push(0);
                taken_until.push(0);
                pool.len() - 1
            });
            pool[buffer] = pool[buffer].max(value.bytes);
            taken_until[buffer] = value.last;
            buffer
        })
        .collect();
    (places, pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_live_at_the_same_time_have_different_buffers() {
        let lifetimes: Vec<Lifetime> = (0..200usize)
            .map(|first| Lifetime { bytes: 4 + (first * 37 % 11) as u64 * 64, first, last: first + 1 + first * 13 % 7 })
            .collect();
        let (places, pool) = place(&lifetimes);
        for (a, first) in lifetimes.iter().enumerate() {
            assert!(pool[places[a]] >= first.bytes);
            for (b, second) in lifetimes.iter().enumerate().skip(a + 1) {
                let overlap = second.first <= first.last;
                assert!(!overlap || places[a] != places[b], "values {a} and {b} share a buffer");
            }
        }
        assert!(pool.len() <= 9, "{} buffers for at most 8 values at a time", pool.len());
    }
}
