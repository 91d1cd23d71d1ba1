//! Streams that are free to go to any hardware queue: nothing of them is in flight, something is ready.
//!
//! They are served by priority, then those that somebody waits for, then by how little they were served of late: a stream
//! that is behind the others of its kind catches up with them, and then they merge. Nobody waits for ever: what has been
//! ready for [`PATIENCE`] comes first.
//!
//! Entries are not removed when they become old, but passed over when their turn comes.

use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Reverse;

use crate::operation::{Nanos, Priority};
use crate::stream::{Standing, Stream};

/// After this long (10 ms) a stream comes first, whatever it was served: many times what serving everybody takes in a system
/// that keeps up, and what nobody calls a hang in one that does not.
const PATIENCE: Nanos = 10_000_000;

/// How much a stream was served counts half after this long (2^24 ns, about 17 ms): a stream that did much yesterday is not
/// behind one that is new today.
const HALF_LIFE_LOG2: u32 = 24;

/// The rank of a stream that nobody waits for is above this.
const NOT_URGENT: u64 = 1 << 63;

/// Where a stream stands among the free ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FreeMark {
    /// Operations of it that went into batches, old ones counted less.
    served: u64,
    served_at: Nanos,
    /// The rank of its valid entry.
    rank: u64,
    /// Since when it is ready and free.
    since: Nanos,
    /// Whether it stands in the order of arrival.
    queued: bool,
}

impl FreeMark {
    fn decay(&mut self, now: Nanos) {
        let halves = (now >> HALF_LIFE_LOG2).saturating_sub(self.served_at >> HALF_LIFE_LOG2);
        self.served = self.served.checked_shr(halves.min(64) as u32).unwrap_or(0);
        self.served_at = self.served_at.max(now);
    }

    /// One operation more went into a batch.
    #[inline]
    pub(crate) fn serve(&mut self) {
        self.served = self.served.saturating_add(1).min(NOT_URGENT - 1);
    }

    /// How much it was served of late.
    pub(crate) const fn served(&self) -> u64 {
        self.served
    }
}

/// The free streams.
#[derive(Debug, Default)]
pub(crate) struct FreeStreams {
    /// Rank and stream, by priority.
    heaps: [BinaryHeap<Reverse<(u64, u32)>>; 3],
    /// In the order of becoming free.
    arrivals: VecDeque<(Nanos, u32)>,
}

impl FreeStreams {
    /// A stream has become ready and is free. `again`: it was looked at and left.
    pub(crate) fn add(&mut self, index: u32, stream: &mut Stream, now: Nanos, again: bool) {
        stream.free.decay(now);
        if !again {
            stream.free.since = now;
            stream.free.queued = true;
            self.arrivals.push_back((now, index));
        } else if !stream.free.queued {
            stream.free.queued = true;
            self.arrivals.push_front((stream.free.since, index));
        }
        self.rank(index, stream);
    }

    /// Somebody waits for a free stream now.
    pub(crate) fn rank(&mut self, index: u32, stream: &mut Stream) {
        let urgent = stream.is_waited_for() || stream.is_flushing();
        stream.free.rank = stream.free.served | if urgent { 0 } else { NOT_URGENT };
        self.heaps[stream.priority as usize].push(Reverse((stream.free.rank, index)));
    }

    /// The stream whose turn is next; it stays free until it is delisted. `free` is the list of the free ones.
    pub(crate) fn next(&mut self, streams: &mut [Stream], free: u16, low_first: bool, now: Nanos) -> Option<u32> {
        let is_free = |stream: &Stream| stream.standing == Standing::Ready && stream.queue == free;
        while let Some(&(since, index)) = self.arrivals.front() {
            let stream = &mut streams[index as usize];
            if stream.free.since == since {
                if is_free(stream) {
                    if now.saturating_sub(since) >= PATIENCE {
                        return Some(index);
                    }
                    break;
                }
                stream.free.queued = false;
            }
            self.arrivals.pop_front();
        }
        let mut order = [Priority::High, Priority::Normal, Priority::Low];
        if low_first {
            order.reverse();
        }
        order.into_iter().find_map(|priority| {
            let heap = &mut self.heaps[priority as usize];
            while let Some(&Reverse((rank, index))) = heap.peek() {
                let stream = &streams[index as usize];
                if is_free(stream) && stream.free.rank == rank && stream.priority == priority {
                    return Some(index);
                }
                heap.pop();
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const FREE: u16 = 8;

    fn streams(served: &[u64]) -> Vec<Stream> {
        let stream = |&served: &u64| {
            let mut stream = Stream::new();
            stream.queue = FREE;
            stream.standing = Standing::Ready;
            stream.free.served = served;
            stream
        };
        served.iter().map(stream).collect()
    }

    fn all(streams: &mut [Stream], now: Nanos, change: impl Fn(&mut FreeStreams, &mut [Stream])) -> Vec<u32> {
        let mut free = FreeStreams::default();
        for (index, stream) in (0..).zip(&mut *streams) {
            free.add(index, stream, 0, false);
        }
        change(&mut free, streams);
        let mut order = Vec::new();
        while let Some(index) = free.next(&mut *streams, FREE, false, now) {
            streams[index as usize].standing = Standing::Empty;
            order.push(index);
        }
        order
    }

    #[test]
    fn who_was_served_least_comes_first_among_those_waited_for() {
        let mut streams = streams(&[30, 10, 20, 40]);
        let order = all(&mut streams, 1, |free, streams| {
            streams[3].accepted = 1;
            streams[3].waiter_until = 1;
            free.rank(3, &mut streams[3]);
        });
        assert_eq!(order, [3, 1, 2, 0]);
    }

    #[test]
    fn priority_comes_before_service() {
        let mut streams = streams(&[1, 2, 3]);
        streams[2].priority = Priority::High;
        streams[0].priority = Priority::Low;
        assert_eq!(all(&mut streams, 1, |_, _| {}), [2, 1, 0]);
    }

    #[test]
    fn patience_ends() {
        let mut streams = streams(&[9, 1]);
        let mut free = FreeStreams::default();
        free.add(0, &mut streams[0], 5, false);
        free.add(1, &mut streams[1], PATIENCE, false);
        assert_eq!(free.next(&mut streams, FREE, false, PATIENCE), Some(1));
        assert_eq!(free.next(&mut streams, FREE, false, PATIENCE + 5), Some(0));
    }

    #[test]
    fn old_service_counts_less_and_less() {
        let mut mark = FreeMark { served: 1 << 20, ..FreeMark::default() };
        mark.decay(3 << HALF_LIFE_LOG2);
        assert_eq!(mark.served(), 1 << 17);
        mark.decay(u64::MAX);
        assert_eq!(mark.served(), 0);
    }
}
