//! The one stream of events of an engine: what the driver does is told here, and statistics, tracing, metrics, timelines and
//! advice read it.
//!
//! ```text
//! holder of the driver role ── Event ──▶ notice ─▶ Counters   (always: Stats, Device::report)
//!                                            ├───▶ tracing    (targets dxgrt::*, a load where nobody listens)
//!                                            ├───▶ metrics    (feature `metrics`)
//!                                            └───▶ Recorder   (while Device::record_timeline runs, else a load)
//! ```
//!
//! Events come by batch, by fence and by waiter, never by operation, so that nothing here is on the path of one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dxg_scheduler::{Batch, Nanos, QueueId, StreamId, Ticket};

use super::Engine;
use crate::op::Op;
use crate::timeline::Recorder;

/// Something that the driver did or saw.
pub(super) enum Event<'a> {
    /// It took operations in, up to this ticket.
    TakenIn { at: Nanos, last: u64, count: usize },
    /// Somebody waits for an operation.
    Waiter { at: Nanos, stream: StreamId, ticket: Ticket },
    /// It handed a batch over, which took from `begun` to `done`.
    Submitted { batch: &'a Batch<Op>, begun: Nanos, done: Nanos, ring_bytes: u32 },
    /// A fence has moved.
    Fence { at: Nanos, queue: QueueId, value: u64 },
}

/// Where a timeline is recorded, if one is. The lock is taken by the holder of the driver role for each event, and by who begins
/// or ends a recording: nobody waits for long.
#[derive(Debug, Default)]
pub(crate) struct TimelineSlot {
    on: AtomicBool,
    recorder: Mutex<Option<Box<Recorder>>>,
}

impl TimelineSlot {
    fn recorder(&self) -> MutexGuard<'_, Option<Box<Recorder>>> {
        // A recorder that a panic left half way has one record too few: nothing worse.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to record; false if somebody does already.
    pub(crate) fn begin(&self, recorder: Box<Recorder>) -> bool {
        let mut slot = self.recorder();
        if slot.is_some() {
            return false;
        }
        *slot = Some(recorder);
        // Relaxed: what it guards is behind the lock; a driver that sees it late records a little later.
        self.on.store(true, Ordering::Relaxed);
        true
    }

    /// Records too if another shard is being recorded: from the same time on.
    pub(crate) fn begin_beside(&self, other: &TimelineSlot) {
        // Both are held, in this order alone: a recording that ends meanwhile ends this one after the other.
        if let Some(recorder) = other.recorder().as_deref() {
            let _alone = self.begin(Box::new(Recorder::new(recorder.begun)));
        }
    }

    /// Ends the recording.
    pub(crate) fn end(&self) -> Option<Box<Recorder>> {
        self.on.store(false, Ordering::Relaxed);
        self.recorder().take()
    }

    #[inline]
    fn record(&self, event: &Event<'_>) {
        if self.on.load(Ordering::Relaxed) {
            self.record_locked(event);
        }
    }

    #[cold]
    fn record_locked(&self, event: &Event<'_>) {
        let mut slot = self.recorder();
        let Some(recorder) = slot.as_deref_mut() else { return };
        match *event {
            Event::TakenIn { at, last, count } => recorder.taken_in(at, last, count),
            Event::Waiter { at, stream, ticket } => recorder.waiter(at, stream, ticket),
            Event::Submitted { batch, begun, done, ring_bytes } => recorder.submitted(batch, begun, done, ring_bytes),
            Event::Fence { at, queue, value } => recorder.fence(at, queue, value),
        }
    }
}

impl Engine {
    /// Tells everybody who listens. Holder of the driver role only.
    #[inline]
    pub(super) fn notice(&self, event: Event<'_>) {
        match &event {
            Event::TakenIn { .. } => {}
            Event::Waiter { .. } => self.counters.count_wait(),
            Event::Submitted { batch, ring_bytes, .. } => {
                self.counters.count_batch(batch);
                trace_batch(batch, *ring_bytes);
            }
            Event::Fence { queue, value, .. } => {
                tracing::trace!(target: "dxgrt::progress", queue = queue.0, value, "fence moved");
            }
        }
        #[cfg(feature = "metrics")]
        self.meter.event(&event, &self.counters);
        self.timeline.record(&event);
    }
}

/// Covers handing a batch over: what happens meanwhile, and in whose task, shows inside of it and around it.
pub(super) fn submit_span(batch: &Batch<Op>) -> tracing::Span {
    let (id, queue, operations) = (batch.id.0, batch.queue.0, batch.operations.len());
    tracing::trace_span!(target: "dxgrt::batch", "submit", id, queue, operations)
}

/// Tells tracing of a batch.
fn trace_batch(batch: &Batch<Op>, ring_bytes: u32) {
    tracing::trace!(
        target: "dxgrt::batch",
        id = batch.id.0,
        queue = batch.queue.0,
        operations = batch.operations.len(),
        waves = batch.waves.len(),
        groups = batch.groups.len(),
        bytes = batch.bytes,
        ring_bytes,
        fence = batch.fence,
        reason = batch.reason.name(),
        "batch submitted"
    );
}
