//! Streams on which an operation was refused: what follows on them, and on streams that wait for them, is not run.
//!
//! CUDA itself knows nothing of the kind: a refused call has no effect on the calls after it. Almost never is there any such
//! stream, and then all of this costs one load.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dxg_scheduler::{Operation, StreamId, Ticket, Work};

use crate::backend::KernelFailure;
use crate::op::Op;

/// The poisoned streams, and failures that were not reported yet.
#[derive(Default)]
pub(super) struct Poison {
    any: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    streams: HashMap<StreamId, Ticket>,
    failures: VecDeque<KernelFailure>,
}

impl Poison {
    fn lock(&self) -> MutexGuard<'_, Content> {
        // Every step leaves the content consistent: a poisoned lock is as good.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any stream is poisoned.
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether the operation must not run.
    pub fn spoils(&self, operation: &Operation<Op>) -> bool {
        self.any() && self.lock().streams.get(&operation.stream).is_some_and(|first| operation.ticket >= *first)
    }

    /// An operation was refused.
    pub fn fail(&self, operation: &Operation<Op>, message: String) {
        let mut content = self.lock();
        content.streams.entry(operation.stream).or_insert(operation.ticket);
        content.failures.push_back(KernelFailure { ticket: operation.ticket, stream: operation.stream, message });
        self.any.store(true, Ordering::Release);
    }

    /// A wait passes on what has become of the stream that it waits for.
    pub fn depend(&self, operation: &Operation<Op>) {
        let Work::Wait { source: Some(source), .. } = operation.work else { return };
        if !self.any() {
            return;
        }
        let mut content = self.lock();
        if content.streams.get(&source.stream).is_some_and(|first| *first <= source.ticket) {
            content.streams.entry(operation.stream).or_insert(operation.ticket);
        }
    }

    /// The next failure not yet reported.
    pub fn take_failure(&self) -> Option<KernelFailure> {
        if self.any() { self.lock().failures.pop_front() } else { None }
    }

    /// The operation that poisoned a stream.
    pub fn of(&self, stream: StreamId) -> Option<Ticket> {
        if self.any() { self.lock().streams.get(&stream).copied() } else { None }
    }

    /// Makes a stream usable again.
    pub fn clear(&self, stream: StreamId) {
        if self.any() {
            let mut content = self.lock();
            content.streams.remove(&stream);
            self.any.store(!(content.streams.is_empty() && content.failures.is_empty()), Ordering::Release);
        }
    }
}
