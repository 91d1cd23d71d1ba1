//! One hardware queue: which streams are ready on it, and which batches are in flight.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::batch::BatchId;
use crate::config::Config;
use crate::operation::{CostKey, Nanos, Operation, Priority};
use crate::stream::Totals;
use crate::window::Mean;

/// Every eighth batch takes streams of low priority first, so that a flood of urgent work cannot starve them.
const LOW_FIRST_EVERY: u32 = 8;

/// A progress value and how many of the batch's operations are complete with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) end: u32,
    pub(crate) value: u64,
}

/// Stream and ticket of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) stream: u32,
    pub(crate) ticket: u64,
}

/// A batch that was made and is not complete.
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    pub(crate) id: BatchId,
    /// Its operations; with the caller until `handle_submitted`.
    pub(crate) operations: Vec<Operation<T>>,
    /// Whose they are, in their order: to complete them, nobody has to look at them.
    pub(crate) members: Vec<Member>,
    pub(crate) marks: Vec<Mark>,
    /// The first mark not reached.
    pub(crate) next_mark: usize,
    /// Operations whose completion was reported.
    pub(crate) reported: u32,
    /// What it counts for in the ring.
    pub(crate) ring_bytes: u32,
    pub(crate) load: Nanos,
    /// When the host is through with it, as far as is known.
    pub(crate) arrival: Nanos,
    /// Blocks that it keeps busy on average.
    pub(crate) width: u64,
    /// Groups of it that the device runs.
    pub(crate) dispatches: u32,
    /// Kernels in it whose time is not measured.
    pub(crate) unmeasured: SmallVec<[CostKey; 8]>,
    /// Whether it has one operation only.
    pub(crate) alone: bool,
}

/// One hardware queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Streams with something to batch, by priority.
    lists: [VecDeque<u32>; 3],
    /// What they have pending together.
    pub(crate) ready: Totals,
    /// How many of them somebody waits for / have a flush to carry out.
    pub(crate) waiting: u32,
    pub(crate) flushing: u32,
    /// Streams that stick to it.
    pub(crate) assigned: u32,
    /// It runs long operations: streams with short ones keep away. Ends when no stream sticks to it.
    pub(crate) long: bool,
    /// A submission to it is still under way in a call that blocks: nothing more goes to it.
    pub(crate) busy: bool,
    /// Estimated time of what is pending (blocked or ready) and of what is in flight.
    pub(crate) pending_load: Nanos,
    pub(crate) in_flight_load: Nanos,
    /// Estimated end of what is in flight.
    pub(crate) end: Nanos,
    /// When `ready` became non-empty.
    pub(crate) gather_start: Nanos,
    /// Batches in flight, in order.
    pub(crate) batches: VecDeque<InFlight<T>>,
    /// Progress values: the last one given out, submitted, reached.
    pub(crate) issued: u64,
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    /// Device time of a batch, host work included, and when the last one was complete.
    pub(crate) batch_time: Mean,
    pub(crate) last_completion: Nanos,
    /// Per other queue the highest value that a batch of this queue waits for: later batches come after it anyway.
    pub(crate) awaited: [u64; Config::QUEUES_MAX as usize],
    turn: u32,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            lists: [const { VecDeque::new() }; 3],
            ready: Totals::default(),
            waiting: 0,
            flushing: 0,
            assigned: 0,
            long: false,
            busy: false,
            pending_load: 0,
            in_flight_load: 0,
            end: 0,
            gather_start: 0,
            batches: VecDeque::new(),
            issued: 0,
            submitted: 0,
            completed: 0,
            batch_time: Mean::default(),
            last_completion: 0,
            awaited: [0; Config::QUEUES_MAX as usize],
            turn: 0,
        }
    }

    /// Estimated time until everything that sticks to it is done.
    pub(crate) fn load(&self) -> Nanos {
        self.pending_load.saturating_add(self.in_flight_load)
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.assigned == 0 && self.batches.is_empty()
    }

    pub(crate) fn push_back(&mut self, stream: u32, priority: Priority) {
        self.lists[priority as usize].push_back(stream);
    }

    pub(crate) fn push_front(&mut self, stream: u32, priority: Priority) {
        self.lists[priority as usize].push_front(stream);
    }

    /// Whether streams of low priority come first this time.
    pub(crate) const fn is_low_first(&self) -> bool {
        self.turn % LOW_FIRST_EVERY == LOW_FIRST_EVERY - 1
    }

    /// The next stream to take from.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        if self.is_low_first() {
            self.lists.iter_mut().rev().find_map(VecDeque::pop_front)
        } else {
            self.lists.iter_mut().find_map(VecDeque::pop_front)
        }
    }

    pub(crate) fn end_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }
}

