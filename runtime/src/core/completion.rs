//! The completion timeline of a stream: how far it is, what failed, and who waits.
//!
//! The driver calls [`Timeline::complete`] with the highest ticket that is done, [`Timeline::fail`] and [`Timeline::lost`] with
//! causes; futures ask [`Timeline::poll`] for one ticket. What is done without a failure is answered by one Acquire load.
//! Everything else goes through a short lock; wakers are cloned, called and dropped outside of it.
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `progress`: completed ticket, and `SUSPECT` in the top bit | holders of the `registry` lock | anybody, without the lock |
//! | `clean_from`: tickets at or above it are in no closed failure | holders of the lock, before they clear `SUSPECT` | anybody, after `progress` |
//! | `registry`: waiters, failures, loss | holders of the lock | holders of the lock |
//!
//! A waiter is registered and the ticket looked at under one lock, and progress is made under the same lock, so either the
//! waiter sees the progress or the progress sees the waiter. A registration dropped before a call takes its waker is never
//! woken by that call; a waker that was taken already is owned by the call that took it.
//!
//! A failure concerns every ticket from its first on, until [`Timeline::reset`] says at which ticket the stream is sound again.
//! Causes are `F`, cloned for each waiter: an `Arc` of whatever the runtime reports.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::waiters::{WaiterKey, Waiters};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{self, Arc, Mutation, Mutex, mutated};

/// Set in `progress` while a failure is open, or forever after a loss: the answer is in the registry.
const SUSPECT: u64 = 1 << 63;

/// Wakers called between two looks into the registry: bounds both the critical section and the stack.
const WAKE_BATCH: usize = if cfg!(dxg_loom) { 1 } else { 16 };

/// Closed failures whose exact ranges are remembered. Older ones are merged: futures that were left unasked for over
/// that many failures and resets of their stream are told of a failure, never of a success that was none.
const CLOSED_FAILURES_MAX: usize = 64;

/// The open end of a failure that was not reset.
const OPEN: u64 = u64::MAX;

/// One stream's timeline. Clones are the same timeline.
pub(crate) struct Timeline<F> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    progress: AtomicU64,
    clean_from: AtomicU64,
    registry: Mutex<Registry<F>>,
}

struct Registry<F> {
    waiters: Waiters,
    /// In the order of report; the first that contains a ticket is its cause.
    failures: VecDeque<FailedRange<F>>,
    /// Every ticket below the first number is answered with this cause (see `CLOSED_FAILURES_MAX`).
    merged: Option<(u64, F)>,
    lost: Option<F>,
}

struct FailedRange<F> {
    from: u64,
    until: u64,
    cause: F,
}

/// The place of one future in the registry; empty until the first poll that has to wait. Dropping it ends the wait.
pub(crate) struct Registration<F> {
    place: Option<(Arc<Shared<F>>, WaiterKey)>,
}

impl<F> Default for Registration<F> {
    fn default() -> Self {
        Self { place: None }
    }
}

impl<F> Clone for Timeline<F> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<F: Clone> Timeline<F> {
    /// A timeline with nothing done.
    pub(crate) fn new() -> Self {
        let registry = Registry { waiters: Waiters::new(), failures: VecDeque::new(), merged: None, lost: None };
        let shared =
            Shared { progress: AtomicU64::new(0), clean_from: AtomicU64::new(0), registry: Mutex::new(registry) };
        Self { shared: Arc::new(shared) }
    }

    /// The highest ticket that is done.
    pub(crate) fn completed(&self) -> u64 {
        // Acquire pairs with the Release store in `complete`.
        self.shared.progress.load(Ordering::Acquire) & !SUSPECT
    }

    /// Whether [`Timeline::poll`] would have an answer.
    pub(crate) fn is_done(&self, ticket: u64) -> bool {
        self.outcome(ticket).is_some()
    }

    /// The answer for `ticket`, if there is one. Lock-free for what is done without a failure, and for what is still to come.
    pub(crate) fn outcome(&self, ticket: u64) -> Option<Result<(), F>> {
        // Acquire pairs with the Release store in `complete`: the caller sees the results that the driver saw before. A
        // cleared SUSPECT pairs with the Release store in `reset`: `clean_from` is then at least as new.
        let progress = self.shared.progress.load(Ordering::Acquire);
        if progress & SUSPECT == 0 && ticket >= self.shared.clean_from.load(Ordering::Relaxed) {
            return (ticket <= progress).then_some(Ok(()));
        }
        self.shared.registry.lock().outcome(progress_of(&self.shared), ticket)
    }

    /// Whether there may be such a failure as [`Timeline::failure`] tells of: one load.
    #[inline]
    pub(crate) fn is_suspect(&self) -> bool {
        // Acquire pairs with the Release store in `fail` and `lost`.
        self.shared.progress.load(Ordering::Acquire) & SUSPECT != 0
    }

