//! How a failure spreads from a stream to those that wait for it.
//!
//! Where a wait and the record it refers to are both under way, the device spreads the failure itself: the wait is lowered to
//! a packet that poisons the waiting stream. Two things are left to the driver: a wait that is taken in when its record has
//! failed already, of which the scheduler makes nothing, because a complete record is no reason to wait; and the cause, which
//! the device does not know. Both are answered by remembering which record each event stands for, in the order of acceptance.
//!
//! Only the holder of the driver role touches this.

use std::sync::Arc;

use dxg_scheduler::EventId;

use super::stream::{Cause, StreamShared};
use crate::error::Error;

/// Waits are looked through for finished ones when there are this many, and then at every doubling.
const SWEEP_FROM: usize = 64;

/// Which records events stand for, and which of them waits under way refer to.
#[derive(Default)]
pub(super) struct Spread {
    /// By event.
    records: Vec<Option<Record>>,
    waits: Vec<Wait>,
    sweep_at: usize,
}

#[derive(Clone)]
struct Record {
    stream: Arc<StreamShared>,
    ticket: u64,
}

impl Record {
    fn failure(&self) -> Option<Cause> {
        self.stream.timeline.outcome(self.ticket)?.err()
    }
}

/// A wait whose record had not failed when it was taken in.
struct Wait {
    stream: Arc<StreamShared>,
    ticket: u64,
    record: Record,
}

impl Spread {
    /// A record was accepted.
    pub(super) fn recorded(&mut self, event: EventId, stream: &Arc<StreamShared>, ticket: u64) {
        let index = event.0 as usize;
        if self.records.len() <= index {
            self.records.resize(index + 1, None);
        }
        self.records[index] = Some(Record { stream: Arc::clone(stream), ticket });
    }

    /// A wait was accepted: the failure that it meets, if its record has failed already.
    pub(super) fn waits(&mut self, event: EventId, stream: &Arc<StreamShared>, ticket: u64) -> Option<Error> {
        let record = self.records.get(event.0 as usize)?.as_ref()?;
        // Its own stream needs no spreading.
        if Arc::ptr_eq(&record.stream, stream) {
            return None;
        }
        match record.stream.timeline.outcome(record.ticket) {
            Some(Ok(())) => None,
            Some(Err(cause)) => Some(cause.error.as_dependency()),
            None => {
                if self.waits.len() >= self.sweep_at.max(SWEEP_FROM) {
                    self.waits.retain(|wait| wait.stream.timeline.completed() < wait.ticket);
                    self.sweep_at = 2 * self.waits.len();
                }
                self.waits.push(Wait { stream: Arc::clone(stream), ticket, record: record.clone() });
                None
            }
        }
    }

    /// What the device spread to the operation `ticket`, if that is a wait whose record has failed.
    pub(super) fn cause_of(&self, ticket: u64) -> Option<Error> {
        let wait = self.waits.iter().find(|wait| wait.ticket == ticket)?;
        wait.record.failure().map(|cause| cause.error.as_dependency())
    }

    /// The event's id may be another event's from now on.
    pub(super) fn dropped(&mut self, event: EventId) {
        if let Some(record) = self.records.get_mut(event.0 as usize) {
            *record = None;
        }
    }
}
