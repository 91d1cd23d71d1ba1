//! What is measured of submissions, and how many batches may be in flight because of it.
//!
//! One batch runs while the next is being submitted. If a submission costs more than the device needs for a batch, the
//! device would run dry with only one waiting; so as many wait as batches fit into one submission:
//! `window = 2 + cost / batch time`, at most `Config::in_flight_max`.

use crate::operation::Nanos;

/// A running mean: seven parts old, one part new. The first value is taken whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    value: Nanos,
    seen: bool,
}

impl Mean {
    pub(crate) fn add(&mut self, sample: Nanos) {
        self.value = if self.seen { (self.value - self.value / 8).saturating_add(sample / 8) } else { sample };
        self.seen = true;
    }

    pub(crate) fn or(&self, unseen: Nanos) -> Nanos {
        if self.seen { self.value } else { unseen }
    }
}

/// What a submission counts as until one was measured: a posted message, a doorbell and the caller's own work.
pub(crate) const SUBMISSION_UNSEEN: Nanos = 4_000;

/// Batches that may be in flight on one queue.
pub(crate) fn window(cost: Nanos, batch_time: Nanos, max: u32) -> u32 {
    let waiting = (cost / batch_time.max(1)).min(u64::from(max)) as u32;
    waiting.saturating_add(2).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_in_flight_when_batches_are_long() {
        assert_eq!(window(4_000, 1_000_000, 8), 2);
        assert_eq!(window(4_000, 4_000, 8), 3);
    }

    #[test]
    fn more_in_flight_when_submissions_are_dear_but_never_above_the_cap() {
        assert_eq!(window(40_000, 10_000, 8), 6);
        assert_eq!(window(40_000, 0, 8), 8);
        assert_eq!(window(u64::MAX, 1, 8), 8);
        assert_eq!(window(40_000, 10, 1), 1);
    }

    #[test]
    fn a_mean_follows_slowly() {
        let mut mean = Mean::default();
        assert_eq!(mean.or(7), 7);
        mean.add(800);
        assert_eq!(mean.or(7), 800);
        mean.add(0);
        assert_eq!(mean.or(7), 700);
    }
}
