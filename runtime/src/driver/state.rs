//! One step of the driver: from accepted operations to submissions, from fences to completions.
//!
//! Everything here belongs to the holder of the driver role. One step takes in requests and operations, reads the
//! fence of every queue with work in flight, reports what is complete, and hands over every batch the scheduler has:
//!
//! ```text
//! queue ─▶ scheduler ─▶ batch ─▶ backend            (down: accepted work)
//! timelines ◀─ scheduler ◀─ progress(queue)         (up: completions, then room, then memory)
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dxg_scheduler::{Batch, Config, Nanos, Operation, QueueId, Scheduler, StreamId, Ticket};
use smallvec::SmallVec;

use super::intake::Intake;
use super::observe::{self, Event};
use super::silence::{Shown, Silence};
use super::spread::Spread;
use super::stream::StreamShared;
use super::submitters::Outcome;
use super::tally::Tally;
use super::{Control, Engine, loss};
use crate::backend::{Delivery, SubmitError, Submitted};
use crate::core::doze::Need;
use crate::core::queue::QueueConsumer;
use crate::error::{Error, Failure, LostCause, LostReason};
use crate::op::Op;
use crate::sync::{Mutation, mutated, prefetch_bytes};

/// Operations taken in before fences are looked at again: a flood does not starve completions. What is taken in together can merge,
/// and this many still lie in a core's cache.
const DRAIN_BOUND: usize = 4096;

/// Rounds of one step: under a steady flood there is always more, and whoever drives has other things to do too.
const STEP_ROUNDS: usize = 16;

/// What the holder of the driver role works with.
pub(super) struct State {
    pub(super) scheduler: Scheduler<Op>,
    pub(super) operations: QueueConsumer<Operation<Op>>,
    pub(super) controls: QueueConsumer<Control>,
    /// Waiters whose operation has not been taken in.
    early: Vec<Control>,
    /// Everything up to this ticket is to go out, some of which has not been taken in; 0: nothing.
    flush_until: u64,
    pub(super) batch: Batch<Op>,
    /// `batch` holds a batch that the backend had no room for.
    pub(super) unsent: bool,
    /// Since when it is the message ring that has no room.
    throttled: Option<Nanos>,
    /// While room is made: operations that have left, by stream, and which streams have any.
    left: Vec<u32>,
    leaving: Vec<StreamId>,
    streams: Vec<Option<Arc<StreamShared>>>,
    /// Streams without handles whose ids are given back when their last operation is complete.
    dropped: Vec<StreamId>,
    spread: Spread,
    silence: Silence,
    pub(super) queues: Vec<Queue>,
    pub(super) tally: Tally,
    pub(super) lost: bool,
    /// A panic left this state as it was in the middle of a step: nothing of it is used any more.
    pub(super) broken: bool,
}

/// How far a batch has come.
enum Sent {
    Submitted(Submitted),
    Prepared(Delivery),
}

/// One hardware queue as the driver sees it.
#[derive(Default)]
pub(super) struct Queue {
    /// The last progress value seen.
    seen: u64,
    /// The value whose notification is armed; at or below `seen`: none.
    armed: u64,
    /// A thread is busy with submitting to it.
    busy: bool,
}

/// What a step leaves for later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Work in flight, and whether an armed notification covers all of it.
    pub(super) in_flight: Option<Need>,
    /// Operations that go out after some time.
    pub(super) gathered: bool,
}

impl State {
    pub(super) fn new(
        config: Config,
        queues: u16,
        operations: QueueConsumer<Operation<Op>>,
        controls: QueueConsumer<Control>,
    ) -> Self {
        let mut scheduler = Scheduler::new(config);
        scheduler.fetch_with(prefetch_bytes);
        State {
            scheduler,
            operations,
            controls,
            early: Vec::new(),
            flush_until: 0,
            batch: Batch::new(),
            unsent: false,
            throttled: None,
            left: Vec::new(),
            leaving: Vec::new(),
            streams: Vec::new(),
            dropped: Vec::new(),
            spread: Spread::default(),
            silence: Silence::default(),
            queues: (0..queues).map(|_| Queue::default()).collect(),
            tally: Tally::default(),
            lost: false,
            broken: false,
        }
    }

    /// Does everything that can be done now; returns what is left for later. A panic ends the device, not its users.
    pub(super) fn step(&mut self, engine: &Engine) -> Left {
        if self.broken {
            self.discard();
            while let Some(mut operations) = engine.retiring.take_back() {
                loss::drop_operations(&mut operations);
            }
            return Left::default();
        }
        catch_unwind(AssertUnwindSafe(|| self.step_unguarded(engine))).unwrap_or_else(|panic| {
            self.break_down(engine, &loss::panic_message(&*panic));
            Left::default()
        })
    }

