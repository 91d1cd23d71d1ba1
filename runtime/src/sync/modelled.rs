//! loom's primitives, in the same shape as `native`.

use std::time::Duration;

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::{Arc, MutexGuard, atomic};
pub(crate) use loom::thread;

/// Nothing: models have no caches.
pub(crate) fn prefetch<T>(_value: &T) {}

/// Nothing: models have no pages.
pub(crate) fn advise_large_pages<T>(_values: &[T]) {}

/// Nothing: models have no caches.
pub(crate) fn prefetch_bytes(_first: *const u8, _len: usize) {}

/// loom's lock, without the poisoning that a model never sees (its panics end the execution).
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Condition variable of [`Mutex`].
#[derive(Debug)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        match self.0.wait(guard) {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    pub(crate) fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
        match self.0.wait_timeout(guard, timeout) {
            Ok((guard, _)) => guard,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// Time in a model: every look at the clock is ten milliseconds later than the one before, so that the same interleaving always
/// sees the same times, and whatever waits or naps by the clock is through after one look.
#[derive(Debug)]
pub(crate) struct Clock(std::sync::atomic::AtomicU64);

impl Clock {
    /// Starts at 0.
    pub(crate) fn start() -> Self {
        Self(std::sync::atomic::AtomicU64::new(0))
    }

    /// Nanoseconds since the start.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.0.fetch_add(10_000_000, atomic::Ordering::Relaxed)
    }
}

/// Calls a waker. Panics pass through: in a model they are the model's own failures.
pub(crate) fn wake(waker: std::task::Waker) {
    waker.wake();
}
