//! Waiting for operations, and the driving that waiting does: who waits needs the work to go out, so it takes the driver
//! role when it is free.
//!
//! A thread that blocks drives at once. A future does so only when its executor has come round to it a second time: the first
//! poll *promises* to drive and wakes itself. Tasks that are ready to run then enqueue what they have, and one submission
//! takes it all along, where each would otherwise have sent its own. On an idle executor the second poll follows at once.
//!
//! Who has driven and finds its work in flight looks at the fences for a moment ([`patience`](super::patience)): a small batch is
//! back sooner than the driver thread could be woken for it and wake the task in turn.
//!
//! | `promised` | meaning |
//! |---|---|
//! | `false` | who comes to wait promises |
//! | `true` | somebody clears it and then drives: requests pushed before one's own look at it are found by that |
//!
//! Every look is a read-modify-write, so that the one who clears the promise has seen the requests of those who relied on it. A
//! future that is dropped keeps its promise on the way; one that is never polled again holds others up until somebody else drives,
//! the driver thread after a nap at the latest.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use dxg_scheduler::{Nanos, Ticket};

use super::state::{Left, Watched};
use super::{Cause, Control, Engine, StreamShared, loss};
use crate::core::completion::Registration;
use crate::core::doze::Need;
use crate::error::Result;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutation, mutated, spin_loop};

/// How often a task that drives looks again because others bring work, before it leaves them to the driver thread. A
/// flood of many tasks must not keep one of them from its own business.
const INLINE_ROUNDS: u32 = 8;

/// Looks at the fences between two times that the role is taken. One in a model, where a pause would
/// always let the device go on.
const LOOKS: u32 = if cfg!(dxg_loom) { 1 } else { 32 };

/// The place of a future that waits for an operation. Its owner gives it to [`Engine::end_wait`] before it drops it.
#[derive(Default)]
pub(crate) struct Waiting {
    registration: Registration<Cause>,
    stage: Stage,
}

impl Waiting {
    /// Whether others rely on this one to drive.
    pub(crate) fn has_promised(&self) -> bool {
        self.stage == Stage::Promised
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Not polled, or polled with an outcome at once.
    #[default]
    New,
    /// Woke itself, to drive when it is polled again.
    Promised,
    /// Relies on another's promise, or has kept its own.
    Waiting,
}

impl Engine {
    /// The outcome of an operation, if there is one. Asking hands over what was held back, so that asking again and
    /// again comes to an end.
    pub(crate) fn outcome(&self, stream: &StreamShared, ticket: u64) -> Option<Result<()>> {
        let outcome = stream.timeline.outcome(ticket).or_else(|| {
            self.request(Control::Waiter { stream: stream.id, ticket: Ticket(ticket) });
            self.drive();
            stream.timeline.outcome(ticket)
        });
        outcome.map(|outcome| outcome.map_err(|cause| cause.seen_by(ticket)))
    }

