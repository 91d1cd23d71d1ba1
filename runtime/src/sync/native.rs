//! The standard primitives, in the shape that the models need.

use std::sync::{self, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::{Arc, MutexGuard, atomic};
pub(crate) use std::thread;

/// A lock without poisoning: no critical section of this crate runs foreign code or leaves its data half changed,
/// so a panic elsewhere on the holding thread says nothing about the data.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Condition variable of [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(sync::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
        self.0.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// Asks for the cache lines of a value that will be looked at soon and that another core may have.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    prefetch_bytes(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// Asks the system for large pages under values that are many and used all the time: a walk of page tables for each then is a
/// good part of what they cost. Where the system has none, nothing changes.
pub(crate) fn advise_large_pages<T>(values: &[T]) {
    const LARGE: usize = 2 << 20;
    let first = values.as_ptr().addr().next_multiple_of(LARGE);
    let end = (values.as_ptr().addr() + size_of_val(values)) & !(LARGE - 1);
    if first < end {
        let from = values.as_ptr().with_addr(first).cast_mut().cast();
        // SAFETY: needed because the advice is a system call. The range lies inside the values, and advice changes no content.
        let _advised = unsafe { libc::madvise(from, end - first, libc::MADV_HUGEPAGE) };
    }
}

/// As [`prefetch`], of so many bytes at an address.
#[inline(always)]
pub(crate) fn prefetch_bytes(first: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let end = first.wrapping_add(len);
        let mut line = first.map_addr(|address| address & !63);
        while line < end {
            // SAFETY: needed because the instruction is an intrinsic. It is a hint: nothing is read, and it cannot fault.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
            line = line.wrapping_add(64);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (first, len);
}

/// `UnsafeCell` with loom's accessors.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Runs `f` with a pointer for reading.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` with a pointer for writing.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Tells how long it has been running.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at 0.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    #[inline]
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// Calls a waker. Wakers are the caller's code: one that panics must not keep the others from being called, nor take
/// the driver down, so the panic ends here and is reported.
pub(crate) fn wake(waker: std::task::Waker) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!("a waker panicked; the other waiters were still woken");
    }
}
