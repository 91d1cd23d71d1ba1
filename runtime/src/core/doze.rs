//! When the driver thread may sleep, and who must wake it.
//!
//! The thread that drives the device when nobody else does announces how it sleeps. Producers look at the announcement
//! after claiming a place for their work; the thread looks at the claims after publishing the announcement. Whichever comes
//! second sees the other, so work is never left behind a sleeping thread.
//!
//! Work may also change hands without being published again: a task takes it from the queue into the role's state just after
//! the thread looked there and just before it announces its sleep. So a producer that finds the thread awake leaves a
//! note, and an announcement that finds a note is void: the thread looks once more.
//!
//! | who | may do |
//! |---|---|
//! | driver thread | awake or noted `→` a sleep, then re-check for work, then sleep; anything `→` awake |
//! | producers | from a sleep that does not cover their work `→` awake, once: the winner wakes the thread; awake `→` noted |

use crate::sync::atomic::{AtomicU8, Ordering, fence};
use crate::sync::{Mutation, mutated};

const AWAKE: u8 = 0;
const LINGERING: u8 = 1;
const IDLE: u8 = 2;
const ARMED: u8 = 3;
const ARMED_NAP: u8 = 4;
/// Awake, and somebody left work since the thread last announced a sleep.
const NOTED: u8 = 5;

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

    /// Announces the sleep. `false`: somebody left work while the thread was up, so it must not sleep but look again.
    /// Otherwise the caller must still look at the queues once more before it really sleeps. In any case it calls
    /// [`Doze::awake`] when it wakes or does not sleep after all, and looks for work after that.
    #[must_use]
    pub(crate) fn announce(&self, sleep: Sleep) -> bool {
        let state = match sleep {
            Sleep::Lingering => LINGERING,
            Sleep::Idle => IDLE,
            Sleep::Armed => ARMED,
            Sleep::ArmedNap => ARMED_NAP,
        };
        // One exchange, so that no note falls between a look at it and the announcement.
        let before = self.state.swap(state, Ordering::Relaxed);
        // Pairs with the fence in `must_wake`: either the producer sees the announced sleep, or the re-check after
        // this fence sees the producer's work.
        if !mutated(Mutation::DozeAnnounceUnfenced) {
            fence(Ordering::SeqCst);
        }
        before != NOTED || mutated(Mutation::DozeOverlooksNote)
    }

    /// Ends the sleep, from the thread itself. A note is dropped: the thread looks for work next, and who left the note had
    /// given the driver role back before, so that look finds the work. Whether a producer had ended the sleep already.
    pub(crate) fn awake(&self) -> bool {
        matches!(self.state.swap(AWAKE, Ordering::Relaxed), AWAKE | NOTED)
    }

    /// Called by a producer after it published its work, or gave the driver role back with work left in its state:
    /// true if the caller must wake the thread now. At most one of several producers is told so for one sleep.
    pub(crate) fn must_wake(&self, need: Need) -> bool {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let sleeps_through = match need {
                Need::Gathered => state == IDLE || state == ARMED,
                Need::Attended => state == IDLE || state == LINGERING,
                Need::Uncovered => state != AWAKE && state != NOTED,
            };
            if state != AWAKE && !sleeps_through {
                return false;
            }
            let next = if state == AWAKE { NOTED } else { AWAKE };
            match self.state.compare_exchange(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return state != AWAKE,
                Err(now) => state = now,
            }
        }
    }

    /// Whether the thread looks for work by itself within a nap, so that work whose place is claimed now, and which nobody waits
    /// for, is seen without a wake-up.
    pub(crate) fn looks_soon(&self) -> bool {
        // Pairs with the fence in `announce`, like `must_wake`: the caller has claimed a place in the queue before it asks. A sleep
        // without that look is announced after this load then, and its re-check sees the claim.
        fence(Ordering::SeqCst);
        matches!(self.state.load(Ordering::Relaxed), AWAKE | NOTED | LINGERING | ARMED_NAP)
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_producer_is_told_to_wake_an_idle_thread() {
        let doze = Doze::new();
        assert!(doze.announce(Sleep::Idle));
        assert!(!doze.looks_soon());
        assert!(doze.must_wake(Need::Gathered));
        assert!(!doze.must_wake(Need::Gathered), "the second producer has nothing to do");
    }

    #[test]
    fn work_left_while_the_thread_is_up_voids_its_next_sleep() {
        let doze = Doze::new();
        assert!(!doze.must_wake(Need::Uncovered), "an awake thread needs no wake-up");
        assert!(doze.looks_soon());
        assert!(!doze.announce(Sleep::Idle), "it has to look again");
        assert!(!doze.awake(), "nobody ended the sleep that it announced");
        assert!(doze.announce(Sleep::Idle), "once");
    }

    #[test]
    fn a_nap_is_ended_only_for_work_that_somebody_waits_for() {
        let doze = Doze::new();
        assert!(doze.announce(Sleep::Lingering));
        assert!(!doze.must_wake(Need::Gathered));
        assert!(doze.must_wake(Need::Attended));
    }

    #[test]
    fn an_armed_sleep_is_left_to_the_device() {
        let doze = Doze::new();
        assert!(doze.announce(Sleep::Armed));
        assert!(!doze.must_wake(Need::Attended));
        assert!(doze.must_wake(Need::Uncovered));
        assert!(doze.looks_soon());
        assert!(doze.announce(Sleep::Armed));
        assert!(doze.must_wake(Need::Gathered), "it may be long, and somebody must look at the gather deadline");
        assert!(doze.announce(Sleep::ArmedNap));
        assert!(!doze.must_wake(Need::Gathered));
    }
}
