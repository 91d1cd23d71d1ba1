//! How long operations take on the device, as far as is known.
//!
//! A kernel counts as `Config::unknown_kernel` until something is known of it. A measured time (`handle_kernel_time`)
//! is believed; until there is one, the time of a batch that contained it bounds it from above, and a batch of that one
//! launch alone measures it. What it most likely takes, for choosing queues and times to submit, is fitted to the times of
//! small batches; the mean of all dispatches stands for what was never in one.

use alloc::vec::Vec;

use crate::config::Config;
use crate::operation::{CostKey, Nanos, Work};
use crate::window::Mean;

/// Ids index tables; what is above this would make them huge and is refused (streams, events) or stays unknown (costs).
pub(crate) const IDS_MAX: u32 = 1 << 20;

/// What a copy or fill costs besides its bytes: about one launch (a graph node on WSL 2 takes 0.58 µs).
const COPY_BASE: Nanos = 600;

/// The time of a batch of more dispatches says nothing about one of them.
const TELLING: u32 = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    /// An upper bound; 0: nothing known.
    time: Nanos,
    /// What it most likely takes; 0: nothing known.
    likely: Nanos,
    measured: bool,
}

/// Estimates by cost key.
#[derive(Debug, Default)]
pub(crate) struct CostTable {
    estimates: Vec<Estimate>,
    /// What a dispatch takes, over all of them.
    mean: Mean,
}

impl CostTable {
    /// Estimated device time of an operation: what the caps go by, and the same as far as it is known, nothing for a
    /// kernel that was never measured. One kernel's ten milliseconds that are really five microseconds must not
    /// scatter streams over all queues, where they would stay for as long as they are busy.
    pub(crate) fn time(&self, work: &Work, config: &Config) -> (Nanos, Nanos) {
        match work {
            Work::Launch { cost, .. } => match self.estimates.get(cost.0 as usize) {
                Some(estimate) if estimate.time != 0 => (estimate.time, estimate.likely),
                _ => (config.unknown_kernel, 0),
            },
            Work::Copy { len, .. } | Work::Fill { len, .. } => {
                // A length whose thousandfold does not fit is long whatever the rate.
                let time = COPY_BASE.saturating_add(len.saturating_mul(1000) / config.copy_bytes_per_us);
                (time, time)
            }
            Work::Record { .. } | Work::Wait { .. } | Work::Hold | Work::Marker => (0, 0),
        }
    }

    /// Whether no measurement of the caller's stands behind the estimate.
    pub(crate) fn is_unmeasured(&self, key: CostKey) -> bool {
        self.estimates.get(key.0 as usize).is_none_or(|estimate| !estimate.measured)
    }

    /// A time that the caller measured. The first is taken whole, later ones by a quarter.
    pub(crate) fn measured(&mut self, key: CostKey, time: Nanos) {
        if let Some(estimate) = self.entry(key) {
            let time = time.max(1);
            estimate.time = if estimate.measured { blend(estimate.time, time) } else { time };
            estimate.likely = estimate.time;
            estimate.measured = true;
        }
    }

    /// What a kernel most likely takes of which nothing is known.
    pub(crate) fn mean(&self, unseen: Nanos) -> Nanos {
        self.mean.or(unseen)
    }

    /// A batch of so many dispatches took `time`.
    pub(crate) fn dispatched(&mut self, dispatches: u32, time: Nanos) {
        if dispatches > 0 {
            self.mean.add(time / u64::from(dispatches));
        }
    }

    /// A batch of so many dispatches, this launch among them, took `time`, where `load` was expected; `alone`: it was the
    /// only operation.
    pub(crate) fn bounded(&mut self, key: CostKey, time: Nanos, load: Nanos, dispatches: u32, alone: bool) {
        let mean = self.mean.or(time);
        if let Some(estimate) = self.entry(key)
            && !estimate.measured
        {
            let time = time.max(1);
            let before = if estimate.likely == 0 { mean } else { estimate.likely };
            let fitted = u128::from(before) * u128::from(time) / u128::from(load.max(1));
            if dispatches <= TELLING {
                estimate.likely = blend(before, u64::try_from(fitted).unwrap_or(time)).clamp(1, time);
            }
            if estimate.time == 0 || time < estimate.time {
                estimate.time = time;
            } else if alone {
                estimate.time = blend(estimate.time, time);
            }
        }
    }

    fn entry(&mut self, key: CostKey) -> Option<&mut Estimate> {
        if key.0 >= IDS_MAX {
            return None;
        }
        let index = key.0 as usize;
        if index >= self.estimates.len() {
            self.estimates.resize(index + 1, Estimate::default());
        }
        self.estimates.get_mut(index)
    }
}

/// Three parts of the old value, one of the new; never 0.
fn blend(old: Nanos, new: Nanos) -> Nanos {
    (old - old / 4).saturating_add(new / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CostKey = CostKey(3);
    const LAUNCH: Work = Work::Launch { merge: None, blocks: 1, cost: KEY };

    #[test]
    fn a_kernel_never_seen_counts_as_ten_milliseconds() {
        let config = Config::default();
        let mut costs = CostTable::default();
        assert_eq!(costs.time(&LAUNCH, &config), (10_000_000, 0));
        costs.bounded(KEY, 5_000, 5_000, 3, false);
        assert_eq!(costs.time(&LAUNCH, &config).0, 5_000);
        costs.bounded(KEY, 9_000, 9_000, 3, false);
        assert_eq!(costs.time(&LAUNCH, &config).0, 5_000, "a longer batch says nothing about one launch in it");
        costs.bounded(KEY, 9_000, 9_000, 1, true);
        assert_eq!(costs.time(&LAUNCH, &config).0, 6_000);
        costs.measured(KEY, 4_000);
        costs.bounded(KEY, 1, 1, 1, true);
        assert_eq!(costs.time(&LAUNCH, &config).0, 4_000, "a measurement is believed");
        costs.measured(KEY, 8_000);
        assert_eq!(costs.time(&LAUNCH, &config).0, 5_000);
    }

    #[test]
    fn keys_out_of_range_stay_unknown() {
        let mut costs = CostTable::default();
        costs.measured(CostKey(u32::MAX), 1);
        let launch = Work::Launch { merge: None, blocks: 1, cost: CostKey(u32::MAX) };
        assert_eq!(costs.time(&launch, &Config::default()), (10_000_000, 0));
    }
}
