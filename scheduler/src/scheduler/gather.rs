//! Streams with something pending: which hardware queue they stick to, whether they are ready, and how urgent they are.
//!
//! A stream that is ready is in the list of exactly one queue, and what it has pending is in that queue's totals. A
//! stream whose first operation waits for a record that is not batched is in that record's list instead and counted
//! nowhere: the law of `flush` then sees only what could really go.

use crate::operation::{Point, StreamId, Ticket};
use crate::scheduler::Scheduler;
use crate::slab::NIL;
use crate::stream::{NO_QUEUE, Standing, Totals};

impl<T> Scheduler<T> {
    /// Puts an accepted operation at the end of its stream.
    pub(super) fn append(&mut self, index: u32, ticket: u64, slot: u32, size: Totals) {
        let stream = &mut self.streams[index as usize];
        stream.accepted = ticket;
        stream.pending.add(size);
        if stream.head == NIL {
            stream.head = slot;
        } else {
            self.slab.link(stream.tail, slot);
        }
        stream.tail = slot;
        if stream.queue == NO_QUEUE {
            stream.queue = self.config.queues;
            self.queues[usize::from(stream.queue)].assigned += 1;
        }
        let queue = &mut self.queues[usize::from(stream.queue)];
        queue.pending_load = queue.pending_load.saturating_add(size.load);
        match stream.standing {
            Standing::Ready => queue.ready.add(size),
            Standing::Blocked(_) | Standing::Held => {}
            Standing::Empty => self.enlist(index, false),
        }
    }

    /// Makes a stream with pending operations ready on its queue. `first`: it keeps the place it had.
    pub(super) fn enlist(&mut self, index: u32, first: bool) {
        let stream = &mut self.streams[index as usize];
        let queue = &mut self.queues[usize::from(stream.queue)];
        if queue.ready.operations == 0 {
            queue.gather_start = self.now;
        }
        stream.standing = Standing::Ready;
        stream.counts_as_waiting = stream.is_waited_for();
        stream.counts_as_flushing = stream.is_flushing();
        queue.waiting += u32::from(stream.counts_as_waiting);
        queue.flushing += u32::from(stream.counts_as_flushing);
        queue.ready.add(stream.pending);
        if stream.queue == self.config.queues {
            self.free.add(index, stream, self.now, first);
        } else if first {
            queue.push_front(index, stream.priority);
        } else {
            queue.push_back(index, stream.priority);
        }
        self.active |= 1_u64 << stream.queue;
    }

    /// Takes a ready stream, already out of the list, out of its queue's totals.
    pub(super) fn delist(&mut self, index: u32) {
        let stream = &mut self.streams[index as usize];
        let queue = &mut self.queues[usize::from(stream.queue)];
        queue.ready.subtract(stream.pending);
        queue.waiting -= u32::from(stream.counts_as_waiting);
        queue.flushing -= u32::from(stream.counts_as_flushing);
        stream.counts_as_waiting = false;
        stream.counts_as_flushing = false;
        stream.standing = Standing::Empty;
        if queue.ready.operations == 0 {
            self.active &= !(1_u64 << stream.queue);
        }
    }

    /// Makes a delisted stream stick to another queue, and ready there.
    pub(super) fn move_stream(&mut self, index: u32, to: u16) {
        let stream = &mut self.streams[index as usize];
        let from = &mut self.queues[usize::from(stream.queue)];
        from.pending_load = from.pending_load.saturating_sub(stream.pending.load);
        from.assigned -= 1;
        from.long &= from.assigned != 0;
        let target = &mut self.queues[usize::from(to)];
        target.pending_load = target.pending_load.saturating_add(stream.pending.load);
        target.assigned += 1;
        stream.queue = to;
        self.enlist(index, false);
    }

    /// A stream with nothing pending or in flight is free to go anywhere next time.
    pub(super) fn unassign_if_idle(&mut self, index: u32) {
        let stream = &mut self.streams[index as usize];
        if stream.queue != NO_QUEUE && stream.is_idle() {
            let queue = &mut self.queues[usize::from(stream.queue)];
            queue.assigned -= 1;
            queue.long &= queue.assigned != 0;
            stream.queue = NO_QUEUE;
        }
    }

    /// Holds a delisted stream back until the record in `slot` is batched, and passes its urgency on.
    pub(super) fn block(&mut self, index: u32, on: Point, slot: u32) {
        let record = self.slab.node_mut(slot);
        let stream = &mut self.streams[index as usize];
        stream.standing = Standing::Blocked(on);
        stream.next_blocked = core::mem::replace(&mut record.other, index);
        let (waiting, flushing) = (stream.is_waited_for(), stream.is_flushing());
        if waiting || flushing {
            self.urge(on, waiting, flushing);
        }
    }

    /// A record was batched: the streams it held back are ready again.
    pub(super) fn unblock(&mut self, mut first: u32) {
        while first != NIL {
            let stream = &mut self.streams[first as usize];
            let next = core::mem::replace(&mut stream.next_blocked, NIL);
            self.enlist(first, false);
            first = next;
        }
    }

    /// An operation is urgent, and so is whatever holds its stream back. Tickets fall from one to the next, so this
    /// ends; a stream already as urgent has passed it on already.
    pub(super) fn urge(&mut self, point: Point, waiting: bool, flushing: bool) {
        let mut at = point;
        loop {
            let Point { stream: StreamId(index), ticket: Ticket(ticket) } = at;
            let stream = &mut self.streams[index as usize];
            let known = (!waiting || stream.waiter_until >= ticket) && (!flushing || stream.flush_until >= ticket);
            if known || stream.batched >= ticket {
                return;
            }
            if waiting {
                stream.waiter_until = stream.waiter_until.max(ticket);
            }
            if flushing {
                stream.flush_until = stream.flush_until.max(ticket);
            }
            match stream.standing {
                Standing::Empty | Standing::Held => return,
                Standing::Blocked(on) => at = on,
                Standing::Ready => {
                    let queue = &mut self.queues[usize::from(stream.queue)];
                    if waiting && !stream.counts_as_waiting {
                        stream.counts_as_waiting = true;
                        queue.waiting += 1;
                    }
                    if flushing && !stream.counts_as_flushing {
                        stream.counts_as_flushing = true;
                        queue.flushing += 1;
                    }
                    if stream.queue == self.config.queues {
                        self.free.rank(index, stream);
                    }
                    return;
                }
            }
        }
    }
}
