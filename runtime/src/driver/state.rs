//! One step of the driver: from accepted operations to submissions, from fences to completions.
//!
//! Everything here belongs to the holder of the driver role. One step takes in requests and operations, reads the
//! fence of every queue with work in flight, reports what is complete, and hands over every batch the scheduler has:
//!
//! ```text
//! queue ─▶ scheduler ─▶ batch ─▶ backend            (down: accepted work)
//! timelines ◀─ scheduler ◀─ progress(queue)         (up: completions, then room; memory when what is due has gone down)
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dxg_scheduler::{Batch, Config, Nanos, Operation, QueueId, Scheduler, StreamId};
use smallvec::SmallVec;

use super::intake::Intake;
use super::observe::Event;
use super::silence::{Shown, Silence};
use super::spread::Spread;
use super::stream::StreamShared;
use super::tally::Tally;
use super::{Control, Engine, loss};
use crate::core::doze::Need;
use crate::core::queue::QueueConsumer;
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
    pub(super) throttled: Option<Nanos>,
    pub(super) streams: Vec<Option<Arc<StreamShared>>>,
    /// Streams without handles whose ids are given back when their last operation is complete.
    dropped: Vec<StreamId>,
    pub(super) spread: Spread,
    silence: Silence,
    pub(super) queues: Vec<Queue>,
    pub(super) tally: Tally,
    pub(super) lost: bool,
    /// A panic left this state as it was in the middle of a step: nothing of it is used any more.
    pub(super) broken: bool,
}

/// One hardware queue as the driver sees it.
#[derive(Default)]
pub(super) struct Queue {
    /// The last progress value seen.
    pub(super) seen: u64,
    /// The value whose notification is armed; at or below `seen`: none.
    armed: u64,
    /// A thread is busy with submitting to it.
    pub(super) busy: bool,
}

/// Queues with work in flight, and how far each was when it was last looked at.
pub(super) type Watched = SmallVec<[(QueueId, u64); 8]>;

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
        // Another shard may have found it so.
        if !self.lost
            && let Some(cause) = engine.common.lost()
        {
            self.lose(engine, cause.clone());
        }
        for _ in 0..STEP_ROUNDS {
            let taken = self.take_in(engine, now);
            if !self.lost {
                self.free_queues(engine, now);
            }
            if !self.lost {
                self.read_fences(engine, now);
            }
            self.report(engine);
            let handed_over = if self.lost { None } else { self.hand_over(engine, now, taken) };
            self.retire(engine);
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

    /// Whether nothing is queued, gathered or in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.operations.is_empty() && self.controls.is_empty() && (self.broken || self.scheduler.outstanding() == 0)
    }

    /// Whether a fence has moved since it was last read: a few loads, nothing else.
    pub(super) fn has_progress(&self, engine: &Engine) -> bool {
        self.in_flight().any(|(id, queue)| engine.backend.progress(id) > queue.seen)
    }

    /// The fences that may move.
    pub(super) fn watched(&self) -> Watched {
        self.in_flight().map(|(id, queue)| (id, queue.seen)).collect()
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

    fn obey(&mut self, engine: &Engine, now: Nanos, control: Control) {
        match control {
            // As in `flush_what_is_claimed`.
            Control::Waiter { ticket, .. } | Control::Release { ticket, .. }
                if ticket.0 > self.operations.popped() && !mutated(Mutation::RequestsOvertake) =>
            {
                self.early.push(control);
            }
            Control::Waiter { stream, ticket } => {
                engine.notice(Event::Waiter { at: now, stream, ticket });
                self.scheduler.handle_waiter(now, stream, ticket);
            }
            Control::Release { stream, ticket } => self.release(now, stream, ticket),
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

    pub(super) fn stream(&self, id: StreamId) -> Option<&StreamShared> {
        self.streams.get(id.0 as usize)?.as_deref()
    }

    /// Gives back the ids of dropped streams whose last operation has retired.
    pub(super) fn release_dropped(&mut self, engine: &Engine) {
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
