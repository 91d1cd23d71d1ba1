//! Waits across shards: a stream is held back until an operation in a stream of another shard is complete.
//!
//! Within a shard the device itself lets one stream wait for another. Schedulers of two shards know nothing of each other, so here
//! the host does it:
//!
//! ```text
//! wait ─▶ a hold in the waiting stream ─▶ Hold registers with the timeline that is waited for, and lets that go out
//!                complete, or failed: Hold is woken ─▶ Release ─▶ the waiting shard's scheduler goes on
//! ```
//!
//! | part | who may touch it |
//! |---|---|
//! | `Hold::registration` | whoever polls: the task that waits, then who completes the other operation; behind a lock |
//! | `State::release` | the holder of the waiting shard's driver role |

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use dxg_scheduler::{Nanos, StreamId, Ticket};

use super::state::State;
use super::{Cause, Control};
use crate::core::completion::Registration;
use crate::error::Failure;
use crate::stream::StreamCore;
use crate::sync::Mutex;

/// One stream's wait for an operation of another shard.
pub(crate) struct Hold {
    /// The stream that is waited for, and the operation.
    source: Arc<StreamCore>,
    until: u64,
    /// The stream that waits, and the operation that holds it back.
    held: Arc<StreamCore>,
    ticket: u64,
    /// `None` once it was released.
    registration: Mutex<Option<Registration<Cause>>>,
}

impl Hold {
    /// The operation `ticket` holds the stream `held` back from here on, until `until` of the stream `source` has an outcome.
    pub(crate) fn begin(source: Arc<StreamCore>, until: u64, held: Arc<StreamCore>, ticket: u64) {
        let registration = Mutex::new(Some(Registration::default()));
        let hold = Arc::new(Hold { source, until, held, ticket, registration });
        hold.look();
        let StreamCore { engine, shared } = &*hold.source;
        if !shared.timeline.is_done(until) {
            // It goes out without delay, as for anybody who waits.
            engine.request(Control::Waiter { stream: shared.id, ticket: Ticket(until) });
            engine.drive();
        }
    }

    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut cx = Context::from_waker(&waker);
        let outcome = {
            let mut place = self.registration.lock();
            let Some(registration) = &mut *place else { return };
            let timeline = &self.source.shared.timeline;
            let Poll::Ready(outcome) = timeline.poll(self.until, registration, &mut cx, |_| {}) else { return };
            *place = None;
            outcome
        };
        self.release(outcome);
    }

    fn release(&self, outcome: Result<(), Cause>) {
        let StreamCore { engine, shared } = &*self.held;
        if let Err(cause) = outcome {
            let failure = Failure::of_operation(self.ticket, cause.error.as_dependency());
            shared.timeline.fail(self.ticket, Arc::new(failure));
        }
        engine.request(Control::Release { stream: shared.id, ticket: Ticket(self.ticket) });
        engine.drive();
    }
}

impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

impl State {
    /// What a hold has waited for is over. If it has failed, so has the stream: what stands behind the hold does nothing.
    pub(super) fn release(&mut self, now: Nanos, stream: StreamId, ticket: Ticket) {
        let failed = self.stream(stream).is_some_and(|shared| {
            shared.timeline.is_suspect() && matches!(shared.timeline.outcome(ticket.0), Some(Err(_)))
        });
        if failed {
            self.scheduler.handle_stream_reset(stream, ticket);
        }
        self.scheduler.handle_release(now, stream, ticket);
    }
}
