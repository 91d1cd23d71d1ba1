//! The adapter's one clock: nanoseconds since the adapter began, monotone. Every modelled time is such a number.

use std::time::{Duration, Instant};

/// Deadlines nearer than this are spun for, further ones are slept for: a sleep costs tens of microseconds to leave.
pub const SPIN_BELOW_NS: u64 = 100_000;

/// Nanoseconds since the adapter began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begin: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock { begin: Instant::now() }
    }

    /// The time now, in nanoseconds.
    #[inline]
    pub fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns when `deadline` is reached: spins when it is near, sleeps first when it is not.
    pub fn wait_until(&self, deadline: u64) {
        let mut rounds = 0u32;
        loop {
            let now = self.now();
            if now >= deadline {
                return;
            }
            let left = deadline - now;
            if left > SPIN_BELOW_NS {
                std::thread::sleep(Duration::from_nanos(left - SPIN_BELOW_NS / 2));
            } else {
                pause(&mut rounds);
            }
        }
    }
}

/// One step of a short wait: mostly a processor hint, now and then the rest of the time slice, so that a waiter never
/// keeps the thread it waits for from running on a busy machine.
#[inline]
pub fn pause(rounds: &mut u32) {
    *rounds = rounds.wrapping_add(1);
    if rounds.is_multiple_of(16) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_reach_their_deadline() {
        let clock = Clock::start();
        for wait in [0, 10_000, 300_000] {
            let deadline = clock.now() + wait;
            clock.wait_until(deadline);
            assert!(clock.now() >= deadline);
        }
    }
}
