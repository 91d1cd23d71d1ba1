//! Taking in: from the queue's slot into the scheduler, with what must be seen to at that moment.
//!
//! A stream is made known on the first operation of its id, an operation of a failed stream keeps its place and does nothing, and
//! what the scheduler does not take fails. Only the holder of the driver role touches this.

use std::sync::Arc;

use dxg_scheduler::{Hazard, Nanos, Operation, Scheduler, StreamId, Work};

use super::Engine;
use super::spread::Spread;
use super::stream::StreamShared;
use crate::error::{Error, Failure};
use crate::op::Op;
use crate::sync::{Mutation, mutated};

/// The parts of the role's state that taking in works on.
pub(super) struct Intake<'a> {
    pub(super) engine: &'a Engine,
    pub(super) now: Nanos,
    pub(super) scheduler: &'a mut Scheduler<Op>,
    pub(super) streams: &'a mut Vec<Option<Arc<StreamShared>>>,
    pub(super) spread: &'a mut Spread,
    pub(super) lost: bool,
}

impl Intake<'_> {
    /// Takes the operation in a slot of the queue.
    pub(super) fn accept(&mut self, place: &mut Option<Operation<Op>>) {
        let Some(operation) = place else { return };
        let (stream, ticket) = (operation.stream, operation.ticket.0);
        self.engine.counters.count_operation(&operation.payload.kind);
        self.learn_stream(stream);
        let shared = self.streams.get(stream.0 as usize).and_then(Option::as_ref);
        if let Some(shared) = shared {
            heed_failures(self.spread, shared, operation);
        }
        // After a loss its timeline has the cause already.
        let refused = if self.lost { None } else { Some(self.scheduler.take_operation(self.now, place)) };
        let (Some(Err(_)) | None, Some(shared)) = (refused, shared) else { return };
        if !(self.lost && mutated(Mutation::LossKeepsRoom)) {
            shared.gate.leave(1);
        }
        if let Some(Err(reason)) = refused {
            // Admission keeps within the scheduler's bounds, so only an operation that no batch can hold comes here.
            let error = Error::invalid(reason.to_string());
            shared.timeline.fail(ticket, Arc::new(Failure::of_operation(ticket, error)));
            self.engine.counters.failures.add(1);
        }
    }

    /// Makes a stream known on the first use of its id; from then on the table answers.
    fn learn_stream(&mut self, id: StreamId) {
        let index = id.0 as usize;
        if self.streams.get(index).is_some_and(Option::is_some) {
            return;
        }
        // The registry knows every stream that a task can have enqueued to: it is entered before its handle exists.
        let Some(shared) = self.engine.stream(id) else { return };
        self.engine.counters.streams.add(1);
        self.scheduler.handle_stream(id, shared.priority);
        if self.streams.len() <= index {
            self.streams.resize(index + 1, None);
        }
        self.streams[index] = Some(shared);
    }
}

/// What is taken in for a failed stream keeps its place and does nothing; so does a wait for a record that has failed,
/// which fails its stream.
fn heed_failures(spread: &mut Spread, stream: &Arc<StreamShared>, operation: &mut Operation<Op>) {
    let ticket = operation.ticket.0;
    match &mut operation.work {
        Work::Launch { merge, .. } if !stream.merges => *merge = None,
        &mut Work::Record { event, .. } => spread.recorded(event, stream, ticket),
        &mut Work::Wait { event, .. } => {
            if let Some(error) = spread.waits(event, stream, ticket) {
                stream.timeline.fail(ticket, Arc::new(Failure::of_operation(ticket, error)));
            }
        }
        _ => {}
    }
    if stream.timeline.is_suspect() && stream.timeline.failure().is_some() {
        // The payload stays as it is: it holds what the operation keeps alive.
        operation.work = Work::Marker;
        operation.hazard = Hazard::Ordered;
    }
}
