//! The ring governor: keeps what submissions in flight take of the message ring well under its size.
//!
//! All posted traffic of the machine shares one ring, and a sender that finds it full sleeps for 1–2 ms. Messages leave
//! the ring when the host reads them, which is not visible; that their batch is complete proves it. So bytes count from
//! submission to completion, and a batch that is not yet submitted counts as the largest seen lately.

/// Bytes in the ring on account of batches in flight.
#[derive(Debug)]
pub(crate) struct RingGovernor {
    in_flight: u64,
    expected: u32,
}

impl RingGovernor {
    /// A submission without private data is 112 bytes in the ring, with 256 bytes of it 376.
    const UNSEEN: u32 = 512;

    pub(crate) const fn new() -> Self {
        Self { in_flight: 0, expected: Self::UNSEEN }
    }

    /// Whether one more submission stays under the budget. The first always may: holding it would hold it for ever.
    pub(crate) fn admits(&self, budget: u32) -> bool {
        self.in_flight == 0 || self.in_flight + u64::from(self.expected) <= u64::from(budget)
    }

    /// A batch was made: the bytes it is expected to take, to be given to `submitted`.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.in_flight += u64::from(self.expected);
        self.expected
    }

    /// It was submitted: what it took instead of what was expected.
    pub(crate) fn submitted(&mut self, reserved: u32, taken: u32) {
        self.in_flight = self.in_flight - u64::from(reserved) + u64::from(taken);
        // Up at once, down slowly: too high a guess costs little, too low a one a full ring.
        self.expected = taken.max(self.expected - self.expected / 16).max(1);
    }

    /// It is complete.
    pub(crate) fn completed(&mut self, taken: u32) {
        self.in_flight -= u64::from(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_flight_stay_under_the_budget() {
        let mut ring = RingGovernor::new();
        let budget = 2_000;
        let mut taken = 0;
        while ring.admits(budget) {
            let reserved = ring.reserve();
            ring.submitted(reserved, 300);
            taken += 300;
            assert!(taken <= budget);
        }
        assert!(taken > budget / 2, "the budget is used: {taken}");
        ring.completed(300);
        ring.completed(300);
        assert!(ring.admits(budget));
    }

    #[test]
    fn the_first_submission_is_never_held() {
        let mut ring = RingGovernor::new();
        assert!(ring.admits(0));
        let reserved = ring.reserve();
        assert!(!ring.admits(0));
        ring.submitted(reserved, 100_000);
        ring.completed(100_000);
        assert!(ring.admits(0));
    }
}
