//! From submitted batches to completed operations.

use alloc::vec::Vec;
use core::fmt;

use crate::batch::{Batch, QueueId};
use crate::operation::{Completed, Nanos, Operation, StreamId, Ticket};
use crate::queue::Member;
use crate::scheduler::Scheduler;

/// A queue's progress fence holds a value that was never submitted: the device is lost, not ahead. A host writes the
/// highest value when it gives a device up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImpossibleProgress {
    /// The queue.
    pub queue: QueueId,
    /// What the fence holds.
    pub value: u64,
    /// The last value submitted.
    pub submitted: u64,
}

impl fmt::Display for ImpossibleProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, value, submitted } = self;
        write!(f, "the progress fence of queue {} is at {value}, above {submitted}, the last submitted value", queue.0)
    }
}

impl core::error::Error for ImpossibleProgress {}

impl<T> Scheduler<T> {
    /// A batch was submitted, which took the caller `spent` and the message ring `ring_bytes`. Its operations move into
    /// the scheduler, and the batch is empty, ready to be filled again.
    pub fn handle_submitted(&mut self, now: Nanos, batch: &mut Batch<T>, spent: Nanos, ring_bytes: u32) {
        self.advance(now);
        self.recycle(batch);
        let Some(queue) = self.queues.get_mut(usize::from(batch.queue.0)) else { return };
        let Some(entry) = queue.batches.iter_mut().rev().find(|entry| entry.id == batch.id) else {
            // The device was lost meanwhile: the operations stay with the caller.
            return;
        };
        core::mem::swap(&mut entry.operations, &mut batch.operations);
        batch.operations.clear();
        queue.submitted = queue.submitted.max(batch.fence);
        self.ring.submitted(core::mem::replace(&mut entry.ring_bytes, ring_bytes), ring_bytes);
        self.submission.add(spent);
    }

    /// The queue's progress fence was read.
    ///
    /// # Errors
    ///
    /// The value was never submitted. Nothing is completed by it.
    pub fn handle_progress(&mut self, now: Nanos, queue: QueueId, value: u64) -> Result<(), ImpossibleProgress> {
        self.advance(now);
        let number = usize::from(queue.0);
        let submitted = self.queues.get(number).map_or(0, |state| state.submitted);
        if value > submitted {
            return Err(ImpossibleProgress { queue, value, submitted });
        }
        let Some(state) = self.queues.get_mut(number).filter(|state| value > state.completed) else { return Ok(()) };
        state.completed = value;
        while let Some(state) = self.queues.get_mut(number)
            && let Some(batch) = state.batches.front_mut()
            && let Some(mark) = batch.marks.get(batch.next_mark).copied().filter(|mark| mark.value <= value)
        {
            batch.next_mark += 1;
            let from = core::mem::replace(&mut batch.reported, mark.end);
            let whole = batch.next_mark == batch.marks.len();
            // Out of the queue while its streams are looked at, and back without having moved on the heap.
            let members = core::mem::take(&mut batch.members);
            let done = members.get(from as usize..mark.end as usize).unwrap_or_default();
            self.in_flight -= done.len() as u32;
            self.device_mark.leave(done.len() as u32, self.config.device_bound);
            for &Member { stream, ticket } in done {
                self.complete_operation(stream, ticket);
            }
            if let Some(batch) = self.queues.get_mut(number).and_then(|state| state.batches.front_mut()) {
                batch.members = members;
            }
            if whole {
                self.complete_batch(number);
            }
        }
        Ok(())
    }

    fn complete_operation(&mut self, index: u32, ticket: u64) {
        let stream = &mut self.streams[index as usize];
        // A later part on another queue may have been reported first: it comes after this one, so this one was complete.
        let moved = ticket > stream.completed;
        stream.completed = stream.completed.max(ticket);
        stream.in_flight -= 1;
        stream.mark.leave(1, self.config.stream_bound);
        if moved && !stream.reported {
            stream.reported = true;
            self.completed.push_back(index);
        }
        if stream.segments.first().is_some_and(|segment| segment.last <= stream.completed) {
            let done = stream.segments.iter().take_while(|segment| segment.last <= stream.completed).count();
            stream.segments.drain(..done);
        }
        if stream.in_flight == 0 {
            self.unassign_if_idle(index);
        }
    }

    /// The first batch of a queue is complete.
    fn complete_batch(&mut self, number: usize) {
        let queue = &mut self.queues[number];
        let Some(mut batch) = queue.batches.pop_front() else { return };
        let time = self.now.saturating_sub(batch.arrival.max(queue.last_completion));
        queue.batch_time.add(time);
        queue.last_completion = self.now;
        let drained = queue.batches.is_empty();
        if drained {
            queue.end = self.now;
        }
        queue.in_flight_load = queue.in_flight_load.saturating_sub(batch.load);
        for key in batch.unmeasured.drain(..) {
            self.costs.bounded(key, time, batch.load, batch.dispatches, batch.alone);
        }
        self.costs.dispatched(batch.dispatches, time);
        self.ring.completed(batch.ring_bytes);
        self.batches_in_flight -= 1;
        self.width -= batch.width;
        self.retired.push_back(batch.operations);
        batch.members.iter().for_each(|member| self.room.add(member.stream));
        batch.marks.clear();
        batch.members.clear();
        self.spare_lists.push((batch.marks, batch.members));
        if drained && !self.queues[number].long {
            // Nothing ties these streams to this queue any more.
            while let Some(index) = self.queues[number].pop() {
                self.delist(index);
                self.move_stream(index, self.config.queues);
            }
        }
    }

    /// An operation that is in flight, for telling people what failed. Looks at everything in flight.
    #[must_use]
    pub fn find_in_flight(&self, ticket: Ticket) -> Option<&Operation<T>> {
        let batches = self.queues.iter().flat_map(|queue| &queue.batches);
        batches.flat_map(|batch| &batch.operations).find(|operation| operation.ticket == ticket)
    }

    /// How far a stream has come, for each stream that has since the last time.
    pub fn poll_completion(&mut self) -> Option<Completed> {
        let index = self.completed.pop_front()?;
        let stream = &mut self.streams[index as usize];
        stream.reported = false;
        Some(Completed { stream: StreamId(index), ticket: Ticket(stream.completed) })
    }

    /// How many operations of a stream have left with completed batches since this told of it last: others may take their room.
    pub fn poll_room(&mut self) -> Option<(StreamId, u32)> {
        self.room.take()
    }

    /// The operations of a completed batch, the first complete first, to be dropped where that disturbs nobody; then
    /// [`give_back`](Self::give_back) takes their room for batches to come.
    pub fn poll_retired_operations(&mut self) -> Option<Vec<Operation<T>>> {
        self.retired.pop_front()
    }

    /// Takes the room of a list that [`poll_retired_operations`](Self::poll_retired_operations) gave. What is still in it is
    /// dropped.
    pub fn give_back(&mut self, mut operations: Vec<Operation<T>>) {
        operations.clear();
        self.spare_operations.push(operations);
    }

    /// Appends the payloads of completed batches to `out`, to be dropped where that disturbs nobody.
    pub fn poll_retired(&mut self, out: &mut Vec<T>) {
        while let Some(mut operations) = self.retired.pop_front() {
            out.extend(operations.drain(..).map(|operation| operation.payload));
            self.spare_operations.push(operations);
        }
    }
}
