//! Which ready streams a batch is made of, and how much of each.
//!
//! A batch of free streams begins with the one whose turn it is (`free`). Others join it if they *merge*: the kernel that
//! one comes to next stands somewhere in the batch, so it starts at that wave and goes along from there. What does not merge
//! runs behind the first on the same queue, or beside it on another one a submission later; so only a share of it joins.
//! A batch of streams that are tied to a queue takes from them in turn.

use alloc::vec::Vec;
use core::mem;

use crate::batch::{Batch, FlushReason};
use crate::config::Policy;
use crate::operation::{Nanos, Point, Work};
use crate::queue::place_long;
use crate::scheduler::Scheduler;
use crate::scheduler::make::Source;
use crate::scheduler::pick::Distance;
use crate::slab::NIL;
use crate::stream::Standing;

/// Operations taken from one stream before the next has its turn: a batch cut by a cap then has the same depth of many
/// streams rather than all of a few, which merges better and starves nobody. About a request or a layer.
const TURN: u32 = 32;

/// Free streams that are looked at for one batch and left because they do not fit: bounds the work of one call.
const LOOK: usize = 256;

/// A batch is not made longer than so many times the way to the device, if others could run beside it or merge later: the
/// way then costs at most a fifth, and what merges is decided again soon.
const SPAN_REACHES: u64 = 4;

/// How far into a stream its next kernel is looked for: behind the copies and fills of its arguments.
const DEPTH: u32 = 4;

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
    /// Held back until it is released.
    Held,
    /// To be taken up on another queue.
    Moved(u16),
}

/// Where in the batch a stream's turn goes.
#[derive(Clone, Copy)]
struct Place {
    /// The first wave for anything of it.
    start: u32,
    /// The first wave for its launches.
    launches: u32,
    /// Not further than to this wave.
    end: u32,
}

impl Place {
    /// Wherever there is room for it.
    const ANY: Place = Place { start: 0, launches: 0, end: u32::MAX };
}

/// How much that does not merge a batch takes: worked out when it is first asked for.
struct Share {
    load: Nanos,
    known: Option<Nanos>,
}

impl<T> Scheduler<T> {
    /// Makes a batch of what is ready. False if everything there turned out to be held back or to belong elsewhere.
    pub(super) fn make(&mut self, source: &Source, out: &mut Batch<T>) -> bool {
        let Source { list, queue, reason, .. } = *source;
        self.epoch += 1;
        self.draft.clear();
        let gather_start = self.queues[usize::from(list)].gather_start;
        let free = self.config.queues;
        let cap = match list == free {
            true => self.take_free(queue).or_else(|| self.take_tied(queue)),
            // Free streams come along where they would have come here anyway.
            false => self.take_tied(queue).or_else(|| {
                let here = self.queues[usize::from(free)].ready.operations > 0 && self.place() == Some(queue);
                if here { self.take_free(queue) } else { None }
            }),
        };
        // What is left has been waiting as long as what went.
        self.queues[usize::from(list)].gather_start = gather_start;
        if self.draft.len() == 0 {
            return false;
        }
        self.queues[usize::from(queue)].end_turn();
        self.emit(queue, cap.unwrap_or(reason), out);
        true
    }

    /// Takes from the streams that are tied to `queue`, in turn; says which cap ended it.
    fn take_tied(&mut self, queue: u16) -> Option<FlushReason> {
        while let Some(index) = self.queues[usize::from(queue)].pop() {
            self.delist(index);
            let before = self.draft.len();
            let start = self.merges_at(index).unwrap_or(0);
            match self.take_turn(index, queue, Place { start, launches: start, ..Place::ANY }) {
                Turn::Over => self.enlist(index, false),
                Turn::Full(cap) => {
                    if self.streams[index as usize].head != NIL {
                        self.enlist(index, self.draft.len() == before);
                    }
                    return Some(cap);
                }
                other => self.settle(index, other),
            }
        }
        None
    }

    /// Takes from the free streams; says which cap ended it.
    fn take_free(&mut self, queue: u16) -> Option<FlushReason> {
        let mut left = mem::take(&mut self.left);
        let mut members = mem::take(&mut self.members);
        let cap = self.gather_free(queue, &mut left, &mut members);
        for index in members.drain(..) {
            let stream = &self.streams[index as usize];
            if stream.head != NIL {
                // One that the cap left untouched keeps its place.
                self.enlist(index, stream.in_batch.epoch != self.epoch);
            }
        }
        for index in left.drain(..) {
            self.enlist(index, true);
        }
        self.left = left;
        self.members = members;
        cap
    }

