//! A lane: deliveries go one at a time to a thread of their own, and outcomes come back the same way.
//!
//! ```text
//! role holder ── hand_over(delivery) ─▶ Handed ─▶ thread: next, tens of µs of calls
//!      ▲                                              │
//!      └── take_back ◀─ Back ◀─ give_back(outcome) ───┘
//! ```
//!
//! | part | who may touch it |
//! |---|---|
//! | `Place::Idle` `→` `Handed`, `Back` `→` `Idle` | the holder of the driver role |
//! | `Handed` `→` `Delivering` `→` `Back` | the lane's thread |
//! | `closing` | whoever closes the lane; the thread ends when its lane is empty |
//! | `called`, `back` | hints for a look without the lock; what they hint at stands behind it |
//!
//! The lock is never held during a call.

use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutation, Mutex, MutexGuard, mutated, spin_loop};

/// The hand-over of deliveries `D` to one thread, and of its outcomes `O` back.
pub(crate) struct Lane<D, O> {
    content: Mutex<Content<D, O>>,
    changed: Condvar,
    /// The place is `Handed`, or the lane closes: for spinning.
    called: AtomicBool,
    /// The place is `Back`: for a look without the lock.
    back: AtomicBool,
}

struct Content<D, O> {
    place: Place<D, O>,
    has_thread: bool,
    closing: bool,
}

enum Place<D, O> {
    Idle,
    Handed(D),
    Delivering,
    Back(O),
}

impl<D, O> Lane<D, O> {
    /// An empty lane without a thread.
    pub(crate) fn new() -> Self {
        let content = Content { place: Place::Idle, has_thread: false, closing: false };
        Lane {
            content: Mutex::new(content),
            changed: Condvar::new(),
            called: AtomicBool::new(false),
            back: AtomicBool::new(false),
        }
    }

    /// Gives a delivery to the thread, whose last one was taken back; `start` starts it where there is none yet. The delivery
    /// comes back where the lane is closed, or has no thread and gets none. Role holder only.
    pub(crate) fn hand_over(&self, delivery: D, start: impl FnOnce() -> bool) -> Result<(), D> {
        let mut content = self.lock();
        if content.closing {
            return Err(delivery);
        }
        content.has_thread = content.has_thread || start();
        if !content.has_thread {
            return Err(delivery);
        }
        debug_assert!(matches!(content.place, Place::Idle), "the queue is busy");
        content.place = Place::Handed(delivery);
        self.called.store(true, Ordering::Release);
        drop(content);
        if !mutated(Mutation::LaneCallsSilently) {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// What has become of the delivery, if the thread is back. Role holder only.
    pub(crate) fn take_back(&self) -> Option<O> {
        // Acquire pairs with the Release in `give_back`; the lock orders the rest.
        if !self.back.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut content = self.lock();
        match std::mem::replace(&mut content.place, Place::Idle) {
            Place::Back(outcome) => Some(outcome),
            other => {
                content.place = other;
                None
            }
        }
    }

    /// The next delivery; `None` when the lane is closed and empty. Who finds `spinning` free looks for `spin` before it sleeps.
    /// The lane's thread only.
    pub(crate) fn next(&self, spin: Duration, spinning: &AtomicBool) -> Option<D> {
        if !spin.is_zero() && !spinning.swap(true, Ordering::Relaxed) {
            let begun = Instant::now();
            while !self.called.load(Ordering::Relaxed) && begun.elapsed() < spin {
                spin_loop();
            }
            spinning.store(false, Ordering::Relaxed);
        }
        let mut content = self.lock();
        loop {
            if content.closing && mutated(Mutation::LaneCloseDropsHanded) {
                return None;
            }
            match std::mem::replace(&mut content.place, Place::Delivering) {
                Place::Handed(delivery) => {
                    self.called.store(content.closing, Ordering::Relaxed);
                    return Some(delivery);
                }
                other => content.place = other,
            }
            if content.closing {
                return None;
            }
            content = self.changed.wait(content);
        }
    }

    /// The outcome of the last delivery. The lane's thread only, which brings a look of the role holder about after this.
    pub(crate) fn give_back(&self, outcome: O) {
        if mutated(Mutation::LaneHintsEarly) {
            self.back.swap(true, Ordering::Release);
            self.lock().place = Place::Back(outcome);
            return;
        }
        self.lock().place = Place::Back(outcome);
        // After the place: who sees the hint finds the outcome, and a hint is looked at once. An exchange like that of
        // `take_back`, so that one of the two comes first.
        self.back.swap(true, Ordering::Release);
    }

    /// Takes nothing more; the thread ends after what was handed to it.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.called.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether the lane takes nothing more.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, Content<D, O>> {
        self.content.lock()
    }
}
