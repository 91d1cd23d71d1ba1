//! Where accepted operations lie until they are batched: slots with reused indices, linked into streams.
//!
//! Tens of thousands of them are more than a core's cache holds, and who comes back to one would wait for memory each time. So
//! the links, which say what comes next, stand apart from what they link: a few bytes each, they stay in the cache, and what is
//! a few steps ahead is asked for while there is something else to do.

use alloc::vec::Vec;

use crate::operation::{Nanos, Operation};
use crate::queue::Member;
use crate::stream::Totals;

/// "No slot", "no stream": the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// A pending operation and its links.
#[derive(Debug)]
pub(crate) struct Node<T> {
    /// Empty where the slot is free.
    pub(crate) operation: Option<Operation<T>>,
    /// For a wait with a source: the slot of the record, valid as long as that is not batched. For a record: the first stream
    /// that is held back by it (linked through `Stream::next_blocked`).
    pub(crate) other: u32,
    /// The wave it was put in, valid from its pick to the end of the batch's making.
    pub(crate) wave: u32,
    /// What was added to the totals when it was accepted.
    pub(crate) time: Share,
}

/// What one operation adds to [`Totals`], beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub(crate) gpu_time: Nanos,
    pub(crate) load: Nanos,
}

impl<T> Node<T> {
    /// What was added to the totals when it was accepted.
    pub(crate) fn size(&self) -> Totals {
        let bytes = self.operation.as_ref().map_or(0, |operation| u64::from(operation.bytes));
        Totals { operations: 1, bytes, gpu_time: self.time.gpu_time, load: self.time.load }
    }
}

/// How many operations ahead memory is asked for: far enough that it arrives in time, not so far that it is gone again.
const AHEAD: usize = 4;

/// The same where little else is done for each.
const FAR_AHEAD: usize = 12;

/// So few slots, about half a megabyte, lie in a core's cache anyway.
const FEW: usize = 2048;

/// Asks for the memory of so many bytes at an address, which will be looked at soon. A hint: doing nothing is right too.
pub type Fetch = fn(*const u8, usize);

