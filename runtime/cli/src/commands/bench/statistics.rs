//! Medians over rounds, ratios within them, percentiles of latencies.
//!
//! All peers take their turn in every round, so that a slow phase of the machine meets all of them. A ratio is taken inside
//! each round, and its median over the rounds is what is shown: never the ratio of two medians.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::commands::Outcome;

/// The value in the middle; the mean of the two in the middle when their number is even. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The median of the ratios of what was measured in the same rounds.
pub fn median_ratio(values: &[f64], references: &[f64]) -> f64 {
    median(&values.iter().zip(references).map(|(value, reference)| value / reference).collect::<Vec<_>>())
}

/// Latencies as they are collected: 1 ns to 10 s, three digits.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    const LONGEST_NS: u64 = 10_000_000_000;

    /// None yet.
    pub fn new() -> Outcome<Self> {
        Ok(Latencies { histogram: Histogram::new_with_bounds(1, Self::LONGEST_NS, 3)? })
    }

    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(Self::LONGEST_NS));
    }

    /// What is told of them; nothing of none.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!self.histogram.is_empty()).then(|| Percentiles { p50_us: at(0.50), p99_us: at(0.99) })
    }
}

/// Latencies in µs: half, and 99 of 100, are at or below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Of 50 %.
    pub p50_us: f64,
    /// Of 99 %.
    pub p99_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 200.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The machine was three times slower in the second round: the ratio has not changed, but that of the medians has.
        assert_eq!(median_ratio(&[2.0, 6.0, 2.0], &[1.0, 3.0, 1.0]), 2.0);
        assert_eq!(median_ratio(&[2.0, 6.0, 8.0], &[1.0, 3.0, 4.0]), 2.0);
        assert_eq!(median_ratio(&[], &[]), 0.0);
    }

    #[test]
    fn percentiles_of_a_ramp() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.percentiles(), None);
        (1..=1000).for_each(|us| latencies.record(Duration::from_micros(us)));
        let found = latencies.percentiles().unwrap();
        assert!((found.p50_us - 500.0).abs() < 1.0 && (found.p99_us - 990.0).abs() < 2.0, "{found:?}");
        latencies.record(Duration::from_secs(100));
    }
}
