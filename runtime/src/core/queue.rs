//! The enqueue queue: a bounded ring that many tasks push into and the driver pops from.
//!
//! A push *claims* a range of positions, *fills* the slots, and *publishes* them; the position decides both the order of
//! acceptance and the ticket (position + 1, never reused), so the two can not disagree. There is no lock and no allocation.
//! A producer that is preempted between claim and publish holds up only the pops of what comes after it: the consumer sees
//! "not ready", and that producer pokes the driver role after it has published.
//!
//! The algorithm is D. Vyukov's bounded queue. The stamp of a slot says who may touch its value:
//!
//! | stamp of the slot of position `p` | value | who may touch the value |
//! | --- | --- | --- |
//! | `p` | none | the producer whose claim (of `tail`) covers `p`; nobody before there is one |
//! | `p + 1` | an operation, or a tombstone | the consumer, when its `head` is `p` |
//! | `p + capacity` | none | the producer that claims `p + capacity` |
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `tail` | producers: a compare-exchange after a look at the last slot, or an addition by who was admitted | everybody |
//! | `head` | the consumer | everybody (only to tell how full the ring is) |
//!
//! Slots become free in order (there is one consumer), so a free last slot means that the whole claim is free. Who was admitted
//! has room until its operation is complete, so its slot is free or about to be: it adds, and waits for the stamp.
//! If the closure that makes an operation panics, its whole claim is published as *tombstones*, which the consumer
//! skips: the tickets are lost, the ring goes on.

use std::ops::Range;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, CachePadded, Mutation, UnsafeCell, advise_large_pages, mutated, prefetch, spin_loop};

/// Rings wrap within a model of a few operations.
#[cfg(dxg_loom)]
const CAPACITY_MAX: usize = 2;
/// 2^31 slots: far above any sensible bound, and far from any overflow.
#[cfg(not(dxg_loom))]
const CAPACITY_MAX: usize = 1 << 31;

/// On lines of its own: neighbours are filled by different threads at the same time.
#[repr(align(64))]
struct Slot<T> {
    stamp: AtomicU64,
    /// `None` when published: a tombstone.
    value: UnsafeCell<Option<T>>,
}

struct Ring<T> {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    slots: Box<[Slot<T>]>,
}

// SAFETY: needed because of the cells. A value is touched by one thread at a time, the one that the stamp names (table
// above), and passes from thread to thread through Release/Acquire pairs on the stamp; T: Send lets it.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above; moving the whole ring moves the values in it.
unsafe impl<T: Send> Send for Ring<T> {}

/// The producers' side; shared by reference.
pub(crate) struct EnqueueQueue<T> {
    ring: Arc<Ring<T>>,
}

/// The consumer's side. There is one; it lives in the state that the driver role protects.
pub(crate) struct QueueConsumer<T> {
    ring: Arc<Ring<T>>,
    head: u64,
    /// How far `tail` had come when it was last looked at.
    claimed: u64,
}

/// So many slots ahead of the one that is popped are asked for: another core has filled them, and fetching one from there takes as
/// long as a few operations.
const AHEAD: u64 = 4;

impl<T> EnqueueQueue<T> {
    /// A queue of at least `capacity` slots (rounded up to a power of two, two at least), and its only consumer.
    pub(crate) fn new(capacity: usize) -> (Self, QueueConsumer<T>) {
        // One slot would make "published" and "free for the next lap" the same stamp.
        let capacity = capacity.clamp(2, CAPACITY_MAX).next_power_of_two();
        let mut slots = Vec::with_capacity(capacity);
        // Before the first is written, when its page is made.
        advise_large_pages(slots.spare_capacity_mut());
        let slot = |position| Slot { stamp: AtomicU64::new(position), value: UnsafeCell::new(None) };
        slots.extend((0..capacity as u64).map(slot));
        let slots = slots.into_boxed_slice();
        let ring = Arc::new(Ring { tail: CachePadded(AtomicU64::new(0)), head: CachePadded(AtomicU64::new(0)), slots });
        (Self { ring: ring.clone() }, QueueConsumer { ring, head: 0, claimed: 0 })
    }

