//! What the engine counts: relaxed atomics, read as one [`Stats`](crate::Stats) snapshot.
//!
//! | counters | written by |
//! |---|---|
//! | `driver_thread_wakes`, `inline_drives`, `device_wakes` | every task, and the driver thread |
//! | everything else | the holder of the driver role |

use std::sync::atomic::{AtomicU64, Ordering};

use dxg_scheduler::{Batch, FlushReason, GroupKind};

use crate::op::{Op, OpKind};
use crate::stats::{FlushCounts, Stats};

/// One counter on the paths of tasks and driver.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        // Relaxed: a figure for people, it orders nothing.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// As [`Counter::add`], for a counter that only the holder of the driver role writes: no exchange.
    fn bump(&self) {
        self.0.store(self.get() + 1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The engine's counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) launches: Counter,
    pub(crate) copies: Counter,
    pub(crate) fills: Counter,
    pub(crate) submissions: Counter,
    pub(crate) waves: Counter,
    pub(crate) dispatches: Counter,
    pub(crate) driver_thread_wakes: Counter,
    pub(crate) inline_drives: Counter,
    pub(crate) armed_waits: Counter,
    pub(crate) device_wakes: Counter,
    pub(crate) failures: Counter,
    /// Times somebody came to wait.
    pub(crate) waits: Counter,
    /// Streams that had operations.
    pub(crate) streams: Counter,
    flushes: [Counter; FlushReason::COUNT],
}

impl Counters {
    /// Counts an operation that is taken in. Role holder only.
    pub(crate) fn count_operation(&self, kind: &OpKind) {
        match kind {
            OpKind::Launch(_) | OpKind::Prepared(_) => self.launches.bump(),
            OpKind::Copy(_) => self.copies.bump(),
            OpKind::Fill { .. } => self.fills.bump(),
            OpKind::Record { .. } | OpKind::Wait(_) | OpKind::Marker(_) | OpKind::Foreign(_) => {}
        }
    }

    /// Counts somebody who came to wait. Role holder only.
    pub(crate) fn count_wait(&self) {
        self.waits.bump();
    }

    /// Counts a batch that was handed over.
    pub(crate) fn count_batch(&self, batch: &Batch<Op>) {
        self.submissions.add(1);
        self.waves.add(batch.waves.len() as u64);
        let dispatches = batch.groups.iter().filter(|group| group.kind == GroupKind::Launch).count();
        self.dispatches.add(dispatches as u64);
        self.flushes[batch.reason.index()].add(1);
    }

    /// The engine's part of the figures; messages and ring bytes come from the backend.
    pub(crate) fn snapshot(&self) -> Stats {
        let flush = |reason: FlushReason| self.flushes[reason.index()].get();
        Stats {
            launches: self.launches.get(),
            copies: self.copies.get(),
            fills: self.fills.get(),
            submissions: self.submissions.get(),
            waves: self.waves.get(),
            dispatches: self.dispatches.get(),
            driver_thread_wakes: self.driver_thread_wakes.get(),
            inline_drives: self.inline_drives.get(),
            armed_waits: self.armed_waits.get(),
            device_wakes: self.device_wakes.get(),
            failures: self.failures.get(),
            flushes: FlushCounts {
                waiter: flush(FlushReason::Waiter),
                idle: flush(FlushReason::IdleDeadline),
                gathered: flush(FlushReason::PipelineRoom),
                operations: flush(FlushReason::CapOperations),
                bytes: flush(FlushReason::CapBytes),
                device_time: flush(FlushReason::CapGpuTime),
                deadline: 0,
                requested: flush(FlushReason::Explicit),
                other: flush(FlushReason::Drain) + flush(FlushReason::OneByOne),
            },
            ..Stats::default()
        }
    }
}
