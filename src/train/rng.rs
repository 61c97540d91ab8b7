//! Random numbers derived from what they are for, so that a resumed run continues the same stream.

/// A small generator (splitmix64); not for secrets.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A stream of its own for every list of labels, for example `[seed, stage, step, worker]`.
    pub fn new(labels: &[u64]) -> Self {
        let mut rng = Self { state: 0x243f_6a88_85a3_08d3 };
        for label in labels {
            rng.state ^= label.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            rng.state = rng.next_u64();
        }
        rng
    }

    /// Next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..1`.
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `low..high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform integer below `count`, which must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (self.unit() + 1e-7).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// Random order of `0..count`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for index in (1..count).rev() {
            order.swap(index, self.below(index + 1));
        }
        order
    }

    /// Index drawn with probability proportional to the steps of a running sum of weights.
    pub fn weighted(&mut self, running_sum: &[f64]) -> usize {
        let total = running_sum.last().copied().unwrap_or(0.0);
        let target = f64::from(self.unit()) * total;
        running_sum.partition_point(|value| *value <= target).min(running_sum.len().saturating_sub(1))
    }
}
