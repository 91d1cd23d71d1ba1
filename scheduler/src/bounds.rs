//! Bounds with two thresholds: full at `high`, and open again only at `low`.
//!
//! One threshold would open and shut with every single operation once a queue is full, and whoever waits for room would
//! be woken for one operation at a time. Two make it open for a run. Pure, so that the runtime's admission uses the same.

/// The two thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Never more than this.
    pub high: u32,
    /// Once full, open again when no more than this is left. Below `high`, or it is taken as `high - 1`.
    pub low: u32,
}

impl Bound {
    /// Full at `high`, open again at `low`.
    #[must_use]
    pub const fn new(high: u32, low: u32) -> Self {
        Self { high, low }
    }

    /// The same bound with sense in it: room for at least one, and `low` below `high`.
    #[must_use]
    pub const fn sane(self) -> Self {
        let high = if self.high == 0 { 1 } else { self.high };
        let low = if self.low >= high { high - 1 } else { self.low };
        Self { high, low }
    }
}

/// A count kept under a [`Bound`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    level: u32,
    closed: bool,
}

impl Watermark {
    /// Nothing in it, open.
    #[must_use]
    pub const fn new() -> Self {
        Self { level: 0, closed: false }
    }

    /// How many are in it.
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.level
    }

    /// Whether `count` more may enter now. A run of several enters whole or not at all.
    #[must_use]
    #[inline]
    pub const fn admits(&self, count: u32, bound: Bound) -> bool {
        self.stays_open(count, bound) || self.admits_near_full(count, bound)
    }

    /// Open, and open still when so many more are in: the usual case.
    const fn stays_open(&self, count: u32, bound: Bound) -> bool {
        !self.closed && count < bound.high && self.level < bound.high - count
    }

    const fn admits_near_full(&self, count: u32, bound: Bound) -> bool {
        let bound = bound.sane();
        let open = !self.closed || self.level <= bound.low;
        open && count <= bound.high && self.level <= bound.high - count
    }

    /// Lets `count` enter, or says that there is no room; from then on nothing enters until `low` is reached.
    #[inline]
    pub const fn enter(&mut self, count: u32, bound: Bound) -> bool {
        if self.stays_open(count, bound) {
            self.level += count;
            return true;
        }
        self.enter_near_full(count, bound)
    }

    const fn enter_near_full(&mut self, count: u32, bound: Bound) -> bool {
        if self.admits(count, bound) {
            self.level += count;
            self.closed = self.level >= bound.sane().high;
            true
        } else {
            // A run that could never enter says nothing about the room there is.
            if count <= bound.sane().high {
                self.closed = self.level > bound.sane().low;
            }
            false
        }
    }

    /// Lets `count` leave. True when this opened it again: the moment to wake whoever waits for room.
    #[inline]
    pub const fn leave(&mut self, count: u32, bound: Bound) -> bool {
        self.level = self.level.saturating_sub(count);
        if !self.closed || self.level > bound.sane().low {
            return false;
        }
        self.closed = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound::new(4, 2);

    #[test]
    fn full_at_high_and_open_again_at_low() {
        let mut mark = Watermark::new();
        for _ in 0..4 {
            assert!(mark.enter(1, BOUND));
        }
        assert!(!mark.enter(1, BOUND));
        assert!(!mark.leave(1, BOUND));
        assert!(!mark.enter(1, BOUND), "three left: still shut");
        assert!(mark.leave(1, BOUND), "two left: open");
        assert!(mark.enter(1, BOUND));
        assert!(mark.enter(1, BOUND));
        assert_eq!(mark.level(), 4);
    }

    #[test]
    fn a_run_enters_whole_or_not_at_all() {
        let mut mark = Watermark::new();
        assert!(mark.enter(3, BOUND));
        assert!(!mark.enter(2, BOUND));
        assert_eq!(mark.level(), 3);
        assert!(!mark.enter(1, BOUND), "a run waits for room: singles do not slip past it");
        assert!(mark.leave(1, BOUND));
        assert!(mark.enter(2, BOUND));
        assert!(!Watermark::new().enter(5, BOUND), "more than there is ever room for");
    }

    #[test]
    fn a_bound_without_sense_still_lets_one_through() {
        let mut mark = Watermark::new();
        assert!(mark.enter(1, Bound::new(0, 9)));
        assert!(!mark.enter(1, Bound::new(0, 9)));
        assert!(mark.leave(1, Bound::new(0, 9)));
    }
}
