//! How long a task that waits looks at the fences itself before it leaves the rest to the driver thread.
//!
//! Going through the thread costs two wake-ups, the thread's and the task's. Who looks for as long as they cost and then goes
//! through the thread after all has lost no more than it would have won: that bounds the look. Where batches take longer, every
//! look would be lost, so who has looked in vain makes others look less: after n misses in a row the next 2^n - 1 waits do not
//! look, at most 63. One hit begins anew.
//!
//! | field | who touches it |
//! |---|---|
//! | `misses`, `skips` | any task, without order: a lost update costs one look, or saves one |

use std::sync::atomic::{AtomicU32, Ordering};

use dxg_scheduler::Nanos;

/// Two wake-ups of a thread that sleeps.
const LOOK: Nanos = 50_000;
/// Misses in a row that still count: 2^6 - 1 waits without a look.
const MISSES_MAX: u32 = 6;

/// See the module.
#[derive(Debug)]
pub(super) struct Patience {
    look: Nanos,
    misses: AtomicU32,
    skips: AtomicU32,
}

impl Patience {
    pub(super) fn new() -> Self {
        // On one core who looks only keeps the device and the tasks from running.
        let many = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        Patience::of(if many { LOOK } else { 0 })
    }

    fn of(look: Nanos) -> Self {
        Patience { look, misses: AtomicU32::new(0), skips: AtomicU32::new(0) }
    }

    /// How long to look now.
    pub(super) fn ask(&self) -> Option<Nanos> {
        let skips = self.skips.load(Ordering::Relaxed);
        if self.look == 0 || skips > 0 {
            self.skips.store(skips.saturating_sub(1), Ordering::Relaxed);
            return None;
        }
        Some(self.look)
    }

    /// Whether the look was worth it.
    pub(super) fn tell(&self, hit: bool) {
        let misses = if hit { 0 } else { (self.misses.load(Ordering::Relaxed) + 1).min(MISSES_MAX) };
        self.misses.store(misses, Ordering::Relaxed);
        self.skips.store((1 << misses) - 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_become_rare_and_a_hit_begins_anew() {
        let patience = Patience::of(LOOK);
        let waits_until_the_next_look = |hit| {
            patience.tell(hit);
            (0..1000).take_while(|_| patience.ask().is_none()).count()
        };
        assert_eq!(patience.ask(), Some(LOOK));
        let misses: Vec<usize> = (0..8).map(|_| waits_until_the_next_look(false)).collect();
        assert_eq!(misses, [1, 3, 7, 15, 31, 63, 63, 63]);
        assert_eq!(waits_until_the_next_look(true), 0);
        assert_eq!(waits_until_the_next_look(false), 1);
    }

    #[test]
    fn nobody_looks_on_one_core() {
        let patience = Patience::of(0);
        assert_eq!(patience.ask(), None);
        patience.tell(true);
        assert_eq!(patience.ask(), None);
    }
}
