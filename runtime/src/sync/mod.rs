//! The one place that decides what "a lock", "an atomic" and "a thread" are.
//!
//! The concurrency core (`crate::core`) takes every primitive from here and never from `std` directly. In an ordinary
//! build they are the standard ones; with `--cfg dxg_loom` they are loom's, so that the models explore the very types
//! that ship. `UnsafeCell` has loom's shape (`with`, `with_mut`) in both, so that every access is visible to the model.
//! [`Mutation`] lets a model switch one deliberate mistake on; without `dxg_loom` it is a constant `false`.
// Modules pick what they need; not every primitive has a user in every build.
#![allow(unused_imports)]

#[cfg(dxg_loom)]
mod modelled;
#[cfg(not(dxg_loom))]
mod native;

pub(crate) mod mutation;
mod park;

#[cfg(dxg_loom)]
pub(crate) use modelled::{
    Arc, Clock, Condvar, Mutex, MutexGuard, UnsafeCell, advise_large_pages, atomic, prefetch, prefetch_bytes,
    spin_loop, thread, wake,
};
#[cfg(not(dxg_loom))]
pub(crate) use native::{
    Arc, Clock, Condvar, Mutex, MutexGuard, UnsafeCell, advise_large_pages, atomic, prefetch, prefetch_bytes,
    spin_loop, thread, wake,
};

pub(crate) use mutation::{Mutation, mutated};
pub(crate) use park::{block_on, block_on_until};

/// Keeps its content on cache lines of its own, so that what producers write does not slow what the consumer writes.
/// 128 bytes: x86-64 prefetches lines in pairs, and some aarch64 cores have lines of that size.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
