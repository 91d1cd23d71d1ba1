//! The driver role: a try-lock around the driver's state that forgets no request made while it was held.
//!
//! Whoever publishes work then calls [`DriverRole::try_enter`] or [`DriverRole::poke`]. Either the caller gets the role, or the
//! holder is marked and will look again before it leaves, or (a poke of a free role) the caller is told to find a driver.
//! So **work published before a `try_enter` or a `poke` is seen by a holder after it**; nobody ever waits for the role.
//!
//! | state | meaning | who may touch the driver's state |
//! | --- | --- | --- |
//! | `0` | free | nobody |
//! | `HELD` | held, nothing asked for since the holder last looked | the holder of the guard |
//! | `HELD + AGAIN` | held, work arrived: `leave` gives the guard back | the holder of the guard |
//! | `AGAIN` | free, poked (or left by a panic with work undriven) | nobody; the next `try_enter` clears it |
//!
//! Every call is a read-modify-write of the one state word, also when it changes nothing. Their total order is the whole
//! argument: a poke comes either before the holder's last look (which then synchronises with it) or after the holder has left.

use std::ops::{Deref, DerefMut};

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{CachePadded, Mutation, UnsafeCell, mutated};

const HELD: u32 = 1;
const AGAIN: u32 = 2;

/// The role, with the state `S` that only its holder may touch.
pub(crate) struct DriverRole<S> {
    word: CachePadded<AtomicU32>,
    state: UnsafeCell<S>,
}

// SAFETY: needed because of the cell. `state` is reached only through a guard, of which there is one at a time (`HELD` is
// taken by exchange), and guards follow one another with Release/Acquire on `word`; S: Send lets it change threads.
unsafe impl<S: Send> Sync for DriverRole<S> {}

/// The role, held. Leave with [`RoleGuard::leave`]; dropping it is for unwinding (see there).
pub(crate) struct RoleGuard<'a, S> {
    role: &'a DriverRole<S>,
}

impl<S> DriverRole<S> {
    /// A free role around `state`.
    pub(crate) fn new(state: S) -> Self {
        Self { word: CachePadded(AtomicU32::new(0)), state: UnsafeCell::new(state) }
    }

    /// Takes the role if it is free. Otherwise the holder is marked and will look for work again: the caller's is seen.
    pub(crate) fn try_enter(&self) -> Option<RoleGuard<'_, S>> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let free = word & HELD == 0;
            let next = if free { HELD } else { HELD | AGAIN };
            // Acquire pairs with the Release in `leave` and in pokes: the new holder sees the state as it was left, and all
            // work published before the pokes it clears. Release pairs with the Acquire in `leave`: the holder that was
            // marked sees what the caller published before.
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                // Lazily: a guard that is made is a guard that is dropped.
                Ok(_) => return free.then(|| RoleGuard { role: self }),
                Err(now) => word = now,
            }
        }
    }

    /// Asks that somebody looks for work. `false`: somebody holds the role and will. `true`: nobody does; the caller has to
    /// enter or to wake the one who will.
    ///
    /// For a producer that is not to drive; those of the runtime enter. The tests and models mix both.
    #[cfg(test)]
    pub(crate) fn poke(&self) -> bool {
        if mutated(Mutation::RolePokeSkipsMarked) && self.word.load(Ordering::Acquire) == HELD | AGAIN {
            return false;
        }
        // A write even when the mark is set: Release pairs with the Acquire in `leave` and `try_enter`, which clear the mark and
        // so see what the caller published before.
        self.word.fetch_or(AGAIN, Ordering::AcqRel) & HELD == 0
    }

    /// Whether the role is free and somebody has poked it since. For the one who decides whether to sleep.
    pub(crate) fn is_waiting(&self) -> bool {
        self.word.load(Ordering::Acquire) == AGAIN
    }

    /// Enters, if the role is free, and runs `drive` until no work arrived while it ran. Returns whether it entered.
    pub(crate) fn try_drive(&self, mut drive: impl FnMut(&mut S)) -> bool {
        let Some(mut guard) = self.try_enter() else { return false };
        loop {
            drive(&mut guard);
            match guard.leave() {
                Ok(()) => return true,
                Err(again) => guard = again,
            }
        }
    }

    /// The state, when nobody else can have a reference.
    #[cfg(test)]
    pub(crate) fn get_mut(&mut self) -> &mut S {
        // SAFETY: needed because the cell has only shared accessors. The exclusive borrow excludes guards.
        self.state.with_mut(|state| unsafe { &mut *state })
    }
}