    /// Polls for the outcome of an operation; the first poll promises to drive, the second drives.
    pub(crate) fn poll(
        &self,
        stream: &StreamShared,
        ticket: u64,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if let Some(outcome) = stream.timeline.outcome(ticket) {
            self.end_wait(waiting);
            return Poll::Ready(outcome.map_err(|cause| cause.seen_by(ticket)));
        }
        match waiting.stage {
            Stage::New => {
                self.request(Control::Waiter { stream: stream.id, ticket: Ticket(ticket) });
                // AcqRel: see the module's table.
                if !self.promised.swap(true, Ordering::AcqRel) {
                    waiting.stage = Stage::Promised;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                waiting.stage = Stage::Waiting;
            }
            Stage::Promised => {
                waiting.stage = Stage::Waiting;
                self.end_promise();
                self.drive_for(stream, ticket);
            }
            Stage::Waiting => {}
        }
        let outcome = stream.timeline.poll(ticket, &mut waiting.registration, cx, |_| {});
        outcome.map_err(|cause| cause.seen_by(ticket))
    }

    /// As [`Engine::poll`], for a future that waits for many: the first poll drives.
    pub(crate) fn poll_at_once(
        &self,
        stream: &StreamShared,
        ticket: u64,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let on_waiter = |ticket| self.waiter(stream, ticket);
        let outcome = stream.timeline.poll(ticket, &mut waiting.registration, cx, on_waiter);
        outcome.map_err(|cause| cause.seen_by(ticket))
    }

    /// The wait is over, by its end or by its future's.
    pub(crate) fn end_wait(&self, waiting: &mut Waiting) {
        if std::mem::replace(&mut waiting.stage, Stage::New) == Stage::Promised {
            self.end_promise();
            self.drive();
        }
        waiting.registration.release();
    }

    fn end_promise(&self) {
        // AcqRel: see the module's table.
        self.promised.swap(false, Ordering::AcqRel);
    }

    /// Blocks until there is an outcome, or until `deadline`.
    pub(crate) fn wait_until(
        &self,
        stream: &StreamShared,
        ticket: u64,
        deadline: Option<Instant>,
    ) -> Option<Result<()>> {
        let outcome = match deadline {
            Some(deadline) => stream.timeline.wait_until(ticket, deadline, |ticket| self.waiter(stream, ticket)),
            None => Some(stream.timeline.wait(ticket, |ticket| self.waiter(stream, ticket))),
        };
        outcome.map(|outcome| outcome.map_err(|cause| cause.seen_by(ticket)))
    }

    /// Somebody waits for `ticket`: hands over what it needs and, on a device without delays, completes it at once.
    pub(super) fn waiter(&self, stream: &StreamShared, ticket: u64) {
        self.request(Control::Waiter { stream: stream.id, ticket: Ticket(ticket) });
        self.drive_for(stream, ticket);
    }

    /// Hands over what the stream has gathered, without waiting.
    pub(crate) fn flush(&self, stream: &StreamShared) {
        self.request(Control::Flush { stream: stream.id });
        self.drive();
    }

    /// Every stream of the device that may have work, of all shards, for waiting on all of them.
    pub(crate) fn streams(&self) -> Vec<Arc<StreamShared>> {
        self.common.registry.streams()
    }

    /// Hands over everything gathered on all streams, of all shards.
    pub(crate) fn flush_everything(&self) {
        self.flush_shard();
        self.common.others(self.shard).for_each(|other| other.flush_shard());
    }

    /// As [`Engine::flush_everything`], of this shard.
    pub(super) fn flush_shard(&self) {
        self.ask_for_flush();
        self.drive();
    }

    fn ask_for_flush(&self) {
        // Release pairs with the Acquire in `take_flush_all`. An exchange, not a store: one that overwrites another's would take
        // over its request without its order, and the driver would flush before it sees what that one had enqueued.
        if mutated(Mutation::FlushAskedByStore) {
            self.flush_all.store(true, Ordering::Release);
        } else {
            self.flush_all.swap(true, Ordering::AcqRel);
        }
    }

    pub(super) fn take_flush_all(&self) -> bool {
        // The load keeps the line shared on the path where nothing was asked for. The swap pairs with the Release
        // of whoever asked: operations accepted before it are found by the scheduler's drain.
        self.flush_all.load(Ordering::Relaxed) && self.flush_all.swap(false, Ordering::Acquire)
    }

    pub(super) fn request(&self, control: Control) {
        if self.controls.try_push(|_| control).is_some() {
            return;
        }
        match control {
            // Handing everything over serves these too.
            Control::Waiter { .. } | Control::Flush { .. } | Control::Drain => {
                self.ask_for_flush();
            }
            // These must not be lost, and whoever asks may be the driver itself, letting go of what an operation kept:
            // waiting for room here could be waiting for oneself.
            Control::Release { .. }
            | Control::StreamDropped { .. }
            | Control::EventDropped { .. }
            | Control::Configure => {
                self.overflow.add(control);
                self.drive();
            }
        }
    }

    /// Does the driver's work if nobody does, and makes sure that somebody sees to what is left.
    pub(super) fn drive(&self) {
        if let Some(left) = self.drive_inline() {
            self.leave_behind(left);
        }
    }

    /// As [`Engine::drive`], for who is on his way elsewhere: where somebody else drives, some of what that one is through with is
    /// let go of here.
    pub(super) fn drive_or_help(&self) {
        match self.drive_inline() {
            Some(left) => self.leave_behind(left),
            None => self.retiring.help(loss::drop_some_operations),
        }
    }

    /// As [`Engine::drive`], for who waits: a small batch is back before a thread could be woken for it.
    fn drive_for(&self, stream: &StreamShared, ticket: u64) {
        let Some(mut left) = self.drive_inline() else { return };
        if left.in_flight.is_some()
            && !stream.timeline.is_done(ticket)
            && let Some(limit) = self.patience.ask()
        {
            // Who awaits one operation after another enqueues next.
            self.queue.fetch_next();
            self.controls.fetch_next();
            let until = self.now().saturating_add(limit);
            let mut hit = false;
            while !hit && self.look_until(until) {
                if self.ends_early(stream, ticket) {
                    self.patience.tell(true);
                    return;
                }
                // Without the role, its holder sees to everything.
                let Some(now_left) = self.drive_inline() else { return };
                left = now_left;
                hit = stream.timeline.is_done(ticket);
            }
            self.patience.tell(hit);
        }
        self.leave_behind(left);
    }

    /// Tells of what has ended, without the rest of a step; whether that is the end of the wait. It is where nothing else is in
    /// flight, and the driver thread comes round to the rest if nobody else does.
    fn ends_early(&self, stream: &StreamShared, ticket: u64) -> bool {
        if !self.doze.looks_soon() {
            return false;
        }
        let Some(mut guard) = self.role.try_enter() else { return false };
        let all = guard.tell_of_ends(self);
        // What has come meanwhile, the caller looks at next.
        if guard.leave().map_err(drop).is_err() || !all || !stream.timeline.is_done(ticket) {
            return false;
        }
        self.leave_behind(Left { in_flight: None, gathered: true });
        true
    }

    /// Looks at the fences in a loop, holding the role only while it reads; whether there is something to do before `until`.
    pub(super) fn look_until(&self, until: Nanos) -> bool {
        loop {
            let mut watched = Watched::new();
            // Without the role somebody else reads the fences.
            let entered = self.role.try_drive(|state| watched = state.watched());
            if !entered || !self.queue.is_empty() {
                return true;
            }
            // The fences themselves are anybody's to read.
            for look in 0..LOOKS {
                if look > 0 {
                    spin_loop();
                }
                if watched.iter().any(|&(queue, seen)| self.backend.progress(queue) > seen) {
                    return true;
                }
            }
            if self.now() >= until {
                return false;
            }
        }
    }

    /// Does the driver's work if nobody does; what it leaves for later.
    fn drive_inline(&self) -> Option<Left> {
        // The holder looks again before it leaves.
        let mut guard = self.role.try_enter()?;
        self.counters.inline_drives.add(1);
        let mut left;
        let mut rounds = 0;
        loop {
            left = guard.step(self);
            rounds += 1;
            guard = match guard.leave() {
                Ok(()) => return Some(left),
                Err(again) if rounds < INLINE_ROUNDS => again,
                Err(again) => {
                    // The mark stays: the thread does not sleep on it.
                    drop(again);
                    left.in_flight = Some(Need::Uncovered);
                    return Some(left);
                }
            };
        }
    }

    /// Makes sure that somebody sees to what is left.
    fn leave_behind(&self, left: Left) {
        let in_flight = left.in_flight.is_some_and(|need| self.doze.must_wake(need));
        if in_flight || left.gathered && self.doze.must_wake(Need::Gathered) {
            self.wake_thread();
        }
    }

    pub(super) fn wake_thread(&self) {
        self.counters.driver_thread_wakes.add(1);
        self.wake.wake();
    }
}
