//! When the next batch is due and from which streams, and what is booked when it is made.

use crate::batch::{Batch, BatchId, FlushReason, GroupKind, QueueId};
use crate::flush::{self, View};
use crate::operation::Nanos;
use crate::queue::{self, InFlight, Queue};
use crate::scheduler::Scheduler;
use crate::stream::Segment;
use crate::window;

/// Batches are narrow if more than so many of them are needed to fill the device. Those gain most by merging, which saves the
/// device their launches and lets its queues run others; how long they take on it hardly grows.
const NARROW_PARTS: u32 = 8;

/// What could become the next batch.
pub(super) struct Source {
    /// Whose ready streams: those of a hardware queue, or the free ones.
    pub(super) list: u16,
    /// The hardware queue it would go to.
    pub(super) queue: u16,
    /// From when on.
    at: Nanos,
    /// Since when it gathers.
    since: Nanos,
    pub(super) reason: FlushReason,
}

impl<T> Scheduler<T> {
    /// The next batch to submit, if one is due. `out` is cleared and filled; it keeps its room.
    pub fn poll_batch(&mut self, now: Nanos, out: &mut Batch<T>) -> bool {
        self.advance(now);
        self.recycle(out);
        // Each round without a batch moves or blocks every stream it looks at, and each can do so only a few times.
        while let Some(source) = self.next_due() {
            if self.make(&source, out) {
                return true;
            }
        }
        false
    }