    /// Slots in the ring.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.slots.len()
    }

    /// Pushes what `make` makes of its ticket. `None`: full, `make` was not called.
    ///
    /// `make` runs while the slot is claimed, so it should be short: it holds up the pops of everything after it.
    pub(crate) fn try_push(&self, make: impl FnOnce(u64) -> T) -> Option<u64> {
        Some(self.try_claim()?.push(make))
    }

    /// Claims a place for one; `None`: full. Dropped without a push, it is lost, and the ring goes on.
    #[inline]
    pub(crate) fn try_claim(&self) -> Option<Claim<'_, T>> {
        Some(Claim { ring: &self.ring, first: self.ring.claim(1)?, count: 1, filled: 0 })
    }

    /// As [`EnqueueQueue::try_claim`], for who was let in by an admission that lets in no more than there are slots, each until
    /// its operation was popped: then the place is free, and no producer has to look at a slot that another is about to fill.
    #[inline]
    pub(crate) fn claim_admitted(&self) -> Claim<'_, T> {
        // AcqRel as in `Ring::claim`, with the same reasons.
        let first = self.ring.tail.fetch_add(1, Ordering::AcqRel);
        // Acquire pairs with the Release store in `advance`. Once, unless admission is wrong.
        while self.ring.slot(first).stamp.load(Ordering::Acquire) != first {
            spin_loop();
        }
        Claim { ring: &self.ring, first, count: 1, filled: 0 }
    }

    /// Pushes `n` operations with adjacent tickets, all or none: the consumer sees the first only when all are there.
    /// `make` is called with (ticket, index). `None`: not enough room (never enough if `n` is above the capacity).
    pub(crate) fn try_push_many(&self, n: usize, mut make: impl FnMut(u64, usize) -> T) -> Option<Range<u64>> {
        if n > self.capacity() {
            return None;
        }
        if n == 0 {
            let next = self.ring.tail.load(Ordering::Acquire) + 1;
            return Some(next..next);
        }
        let first = self.ring.claim(n as u64)?;
        let mut claim = Claim { ring: &self.ring, first, count: n as u64, filled: 0 };
        for index in 0..n {
            claim.fill(|| make(first + index as u64 + 1, index));
        }
        Some(first + 1..first + 1 + n as u64)
    }

    /// Asks for the slot of the next push, which this thread has time for now: a ring is larger than a cache, so that every slot is
    /// out of it when its turn comes.
    pub(crate) fn fetch_next(&self) {
        // Relaxed: whichever slot it is, it does no harm.
        prefetch(self.ring.slot(self.ring.tail.load(Ordering::Relaxed)));
    }

    /// The ticket that the next push would get. A stale answer is too low, never too high.
    pub(crate) fn next_ticket(&self) -> u64 {
        // Acquire pairs with the claim's exchange: who sees a ticket as taken sees what its taker did before.
        self.ring.tail.load(Ordering::Acquire) + 1
    }

    /// Operations pushed (or being pushed) and not popped. Others may change it at any time.
    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is pushed or being pushed.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> QueueConsumer<T> {
    /// Takes the oldest operation with its ticket. `None`: empty, or its producer has not published it yet (then that
    /// producer pokes the driver role when it has).
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        let popped = self.pop_with(|ticket, place| place.take().map(|value| (ticket, value)));
        popped.flatten()
    }

    /// As [`QueueConsumer::pop`], but shows the operation in its slot, which `take` finds filled: a large one moves once. What
    /// `take` leaves there is dropped.
    #[inline]
    pub(crate) fn pop_with<R>(&mut self, take: impl FnOnce(u64, &mut Option<T>) -> R) -> Option<R> {
        let capacity = self.ring.slots.len() as u64;
        loop {
            let position = self.head;
            self.ask_ahead(position);
            let slot = self.ring.slot(position);
            // Acquire pairs with the Release store in `Claim::drop`: the value was written before it.
            if slot.stamp.load(Ordering::Acquire) != position + 1 {
                return None;
            }
            // SAFETY: needed to tell a tombstone in the shared slot. The stamp is `position + 1` and `head` is `position`: the
            // slot belongs to the consumer, which exists once and is borrowed exclusively here.
            let is_filled = slot.value.with(|value| unsafe { (*value).is_some() });
            if !is_filled {
                self.advance(position, capacity);
                continue;
            }
            // SAFETY: needed to move out of the shared slot; the slot is the consumer's, as above. Should `take` panic, it stays
            // the consumer's, and the next call finds there what is left of it.
            let result = slot.value.with_mut(|value| unsafe {
                let result = take(position + 1, &mut *value);
                *value = None;
                result
            });
            self.advance(position, capacity);
            return Some(result);
        }
    }

    /// Fetches what will be popped soon. Not what is not even claimed: its producer would have to fetch it back.
    #[inline]
    fn ask_ahead(&mut self, position: u64) {
        // A look at `tail` more would only make models longer.
        if cfg!(dxg_loom) {
            return;
        }
        if position >= self.claimed {
            // Relaxed: nothing depends on it.
            self.claimed = self.ring.tail.load(Ordering::Relaxed);
        }
        if position + AHEAD < self.claimed {
            prefetch(self.ring.slot(position + AHEAD));
        }
    }

    /// Gives the slot at `head` back for the next lap.
    #[inline]
    fn advance(&mut self, position: u64, capacity: u64) {
        // Release pairs with the Acquire load of the stamp in `Ring::claim`: the next lap's producer writes the value
        // only after the consumer is through with it.
        self.ring.slot(position).stamp.store(position + capacity, Ordering::Release);
        self.head = position + 1;
        // Release pairs with the Acquire load in `Ring::len`: who sees the new head may count on the free slot.
        self.ring.head.store(self.head, Ordering::Release);
    }

    /// The ticket up to which everything was popped.
    pub(crate) fn popped(&self) -> u64 {
        self.head
    }

    /// The ticket up to which everything was pushed or is being pushed.
    pub(crate) fn pushed(&self) -> u64 {
        self.ring.tail.load(Ordering::Acquire)
    }

    /// Whether nothing is pushed or being pushed.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.len() == 0
    }
}