/// The queue for a batch of streams that are free to go anywhere: one without work if there is one, else the one that is
/// through first; `None` while none has room. The last queue is left to long operations.
pub(crate) fn place<T>(queues: &[Queue<T>], has_room: impl Fn(&Queue<T>) -> bool) -> Option<u16> {
    let usable = &queues[..queues.len().saturating_sub(1).max(1)];
    let numbered = || usable.iter().enumerate();
    if let Some((unused, _)) = numbered().find(|(_, queue)| queue.is_unused() && !queue.long && has_room(queue)) {
        return Some(unused as u16);
    }
    // Where every queue is taken by long operations, there is no keeping away from them.
    let all_long = usable.iter().all(|queue| queue.long);
    let open = numbered().filter(|(_, queue)| (all_long || !queue.long) && has_room(queue));
    open.min_by_key(|(_, queue)| (queue.end, queue.load())).map(|(index, _)| index as u16)
}

/// The queue for a stream whose next operation is long: one of its own if there is one, else the least loaded of those
/// that have long operations already. Never the first, if there is another. `current` is where the stream is.
pub(crate) fn place_long<T>(queues: &[Queue<T>], current: u16) -> u16 {
    let here = &queues[usize::from(current)];
    if queues.len() == 1 || here.long || (current != 0 && here.assigned == 1) {
        return current;
    }
    let others = || queues.iter().enumerate().skip(1);
    let unused = others().rev().find(|(_, queue)| queue.is_unused());
    let shared = || others().filter(|(at, queue)| queue.long || at + 1 == queues.len()).min_by_key(|(_, q)| q.load());
    unused.or_else(shared).map_or(current, |(index, _)| index as u16)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn queues(count: usize) -> Vec<Queue<()>> {
        (0..count).map(|_| Queue::new()).collect()
    }

    #[test]
    fn free_streams_go_where_no_work_is() {
        let mut queues = queues(4);
        assert_eq!(place(&queues, |_| true), Some(0));
        queues[0].assigned = 1;
        assert_eq!(place(&queues, |_| true), Some(1));
        for (queue, end) in queues.iter_mut().zip([7, 9, 5, 1]) {
            queue.assigned = 1;
            queue.end = end;
        }
        assert_eq!(place(&queues, |_| true), Some(2), "the last one is for long operations");
        assert_eq!(place(&queues, |queue| queue.end > 5), Some(0));
        assert_eq!(place(&queues, |_| false), None);
        assert_eq!(place(&self::queues(1), |_| true), Some(0));
        let mut only = self::queues(1);
        only[0].long = true;
        assert_eq!(place(&only, |_| true), Some(0), "there is no other");
    }

    #[test]
    fn long_streams_get_a_queue_of_their_own_while_there_is_one() {
        let mut queues = queues(3);
        queues[0].assigned = 5;
        assert_eq!(place_long(&queues, 0), 2);
        queues[2].assigned = 1;
        queues[2].long = true;
        queues[2].pending_load = 100;
        assert_eq!(place_long(&queues, 0), 1);
        queues[1].assigned = 1;
        assert_eq!(place_long(&queues, 0), 2, "short streams on 1 are left in peace");
        assert_eq!(place_long(&queues, 1), 1, "alone on its queue already");
        assert_eq!(place_long(&self::queues(1), 0), 0);
    }

    #[test]
    fn low_priority_comes_first_every_eighth_time() {
        let mut queue = Queue::<()>::new();
        let mut low_first = 0;
        for _ in 0..16 {
            queue.push_back(1, Priority::High);
            queue.push_back(3, Priority::Low);
            low_first += u32::from(queue.pop() == Some(3));
            while queue.pop().is_some() {}
            queue.end_turn();
        }
        assert_eq!(low_first, 2);
    }
}
