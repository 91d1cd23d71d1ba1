//! Events with CUDA's meaning: a wait refers to the latest record accepted before it; never recorded, no wait.
//!
//! So the object of a wait is settled when the wait is accepted, and always lies behind it in the order of acceptance:
//! waiting never goes round in a circle, and accepted work never needs work that is not yet accepted.

use alloc::vec::Vec;

use crate::operation::{EventId, Point, StreamId, Ticket};
use crate::slab::NIL;

/// The latest record of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) point: Point,
    /// Its slot, valid as long as it is not batched.
    pub(crate) slot: u32,
}

/// Ticket 0 is never given to an operation: it stands for "never recorded".
const NEVER: Record = Record { point: Point { stream: StreamId(0), ticket: Ticket(0) }, slot: NIL };

/// The latest record of every event.
#[derive(Debug, Default)]
pub(crate) struct Events {
    records: Vec<Record>,
}

impl Events {
    pub(crate) fn record(&mut self, event: EventId, record: Record) {
        let index = event.0 as usize;
        if index >= self.records.len() {
            self.records.resize(index + 1, NEVER);
        }
        self.records[index] = record;
    }

    /// What a wait accepted now refers to.
    pub(crate) fn latest(&self, event: EventId) -> Option<Record> {
        self.records.get(event.0 as usize).copied().filter(|record| record.point.ticket.0 != 0)
    }

    pub(crate) fn forget(&mut self, event: EventId) {
        if let Some(record) = self.records.get_mut(event.0 as usize) {
            *record = NEVER;
        }
    }
}
