//! Data on its way out to memory of a binding, which is brought there once, by whoever comes first: who waits for the copy, or the
//! copy when it retires.
//!
//! Copies may go to the same memory one after the other, and retire in any order, on any thread. So whoever brings one brings all
//! that are complete, in the order in which they were made ([`Landings`]).
//!
//! | part | who may touch it |
//! |---|---|
//! | the list of [`Landings`] | any thread, behind a lock that is not held while bytes are copied |
//! | `flight` of a [`Landing`] | any thread, behind its lock, which is held while its bytes are copied: another that comes waits until they are there |
//! | `accepted` of a [`Landing`] | written once, by who enqueues the copy |

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::Timeline;
use crate::host_memory::HostPiece;

/// Data on its way to foreign memory.
pub struct Landing {
    flight: Mutex<Option<Flight>>,
    /// Where to ask about the copy, once it is enqueued.
    accepted: OnceLock<(Timeline, u64)>,
}

struct Flight {
    piece: HostPiece,
    to: *mut u8,
}

// SAFETY: needed because of the pointer to foreign memory: whoever made the landing promised that any thread may write there.
unsafe impl Send for Flight {}

impl Landing {
    /// From a piece of staging memory to foreign memory.
    fn of(piece: HostPiece, to: *mut u8) -> Self {
        Landing { flight: Mutex::new(Some(Flight { piece, to })), accepted: OnceLock::new() }
    }

    fn flight(&self) -> MutexGuard<'_, Option<Flight>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy is being enqueued, for sure.
    pub(super) fn accepted(&self, timeline: Timeline, ticket: u64) {
        // An operation is enqueued once.
        let _first = self.accepted.set((timeline, ticket));
    }

    /// Whether the copy went well, once that is known.
    fn outcome(&self) -> Option<bool> {
        let (timeline, ticket) = self.accepted.get()?;
        timeline.peek(*ticket).map(|outcome| outcome.is_ok())
    }

    /// Whether nothing is left to be done.
    fn is_over(&self) -> bool {
        self.flight().is_none()
    }

    /// Ends the flight, once: writes the data to the foreign memory, or, where the copy failed, nothing. When this has returned,
    /// nobody touches the foreign memory any more.
    ///
    /// # Safety
    ///
    /// With `deliver`, the copy is complete.
    pub unsafe fn finish(&self, deliver: bool) {
        let mut flight = self.flight();
        if let (Some(flight), true) = (&*flight, deliver) {
            // SAFETY: needed to write foreign memory; its owner promised that the piece's length of it may be written until
            // this is over, which it is when the lock is released. The piece is read after the copy's completion.
            unsafe { std::ptr::copy_nonoverlapping(flight.piece.ptr().cast_const(), flight.to, flight.piece.len()) };
        }
        // The memory announces room when it goes: outside the lock.
        let over = flight.take();
        drop(flight);
        drop(over);
    }
}

/// The landings of a context that are not over, in the order in which their copies were made.
#[derive(Default)]
pub struct Landings {
    list: Mutex<Vec<Arc<Landing>>>,
    left: AtomicUsize,
}

impl Landings {
    /// A copy from a piece of staging memory to foreign memory, and what the operation holds of it.
    pub(super) fn add(self: &Arc<Self>, piece: HostPiece, to: *mut u8) -> (Arc<Landing>, LandingGuard) {
        let landing = Arc::new(Landing::of(piece, to));
        let mut list = self.list();
        if list.len() >= 64 && list.len().is_power_of_two() {
            // Those that nobody has asked for, and that have landed by themselves.
            list.retain(|landing| !landing.is_over());
        }
        list.push(Arc::clone(&landing));
        self.left.store(list.len(), Ordering::Release);
        drop(list);
        (Arc::clone(&landing), LandingGuard { landing, others: Arc::downgrade(self) })
    }

    /// Whether there are any.
    fn is_empty(&self) -> bool {
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
        let can_finish = |landing: &Arc<Landing>| {
            let deliver = landing.outcome().or_else(|| abandon.then_some(false))?;
            Some((Arc::clone(landing), deliver))
        };
        // The last made is asked first: whatever was made before one that is complete is then seen to be.
        let complete: Vec<_> = self.list().iter().rev().filter_map(can_finish).collect();
        for (landing, deliver) in complete.into_iter().rev() {
            // A landing that another thread brings just now is waited for.
            // SAFETY: needed because of the contract of `finish`: it delivers what the timeline says is complete.
            unsafe { landing.finish(deliver) };
        }
        let mut list = self.list();
        list.retain(|landing| !landing.is_over());
        self.left.store(list.len(), Ordering::Release);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<Landing>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the operation: when it retires unobserved, the data is brought all the same, so that it does not hold up others.
pub(super) struct LandingGuard {
    landing: Arc<Landing>,
    /// Not kept alive by operations: each remembers a timeline, and with it the device.
    others: Weak<Landings>,
}

impl Drop for LandingGuard {
    fn drop(&mut self) {
        if self.landing.is_over() {
            return;
        }
        if let Some(others) = self.others.upgrade() {
            // All that is complete, in one pass: the other copies of its batch then find that nothing is left to be done.
            others.settle();
        }
        // One that was never enqueued, or whose context is gone.
        let deliver = self.landing.outcome().unwrap_or(false);
        // SAFETY: needed because of the contract of `finish`: it delivers what the timeline says is complete.
        unsafe { self.landing.finish(deliver) };
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
            let (landing, guard) = landings.add(piece, memory.as_mut_ptr());
            landing.accepted(timeline.clone(), timeline.last());
            guard
        };
        let (first, second) = (guard(1), guard(2));
        drop(second);
        drop(first);
        assert!(landings.is_empty());
        assert_eq!(memory, [2; 4]);
    }

    #[test]
    fn the_first_of_a_batch_brings_what_is_complete_and_passes_by_what_is_not() {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u8>(4).unwrap());
        stream.try_fill(&x, 1).unwrap().wait().unwrap();
        let (timeline, landings, mut memory) = (Timeline::of(&stream), Arc::new(Landings::default()), [[0u8; 4]; 4]);
        let add = |(value, to): (u8, &mut [u8; 4])| {
            let mut piece = stream.inner.host.allocate(4).unwrap().unwrap();
            piece.write(&[value; 4]);
            landings.add(piece, to.as_mut_ptr())
        };
        let mut made: Vec<_> = (1..).zip(&mut memory).map(add).collect();
        // The first is not even enqueued.
        made[1..].iter().for_each(|(landing, _)| landing.accepted(timeline.clone(), timeline.last()));
        drop(made.remove(2));
        let over: Vec<_> = made.iter().map(|(landing, _)| landing.is_over()).collect();
        assert_eq!(over, [false, true, true], "the others of its batch have nothing left to do");
        assert_eq!(landings.list().len(), 1, "and are looked at no more");
        drop(made);
        assert_eq!(memory, [[0; 4], [2; 4], [3; 4], [4; 4]]);
        landings.settle();
        assert!(landings.is_empty());
    }
}
