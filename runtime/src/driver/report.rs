//! Reporting: what the fences say becomes failures, completions and room, in this order; then, when what is due was handed over,
//! memory.
//!
//! Part of a step of the driver (see [`state`](super::state)): only the holder of the driver role comes here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dxg_scheduler::{Nanos, QueueId, StreamId, Ticket};

use super::observe::Event;
use super::state::State;
use super::{Engine, loss};
use crate::error::{Error, Failure, LostCause, LostReason};

impl State {
    /// Reads the fences and reports what they say, and nothing else; whether nothing is left in flight. The rest of a step is still
    /// to come.
    pub(super) fn tell_of_ends(&mut self, engine: &Engine) -> bool {
        if self.broken || self.lost {
            return false;
        }
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.read_fences(engine, engine.now());
            self.report(engine);
        }));
        if let Err(panic) = told {
            self.break_down(engine, &loss::panic_message(&*panic));
        }
        !self.has_in_flight()
    }

    pub(super) fn read_fences(&mut self, engine: &Engine, now: Nanos) {
        for index in 0..self.queues.len() {
            let id = QueueId(index as u16);
            if self.scheduler.next_progress(id).is_none() {
                continue;
            }
            let value = engine.backend.progress(id);
            if value <= self.queues[index].seen {
                continue;
            }
            self.queues[index].seen = value;
            engine.notice(Event::Fence { at: now, queue: id, value });
            self.report_failures(engine, id);
            if let Err(impossible) = self.scheduler.handle_progress(now, id, value) {
                let cause = engine.backend.health().err();
                let cause = cause.unwrap_or_else(|| LostCause::new(LostReason::Driver, impossible.to_string()));
                self.lose(engine, cause);
                return;
            }
        }
    }

    /// Failures are reported before the completions that they spoil.
    pub(super) fn report_failures(&mut self, engine: &Engine, queue: QueueId) {
        while let Some(failed) = engine.backend.take_failure(queue) {
            let ticket = failed.ticket.0;
            let kernel = self.kernel_name(failed.ticket);
            let error = Error::LaunchFailed { kernel, stream: failed.stream.0, ticket, message: failed.message.into() };
            engine.counters.failures.add(1);
            if let Some(shared) = self.stream(failed.stream) {
                shared.timeline.fail(ticket, Arc::new(Failure::of_operation(ticket, error)));
            }
        }
    }

    /// The kernel of an operation in flight, for an error's sentence.
    fn kernel_name(&self, ticket: Ticket) -> Arc<str> {
        let operation = self.scheduler.find_in_flight(ticket);
        let launch = operation.and_then(|operation| operation.payload.kind.launch());
        launch.map_or_else(|| "?".into(), |launch| launch.kernel.name.clone())
    }

    /// Completions, then room for others: the order in which somebody may be waiting for them.
    pub(super) fn report(&mut self, engine: &Engine) {
        while let Some(completed) = self.scheduler.poll_completion() {
            self.heed_poison(engine, completed.stream);
            if let Some(shared) = self.stream(completed.stream) {
                shared.timeline.complete(completed.ticket.0);
            }
        }
        while let Some((stream, count)) = self.scheduler.poll_room() {
            if let Some(shared) = self.stream(stream) {
                shared.gate.leave(count);
            }
        }
    }

    /// Lets go of what complete operations kept alive.
    pub(super) fn retire(&mut self, engine: &Engine) {
        let mut retired = false;
        while let Some(mut operations) = self.scheduler.poll_retired_operations() {
            retired = true;
            if operations.len() >= loss::MANY {
                match engine.retiring.leave(operations) {
                    Ok(()) => continue,
                    Err(back) => operations = back,
                }
            }
            loss::drop_operations(&mut operations);
            self.scheduler.give_back(operations);
        }
        if retired {
            self.release_dropped(engine);
        }
    }

    /// Reports the failure of a stream that the device has poisoned, if that was not done yet.
    pub(super) fn heed_poison(&mut self, engine: &Engine, id: StreamId) {
        let Some(poisoned) = engine.backend.stream_poisoned(id) else { return };
        let Some(stream) = self.streams.get(id.0 as usize).cloned().flatten() else { return };
        let is_reported = || matches!(stream.timeline.outcome(poisoned.0), Some(Err(_)));
        if is_reported() {
            return;
        }
        // The cause was written before what brought us here, but perhaps after its own queue was last looked at.
        for index in 0..self.queues.len() {
            self.report_failures(engine, QueueId(index as u16));
        }
        if is_reported() {
            return;
        }
        let error = self.spread.cause_of(poisoned.0).unwrap_or_else(|| {
            engine.counters.failures.add(1);
            Error::LaunchFailed {
                kernel: "?".into(),
                stream: id.0,
                ticket: poisoned.0,
                message: "it failed together with another operation, and only the message of that one was kept; \
                          DXGRT_POLICY=one-by-one shows each"
                    .into(),
            }
        });
        stream.timeline.fail(poisoned.0, Arc::new(Failure::of_operation(poisoned.0, error)));
    }

    /// What was left for helpers and is still there is let go of here.
    pub(super) fn take_back_retiring(&mut self, engine: &Engine) {
        while let Some(mut operations) = engine.retiring.take_back() {
            loss::drop_operations(&mut operations);
            self.scheduler.give_back(operations);
        }
        engine.retiring.end_step(|emptied| self.scheduler.give_back(emptied));
    }
}
