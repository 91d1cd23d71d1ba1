//! Data on its way out to memory of a binding, which is brought there once, by whoever comes first: who waits for the copy, or the
//! copy when it retires.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Held by the operation: when it retires unobserved, the data is brought all the same, so that it does not hold up others.
pub(super) struct LandingGuard(pub(super) Arc<Landing>);

impl Drop for LandingGuard {
    fn drop(&mut self) {
        let accepted = self.0.state().as_ref().and_then(|flight| flight.accepted.clone());
        let complete = accepted.is_some_and(|(timeline, ticket)| matches!(timeline.peek(ticket), Some(Ok(()))));
        // SAFETY: needed because of the contract of `finish`, which the line above keeps.
        unsafe { self.0.finish(complete) };
    }
}