    /// The cause of the failure that later operations of the stream would be answered with.
    pub(crate) fn failure(&self) -> Option<F> {
        if !self.is_suspect() {
            return None;
        }
        let registry = self.shared.registry.lock();
        let open = registry.failures.iter().find(|range| range.until == OPEN);
        open.map(|range| &range.cause).or(registry.lost.as_ref()).cloned()
    }

    /// Whether no ticket has failed so far, and nothing is lost.
    pub(crate) fn never_failed(&self) -> bool {
        // Acquire, as in `outcome`.
        let progress = self.shared.progress.load(Ordering::Acquire);
        progress & SUSPECT == 0 && self.shared.clean_from.load(Ordering::Relaxed) == 0
    }

    /// Whether somebody waits for `ticket` or for one before it.
    #[cfg(test)]
    pub(crate) fn has_waiter(&self, ticket: u64) -> bool {
        self.shared.registry.lock().waiters.first().is_some_and(|first| first <= ticket)
    }

    /// Everything up to `ticket` is done. A ticket at or below the last one, or any after a loss, changes nothing.
    ///
    /// A failure among what this completes must be reported by [`Timeline::fail`] before.
    pub(crate) fn complete(&self, ticket: u64) {
        debug_assert!(ticket < SUSPECT);
        let mut registry = self.shared.registry.lock();
        let progress = progress_of(&self.shared);
        if registry.lost.is_some() || ticket <= progress & !SUSPECT {
            return;
        }
        let order = if mutated(Mutation::TimelineCompleteRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release pairs with the Acquire load in `outcome`: who sees the ticket done sees its results.
        self.shared.progress.store(ticket | progress & SUSPECT, order);
        loop {
            let wakers = take(|| registry.waiters.pop_until(ticket));
            drop(registry);
            if !wake_all(wakers) {
                return;
            }
            registry = self.shared.registry.lock();
        }
    }

    /// The operation `from`, and every later one of the stream until a reset, fails with `cause`. An earlier failure
    /// keeps what it has; after a loss this changes nothing.
    pub(crate) fn fail(&self, from: u64, cause: F) {
        let mut registry = self.shared.registry.lock();
        if registry.lost.is_some() || registry.failures.iter().any(|range| range.until == OPEN && range.from <= from) {
            return;
        }
        registry.failures.push_back(FailedRange { from, until: OPEN, cause });
        self.suspect();
        self.wake_from(registry, from);
    }

    /// The device is gone: everything that is not done, now or later, fails with `cause`. For good.
    pub(crate) fn lost(&self, cause: F) {
        let mut registry = self.shared.registry.lock();
        if registry.lost.is_some() {
            return;
        }
        registry.lost = Some(cause);
        self.suspect();
        if !mutated(Mutation::TimelineLossWakesNobody) {
            self.wake_from(registry, 0);
        }
    }

    /// The stream is sound again: operations from the ticket `next` on are judged by themselves.
    pub(crate) fn reset(&self, next: u64) {
        let mut registry = self.shared.registry.lock();
        let mut any = false;
        for range in registry.failures.iter_mut().filter(|range| range.until == OPEN) {
            range.until = next;
            any = true;
        }
        if !any {
            return;
        }
        registry.failures.retain(|range| range.from < range.until);
        while registry.failures.len() > CLOSED_FAILURES_MAX {
            if let Some(oldest) = registry.failures.pop_front() {
                let until = registry.merged.take().map_or(oldest.until, |(until, _)| until.max(oldest.until));
                registry.merged = Some((until, oldest.cause));
            }
        }
        // Before the Release store below, which pairs with the Acquire load in `outcome`.
        self.shared.clean_from.store(next, Ordering::Relaxed);
        if registry.lost.is_none() {
            self.shared.progress.store(progress_of(&self.shared) & !SUSPECT, Ordering::Release);
        }
    }

    /// Asks for `ticket`; when it is not done, `cx` is woken once it is. `on_waiter` is called, outside of the lock, when the
    /// wait begins: the driver learns that somebody waits, and may complete the ticket on the spot.
    pub(crate) fn poll(
        &self,
        ticket: u64,
        registration: &mut Registration<F>,
        cx: &mut Context<'_>,
        on_waiter: impl FnOnce(u64),
    ) -> Poll<Result<(), F>> {
        if let Some(outcome) = self.outcome(ticket) {
            registration.release();
            return Poll::Ready(outcome);
        }
        if registration
            .place
            .as_ref()
            .is_some_and(|(shared, key)| key.ticket != ticket || !Arc::ptr_eq(shared, &self.shared))
        {
            registration.release();
        }
        // Cloning and dropping a waker is the executor's code: outside of the lock.
        let waker = cx.waker().clone();
        let mut registry = self.shared.registry.lock();
        // The second look, under the lock: progress made before it is seen, progress made after it sees the waiter.
        let look_again = !mutated(Mutation::TimelineRegisterBlindly);
        if look_again && let Some(outcome) = registry.outcome(progress_of(&self.shared), ticket) {
            drop(registry);
            registration.release();
            return Poll::Ready(outcome);
        }
        let known = registration.place.as_ref().map(|(_, key)| *key);
        let replaced = match known {
            Some(key) => registry.waiters.replace(key, waker),
            None => Err(waker),
        };
        // A new waiter, or one that was woken before its ticket was done.
        let (old, key) = match replaced {
            Ok(old) => (old, known),
            Err(waker) => (None, Some(registry.waiters.insert(ticket, waker))),
        };
        drop(registry);
        drop(old);
        let first = known.is_none();
        match (&mut registration.place, key) {
            (Some((_, place)), Some(key)) => *place = key,
            (place, key) => *place = key.map(|key| (self.shared.clone(), key)),
        }
        if first {
            on_waiter(ticket);
            if look_again && let Some(outcome) = self.outcome(ticket) {
                registration.release();
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }

    /// A future of the outcome of `ticket`, for those who have none of their own.
    pub(crate) fn wait_async(
        &self,
        ticket: u64,
        mut on_waiter: impl FnMut(u64),
    ) -> impl Future<Output = Result<(), F>> {
        let mut registration = Registration::default();
        std::future::poll_fn(move |cx| self.poll(ticket, &mut registration, cx, &mut on_waiter))
    }

    /// Sleeps on this thread until `ticket` is done.
    pub(crate) fn wait(&self, ticket: u64, on_waiter: impl FnMut(u64)) -> Result<(), F> {
        match self.outcome(ticket) {
            Some(outcome) => outcome,
            None => sync::block_on(self.wait_async(ticket, on_waiter)),
        }
    }

    /// As [`Timeline::wait`], but no longer than until `deadline`: `None` then.
    pub(crate) fn wait_until(
        &self,
        ticket: u64,
        deadline: std::time::Instant,
        on_waiter: impl FnMut(u64),
    ) -> Option<Result<(), F>> {
        self.outcome(ticket).or_else(|| sync::block_on_until(self.wait_async(ticket, on_waiter), deadline))
    }

    /// Under the lock: from now on answers come from the registry.
    fn suspect(&self) {
        // Release pairs with the Acquire load in `outcome` and `failure`.
        self.shared.progress.store(progress_of(&self.shared) | SUSPECT, Ordering::Release);
    }

    fn wake_from<'a>(&'a self, mut registry: sync::MutexGuard<'a, Registry<F>>, from: u64) {
        loop {
            let wakers = take(|| registry.waiters.pop_from(from));
            drop(registry);
            if !wake_all(wakers) {
                return;
            }
            registry = self.shared.registry.lock();
        }
    }
}

/// The progress word, for holders of the registry lock: they are its only writers, so Relaxed reads the latest.
fn progress_of<F>(shared: &Shared<F>) -> u64 {
    shared.progress.load(Ordering::Relaxed)
}

/// Takes up to [`WAKE_BATCH`] waiters.
fn take(next: impl FnMut() -> Option<Waker>) -> SmallVec<[Waker; WAKE_BATCH]> {
    std::iter::from_fn(next).take(WAKE_BATCH).collect()
}

/// Calls the wakers; whether the batch was full, so that there may be more.
fn wake_all(wakers: SmallVec<[Waker; WAKE_BATCH]>) -> bool {
    let more = wakers.len() == WAKE_BATCH;
    wakers.into_iter().for_each(sync::wake);
    more
}

impl<F: Clone> Registry<F> {
    fn outcome(&self, progress: u64, ticket: u64) -> Option<Result<(), F>> {
        if let Some((until, cause)) = &self.merged
            && ticket < *until
        {
            return Some(Err(cause.clone()));
        }
        if let Some(range) = self.failures.iter().find(|range| (range.from..range.until).contains(&ticket)) {
            return Some(Err(range.cause.clone()));
        }
        if ticket <= progress & !SUSPECT {
            return Some(Ok(()));
        }
        self.lost.clone().map(Err)
    }
}

impl<F> Registration<F> {
    /// Whether a waiter is (or was, until it was woken) in the registry.
    #[cfg(test)]
    pub(crate) fn is_waiting(&self) -> bool {
        self.place.is_some()
    }

    /// Ends the wait.
    pub(crate) fn release(&mut self) {
        if let Some((shared, key)) = self.place.take() {
            if mutated(Mutation::TimelineDropKeepsWaker) {
                return;
            }
            // A statement of its own: the guard is gone before the waker, which is the executor's code, is dropped.
            let waker = shared.registry.lock().waiters.remove(key);
            drop(waker);
        }
    }
}

impl<F> Drop for Registration<F> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(all(test, not(dxg_loom)))]
#[path = "completion_tests.rs"]
mod tests;
