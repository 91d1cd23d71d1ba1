//! Notices: values that are delivered exactly once, when what they wait for is done, or when everything is closed.
//!
//! A value is added ([`Notices::add`]), finished by whoever learns the outcome ([`Notices::finish`]), and delivered by the thread
//! that loops over [`Notices::next`]. Closing finishes what is left and refuses what comes later. [`Turn`] lets whoever is woken
//! poll: wakers may be called from anywhere, also from inside of the poll they belong to.
//!
//! | state | who may touch it |
//! |---|---|
//! | `live`, `ready`, `closed` | any thread, under the lock; no foreign code runs while it is held |
//! | a value | its adder until `add`, the registry until it is delivered, the delivering thread after that |
//! | what a turn polls | the one thread that has the turn |

use std::collections::{BTreeMap, VecDeque};

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Condvar, Mutation, Mutex, mutated};

/// Values `T` that wait for an outcome `O`.
pub(crate) struct Notices<T, O> {
    state: Mutex<State<T, O>>,
    changed: Condvar,
}

struct State<T, O> {
    live: BTreeMap<u64, T>,
    next_key: u64,
    ready: VecDeque<(T, O)>,
    closed: bool,
}

impl<T, O> Notices<T, O> {
    /// None yet.
    pub(crate) fn new() -> Self {
        let state = State { live: BTreeMap::new(), next_key: 0, ready: VecDeque::new(), closed: false };
        Notices { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a value and says under which key it is finished; gives it back once everything is closed.
    pub(crate) fn add(&self, value: T) -> Result<u64, T> {
        let mut state = self.state.lock();
        if state.closed && !mutated(Mutation::NoticeAddIgnoresClose) {
            return Err(value);
        }
        state.next_key += 1;
        let key = state.next_key;
        state.live.insert(key, value);
        Ok(key)
    }

    /// The outcome of a value is known; whether this call is the one that finished it.
    pub(crate) fn finish(&self, key: u64, outcome: O) -> bool {
        let mut state = self.state.lock();
        let Some(value) = state.live.remove(&key) else {
            return false;
        };
        state.ready.push_back((value, outcome));
        if !mutated(Mutation::NoticeFinishesSilently) {
            self.changed.notify_one();
        }
        true
    }

    /// Finishes everything that is left with this outcome, and refuses what comes later.
    pub(crate) fn close(&self, outcome: O)
    where
        O: Clone,
    {
        let mut state = self.state.lock();
        state.closed = true;
        while let Some((_, value)) = state.live.pop_first() {
            state.ready.push_back((value, outcome.clone()));
        }
        self.changed.notify_one();
    }

    /// The next value to be delivered, with its outcome; waits for one. `None` when everything is closed and delivered. For one
    /// thread: a wake-up reaches one.
    pub(crate) fn next(&self) -> Option<(T, O)> {
        let mut state = self.state.lock();
        loop {
            if let Some(next) = state.ready.pop_front() {
                return Some(next);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state);
        }
    }
}

/// Nobody polls.
const IDLE: u32 = 0;
/// One thread polls.
const POLLING: u32 = 1;
/// One thread polls, and somebody was woken meanwhile: it polls again.
const AGAIN: u32 = 2;
/// There is nothing to poll any more.
const DONE: u32 = 3;

/// The right to poll something that several threads are woken for.
pub(crate) struct Turn {
    state: AtomicU32,
}

impl Turn {
    /// Nobody's turn yet.
    pub(crate) fn new() -> Self {
        Turn { state: AtomicU32::new(IDLE) }
    }

    /// Polls until there is nothing new, or leaves it to the thread that polls now. `poll` says whether it is done. May be called
    /// from inside of `poll`.
    pub(crate) fn take(&self, mut poll: impl FnMut() -> bool) {
        let taken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE => Some(POLLING),
            // Written again where it stands already: the write is what the polling thread synchronises with.
            POLLING | AGAIN if !mutated(Mutation::NoticeTurnForgetsWake) => Some(AGAIN),
            _ => None,
        });
        if taken != Ok(IDLE) {
            return;
        }
        loop {
            if poll() {
                // Nobody acts on what stands here: DONE is never left.
                self.state.store(DONE, Ordering::Release);
                return;
            }
            // AcqRel pairs with whoever stores AGAIN: this thread's next poll sees what that one saw when it was woken, and
            // the next to take the turn sees what this poll left.
            if self.state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
            self.state.swap(POLLING, Ordering::AcqRel);
        }
    }
}