impl<S> RoleGuard<'_, S> {
    /// Gives the role up. `Err` hands the guard back: work arrived since the holder entered or last called this, look again.
    pub(crate) fn leave(self) -> Result<(), Self> {
        let word = &self.role.word;
        if mutated(Mutation::RoleLeaveIgnoresPoke) {
            word.swap(0, Ordering::Release);
            std::mem::forget(self);
            return Ok(());
        }
        // Release pairs with the Acquire in the next `try_enter`: that holder sees the state as this one leaves it.
        if word.compare_exchange(HELD, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            std::mem::forget(self);
            return Ok(());
        }
        // Only the holder clears the mark, so it is set. Acquire pairs with the Release in `poke` and `try_enter`, also of those
        // that came since the failed exchange: the next look finds their work.
        word.swap(HELD, Ordering::Acquire);
        Err(self)
    }
}

impl<S> Drop for RoleGuard<'_, S> {
    /// Reached by unwinding only. The role becomes free so that others do not wait for a dead holder; a mark stays, and
    /// [`DriverRole::is_waiting`] tells.
    fn drop(&mut self) {
        // Release pairs with the Acquire in the next `try_enter`.
        self.role.word.fetch_and(!HELD, Ordering::Release);
    }
}

impl<S> Deref for RoleGuard<'_, S> {
    type Target = S;
    fn deref(&self) -> &S {
        // SAFETY: needed to reach the state behind the shared role. The guard exists once, and is borrowed for the result's life.
        self.role.state.with(|state| unsafe { &*state })
    }
}

impl<S> DerefMut for RoleGuard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: as in `deref`; the guard is borrowed exclusively.
        self.role.state.with_mut(|state| unsafe { &mut *state })
    }
}

impl<S> std::fmt::Debug for RoleGuard<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoleGuard")
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;
    use crate::core::queue::EnqueueQueue;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn one_holder_and_no_forgotten_poke() {
        let role = DriverRole::new(0);
        assert!(role.poke(), "free: the caller is told");
        assert!(role.is_waiting());
        let mut guard = role.try_enter().expect("free");
        *guard += 1;
        assert!(!role.is_waiting());
        assert!(role.try_enter().is_none() && role.try_enter().is_none());
        let guard = guard.leave().expect_err("the failed try_enter counts as a poke");
        assert!(!role.poke() && !role.poke());
        let guard = guard.leave().expect_err("poked");
        assert!(guard.leave().is_ok());
        assert_eq!(*role.try_enter().expect("free again"), 1);
    }

    #[test]
    fn a_panicking_holder_frees_the_role_and_keeps_the_mark() {
        let role = DriverRole::new(());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            role.try_drive(|()| {
                role.poke();
                panic!("driver");
            })
        }));
        assert!(panicked.is_err());
        assert!(role.is_waiting());
        assert!(role.try_enter().is_some());
    }

    #[test]
    fn everything_pushed_is_driven_by_somebody() {
        const PER_THREAD: u64 = 2_000;
        let (queue, consumer) = EnqueueQueue::new(32);
        let mut role = DriverRole::new((consumer, 0u64));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..PER_THREAD {
                        while queue.try_push(|ticket| ticket).is_none() {
                            std::thread::yield_now();
                        }
                        role.try_drive(|(consumer, driven)| {
                            while let Some((ticket, value)) = consumer.pop() {
                                assert_eq!(ticket, value);
                                *driven += 1;
                            }
                        });
                    }
                });
            }
        });
        assert_eq!(role.get_mut().1, 4 * PER_THREAD);
    }
}
