//! One stream: its pending operations in order, where they go, and how far it has come.

use smallvec::SmallVec;

use crate::bounds::Watermark;
use crate::free::FreeMark;
use crate::hazard::WaveAccesses;
use crate::operation::{Nanos, Point, Priority};
use crate::slab::NIL;

/// "On no hardware queue".
pub(crate) const NO_QUEUE: u16 = u16::MAX;

/// Where a stream with pending operations stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing pending.
    Empty,
    /// In the ready list of its hardware queue, and counted there.
    Ready,
    /// Its first operation waits for a record that is not batched: in that record's list, counted nowhere.
    Blocked(Point),
    /// Its first operation holds it back until it is released: in no list, counted nowhere.
    Held,
}

/// How much is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) operations: u32,
    pub(crate) bytes: u64,
    /// Estimated time, unknown kernels counted as `Config::unknown_kernel`: what the caps go by.
    pub(crate) gpu_time: Nanos,
    /// Estimated time, unknown kernels left out: what queues are chosen by.
    pub(crate) load: Nanos,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.gpu_time = self.gpu_time.saturating_add(other.gpu_time);
        self.load = self.load.saturating_add(other.load);
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.operations -= other.operations;
        self.bytes -= other.bytes;
        self.gpu_time = self.gpu_time.saturating_sub(other.gpu_time);
        self.load = self.load.saturating_sub(other.load);
    }
}

/// The part of a stream that lies in one batch in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Its last operation in that batch.
    pub(crate) last: u64,
    pub(crate) queue: u16,
    /// The queue's progress value at which that operation is complete.
    pub(crate) value: u64,
}

/// What the batch that is being made knows of a stream; valid while `epoch` is that batch's.
#[derive(Debug, Default)]
pub(crate) struct InBatch {
    pub(crate) epoch: u64,
    /// `Stream::batched` before this batch.
    pub(crate) before: u64,
    /// The wave of its last operation.
    pub(crate) wave: u32,
    /// Whether that wave already holds an operation of it other than a wait.
    pub(crate) used: bool,
    pub(crate) accesses: WaveAccesses,
}

impl InBatch {
    /// On to a later wave.
    #[inline]
    pub(crate) fn advance_to(&mut self, wave: u32) {
        self.wave = wave;
        self.used = false;
        self.accesses.clear();
    }
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Between `handle_stream` and `handle_stream_drop`.
    pub(crate) announced: bool,
    pub(crate) priority: Priority,
    pub(crate) standing: Standing,
    /// The hardware queue it sticks to while it has anything pending or in flight.
    pub(crate) queue: u16,
    /// First and last pending operation.
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) pending: Totals,
    pub(crate) in_flight: u32,
    /// Its standing among the streams that are free to go anywhere.
    pub(crate) free: FreeMark,
    /// Accepted and not complete.
    pub(crate) mark: Watermark,
    /// Last ticket accepted, batched, complete. Each at most the one before.
    pub(crate) accepted: u64,
    pub(crate) batched: u64,
    pub(crate) completed: u64,
    /// Somebody waits for an operation up to this ticket / a flush was asked for up to this ticket.
    pub(crate) waiter_until: u64,
    pub(crate) flush_until: u64,
    /// Counted as urgent in the hardware queue (only while ready).
    pub(crate) counts_as_waiting: bool,
    pub(crate) counts_as_flushing: bool,
    /// Tickets somebody waits for that are not batched, ascending.
    pub(crate) waited: SmallVec<[u64; 2]>,
    /// Its batches in flight, in order.
    pub(crate) segments: SmallVec<[Segment; 2]>,
    /// Next in the list of streams that one record holds back.
    pub(crate) next_blocked: u32,
    /// Whether it is in the list of completions to report.
    pub(crate) reported: bool,
    pub(crate) in_batch: InBatch,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            announced: false,
            priority: Priority::Normal,
            standing: Standing::Empty,
            queue: NO_QUEUE,
            head: NIL,
            tail: NIL,
            pending: Totals::default(),
            in_flight: 0,
            free: FreeMark::default(),
            mark: Watermark::new(),
            accepted: 0,
            batched: 0,
            completed: 0,
            waiter_until: 0,
            flush_until: 0,
            counts_as_waiting: false,
            counts_as_flushing: false,
            waited: SmallVec::new(),
            segments: SmallVec::new(),
            next_blocked: NIL,
            reported: false,
            in_batch: InBatch::default(),
        }
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiter_until > self.batched
    }

    pub(crate) fn is_flushing(&self) -> bool {
        self.flush_until > self.batched
    }

    /// Remembers that somebody waits for `ticket`, which is not batched.
    pub(crate) fn wait_for(&mut self, ticket: u64) {
        match self.waited.last() {
            Some(&last) if last == ticket => {}
            Some(&last) if last > ticket => {
                if let Err(at) = self.waited.binary_search(&ticket) {
                    self.waited.insert(at, ticket);
                }
            }
            _ => self.waited.push(ticket),
        }
    }

    /// Whether somebody waits for an operation up to `ticket`; forgets those.
    pub(crate) fn take_waited(&mut self, ticket: u64) -> bool {
        let count = self.waited.iter().take_while(|&&waited| waited <= ticket).count();
        self.waited.drain(..count);
        count != 0
    }

    /// The queue and progress value at which the batched operation `ticket` is complete, if it is in flight.
    pub(crate) fn segment_of(&self, ticket: u64) -> Option<Segment> {
        self.segments.iter().find(|segment| segment.last >= ticket).copied()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.head == NIL && self.in_flight == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waited_tickets_stay_sorted_and_single() {
        let mut stream = Stream::new();
        for ticket in [5, 9, 5, 7, 9, 1] {
            stream.wait_for(ticket);
        }
        assert_eq!(stream.waited.as_slice(), [1, 5, 7, 9]);
        assert!(stream.take_waited(6));
        assert!(!stream.take_waited(6));
        assert_eq!(stream.waited.as_slice(), [7, 9]);
    }
}