    /// Rounds of [`TURN`] waves: in each, streams join that merge there, then all members go on.
    fn gather_free(&mut self, queue: u16, left: &mut Vec<u32>, members: &mut Vec<u32>) -> Option<FlushReason> {
        let mut share = Share { load: self.queues[usize::from(self.config.queues)].ready.load, known: None };
        let span = SPAN_REACHES.saturating_mul(self.config.host_reach);
        let mut end = 0;
        loop {
            end = end.max(self.draft.depth()).saturating_add(TURN);
            // What does not merge joins in the first round only: behind it, others have more to gain elsewhere.
            if !members.is_empty() {
                share.known = Some(0);
            }
            if let Some(cap) = self.join(queue, end, &mut share, left, members) {
                return Some(cap);
            }
            let (more, cap) = self.go_on(queue, end.saturating_add(TURN), members);
            if cap.is_some() || !more || (self.draft.load >= span && self.batches_in_flight > 0) {
                return cap;
            }
        }
    }

    /// Free streams join the batch up to wave `end`: those that were left before, then those not yet looked at. Who does
    /// not fit is left.
    fn join(
        &mut self,
        queue: u16,
        end: u32,
        share: &mut Share,
        left: &mut Vec<u32>,
        members: &mut Vec<u32>,
    ) -> Option<FlushReason> {
        let low_first = self.queues[usize::from(queue)].is_low_first();
        // What the first of the batch was served, if somebody waits for it: who is behind it is not put behind it.
        let mut behind = 0;
        let (mut at, mut kept) = (0, 0);
        loop {
            let index = match left.get(at) {
                Some(&index) => index,
                None if kept >= LOOK => break,
                None => {
                    let Some(index) = self.free.next(&mut self.streams, self.config.queues, low_first, self.now) else {
                        break;
                    };
                    self.delist(index);
                    left.push(index);
                    index
                }
            };
            at += 1;
            let stream = &self.streams[index as usize];
            let (served, waited_for) = (stream.free.served(), stream.is_waited_for());
            let begins = self.draft.len() == 0;
            let merges = self.merges_at(index);
            let place = match merges {
                Some(start) => Place { start, launches: start, end },
                None if begins => Place { start: 0, launches: 0, end },
                // Behind what is there; copies and fills of all streams go together.
                None if self.goes_beside(index, served >= behind, share) => {
                    Place { launches: self.draft.depth(), ..Place::ANY }
                }
                None => {
                    left[kept] = index;
                    kept += 1;
                    continue;
                }
            };
            if begins && waited_for {
                behind = served;
            }
            match self.take_turn(index, queue, place) {
                Turn::Over => members.push(index),
                Turn::Full(cap) => {
                    members.push(index);
                    left.drain(kept..at);
                    return Some(cap);
                }
                other => self.settle(index, other),
            }
        }
        left.truncate(kept);
        None
    }

    /// Every member has one more turn, up to wave `end`; whether any has more to give, and which cap ended it.
    fn go_on(&mut self, queue: u16, end: u32, members: &mut Vec<u32>) -> (bool, Option<FlushReason>) {
        let mut more = false;
        let mut at = 0;
        while let Some(&index) = members.get(at) {
            if let Some(&next) = members.get(at + 1) {
                self.slab.look_at(self.streams[next as usize].head);
            }
            match self.take_turn(index, queue, Place { end, ..Place::ANY }) {
                Turn::Over => {
                    more = true;
                    at += 1;
                }
                Turn::Full(cap) => return (more, Some(cap)),
                other => {
                    members.swap_remove(at);
                    self.settle(index, other);
                }
            }
        }
        (more, None)
    }

    /// What becomes of a delisted stream whose turn ended neither for others nor by a cap.
    fn settle(&mut self, index: u32, turn: Turn) {
        match turn {
            Turn::Blocked(on, slot) => self.block(index, on, slot),
            Turn::Moved(to) => self.move_stream(index, to),
            Turn::Held => self.streams[index as usize].standing = Standing::Held,
            Turn::Over | Turn::Empty | Turn::Full(_) => {}
        }
    }

    /// Whether what comes next in a stream costs the device nothing, but may let others go on.
    fn waits_or_records(&self, index: u32) -> bool {
        let head = self.streams[index as usize].head;
        let free = |work: &Work| matches!(work, Work::Wait { .. } | Work::Hold | Work::Record { .. } | Work::Marker);
        head != NIL && free(&self.slab.operation(head).work)
    }