impl<T> Ring<T> {
    fn slot(&self, position: u64) -> &Slot<T> {
        // The length is a power of two, so the mask keeps the index inside.
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize]
    }

    fn len(&self) -> usize {
        // head first: it only grows, so the difference to a tail read later is never negative.
        let head = self.head.load(Ordering::Acquire);
        self.tail.load(Ordering::Acquire).saturating_sub(head) as usize
    }

    /// Claims `n` positions (1 ≤ n ≤ capacity); `None` when they are not all free.
    fn claim(&self, n: u64) -> Option<u64> {
        // Acquire pairs with the Release half of the exchange below, by other producers: who sees a position as taken also
        // sees the pop that made room for it, so a producer with room by `Admission` finds room here.
        let mut tail = self.tail.load(Ordering::Acquire);
        loop {
            let last = if mutated(Mutation::QueueClaimLooksAtFirst) { tail } else { tail + n - 1 };
            // Acquire pairs with the Release store in `pop`: the consumer is done with the last slot, and so with all before it.
            let stamp = self.slot(last).stamp.load(Ordering::Acquire);
            if stamp == last {
                match self.tail.compare_exchange_weak(tail, tail + n, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return Some(tail),
                    Err(now) => tail = now,
                }
            } else {
                // Either the previous lap is still in the slot, or `tail` was stale.
                let now = self.tail.load(Ordering::Acquire);
                if stamp < last && now == tail {
                    return None;
                }
                tail = now;
            }
        }
    }
}

/// A claimed range. Dropping it publishes: the values when all are there, tombstones when `make` unwound.
pub(crate) struct Claim<'a, T> {
    ring: &'a Ring<T>,
    first: u64,
    count: u64,
    filled: u64,
}

