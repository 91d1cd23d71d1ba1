//! A request that is ready to be accepted, and what is to be done when it is.
//!
//! ```text
//! Request ─▶ Ready ── place(stream): waits for other shards become holds ─▶ accepted ─▶ After: events, host buffers, holds
//! ```

use std::sync::Arc;

use dxg_scheduler::Work;

use crate::driver::Hold;
use crate::event::{Elsewhere, Event, Record};
use crate::host_buffer::Reservation;
use crate::request::Request;
use crate::stream::StreamCore;

/// A request with what is to be told once it is accepted; dropped, it was not, and what it had reserved is free again.
pub(crate) struct Ready {
    pub(crate) request: Request,
    pub(crate) after: After,
}

impl Ready {
    /// Makes it an operation of this stream: a wait for what another shard does becomes a hold, which the host ends.
    pub(crate) fn place(&mut self, stream: &StreamCore) {
        let After::Waits(event) = &self.after else { return };
        let (work, after) = match event.elsewhere(stream) {
            Elsewhere::Nothing => return,
            Elsewhere::Done => (Work::Marker, After::Nobody),
            Elsewhere::Recorded(source, ticket) => (Work::Hold, After::Holds(source, ticket)),
        };
        self.request.work = work;
        self.after = after;
    }
}

/// Whom to tell that an operation was accepted.
pub(crate) enum After {
    Nobody,
    /// A host buffer, which the device uses from now on.
    Host(Reservation),
    /// An event, whose latest record it is.
    Recorded(Record),
    /// A wait for this event, before it is known in which stream.
    Waits(Event),
    /// What a hold waits for, in a stream of another shard.
    Holds(Arc<StreamCore>, u64),
}

impl After {
    pub(crate) fn accepted(self, stream: &Arc<StreamCore>, ticket: u64) {
        match self {
            After::Nobody | After::Waits(_) => {}
            After::Holds(source, until) => Hold::begin(source, until, Arc::clone(stream), ticket),
            After::Host(reservation) => reservation.accepted(stream, ticket),
            After::Recorded(record) => record.accepted(stream, ticket),
        }
    }
}

impl From<Request> for Ready {
    fn from(request: Request) -> Self {
        Ready { request, after: After::Nobody }
    }
}
