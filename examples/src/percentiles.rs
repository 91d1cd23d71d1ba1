//! Percentiles of latencies.

use std::time::Duration;

use serde::Serialize;

/// Latencies in µs, by how many of them are at or below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at or below.
    pub p50_us: f64,
    /// 90 of 100 are.
    pub p90_us: f64,
    /// 99 of 100 are.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Percentiles {
    /// Sorts the latencies and reads them off; all zero when there are none.
    pub fn of(latencies: &mut [Duration]) -> Self {
        latencies.sort_unstable();
        // Nearest rank: the smallest value with at least this share at or below it.
        let at = |percent: usize| match latencies.len() {
            0 => 0.0,
            len => latencies[(len * percent).div_ceil(100).max(1) - 1].as_secs_f64() * 1e6,
        };
        Percentiles { p50_us: at(50), p90_us: at(90), p99_us: at(99), max_us: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_ranks() {
        let mut latencies: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        let found = Percentiles::of(&mut latencies);
        let rounded = [found.p50_us, found.p90_us, found.p99_us, found.max_us].map(|us| us.round() as u32);
        assert_eq!(rounded, [100, 180, 198, 200]);
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
    }
}