    /// When to call `poll_batch` again, as an absolute time; a time not after now means at once. `None`: only input
    /// or progress can bring the next batch.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Nanos> {
        if !self.ring.admits(self.config.ring_budget_bytes) {
            return None;
        }
        self.sources().map(|source| source.at).min()
    }

    /// What goes next, if its time has come: what somebody waits for before what nobody does, the oldest first.
    fn next_due(&mut self) -> Option<Source> {
        let now = self.now;
        let due = self.sources().filter(|source| source.at <= now);
        let idle = |reason| matches!(reason, FlushReason::PipelineRoom | FlushReason::IdleDeadline);
        let source = due.min_by_key(|source| (idle(source.reason), source.since))?;
        if !self.ring.admits(self.config.ring_budget_bytes) {
            self.stats.ring_holds += 1;
            return None;
        }
        Some(source)
    }

    /// Lists of ready streams that go at some time without further input.
    fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        bits(self.active).filter_map(|list| {
            let queue = if list == self.config.queues { self.place()? } else { list };
            let (mut at, reason) = flush::due(&self.view(list, queue), &self.config)?;
            if list == self.config.queues {
                at = at.max(self.full_until());
            }
            if at == Nanos::MAX {
                return None;
            }
            Some(Source { list, queue, at, since: self.queues[usize::from(list)].gather_start, reason })
        })
    }

    /// Where streams go that are free to go anywhere.
    pub(super) fn place(&self) -> Option<u16> {
        let real = &self.queues[..usize::from(self.config.queues)];
        queue::place(real, |queue| !queue.busy && (queue.batches.len() as u32) < self.window(queue))
    }

    /// Until when nothing goes that may go anywhere, because the device has all the blocks it can run: whatever is sent before
    /// only waits there, and what waits here can still merge. Full of narrow batches: until one of them is complete, as merging
    /// gains more than keeping it full. Else until it is time to send what begins when the first of them ends.
    fn full_until(&self) -> Nanos {
        let blocks = u64::from(self.config.device_blocks);
        if self.width < blocks {
            return 0;
        }
        if self.width.saturating_mul(u64::from(NARROW_PARTS)) < u64::from(self.batches_in_flight).saturating_mul(blocks)
        {
            return Nanos::MAX;
        }
        let busy = self.queues.iter().filter(|queue| !queue.batches.is_empty());
        busy.map(|queue| queue.end).min().unwrap_or(0).saturating_sub(self.config.host_reach)
    }

    fn window(&self, queue: &Queue<T>) -> u32 {
        if queue.batches.is_empty() {
            // Whatever it is, one more goes: no division for each of many idle queues.
            return 1;
        }
        let cost = self.interval();
        window::window(cost, queue.batch_time.or(cost), self.config.in_flight_max)
    }

    /// How far apart submissions are worth it.
    pub(super) fn interval(&self) -> Nanos {
        self.submission_cost().max(self.config.host_interval)
    }

    /// When the next submission is worth posting.
    fn slot(&self, queue: &Queue<T>) -> Nanos {
        if self.config.host_interval > 0 {
            self.host_free.saturating_sub(self.posting())
        } else if queue.batches.is_empty() {
            0
        } else {
            self.last_batch.saturating_add(self.submission_cost())
        }
    }

    /// From a submission's call until the host gets at it.
    fn posting(&self) -> Nanos {
        self.config.host_reach.saturating_sub(self.config.host_interval)
    }

    fn view(&self, list: u16, queue: u16) -> View {
        let is_free = list == self.config.queues;
        let list = &self.queues[usize::from(list)];
        let queue = &self.queues[usize::from(queue)];
        View {
            ready: list.ready,
            waiting: list.waiting != 0,
            flushing: list.flushing != 0,
            draining: self.draining,
            in_flight: queue.batches.len() as u32,
            ahead: queue.in_flight_load,
            reach: self.config.host_reach,
            device_in_flight: self.batches_in_flight,
            busy: queue.busy,
            window: self.window(queue),
            gather_start: list.gather_start,
            slot: self.slot(queue),
            free: is_free,
            dry: queue.end.saturating_sub(self.config.host_reach),
            cost: self.interval().max(self.config.queue_interval),
        }
    }

    /// Turns the picked operations into the batch and books it as in flight.
    pub(super) fn emit(&mut self, queue: u16, reason: FlushReason, out: &mut Batch<T>) {
        let (area, load) = (self.draft.area, self.draft.load.max(1));
        // The usual one takes a division of 64 bits.
        let width = u64::try_from(area).map_or_else(|_| (area / u128::from(load)) as u64, |area| area / load);
        self.width += width;
        let (mut marks, mut members) = self.spare_lists.pop().unwrap_or_default();
        let posting = self.posting();
        let state = &mut self.queues[usize::from(queue)];
        out.operations.clear();
        self.draft.finish(&mut self.slab, &mut state.issued, &mut marks, &mut members, out);
        out.id = BatchId(self.next_batch);
        out.queue = QueueId(queue);
        out.reason = reason;
        out.bytes = u32::try_from(self.draft.bytes).unwrap_or(u32::MAX);
        out.gpu_time = self.draft.gpu_time;
        for &(other, value) in &self.draft.waits {
            let awaited = &mut state.awaited[usize::from(other)];
            if value > *awaited {
                *awaited = value;
                out.waits.push((QueueId(other), value));
            }
        }
        for &index in &self.draft.touched {
            let stream = &mut self.streams[index as usize];
            let value = self.draft.value_of(stream.in_batch.wave);
            stream.segments.push(Segment { last: stream.batched, queue, value });
        }
        let count = out.operations.len() as u32;
        state.in_flight_load = state.in_flight_load.saturating_add(self.draft.load);
        // Started when the host is through with it, or when what is before it in the queue is.
        let arrival = self.host_free.max(self.now.saturating_add(posting)).saturating_add(self.config.host_interval);
        self.host_free = arrival;
        self.last_batch = self.now;
        state.end = state.end.max(arrival).saturating_add(self.draft.load);
        state.batches.push_back(InFlight {
            id: out.id,
            operations: self.spare_operations.pop().unwrap_or_default(),
            members,
            marks,
            next_mark: 0,
            reported: 0,
            ring_bytes: self.ring.reserve(),
            load: self.draft.load,
            arrival,
            width,
            dispatches: out.groups.len() as u32,
            unmeasured: self.draft.unmeasured.clone(),
            alone: count == 1,
        });
        self.next_batch += 1;
        self.batches_in_flight += 1;
        self.pending -= count;
        self.in_flight += count;
        self.draining &= self.pending != 0;
        self.stats.batches += 1;
        self.stats.waves += out.waves.len() as u64;
        self.stats.extents += out.extents.len() as u64;
        self.stats.queue_waits += out.waits.len() as u64;
        self.stats.dispatches += out.groups.iter().filter(|group| group.kind == GroupKind::Launch).count() as u64;
        self.stats.reasons[reason.index()] += 1;
    }
}

/// The numbers of the bits set.
fn bits(mut mask: u64) -> impl Iterator<Item = u16> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as u16)?;
        mask &= mask - 1;
        Some(bit)
    })
}
