//! Handing over: every batch that is due goes to the backend, or to the thread that submits for its queue.
//!
//! Part of a step of the driver (see [`state`](super::state)): only the holder of the driver role comes here.

use dxg_scheduler::{Nanos, QueueId};

use super::Engine;
use super::observe::{self, Event};
use super::state::State;
use super::submitters::Outcome;
use crate::backend::{Delivery, SubmitError, Submitted};
use crate::error::{Error, LostCause, LostReason};

/// So many operations are taken in in no time worth a look at the clock.
const FEW: usize = 8;

/// How far a batch has come.
enum Sent {
    Submitted(Submitted),
    Prepared(Delivery),
}

impl State {
    /// Hands over every batch that is due; the time of the last, if any was. `taken`: operations that were taken in since `now`.
    pub(super) fn hand_over(&mut self, engine: &Engine, now: Nanos, taken: usize) -> Option<Nanos> {
        let mut last = None;
        // A clock is read in some 30 ns, in which a few operations are taken in.
        let mut known = (taken <= FEW).then_some(now);
        while self.unsent || self.scheduler.poll_batch(now, &mut self.batch) {
            let begun = known.take().unwrap_or_else(|| engine.now());
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
    pub(super) fn free_queues(&mut self, engine: &Engine, now: Nanos) {
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
}
