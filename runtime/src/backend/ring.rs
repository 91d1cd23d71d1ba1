//! The command memory of one hardware queue: a ring of bytes that the device reads command buffers from.
//!
//! ```text
//!  0        tail                 head            capacity
//!  |  free   |#### in flight ####|     free         |
//!            ▲ moves when the    ▲ a command buffer is written into one free stretch, then committed
//!              fence passes        with the fence value that says the device is through with it
//! ```
//!
//! Only the holder of the driver role touches a ring; the device reads what is committed. Nothing allocates: the list of
//! command buffers in flight has a fixed length, and a full one is the same as a full ring.

use std::collections::VecDeque;

/// Command buffers begin at multiples of this: a cache line, and more than the packets need.
const ALIGNMENT: usize = 64;
/// Command buffers in flight per queue; far more than the scheduler's window.
const IN_FLIGHT: usize = 64;

/// Which part of a ring is free, which is in flight. Knows offsets only; the memory is the caller's.
#[derive(Debug)]
pub(in crate::backend) struct CommandRing {
    capacity: usize,
    /// Where the next command buffer begins. Equal to `tail` only when nothing is in flight.
    head: usize,
    /// First byte still in flight.
    tail: usize,
    in_flight: VecDeque<InFlight>,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    /// The progress value after which the device no longer reads it.
    fence: u64,
    /// Where the next one begins.
    end: usize,
}

/// A free stretch of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend) struct Stretch {
    /// Its offset in the ring.
    pub start: usize,
    /// Its length.
    pub len: usize,
}

impl CommandRing {
    /// A ring over `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity / ALIGNMENT * ALIGNMENT,
            head: 0,
            tail: 0,
            in_flight: VecDeque::with_capacity(IN_FLIGHT),
        }
    }

    /// Bytes in all.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes back what the device is through with.
    pub fn reclaim(&mut self, completed: u64) {
        while let Some(first) = self.in_flight.front() {
            if first.fence > completed {
                return;
            }
            self.tail = first.end;
            self.in_flight.pop_front();
        }
        // Nothing in flight: begin at the start again, where the longest stretch is.
        self.head = 0;
        self.tail = 0;
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The free stretches, in the order to try them: behind the head, then at the start of the ring. Empty ones are
    /// left out; none at all when too many command buffers are in flight.
    pub fn free(&self) -> impl Iterator<Item = Stretch> + use<> {
        let stretches = if self.in_flight.len() >= IN_FLIGHT {
            [Stretch { start: 0, len: 0 }; 2]
        } else if self.in_flight.is_empty() {
            [Stretch { start: 0, len: self.capacity }, Stretch { start: 0, len: 0 }]
        } else if self.head > self.tail {
            // One line stays free before the tail, so that head == tail always means an empty ring.
            let behind = Stretch { start: self.head, len: self.capacity - self.head };
            [behind, Stretch { start: 0, len: self.tail.saturating_sub(ALIGNMENT) }]
        } else {
            [Stretch { start: self.head, len: self.tail - self.head - ALIGNMENT }, Stretch { start: 0, len: 0 }]
        };
        stretches.into_iter().filter(|stretch| stretch.len > 0)
    }

    /// A command buffer of `len` bytes was written at the start of `stretch` and is in flight until `fence`.
    pub fn commit(&mut self, stretch: Stretch, len: usize, fence: u64) {
        debug_assert!(len <= stretch.len && self.in_flight.len() < IN_FLIGHT);
        let end = stretch.start + len.next_multiple_of(ALIGNMENT);
        self.head = end;
        self.in_flight.push_back(InFlight { fence, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `len` bytes if a stretch has room.
    fn put(ring: &mut CommandRing, len: usize, fence: u64) -> Option<Stretch> {
        let stretch = ring.free().find(|stretch| stretch.len >= len)?;
        ring.commit(stretch, len, fence);
        Some(stretch)
    }

    #[test]
    fn space_comes_back_with_the_fence() {
        let mut ring = CommandRing::new(1024);
        assert_eq!(put(&mut ring, 500, 1).map(|s| s.start), Some(0));
        assert_eq!(put(&mut ring, 500, 2).map(|s| s.start), Some(512));
        assert_eq!(put(&mut ring, 100, 3), None, "full");
        ring.reclaim(0);
        assert_eq!(put(&mut ring, 100, 3), None, "still in flight");
        ring.reclaim(1);
        assert_eq!(put(&mut ring, 100, 3).map(|s| s.start), Some(0));
        ring.reclaim(3);
        assert!(ring.is_empty());
        assert_eq!(put(&mut ring, 1024, 4).map(|s| s.start), Some(0), "an empty ring is one stretch");
    }

    #[test]
    fn a_full_ring_is_never_taken_for_an_empty_one() {
        let mut ring = CommandRing::new(256);
        for fence in 1..=3 {
            assert!(put(&mut ring, 64, fence).is_some());
        }
        ring.reclaim(1);
        // 64..192 in flight; 192..256 free behind, nothing usable in front.
        assert_eq!(ring.free().collect::<Vec<_>>(), [Stretch { start: 192, len: 64 }]);
        assert!(put(&mut ring, 64, 4).is_some());
        assert_eq!(ring.free().count(), 0);
        ring.reclaim(2);
        assert_eq!(ring.free().collect::<Vec<_>>(), [Stretch { start: 0, len: 64 }]);
    }

    #[test]
    fn the_number_in_flight_is_bounded_and_nothing_allocates() {
        let mut ring = CommandRing::new(1 << 20);
        let room = ring.in_flight.capacity();
        for fence in 0..IN_FLIGHT as u64 {
            assert!(put(&mut ring, 64, fence + 1).is_some());
        }
        assert_eq!(put(&mut ring, 64, 1000), None);
        assert_eq!(ring.in_flight.capacity(), room);
    }

    #[test]
    fn live_stretches_never_overlap() {
        let mut ring = CommandRing::new(4096);
        let mut live: Vec<(u64, usize, usize)> = Vec::new();
        let mut random = 12_345_u64;
        let (mut fence, mut done, mut written) = (0, 0, 0);
        for _ in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let len = 1 + (random >> 33) as usize % 1500;
            if let Some(stretch) = put(&mut ring, len, fence + 1) {
                fence += 1;
                written += 1;
                let (start, end) = (stretch.start, stretch.start + len);
                assert!(end <= 4096);
                assert!(live.iter().all(|&(_, s, e)| end <= s || e <= start), "{start}..{end} overlaps {live:?}");
                live.push((fence, start, end));
            } else {
                done = (done + 1 + (random >> 50) % 3).min(fence);
                ring.reclaim(done);
                live.retain(|&(value, ..)| value > done);
            }
        }
        assert!(written > 3000, "{written}");
    }
}
