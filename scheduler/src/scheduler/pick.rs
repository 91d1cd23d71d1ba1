//! One operation into the batch: what it comes after, and in which wave it lands.

use core::mem;

use crate::batch::GroupKind;
use crate::operation::{Point, Work};
use crate::scheduler::Scheduler;
use crate::slab::NIL;
use crate::wave::Pick;

/// What stands between a wait and the record it refers to.
pub(super) enum Distance {
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
    pub(super) fn distance(&self, source: Point, record: u32, queue: u16) -> Distance {
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
    pub(super) fn pick(&mut self, index: u32, slot: u32, queue: u16, work: &Work, earliest: u32) {
        let next = self.slab.next(slot);
        let node = self.slab.node_mut(slot);
        let operation = node.operation.as_ref().expect("a stream's first slot holds its first operation");
        let stream = &mut self.streams[index as usize];
        if stream.in_batch.epoch != self.epoch {
            stream.in_batch.epoch = self.epoch;
            stream.in_batch.before = stream.batched;
            stream.in_batch.advance_to(earliest);
            self.draft.touched.push(index);
            // What it has in flight on another queue comes first.
            if let Some(last) = stream.segments.last()
                && last.queue != queue
                && self.queues[usize::from(last.queue)].completed < last.value
            {
                self.draft.wait_for(last.queue, last.value);
            }
            if stream.queue != queue {
                // It was free to go anywhere; now it belongs here.
                let from = &mut self.queues[usize::from(stream.queue)];
                from.assigned -= 1;
                from.pending_load = from.pending_load.saturating_sub(stream.pending.load);
                stream.queue = queue;
                let to = &mut self.queues[usize::from(queue)];
                to.assigned += 1;
                to.pending_load = to.pending_load.saturating_add(stream.pending.load);
            }
        }

        let in_batch = &mut stream.in_batch;
        let before = in_batch.used.then_some(in_batch.wave);
        match crate::wave::kind_of(work) {
            GroupKind::Launch | GroupKind::Copy(_) | GroupKind::Fill => {
                if earliest > in_batch.wave {
                    in_batch.advance_to(earliest);
                }
                if !in_batch.accesses.join(&operation.hazard) {
                    in_batch.advance_to(in_batch.wave + 1);
                    in_batch.accesses.begin(&operation.hazard);
                }
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
            GroupKind::None => {
                // One that is said to touch what it does not tell lets nothing pass.
                if in_batch.used && operation.hazard.is_partial() {
                    in_batch.accesses.shut();
                }
                in_batch.used = true;
            }
        }
        let wave = in_batch.wave;
        node.wave = wave;
        let ticket = operation.ticket.0;
        let wanted = !stream.waited.is_empty() && stream.take_waited(ticket);
        let size = node.size();
        stream.head = next;
        if stream.head == NIL {
            stream.tail = NIL;
        }
        stream.pending.subtract(size);
        stream.batched = ticket;
        stream.in_flight += 1;
        stream.free.serve();
        let state = &mut self.queues[usize::from(queue)];
        state.pending_load = state.pending_load.saturating_sub(size.load);
        if let Work::Launch { blocks, .. } = work {
            let blocks = (*blocks).clamp(1, u64::from(self.config.device_blocks));
            self.draft.area += u128::from(blocks) * u128::from(size.load);
        }
        if self.draft.pick(slot, work, Pick { stream: index, wave, again: before == Some(wave), wanted }) {
            self.draft.load = self.draft.load.saturating_add(size.load);
        }
        match work {
            Work::Launch { cost, .. } => {
                self.stats.launches += 1;
                self.draft.note_cost(*cost, &self.costs);
            }
            Work::Copy { .. } => self.stats.copies += 1,
            Work::Fill { .. } => self.stats.fills += 1,
            Work::Record { .. } => {
                let blocked = mem::replace(&mut node.other, NIL);
                self.unblock(blocked);
            }
            Work::Wait { .. } | Work::Hold | Work::Marker => {}
        }
    }
}