    fn step_unguarded(&mut self, engine: &Engine) -> Left {
        let mut now = engine.now();
        for _ in 0..STEP_ROUNDS {
            let taken = self.take_in(engine, now);
            if !self.lost {
                self.free_queues(engine, now);
            }
            if !self.lost {
                self.read_fences(engine, now);
            }
            self.report(engine);
            let handed_over = if self.lost { None } else { self.hand_over(engine, now) };
            now = match handed_over {
                // A device without delays has completed what was just submitted: another round reports it at once.
                Some(then) => then,
                // What was let go may have asked for something.
                None if taken == DRAIN_BOUND || !self.controls.is_empty() => engine.now(),
                None => break,
            };
        }
        self.take_back_retiring(engine);
        self.left()
    }

    /// What was left for helpers and is still there is let go of here.
    fn take_back_retiring(&mut self, engine: &Engine) {
        while let Some(mut operations) = engine.retiring.take_back() {
            loss::drop_operations(&mut operations);
            self.scheduler.give_back(operations);
        }
        engine.retiring.close(|emptied| self.scheduler.give_back(emptied));
    }

    /// Whether nothing is queued, gathered or in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.operations.is_empty() && self.controls.is_empty() && (self.broken || self.scheduler.outstanding() == 0)
    }

    /// Whether a fence has moved since it was last read: a few loads, nothing else.
    pub(super) fn has_progress(&self, engine: &Engine) -> bool {
        self.in_flight().any(|(id, queue)| engine.backend.progress(id) > queue.seen)
    }

    pub(super) fn has_in_flight(&self) -> bool {
        !self.broken && self.in_flight().next().is_some()
    }

    /// The notifications that are missing: the next value of every queue with work in flight. They count as armed from here
    /// on; the caller arms them without the role, for each may be a round trip, and looks for progress after that.
    pub(super) fn mark_unarmed(&mut self) -> SmallVec<[(QueueId, u64); 8]> {
        let mut missing = SmallVec::new();
        for (index, queue) in self.queues.iter_mut().enumerate() {
            let id = QueueId(index as u16);
            if queue.armed <= queue.seen
                && let Some(value) = self.scheduler.next_progress(id)
            {
                queue.armed = value;
                missing.push((id, value));
            }
        }
        missing
    }

    /// Nothing is armed on this queue after all.
    pub(super) fn disarmed(&mut self, queue: QueueId) {
        self.queues[usize::from(queue.0)].armed = 0;
    }

    /// Whether work in flight has made no progress for `limit` that anything could explain.
    pub(super) fn is_silent(&mut self, now: Nanos, limit: Nanos) -> bool {
        let Self { silence, scheduler, queues, .. } = self;
        let shown = (0..queues.len()).filter_map(|index| {
            let id = QueueId(index as u16);
            scheduler.next_progress(id)?;
            Some(Shown { queue: id.0, reached: queues[index].seen, submitted: scheduler.last_submitted(id) })
        });
        silence.look(now, limit, shown)
    }

    fn in_flight(&self) -> impl Iterator<Item = (QueueId, &Queue)> {
        self.queues
            .iter()
            .enumerate()
            .map(|(index, queue)| (QueueId(index as u16), queue))
            .filter(|(id, _)| self.scheduler.next_progress(*id).is_some())
    }

    fn take_in(&mut self, engine: &Engine, now: Nanos) -> usize {
        let (mut taken, mut last) = (0, 0);
        let Self { operations, scheduler, streams, spread, lost, .. } = self;
        let mut intake = Intake { engine, now, scheduler, streams, spread, lost: *lost };
        while taken < DRAIN_BOUND
            && operations.pop_with(|ticket, place| (last = ticket, intake.accept(place))).is_some()
        {
            taken += 1;
        }
        if taken > 0 {
            engine.notice(Event::TakenIn { at: now, last, count: taken });
        }
        if taken < DRAIN_BOUND {
            if !self.early.is_empty() {
                for control in std::mem::take(&mut self.early) {
                    self.obey(engine, now, control);
                }
            }
            while let Some((_, control)) = self.controls.pop() {
                self.obey(engine, now, control);
            }
            for control in engine.overflow.take() {
                self.obey(engine, now, control);
            }
            if engine.take_flush_all() {
                self.scheduler.handle_drain(now);
                self.flush_what_is_claimed();
            }
            if self.flush_until > 0 {
                self.scheduler.handle_drain(now);
                if self.operations.popped() >= self.flush_until {
                    self.flush_until = 0;
                }
            }
        }
        taken
    }

    /// What a request is about was pushed before it, but perhaps after the driver last looked, or behind an operation whose
    /// producer has claimed its slot and not filled it. Then it is obeyed again in the next step, which whoever pushed brings about.
    fn flush_what_is_claimed(&mut self) {
        let pushed = self.operations.pushed();
        if pushed > self.operations.popped() && !mutated(Mutation::RequestsOvertake) {
            self.flush_until = pushed;
        }
    }

    /// Reports the failure of a stream that the device has poisoned, if that was not done yet.
    fn heed_poison(&mut self, engine: &Engine, id: StreamId) {
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

    fn obey(&mut self, engine: &Engine, now: Nanos, control: Control) {
        match control {
            // As in `flush_what_is_claimed`.
            Control::Waiter { ticket, .. }
                if ticket.0 > self.operations.popped() && !mutated(Mutation::RequestsOvertake) =>
            {
                self.early.push(control);
            }
            Control::Waiter { stream, ticket } => {
                engine.notice(Event::Waiter { at: now, stream, ticket });
                self.scheduler.handle_waiter(now, stream, ticket);
            }
            Control::Flush { stream } => {
                self.scheduler.handle_flush(now, stream);
                self.flush_what_is_claimed();
            }
            Control::Drain => {
                self.scheduler.handle_drain(now);
                self.flush_what_is_claimed();
            }
            Control::EventDropped { event } => {
                self.spread.dropped(event);
                self.scheduler.handle_event_drop(event);
                engine.release_event(event);
            }
            Control::StreamDropped { stream } => {
                // Operations pushed before the request may still be in the queue: the scheduler keeps the stream until
                // the last has retired.
                self.scheduler.handle_flush(now, stream);
                self.flush_what_is_claimed();
                self.dropped.push(stream);
                self.release_dropped(engine);
            }
            Control::Configure => self.scheduler.set_config(engine.scheduler_config()),
        }
    }

    fn read_fences(&mut self, engine: &Engine, now: Nanos) {
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
    fn report_failures(&mut self, engine: &Engine, queue: QueueId) {
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

    /// Completions, then room for others, then memory: the order in which somebody may be waiting for them.
    fn report(&mut self, engine: &Engine) {
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

    /// Makes room: one call for each stream, whatever the order of the operations that have left.
    pub(super) fn leave_gates(&mut self, operations: impl Iterator<Item = StreamId>) {
        let Self { leaving, left, streams, .. } = self;
        for id in operations {
            let index = id.0 as usize;
            if left.len() <= index {
                left.resize(index + 1, 0);
            }
            if left[index] == 0 {
                leaving.push(id);
            }
            left[index] += 1;
        }
        for id in leaving.drain(..) {
            let count = std::mem::take(&mut left[id.0 as usize]);
            if let Some(Some(shared)) = streams.get(id.0 as usize) {
                shared.gate.leave(count);
            }
        }
    }

    /// Hands over every batch that is due; the time of the last, if any was.
    fn hand_over(&mut self, engine: &Engine, now: Nanos) -> Option<Nanos> {
        let mut last = None;
        while self.unsent || self.scheduler.poll_batch(now, &mut self.batch) {
            let begun = engine.now();
            // One by one means waiting anyway.
            let sent = observe::submit_span(&self.batch).in_scope(|| {
                match engine.submitters.are_used() && engine.one_by_one().is_none() {
                    true => engine.backend.prepare(&self.batch).map(Sent::Prepared),
                    false => engine.backend.submit(&self.batch).map(Sent::Submitted),
                }
            });
            match sent {
                Ok(sent) => {
                    self.unsent = false;
                    self.throttled = None;
                    let (queue, fence) = (self.batch.queue, self.batch.fence);
                    let done = engine.now();
                    let ring_bytes = match &sent {
                        Sent::Submitted(submitted) => submitted.ring_bytes,
                        Sent::Prepared(_) => 0,
                    };
                    self.tally.count(&self.batch);
                    engine.notice(Event::Submitted { batch: &self.batch, begun, done, ring_bytes });
                    last = Some(done);
                    match sent {
                        Sent::Submitted(submitted) => {
                            let spent = done.saturating_sub(begun);
                            self.scheduler.handle_submitted(done, &mut self.batch, spent, submitted.ring_bytes);
                        }
                        Sent::Prepared(delivery) => {
                            // Before the thread has it: its fence may move at once.
                            self.scheduler.handle_queue_busy(queue);
                            self.scheduler.handle_submitted(done, &mut self.batch, 0, 0);
                            self.queues[usize::from(queue.0)].busy = true;
                            if let Some(outcome) = engine.submitters.hand_over(&engine.backend, delivery) {
                                self.free_queue(engine, done, queue, outcome);
                            }
                            if self.lost {
                                return Some(engine.now());
                            }
                        }
                    }
                    if let Some(spin) = engine.one_by_one()
                        && let Err(error) = engine.backend.wait_blocking(queue, fence, spin)
                    {
                        let cause = engine.backend.health().err().unwrap_or_else(|| match &error {
                            Error::DeviceLost { cause } => (**cause).clone(),
                            other => LostCause::new(LostReason::Driver, other.to_string()),
                        });
                        self.lose(engine, cause);
                        return Some(engine.now());
                    }
                }
                Err(SubmitError::Busy) if self.has_in_flight() => {
                    self.unsent = true;
                    break;
                }
                Err(SubmitError::Throttled) => {
                    let limit = engine.settings().limits.silence_time;
                    let since = *self.throttled.get_or_insert(begun);
                    if u128::from(engine.now().saturating_sub(since)) >= limit.as_nanos() {
                        let message = format!("the message ring to it stayed full for {limit:?}");
                        self.lose(engine, LostCause::new(LostReason::Silent, message));
                        return Some(engine.now());
                    }
                    self.unsent = true;
                    break;
                }
                Err(SubmitError::Busy) => {
                    let reason = "a batch does not fit into the empty command ring; lower limit `batch_bytes`";
                    self.refuse_batch(engine, &Error::invalid(reason));
                    return Some(engine.now());
                }
                Err(SubmitError::Lost(cause)) => {
                    self.lose(engine, cause);
                    return Some(engine.now());
                }
                Err(SubmitError::Failed(error)) => {
                    self.refuse_batch(engine, &error);
                    return Some(engine.now());
                }
            }
        }
        last
    }

    /// Queues whose thread is back from submitting take the next batch.
    fn free_queues(&mut self, engine: &Engine, now: Nanos) {
        if !engine.submitters.are_used() {
            return;
        }
        for index in 0..self.queues.len() {
            let id = QueueId(index as u16);
            if self.queues[index].busy
                && let Some(outcome) = engine.submitters.take_back(id)
            {
                self.free_queue(engine, now, id, outcome);
            }
        }
    }

    fn free_queue(&mut self, engine: &Engine, now: Nanos, queue: QueueId, outcome: Outcome) {
        self.queues[usize::from(queue.0)].busy = false;
        self.scheduler.handle_queue_free(now, queue);
        match outcome {
            Ok(()) => {}
            Err(SubmitError::Lost(cause)) => self.lose(engine, cause),
            Err(SubmitError::Failed(error)) => self.refuse_batch(engine, &error),
            // The thread tries again by itself.
            Err(SubmitError::Busy | SubmitError::Throttled) => {
                self.refuse_batch(engine, &Error::invalid("the message ring stayed full"))
            }
        }
    }

    /// Whether a thread is submitting, which drives when it is through.
    pub(super) fn is_submitting(&self) -> bool {
        self.queues.iter().any(|queue| queue.busy)
    }

    /// The driver would not take a batch: without knowing what the device has seen of it, the device counts as lost.
    fn refuse_batch(&mut self, engine: &Engine, error: &Error) {
        let message = format!("a submission was refused: {error}");
        self.lose(engine, LostCause::new(LostReason::Driver, message));
    }

    fn left(&self) -> Left {
        let covered = |queue: &Queue| queue.armed > queue.seen;
        let in_flight = match self.has_in_flight() {
            false => None,
            true if self.in_flight().all(|(_, queue)| covered(queue)) => Some(Need::Attended),
            true => Some(Need::Uncovered),
        };
        Left { in_flight, gathered: self.unsent || self.scheduler.poll_timeout().is_some() }
    }

    /// Makes a stream known that nothing was taken in for yet.
    pub(super) fn meet_stream(&mut self, engine: &Engine, id: StreamId) {
        let index = id.0 as usize;
        if self.streams.len() <= index {
            self.streams.resize(index + 1, None);
        }
        if self.streams[index].is_none() {
            self.streams[index] = engine.stream(id);
        }
    }

    fn stream(&self, id: StreamId) -> Option<&StreamShared> {
        self.streams.get(id.0 as usize)?.as_deref()
    }

    /// Gives back the ids of dropped streams whose last operation has retired.
    fn release_dropped(&mut self, engine: &Engine) {
        let (streams, scheduler) = (&mut self.streams, &mut self.scheduler);
        self.dropped.retain(|&id| {
            let known = streams.get(id.0 as usize).cloned().flatten().or_else(|| engine.stream(id));
            let over = known.is_none_or(|stream| stream.is_over());
            if over {
                if let Some(entry) = streams.get_mut(id.0 as usize) {
                    *entry = None;
                }
                scheduler.handle_stream_drop(id);
                engine.backend.clear_poison(id);
                engine.release_stream(id);
            }
            !over
        });
    }
}