/// The slots.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    nodes: Vec<Node<T>>,
    /// The next operation in the stream of each slot's.
    links: Vec<u32>,
    /// Free slots; the last is used next.
    free: Vec<u32>,
    fetch: Fetch,
    /// Whether there are more slots than a cache holds.
    many: bool,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), links: Vec::new(), free: Vec::new(), fetch: |_, _| {}, many: false }
    }

    /// Memory is asked for by this from now on.
    pub(crate) fn fetch_with(&mut self, fetch: Fetch) {
        self.fetch = fetch;
    }

    /// Moves an operation out of `place` into a slot. The bound on accepted operations keeps indices far below `NIL`.
    pub(crate) fn insert(&mut self, place: &mut Option<Operation<T>>, size: Totals, record: u32) -> u32 {
        let time = Share { gpu_time: size.gpu_time, load: size.load };
        let Some(slot) = self.free.pop() else {
            self.nodes.push(Node { operation: place.take(), other: record, wave: 0, time });
            self.links.push(NIL);
            self.many = self.nodes.len() > FEW;
            return (self.nodes.len() - 1) as u32;
        };
        if self.many
            && let Some(ahead) = self.free.len().checked_sub(AHEAD)
        {
            self.ask_for(self.free[ahead]);
        }
        self.links[slot as usize] = NIL;
        let node = &mut self.nodes[slot as usize];
        // Field by field: the operation is large and moves only once this way.
        node.other = record;
        node.time = time;
        // The slot is empty: what lies in `place` then.
        core::mem::swap(&mut node.operation, place);
        slot
    }

    pub(crate) fn node(&self, slot: u32) -> &Node<T> {
        &self.nodes[slot as usize]
    }

    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node<T> {
        &mut self.nodes[slot as usize]
    }

    /// The next operation of a slot's stream.
    pub(crate) fn next(&self, slot: u32) -> u32 {
        self.links[slot as usize]
    }

    /// Puts an operation behind another of its stream.
    pub(crate) fn link(&mut self, slot: u32, next: u32) {
        self.links[slot as usize] = next;
    }

    /// Asks for a stream's first operation.
    pub(crate) fn look_at(&self, head: u32) {
        if self.many {
            self.ask_for(head);
        }
    }

    /// Asks for the operations behind one in its stream; where the asking has come to.
    pub(crate) fn look_ahead(&self, slot: u32) -> u32 {
        if self.many { (1..AHEAD).fold(slot, |at, _| self.ask_for_next(at)) } else { NIL }
    }

    /// Asks for the operation behind one, which it returns; at the end of the stream, for nothing.
    #[inline]
    pub(crate) fn ask_for_next(&self, slot: u32) -> u32 {
        if slot == NIL {
            return NIL;
        }
        let next = self.links.get(slot as usize).copied().unwrap_or(NIL);
        self.ask_for(next);
        next
    }

    fn ask_for(&self, slot: u32) {
        if let Some(node) = self.nodes.get(slot as usize) {
            (self.fetch)(core::ptr::from_ref(node).cast(), size_of::<Node<T>>());
        }
    }

    /// The operation in a slot that is known to be in use.
    pub(crate) fn operation(&self, slot: u32) -> &Operation<T> {
        self.nodes[slot as usize].operation.as_ref().expect("a linked slot holds an operation until it is taken")
    }

    /// Takes the operations out of these slots, in their order, and frees those; notes whose they are.
    pub(crate) fn take_all(&mut self, slots: &[u32], out: &mut Vec<Operation<T>>, members: &mut Vec<Member>) {
        out.reserve(slots.len());
        members.reserve(slots.len());
        for (index, &slot) in slots.iter().enumerate() {
            if self.many
                && let Some(&ahead) = slots.get(index + FAR_AHEAD)
            {
                self.ask_for(ahead);
            }
            let operation = self.nodes[slot as usize].operation.take();
            let operation = operation.expect("a linked slot holds an operation until it is taken");
            members.push(Member { stream: operation.stream.0, ticket: operation.ticket.0 });
            out.push(operation);
        }
        self.free.extend(slots);
    }

    /// Takes everything out, in slot order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Operation<T>> + '_ {
        self.free.clear();
        self.many = false;
        self.links.clear();
        self.nodes.drain(..).filter_map(|node| node.operation)
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::operation::{Hazard, StreamId, Ticket, Work};

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn count(_address: *const u8, len: usize) {
        assert_eq!(len, size_of::<Node<()>>());
        ASKED.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts so many operations of one stream in and takes them out again; how often memory was asked for.
    fn lap(slab: &mut Slab<()>, operations: usize) -> usize {
        let before = ASKED.load(Ordering::Relaxed);
        let mut slots = Vec::new();
        for ticket in 1..=operations as u64 {
            let (stream, ticket) = (StreamId(0), Ticket(ticket));
            let work = Work::Marker;
            let operation = Operation { stream, ticket, work, hazard: Hazard::Ordered, bytes: 0, payload: () };
            let slot = slab.insert(&mut Some(operation), Totals::default(), NIL);
            if let Some(&last) = slots.last() {
                slab.link(last, slot);
            }
            slots.push(slot);
        }
        let mut ahead = slab.look_ahead(slots[0]);
        for &slot in &slots {
            ahead = slab.ask_for_next(ahead);
            assert_eq!(slab.next(slot) == NIL, slot == slots[operations - 1]);
        }
        slab.take_all(&slots, &mut Vec::new(), &mut Vec::new());
        ASKED.load(Ordering::Relaxed) - before
    }

    #[test]
    fn memory_is_asked_for_once_on_each_way_where_it_is_more_than_a_cache_holds() {
        let mut slab = Slab::new();
        slab.fetch_with(count);
        assert_eq!(lap(&mut slab, FEW), 0, "this much lies in the cache");
        let many = FEW + 100;
        lap(&mut slab, many);
        // Into the slot, along the stream, out of the slot: each but for the first few.
        let asked = lap(&mut slab, many);
        assert!((3 * many - 2 * AHEAD - FAR_AHEAD..=3 * many).contains(&asked), "{asked} times for {many} operations");
    }
}
