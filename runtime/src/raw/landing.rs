//! Data on its way out to memory of a binding, which is brought there once, by whoever comes first: who waits for the copy, or the
//! copy when it retires.
//!
//! Copies may go to the same memory one after the other, and retire in any order, on any thread. So whoever brings one brings all
//! that were enqueued before it and are complete, and those first ([`Landings`]).
//!
//! | part | who may touch it |
//! |---|---|
//! | the list of [`Landings`] | any thread, behind a lock that is not held while bytes are copied |
//! | the state of a [`Landing`] | any thread, behind its lock, which is held while its bytes are copied: another that comes waits until they are there |

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Timeline;
use crate::host_memory::HostPiece;

/// Data on its way to foreign memory.
pub struct Landing {
    state: Mutex<Option<Flight>>,
}

struct Flight {
    piece: HostPiece,
    to: *mut u8,
    /// Where to ask about the copy, once it is enqueued.
    accepted: Option<(Timeline, u64)>,
}

// SAFETY: needed because of the pointer to foreign memory: whoever made the landing promised that any thread may write there.
unsafe impl Send for Flight {}

impl Landing {
    /// Of nothing: over from the start.
    pub(super) fn none() -> Self {
        Landing { state: Mutex::new(None) }
    }

    /// From a piece of staging memory to foreign memory.
    pub(super) fn of(piece: HostPiece, to: *mut u8) -> Self {
        Landing { state: Mutex::new(Some(Flight { piece, to, accepted: None })) }
    }

    fn state(&self) -> MutexGuard<'_, Option<Flight>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy is being enqueued, for sure.
    pub(super) fn accepted(&self, timeline: Timeline, ticket: u64) {
        if let Some(flight) = &mut *self.state() {
            flight.accepted = Some((timeline, ticket));
        }
    }

    /// Whether nothing is left to be done.
    pub fn is_over(&self) -> bool {
        self.state().is_none()
    }

    /// Ends the flight, once: writes the data to the foreign memory, or, where the copy failed, nothing. When this has returned,
    /// nobody touches the foreign memory any more.
    ///
    /// # Safety
    ///
    /// With `deliver`, the copy is complete.
    pub unsafe fn finish(&self, deliver: bool) {
        let mut state = self.state();
        if let (Some(flight), true) = (&*state, deliver) {
            // SAFETY: needed to write foreign memory; its owner promised that the piece's length of it may be written until
            // this is over, which it is when the lock is released. The piece is read after the copy's completion.
            unsafe { std::ptr::copy_nonoverlapping(flight.piece.ptr().cast_const(), flight.to, flight.piece.len()) };
        }
        // The memory announces room when it goes: outside the lock.
        let over = state.take();
        drop(state);
        drop(over);
    }
}

/// The landings of a context that were enqueued and are not over, in the order of their copies.
#[derive(Default)]
pub struct Landings {
    list: Mutex<Vec<Airborne>>,
    left: AtomicUsize,
}

/// A copy that was enqueued.
struct Airborne {
    timeline: Timeline,
    ticket: u64,
    landing: Arc<Landing>,
}

impl Landings {
    /// Remembers a copy that was enqueued.
    pub fn add(&self, timeline: &Timeline, ticket: u64, landing: Arc<Landing>) {
        let mut list = self.list();
        if list.len() >= 64 && list.len().is_power_of_two() {
            // Those that nobody has asked for, and that have landed by themselves.
            list.retain(|airborne| !airborne.landing.is_over());
        }
        list.push(Airborne { timeline: timeline.clone(), ticket, landing });
        self.left.store(list.len(), Ordering::Release);
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Brings the data of all copies that are complete: called whenever somebody is about to learn that something is done.
    pub fn settle(&self) {
        if !self.is_empty() {
            self.settle_all(false);
        }
    }

    /// As [`Landings::settle`]; of copies that are not complete the data is given up.
    pub fn abandon(&self) {
        self.settle_all(true);
    }

    #[cold]
    fn settle_all(&self, abandon: bool) {
        let mut complete: Vec<(Arc<Landing>, bool)> = {
            let list = self.list();
            let outcome = |airborne: &Airborne| match airborne.timeline.peek(airborne.ticket) {
                Some(outcome) => Some((Arc::clone(&airborne.landing), outcome.is_ok())),
                None => abandon.then(|| (Arc::clone(&airborne.landing), false)),
            };
            // The last is asked first: whatever comes before one that is complete is then seen to be.
            list.iter().rev().filter_map(outcome).collect()
        };
        complete.reverse();
        for (landing, deliver) in &complete {
            // A landing that another thread brings just now is waited for.
            // SAFETY: needed because of the contract of `finish`: it delivers what the timeline says is complete.
            unsafe { landing.finish(*deliver) };
        }
        let mut list = self.list();
        list.retain(|airborne| !airborne.landing.is_over());
        self.left.store(list.len(), Ordering::Release);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Airborne>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the operation: when it retires unobserved, the data is brought all the same, so that it does not hold up others.
pub(super) struct LandingGuard {
    pub(super) landing: Arc<Landing>,
    /// Not kept alive by operations: each remembers a timeline, and with it the device.
    pub(super) others: Weak<Landings>,
}

impl Drop for LandingGuard {
    fn drop(&mut self) {
        if self.landing.is_over() {
            return;
        }
        if let Some(others) = self.others.upgrade() {
            others.settle();
        }
        // What is not on the list yet: everything before it is, and was brought.
        let accepted = self.landing.state().as_ref().and_then(|flight| flight.accepted.clone());
        let complete = accepted.is_some_and(|(timeline, ticket)| matches!(timeline.peek(ticket), Some(Ok(()))));
        // SAFETY: needed because of the contract of `finish`, which the line above keeps.
        unsafe { self.landing.finish(complete) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Parameters};

    #[test]
    fn the_last_copy_to_some_memory_is_what_stays_there_whichever_retires_first() {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u8>(4).unwrap());
        let (timeline, landings, mut memory) = (Timeline::of(&stream), Arc::new(Landings::default()), [0u8; 4]);
        let mut guard = |value: u8| {
            stream.try_fill(&x, value).unwrap().wait().unwrap();
            let mut piece = stream.inner.host.allocate(4).unwrap().unwrap();
            piece.write(&[value; 4]);
            let landing = Arc::new(Landing::of(piece, memory.as_mut_ptr()));
            landing.accepted(timeline.clone(), timeline.last());
            landings.add(&timeline, timeline.last(), Arc::clone(&landing));
            LandingGuard { landing, others: Arc::downgrade(&landings) }
        };
        let (first, second) = (guard(1), guard(2));
        drop(second);
        drop(first);
        assert!(landings.is_empty());
        assert_eq!(memory, [2; 4]);
    }
}