impl<T> Claim<'_, T> {
    /// The ticket of its first place.
    #[inline]
    pub(crate) fn ticket(&self) -> u64 {
        self.first + 1
    }

    /// Publishes what `make` makes of its ticket, in the place of a claim for one.
    #[inline]
    pub(crate) fn push(mut self, make: impl FnOnce(u64) -> T) -> u64 {
        let ticket = self.ticket();
        self.fill(|| make(ticket));
        ticket
    }

    #[inline]
    fn fill(&mut self, make: impl FnOnce() -> T) {
        debug_assert!(self.filled < self.count);
        let slot = self.ring.slot(self.first + self.filled);
        // SAFETY: needed to write through the shared ring. The exchange of `tail` gave these positions to this claim alone, and
        // the consumer stays away until the stamp is published. A free slot holds `None`, so nothing is left undropped by
        // writing over it without a look. Made here, a large value is written where it stays.
        slot.value.with_mut(|cell| unsafe { cell.write(Some(make())) });
        self.filled += 1;
    }

    fn set(&self, index: u64, value: Option<T>) {
        debug_assert!(index < self.count);
        let slot = self.ring.slot(self.first + index);
        // SAFETY: needed to write through the shared ring. The exchange of `tail` gave these positions to this claim alone, and
        // the consumer stays away until the stamp is published.
        let old = slot.value.with_mut(|cell| unsafe { std::mem::replace(&mut *cell, value) });
        drop(old);
    }
}

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        if self.filled < self.count {
            // `make` unwound: all or nothing also holds here.
            for index in 0..self.filled {
                self.set(index, None);
            }
        }
        let order = if mutated(Mutation::QueuePublishRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // From the last to the first: the consumer stands at the first, so it sees all or nothing.
        for position in (self.first..self.first + self.count).rev() {
            // Release pairs with the Acquire load in `pop`: the consumer reads the value written above.
            self.ring.slot(position).stamp.store(position + 1, order);
        }
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn tickets_are_the_order_of_acceptance() {
        let (queue, mut consumer) = EnqueueQueue::new(4);
        for lap in 0..5u64 {
            for index in 0..4 {
                assert_eq!(queue.try_push(|ticket| ticket * 10), Some(lap * 4 + index + 1));
            }
            assert_eq!(queue.try_push(|_| -> u64 { panic!("called although full") }), None);
            assert_eq!(queue.len(), 4);
            for index in 0..4 {
                let ticket = lap * 4 + index + 1;
                assert_eq!(consumer.pop(), Some((ticket, ticket * 10)));
            }
            assert_eq!(consumer.pop(), None);
            assert!(queue.is_empty() && consumer.is_empty());
        }
        assert_eq!(queue.next_ticket(), 21);
    }

    #[test]
    fn many_are_adjacent_and_all_or_nothing() {
        let (queue, mut consumer) = EnqueueQueue::new(4);
        assert_eq!(queue.try_push_many(5, |_, _| 0), None);
        assert_eq!(queue.try_push_many(0, |_, _| 0), Some(1..1));
        assert_eq!(queue.try_push_many(3, |ticket, index| ticket * 10 + index as u64), Some(1..4));
        assert_eq!(queue.try_push_many(2, |_, _| 0), None);
        assert_eq!(queue.try_push(|_| 7), Some(4));
        let popped: Vec<_> = std::iter::from_fn(|| consumer.pop()).collect();
        assert_eq!(popped, [(1, 10), (2, 21), (3, 32), (4, 7)]);
        assert_eq!(queue.try_push_many(4, |_, index| index as u64), Some(5..9));
    }

    #[test]
    fn who_was_admitted_takes_the_next_place_among_all_others() {
        let (queue, mut consumer) = EnqueueQueue::new(4);
        for lap in 0..5u64 {
            let first = 4 * lap + 1;
            assert_eq!(queue.claim_admitted().push(|ticket| ticket), first);
            assert_eq!(queue.try_push_many(2, |ticket, _| ticket), Some(first + 1..first + 3));
            drop(queue.claim_admitted());
            assert_eq!(queue.try_push(|ticket| ticket), None, "its place is taken until it is popped, used or not");
            let popped: Vec<_> = std::iter::from_fn(|| consumer.pop()).map(|(ticket, _)| ticket).collect();
            assert_eq!(popped, [first, first + 1, first + 2]);
        }
    }

    #[test]
    fn a_panic_while_making_leaves_a_tombstone_only() {
        let (queue, mut consumer) = EnqueueQueue::new(4);
        let counter = std::sync::Arc::new(());
        assert!(catch_unwind(AssertUnwindSafe(|| queue.try_push(|_| panic!("one")))).is_err());
        let many = catch_unwind(AssertUnwindSafe(|| {
            queue.try_push_many(2, |_, index| if index == 1 { panic!("two") } else { counter.clone() })
        }));
        assert!(many.is_err());
        assert_eq!(std::sync::Arc::strong_count(&counter), 1, "the operation made before the panic is dropped");
        assert_eq!(queue.try_push(|_| counter.clone()), Some(4));
        assert_eq!(consumer.pop().map(|(ticket, _)| ticket), Some(4));
        assert!(consumer.pop().is_none() && queue.is_empty());
    }

    #[test]
    fn what_is_left_is_dropped_with_the_queue() {
        let counter = std::sync::Arc::new(());
        let (queue, consumer) = EnqueueQueue::new(8);
        for _ in 0..5 {
            queue.try_push(|_| counter.clone());
        }
        drop(consumer);
        drop(queue);
        assert_eq!(std::sync::Arc::strong_count(&counter), 1);
    }

    #[test]
    fn many_threads_lose_and_double_nothing() {
        const PER_THREAD: u64 = 2_000;
        let (queue, mut consumer) = EnqueueQueue::new(64);
        let queue = &queue;
        let popped = std::thread::scope(|scope| {
            for thread in 0..4u64 {
                scope.spawn(move || {
                    let mut next = 0;
                    while next < PER_THREAD {
                        let n = (1 + next % 3).min(PER_THREAD - next);
                        match queue.try_push_many(n as usize, |_, index| (thread, next + index as u64)) {
                            Some(_) => next += n,
                            None => std::thread::yield_now(),
                        }
                    }
                });
            }
            let mut popped = Vec::new();
            while popped.len() < 4 * PER_THREAD as usize {
                match consumer.pop() {
                    Some(operation) => popped.push(operation),
                    None => std::thread::yield_now(),
                }
            }
            popped
        });
        let mut next = [0; 4];
        for (index, (ticket, (thread, number))) in popped.into_iter().enumerate() {
            assert_eq!(ticket, index as u64 + 1);
            assert_eq!(number, next[thread as usize], "thread {thread} in its own order");
            next[thread as usize] += 1;
        }
    }
}
