//! The place where the sender of a round trip finds its answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::Reply;

/// Filled once by whoever plays the host, emptied once by the sender.
#[derive(Default)]
pub struct Slot {
    ready: AtomicBool,
    answer: Mutex<Option<(Reply, u64)>>,
    arrived: Condvar,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<(Reply, u64)>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host answers; `at` is when it was done.
    pub fn answer(&self, reply: Reply, at: u64) {
        *self.lock() = Some((reply, at));
        self.ready.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Whether the answer is there.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The answer and when the host was done with it.
    pub fn take(&self) -> Option<(Reply, u64)> {
        if self.ready() { self.lock().take() } else { None }
    }

    /// Sleeps until the answer is there, but not longer than this.
    pub fn sleep(&self, longest: Duration) {
        let guard = self.lock();
        if guard.is_none() {
            drop(self.arrived.wait_timeout(guard, longest));
        }
    }
}
