//! From ready streams to a batch.

use crate::batch::{Batch, BatchId, FlushReason, GroupKind, QueueId};
use crate::config::Policy;
use crate::flush::{self, View};
use crate::operation::{Nanos, Point, Work};
use crate::queue::{InFlight, place_long};
use crate::scheduler::Scheduler;
use crate::slab::NIL;
use crate::stream::Segment;
use crate::window;

/// Operations taken from one stream before the next has its turn: a batch cut by a cap then has the same depth of many
/// streams rather than all of a few, which merges better and starves nobody.
const TURN: u32 = 8;

/// How a stream's turn ended.
enum Turn {
    /// More to take, others first.
    Over,
    /// Nothing left.
    Empty,
    /// The batch is full.
    Full(FlushReason),
    /// Held back by the record in this slot.
    Blocked(Point, u32),
    /// To be taken up on another queue.
    Moved(u16),
}

/// What stands between a wait and the record it refers to.
enum Distance {
    /// Nothing: complete, or earlier on the same queue.
    None,
    /// The record is in this batch, in this wave.
    InBatch(u32),
    /// The record is in flight on another queue.
    Elsewhere(u16, u64),
    /// The record is pending.
    Pending,
}

impl<T> Scheduler<T> {
    /// The next batch to submit, if one is due. `out` is cleared and filled; it keeps its room.
    pub fn poll_batch(&mut self, now: Nanos, out: &mut Batch<T>) -> bool {
        self.advance(now);
        self.recycle(out);
        // Each round without a batch moves or blocks every stream it looks at, and each can do so only a few times.
        while let Some((queue, reason)) = self.next_due() {
            if self.make(queue, reason, out) {
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
        self.due_queues(0).map(|(_, at, _)| at).min()
    }

    /// A queue whose time has come.
    fn next_due(&mut self) -> Option<(u16, FlushReason)> {
        let now = self.now;
        let (queue, _, reason) = self.due_queues(self.last_queue + 1).find(|&(_, at, _)| at <= now)?;
        if !self.ring.admits(self.config.ring_budget_bytes) {
            self.stats.ring_holds += 1;
            return None;
        }
        Some((queue, reason))
    }

    /// Queues that go at some time without further input, beginning with `first` and round.
    fn due_queues(&self, first: u16) -> impl Iterator<Item = (u16, Nanos, FlushReason)> + '_ {
        let low = self.active & ((1_u64 << first.min(32)) - 1) as u32;
        [self.active & !low, low].into_iter().flat_map(bits).filter_map(|queue| {
            let (at, reason) = flush::due(&self.view(queue), &self.config)?;
            Some((queue, at, reason))
        })
    }

    fn view(&self, queue: u16) -> View {
        let queue = &self.queues[usize::from(queue)];
        let cost = self.submission_cost();
        View {
            ready: queue.ready,
            waiting: queue.waiting != 0,
            flushing: queue.flushing != 0,
            draining: self.draining,
            in_flight: queue.batches.len() as u32,
            device_in_flight: self.batches_in_flight,
            busy: queue.busy,
            window: window::window(cost, queue.batch_time.or(cost), self.config.in_flight_max),
            gather_start: queue.gather_start,
            last_batch: queue.last_batch,
            cost,
        }
    }

    /// Makes a batch of what is ready on `queue`. False if everything there turned out to be held back or to belong
    /// to another queue.
    fn make(&mut self, queue: u16, mut reason: FlushReason, out: &mut Batch<T>) -> bool {
        self.epoch += 1;
        self.last_queue = queue;
        self.draft.clear();
        let gather_start = self.queues[usize::from(queue)].gather_start;
        while let Some(index) = self.queues[usize::from(queue)].pop() {
            self.delist(index);
            let before = self.draft.len();
            match self.take_turn(index, queue) {
                Turn::Over => self.enlist(index, false),
                Turn::Empty => {}
                Turn::Blocked(on, slot) => self.block(index, on, slot),
                Turn::Moved(to) => self.move_stream(index, to),
                Turn::Full(cap) => {
                    if self.streams[index as usize].head != NIL {
                        self.enlist(index, self.draft.len() == before);
                    }
                    reason = cap;
                    break;
                }
            }
        }
        let state = &mut self.queues[usize::from(queue)];
        // What is left has been waiting as long as what went.
        state.gather_start = gather_start;
        if self.draft.len() == 0 {
            return false;
        }
        state.end_turn();
        self.emit(queue, reason, out);
        true
    }

    /// Takes operations from a delisted stream.
    fn take_turn(&mut self, index: u32, queue: u16) -> Turn {
        for _ in 0..TURN {
            let slot = self.streams[index as usize].head;
            if slot == NIL {
                return Turn::Empty;
            }
            let operation = self.slab.operation(slot);
            let (work, bytes) = (operation.work, operation.bytes);
            let (time, known) = self.costs.time(&work, &self.config);
            if let Some(cap) = self.full(bytes, time) {
                return Turn::Full(cap);
            }
            if known >= self.config.long_operation && !self.queues[usize::from(queue)].long {
                let to = place_long(&self.queues, queue);
                self.queues[usize::from(to)].long = true;
                if to != queue {
                    return Turn::Moved(to);
                }
            }
            let mut earliest = 0;
            if let Work::Wait { source: Some(source), .. } = work {
                let record = self.slab.node(slot).target;
                match self.distance(source, record, queue) {
                    Distance::None => {}
                    Distance::InBatch(wave) => earliest = wave + 1,
                    Distance::Pending => {
                        // Where nothing ties the stream to this queue, going to the other pulls both into one batch.
                        let there = self.streams[source.stream.0 as usize].queue;
                        let stream = &self.streams[index as usize];
                        let free = stream.in_flight == 0 && stream.in_batch.epoch != self.epoch;
                        return if free && there != queue { Turn::Moved(there) } else { Turn::Blocked(source, record) };
                    }
                    Distance::Elsewhere(there, value) => {
                        // Waiting here for a long operation would hold up everybody else on this queue.
                        let here_long = self.queues[usize::from(queue)].long;
                        if self.queues[usize::from(there)].long && !here_long {
                            return Turn::Moved(there);
                        }
                        self.draft.wait_for(there, value);
                    }
                }
            }
            self.pick(index, slot, queue, &work, earliest);
            self.draft.bytes += u64::from(bytes);
            self.draft.gpu_time = self.draft.gpu_time.saturating_add(time);
            self.draft.load = self.draft.load.saturating_add(known);
        }
        if self.streams[index as usize].head == NIL { Turn::Empty } else { Turn::Over }
    }

    /// Whether one more operation would put the batch above a cap.
    fn full(&self, bytes: u32, time: Nanos) -> Option<FlushReason> {
        let limits = &self.config.limits;
        let operations = match self.config.policy {
            Policy::OneByOne => 1,
            Policy::Fixed(count) => count.min(limits.operations),
            Policy::Adaptive => limits.operations,
        };
        if self.draft.len() == 0 {
            None
        } else if self.draft.len() >= operations as usize {
            let one_by_one = self.config.policy == Policy::OneByOne;
            Some(if one_by_one { FlushReason::OneByOne } else { FlushReason::CapOperations })
        } else if self.draft.bytes + u64::from(bytes) > u64::from(limits.bytes) {
            Some(FlushReason::CapBytes)
        } else if self.draft.gpu_time.saturating_add(time) > limits.gpu_time {
            Some(FlushReason::CapGpuTime)
        } else {
            None
        }
    }

    fn distance(&self, source: Point, record: u32, queue: u16) -> Distance {
        let stream = &self.streams[source.stream.0 as usize];
        let ticket = source.ticket.0;
        if ticket <= stream.completed {
            return Distance::None;
        }
        if ticket > stream.batched {
            return Distance::Pending;
        }
        if stream.in_batch.epoch == self.epoch && ticket > stream.in_batch.before {
            return Distance::InBatch(self.slab.node(record).wave);
        }
        match stream.segment_of(ticket) {
            Some(segment)
                if segment.queue != queue && self.queues[usize::from(segment.queue)].completed < segment.value =>
            {
                Distance::Elsewhere(segment.queue, segment.value)
            }
            _ => Distance::None,
        }
    }

    /// Takes the first operation of a stream into the batch, in its earliest possible wave.
    fn pick(&mut self, index: u32, slot: u32, queue: u16, work: &Work, earliest: u32) {
        let node = self.slab.node_mut(slot);
        let operation = node.operation.as_ref().expect("a stream's first slot holds its first operation");
        let stream = &mut self.streams[index as usize];
        if stream.in_batch.epoch != self.epoch {
            stream.in_batch.epoch = self.epoch;
            stream.in_batch.before = stream.batched;
            stream.in_batch.advance_to(0);
            self.draft.touched.push(index);
            // What it has in flight on another queue comes first.
            if let Some(last) = stream.segments.last()
                && last.queue != queue
                && self.queues[usize::from(last.queue)].completed < last.value
            {
                self.draft.wait_for(last.queue, last.value);
            }
        }

        let in_batch = &mut stream.in_batch;
        match crate::wave::kind_of(work) {
            GroupKind::Launch | GroupKind::Copy(_) | GroupKind::Fill => {
                if !in_batch.accesses.admits(&operation.hazard) {
                    in_batch.advance_to(in_batch.wave + 1);
                }
                in_batch.accesses.add(&operation.hazard);
                in_batch.used = true;
            }
            GroupKind::Timestamp => {
                if in_batch.used {
                    in_batch.advance_to(in_batch.wave + 1);
                }
                in_batch.accesses.shut();
                in_batch.used = true;
            }
            GroupKind::Depend => {
                // A wait says at the start of its wave whether the stream has failed, which must not touch what
                // comes before it in the stream: so it never shares a wave with that.
                let wave = earliest.max(in_batch.wave + u32::from(in_batch.used));
                if wave > in_batch.wave {
                    in_batch.advance_to(wave);
                }
            }
            GroupKind::None => in_batch.used = true,
        }
        let wave = in_batch.wave;
        node.wave = wave;

        let ticket = operation.ticket.0;
        let wanted = !stream.waited.is_empty() && stream.take_waited(ticket);
        let size = node.size();
        stream.head = node.next;
        if stream.head == NIL {
            stream.tail = NIL;
        }
        stream.pending.subtract(size);
        stream.batched = ticket;
        stream.in_flight += 1;
        let state = &mut self.queues[usize::from(queue)];
        state.pending_load = state.pending_load.saturating_sub(size.load);
        self.draft.pick(slot, work, wave, wanted);
        match work {
            Work::Launch { cost, .. } => {
                self.stats.launches += 1;
                let unmeasured = &mut self.draft.unmeasured;
                let room = unmeasured.len() < unmeasured.inline_size();
                if room && self.costs.is_unmeasured(*cost) && !unmeasured.contains(cost) {
                    unmeasured.push(*cost);
                }
            }
            Work::Copy { .. } => self.stats.copies += 1,
            Work::Fill { .. } => self.stats.fills += 1,
            Work::Record { .. } => {
                let blocked = core::mem::replace(&mut node.blocked, NIL);
                self.unblock(blocked);
            }
            Work::Wait { .. } | Work::Marker => {}
        }
    }

    /// Turns the picked operations into the batch and books it as in flight.
    fn emit(&mut self, queue: u16, reason: FlushReason, out: &mut Batch<T>) {
        let mut marks = self.spare_marks.pop().unwrap_or_default();
        let state = &mut self.queues[usize::from(queue)];
        out.operations.clear();
        self.draft.finish(&mut self.slab, &mut state.issued, &mut marks, out);
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
        state.last_batch = self.now;
        state.batches.push_back(InFlight {
            id: out.id,
            operations: self.spare_operations.pop().unwrap_or_default(),
            marks,
            next_mark: 0,
            reported: 0,
            ring_bytes: self.ring.reserve(),
            submitted_at: self.now,
            load: self.draft.load,
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
fn bits(mut mask: u32) -> impl Iterator<Item = u16> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as u16)?;
        mask &= mask - 1;
        Some(bit)
    })
}
