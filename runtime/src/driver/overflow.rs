//! Requests that found the queue of requests full and must not be lost.
//!
//! They cannot wait for room: they are made wherever the last handle of an event or stream goes, and that is the driver itself
//! where an operation held it. What is here is bounded by the events and streams that there are.
//!
//! | part | who may touch it |
//! |---|---|
//! | `any` | any task; a hint, read by the driver in each step so that it takes the lock only where there is something |
//! | `requests` | any task adds, behind the lock; the holder of the driver role takes all |

use super::Control;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Overflow {
    any: AtomicBool,
    requests: Mutex<Vec<Control>>,
}

impl Overflow {
    /// Empty.
    pub(super) fn new() -> Self {
        Overflow { any: AtomicBool::new(false), requests: Mutex::new(Vec::new()) }
    }

    /// Keeps a request for the driver's next step, which the caller has to bring about.
    pub(super) fn add(&self, control: Control) {
        let mut requests = self.requests.lock();
        requests.push(control);
        // Under the lock, as the store in `take`: the flag says what the list holds.
        self.any.store(true, Ordering::Release);
    }

    /// Everything added so far.
    pub(super) fn take(&self) -> Vec<Control> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut requests = self.requests.lock();
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *requests)
    }
}
