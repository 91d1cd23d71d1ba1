//! What the engine knows of one stream, shared by its handles, its completions and the driver.

use std::sync::Arc;

use dxg_scheduler::{Priority, StreamId};

use crate::core::admission::StreamGate;
use crate::core::completion::Timeline;
use crate::error::Failure;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The cause of a failed stream, cloned for everybody who asks.
pub(crate) type Cause = Arc<Failure>;

/// One stream. Its id indexes the driver's tables and the device's poison table; it is used again only after
/// everything of the stream is complete.
pub(crate) struct StreamShared {
    pub(crate) id: StreamId,
    /// The number of the shard that it belongs to.
    pub(crate) shard: usize,
    pub(crate) priority: Priority,
    /// Its launches may be merged with others.
    pub(crate) merges: bool,
    pub(crate) timeline: Timeline<Cause>,
    pub(crate) gate: StreamGate,
    /// The highest ticket accepted.
    last_ticket: AtomicU64,
    /// Tickets below it were complete when the stream was last reset.
    reset_at: AtomicU64,
}

impl StreamShared {
    pub(crate) fn new(id: StreamId, shard: usize, priority: Priority, merges: bool, gate: StreamGate) -> Self {
        let (last_ticket, reset_at) = (AtomicU64::new(0), AtomicU64::new(0));
        StreamShared { id, shard, priority, merges, timeline: Timeline::new(), gate, last_ticket, reset_at }
    }

    /// Notes an accepted ticket; several tasks may note theirs in any order.
    pub(crate) fn accepted(&self, ticket: u64) {
        // Release pairs with the Acquire load in `last_ticket`: who waits for everything sees what was accepted before.
        self.last_ticket.fetch_max(ticket, Ordering::Release);
    }

    /// The highest ticket accepted so far, 0 for none.
    pub(crate) fn last_ticket(&self) -> u64 {
        self.last_ticket.load(Ordering::Acquire)
    }

    /// What stands for everything accepted so far: the highest ticket, or 0, which is done and went well, where none was accepted
    /// since the latest reset. The failures before it were told, and are no answer to who asks how the stream is.
    pub(crate) fn latest(&self) -> u64 {
        let last = self.last_ticket();
        // Acquire pairs with the Release store in `reset`.
        if last < self.reset_at.load(Ordering::Acquire) { 0 } else { last }
    }

    /// Everything before the ticket `next` is complete, and is left behind: from there on operations are judged by themselves.
    pub(crate) fn reset(&self, next: u64) {
        self.timeline.reset(next);
        self.reset_at.store(next, Ordering::Release);
    }

    /// Whether everything accepted is complete and retired: nothing of the stream will come back under its id. Meant for
    /// streams without handles, to which nothing is added any more.
    pub(crate) fn is_over(&self) -> bool {
        // An operation is complete with its wave and retires with its batch, so the two are not the same.
        self.is_idle() && self.gate.in_use() == 0
    }

    /// Whether everything accepted is complete.
    pub(crate) fn is_idle(&self) -> bool {
        self.timeline.completed() >= self.last_ticket()
    }
}
