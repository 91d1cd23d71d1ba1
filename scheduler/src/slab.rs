//! Where accepted operations lie until they are batched: slots with reused indices, linked into streams.

use alloc::vec::Vec;

use crate::operation::{Nanos, Operation};
use crate::stream::Totals;

/// "No slot", "no stream": the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// A pending operation and its links.
#[derive(Debug)]
pub(crate) struct Node<T> {
    /// Empty where the slot is free.
    pub(crate) operation: Option<Operation<T>>,
    /// The next operation of its stream, or the next free slot.
    pub(crate) next: u32,
    /// For a wait with a source: the slot of the record, valid as long as that is not batched.
    pub(crate) target: u32,
    /// For a record: the first stream that is held back by it (linked through `Stream::next_blocked`).
    pub(crate) blocked: u32,
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

/// The slots.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    nodes: Vec<Node<T>>,
    free: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL }
    }

    /// Moves an operation out of `place` into a slot. The bound on accepted operations keeps indices far below `NIL`.
    pub(crate) fn insert(&mut self, place: &mut Option<Operation<T>>, size: Totals, target: u32) -> u32 {
        let time = Share { gpu_time: size.gpu_time, load: size.load };
        if self.free == NIL {
            self.nodes.push(Node { operation: place.take(), next: NIL, target, blocked: NIL, wave: 0, time });
            (self.nodes.len() - 1) as u32
        } else {
            let slot = self.free;
            let node = &mut self.nodes[slot as usize];
            self.free = node.next;
            // Field by field: the operation is large and moves only once this way.
            node.next = NIL;
            node.target = target;
            node.blocked = NIL;
            node.time = time;
            // The slot is empty: what lies in `place` then.
            core::mem::swap(&mut node.operation, place);
            slot
        }
    }

    pub(crate) fn node(&self, slot: u32) -> &Node<T> {
        &self.nodes[slot as usize]
    }

    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node<T> {
        &mut self.nodes[slot as usize]
    }

    /// The operation in a slot that is known to be in use.
    pub(crate) fn operation(&self, slot: u32) -> &Operation<T> {
        self.nodes[slot as usize].operation.as_ref().expect("a linked slot holds an operation until it is taken")
    }

    /// Takes the operation out and frees the slot.
    pub(crate) fn take(&mut self, slot: u32) -> Operation<T> {
        let node = &mut self.nodes[slot as usize];
        node.next = self.free;
        self.free = slot;
        node.operation.take().expect("a linked slot holds an operation until it is taken")
    }

    /// Takes everything out, in slot order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Operation<T>> + '_ {
        self.free = NIL;
        self.nodes.drain(..).filter_map(|node| node.operation)
    }
}
