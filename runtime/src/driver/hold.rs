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
use super::{Cause, Control, Engine, StreamShared};
use crate::core::completion::Registration;
use crate::error::Failure;
use crate::sync::Mutex;

/// One stream's wait for an operation of another shard.
pub(crate) struct Hold {
    /// What is waited for.
    source: (Arc<Engine>, Arc<StreamShared>, u64),
    /// The operation that holds the waiting stream back.
    held: (Arc<Engine>, Arc<StreamShared>, u64),
    /// `None` once it was released.
    registration: Mutex<Option<Registration<Cause>>>,
}

impl Hold {
    /// The hold `held` was accepted: it is released when `source` has an outcome.
    pub(crate) fn begin(source: (Arc<Engine>, Arc<StreamShared>, u64), held: (Arc<Engine>, Arc<StreamShared>, u64)) {
        let hold = Arc::new(Hold { source, held, registration: Mutex::new(Some(Registration::default())) });
        hold.look();
        let (engine, stream, ticket) = &hold.source;
        if !stream.timeline.is_done(*ticket) {
            // It goes out without delay, as for anybody who waits.
            engine.request(Control::Waiter { stream: stream.id, ticket: Ticket(*ticket) });
            engine.drive();
        }
    }

    fn look(self: &Arc<Self>) {
        let (_, source, ticket) = &self.source;
        let waker = Waker::from(Arc::clone(self));
        let mut cx = Context::from_waker(&waker);
        let outcome = {
            let mut place = self.registration.lock();
            let Some(registration) = &mut *place else { return };
            let Poll::Ready(outcome) = source.timeline.poll(*ticket, registration, &mut cx, |_| {}) else { return };
            *place = None;
            outcome
        };
        self.release(outcome);
    }

    fn release(&self, outcome: Result<(), Cause>) {
        let (engine, stream, ticket) = &self.held;
        if let Err(cause) = outcome {
            let cause = cause.error.as_dependency();
            stream.timeline.fail(*ticket, Arc::new(Failure::of_operation(*ticket, cause)));
        }
        engine.request(Control::Release { stream: stream.id, ticket: Ticket(*ticket) });
        engine.drive();
    }
}

impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        self.look();
    }

    fn wake_by_ref(self: &Arc<Self>) {
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
