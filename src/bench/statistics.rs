//! What many measurements say.

/// The middle of some measurements, and how far the middle half of them reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of measurements.
    pub count: usize,
    /// The middle.
    pub median: f64,
    /// A quarter is below.
    pub low: f64,
    /// A quarter is above.
    pub high: f64,
}

impl Summary {
    /// Of any measurements; not numbers if there are none.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| percentile(&sorted, share);
        Self { count: sorted.len(), median: at(0.5), low: at(0.25), high: at(0.75) }
    }

    /// Median and spread, each multiplied, as text.
    pub fn text(&self, factor: f64) -> String {
        let of = |value: f64| significant(value * factor);
        match self.count {
            0 | 1 => of(self.median),
            _ => format!("{} ({}–{})", of(self.median), of(self.low), of(self.high)),
        }
    }
}

/// The value below which a share of sorted measurements lies, between neighbours by the straight line.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// A number with three digits that count; a dash for one that could not be measured.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    // A sum of nothing is minus zero.
    let value = value + 0.0;
    let decimals = match value.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        size if size >= 0.09995 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// Repeats that alternate between several things, so that a slow minute is slow for all: measurements by thing.
pub fn alternate<E>(
    things: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<Vec<Vec<f64>>, E> {
    let mut found = vec![Vec::with_capacity(rounds); things];
    for round in 0..rounds {
        for step in 0..things {
            // Each goes first in turn.
            let thing = (step + round) % things;
            found[thing].push(measure(thing)?);
        }
    }
    Ok(found)
}
