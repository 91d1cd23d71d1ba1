//! When the driver thread may sleep, and who must wake it.
//!
//! The thread that drives the device when nobody else does announces how it sleeps. Producers look at the announcement
//! after publishing their work; the thread looks at the work after publishing the announcement. Whichever comes second
//! sees the other, so work is never left behind a sleeping thread.
//!
//! | who            | may do                                                                      |
//! |----------------|-----------------------------------------------------------------------------|
//! | driver thread  | `Awake → ` a sleep, then re-check for work, then sleep; `→ Awake`           |
//! | producers      | read the state; from a sleep that does not cover their work `→ Awake`, once; the winner wakes the thread |

use crate::sync::atomic::{AtomicU8, Ordering, fence};
use crate::sync::{Mutation, mutated};

const AWAKE: u8 = 0;
const LINGERING: u8 = 1;
const IDLE: u8 = 2;
const ARMED: u8 = 3;
const ARMED_NAP: u8 = 4;

/// How the thread sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// A nap of a fraction of a millisecond, because work came a moment ago and more may follow.
    Lingering,
    /// Nothing is queued and nothing is in flight: only a producer ends this sleep.
    Idle,
    /// Work is in flight and its notification is armed: the device ends this sleep, or the time limit does.
    Armed,
    /// The same with the limit of a nap.
    ArmedNap,
}

/// What a producer left for somebody to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Accepted operations that nobody waits for: they go out soon, a nap is not too long.
    Gathered,
    /// Work in flight, or operations that somebody waits for, but nothing that an armed sleep would not see.
    Attended,
    /// Work that no armed notification covers, or a request to the thread itself.
    Uncovered,
}

/// The sleeping state of the driver thread. See the module documentation for the protocol.
#[derive(Debug)]
pub(crate) struct Doze {
    state: AtomicU8,
}

impl Doze {
    pub(crate) fn new() -> Self {
        Doze { state: AtomicU8::new(AWAKE) }
    }

    /// Announces the sleep. The caller must look for work once more before it really sleeps, and call
    /// [`Doze::awake`] when it wakes or does not sleep after all.
    pub(crate) fn announce(&self, sleep: Sleep) {
        let state = match sleep {
            Sleep::Lingering => LINGERING,
            Sleep::Idle => IDLE,
            Sleep::Armed => ARMED,
            Sleep::ArmedNap => ARMED_NAP,
        };
        self.state.store(state, Ordering::Relaxed);
        // Pairs with the fence in `must_wake`: either the producer sees the announced sleep, or the re-check after
        // this fence sees the producer's work.
        if !mutated(Mutation::DozeAnnounceUnfenced) {
            fence(Ordering::SeqCst);
        }
    }

    /// Ends the sleep, from the thread itself.
    pub(crate) fn awake(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// Called by a producer after it published its work: true if the caller must wake the thread now. At most one of
    /// several producers is told so for one sleep.
    pub(crate) fn must_wake(&self, need: Need) -> bool {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        let sleeps_through = match need {
            Need::Gathered => state == IDLE || state == ARMED,
            Need::Attended => state == IDLE || state == LINGERING,
            Need::Uncovered => state != AWAKE,
        };
        sleeps_through && self.state.compare_exchange(state, AWAKE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether the thread is up, so that work published now is seen without a wake-up.
    pub(crate) fn is_awake(&self) -> bool {
        // Pairs with the fence in `announce`, like `must_wake`: the caller published its work before it asks.
        fence(Ordering::SeqCst);
        self.state.load(Ordering::Relaxed) == AWAKE
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_producer_is_told_to_wake_an_idle_thread() {
        let doze = Doze::new();
        assert!(!doze.must_wake(Need::Uncovered), "an awake thread needs no wake-up");
        doze.announce(Sleep::Idle);
        assert!(!doze.is_awake());
        assert!(doze.must_wake(Need::Gathered));
        assert!(!doze.must_wake(Need::Gathered), "the second producer has nothing to do");
    }

    #[test]
    fn a_nap_is_ended_only_for_work_that_somebody_waits_for() {
        let doze = Doze::new();
        doze.announce(Sleep::Lingering);
        assert!(!doze.must_wake(Need::Gathered));
        assert!(doze.must_wake(Need::Attended));
    }

    #[test]
    fn an_armed_sleep_is_left_to_the_device() {
        let doze = Doze::new();
        doze.announce(Sleep::Armed);
        assert!(!doze.must_wake(Need::Attended));
        assert!(doze.must_wake(Need::Uncovered));
        assert!(doze.is_awake());
        doze.announce(Sleep::Armed);
        assert!(doze.must_wake(Need::Gathered), "it may be long, and somebody must look at the gather deadline");
        doze.announce(Sleep::ArmedNap);
        assert!(!doze.must_wake(Need::Gathered));
    }
}