    /// The wave at which a stream would have to start so that its next kernel merges with what is in the batch.
    fn merges_at(&self, index: u32) -> Option<u32> {
        let mut slot = self.streams[index as usize].head;
        for depth in 0..DEPTH {
            if slot == NIL {
                return None;
            }
            if let Work::Launch { merge: Some(key), .. } = self.slab.operation(slot).work {
                return self.draft.first_wave(key)?.checked_sub(depth);
            }
            slot = self.slab.next(slot);
        }
        None
    }

    /// Whether a stream that does not merge joins all the same.
    fn goes_beside(&self, index: u32, in_turn: bool, share: &mut Share) -> bool {
        let fits = |share: &mut Share| {
            let known = *share.known.get_or_insert_with(|| self.share(share.load));
            self.draft.load < known
        };
        (in_turn && fits(share)) || self.waits_or_records(index)
    }

    /// How much work a batch of free streams takes that does not merge before the rest goes to other queues; `load`: all of it.
    ///
    /// Work W on k queues, one submission every I: the last is through at k·I + W/k, least for k = √(W/I), that is for
    /// √(W·I) each. But the first of the batch is the one that is behind the others, and all they lose by waiting is
    /// waiting: a quarter of it, and no more than the way to the device, which is about what the next one would wait.
    fn share(&self, load: Nanos) -> Nanos {
        let even = load.saturating_mul(self.interval()).isqrt();
        (even / 4).min(self.config.host_reach.max(self.interval()))
    }

    /// Takes operations from a delisted stream.
    fn take_turn(&mut self, index: u32, queue: u16, place: Place) -> Turn {
        let mut ahead = self.slab.look_ahead(self.streams[index as usize].head);
        for _ in 0..TURN {
            let slot = self.streams[index as usize].head;
            if slot == NIL {
                return Turn::Empty;
            }
            ahead = self.slab.ask_for_next(ahead);
            let operation = self.slab.operation(slot);
            let (work, bytes, ticket) = (operation.work, operation.bytes, operation.ticket.0);
            let in_batch = &self.streams[index as usize].in_batch;
            if in_batch.epoch == self.epoch && in_batch.used && in_batch.wave + 1 >= place.end {
                return Turn::Over;
            }
            let (time, known) = self.costs.time(&work, &self.config);
            if let Some(cap) = self.full(bytes, time) {
                return Turn::Full(cap);
            }
            if known >= self.config.long_operation && !self.queues[usize::from(queue)].long {
                let to = match self.goes_on_alone(index) {
                    true => queue,
                    false => place_long(&self.queues[..usize::from(self.config.queues)], queue),
                };
                self.queues[usize::from(to)].long = true;
                if to != queue {
                    return Turn::Moved(to);
                }
            }
            if work == Work::Hold && !self.released.remove(&(index, ticket)) {
                return Turn::Held;
            }
            let is_launch = matches!(work, Work::Launch { .. });
            let mut earliest = if is_launch { place.launches } else { place.start };
            if let Work::Wait { source: Some(source), .. } = work {
                let record = self.slab.node(slot).other;
                match self.distance(source, record, queue) {
                    Distance::None => {}
                    Distance::InBatch(wave) => earliest = earliest.max(wave + 1),
                    Distance::Pending => {
                        // Where nothing ties the stream to this queue, going to the other pulls both into one batch.
                        let there = self.streams[source.stream.0 as usize].queue;
                        let stream = &self.streams[index as usize];
                        let free = stream.in_flight == 0 && stream.in_batch.epoch != self.epoch;
                        let elsewhere = there != queue && there < self.config.queues;
                        return if free && elsewhere { Turn::Moved(there) } else { Turn::Blocked(source, record) };
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
        }
        if self.streams[index as usize].head == NIL { Turn::Empty } else { Turn::Over }
    }

    /// Whether the batch has something of this stream already, and no other has anything to do: then a long operation holds up
    /// nobody, whoever comes later goes to other queues, and to go on elsewhere would only be a second submission.
    fn goes_on_alone(&self, index: u32) -> bool {
        let begun = self.streams[index as usize].in_batch.epoch == self.epoch;
        // With two queues, the other is that of long operations.
        begun && self.config.queues > 2 && self.queues.iter().map(|queue| queue.assigned).sum::<u32>() == 1
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
}
