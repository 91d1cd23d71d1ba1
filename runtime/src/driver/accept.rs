//! Accepting operations: room, a place in the queue, and now and then the driver's work.
//!
//! ```text
//! check ─▶ room (admission) ─▶ place (a claim on the queue) ─▶ noted in the stream ─▶ written in place, published
//! ```
//!
//! Any task comes here; nothing is locked, and nothing allocates.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dxg_scheduler::Operation;

use super::{Engine, StreamShared};
use crate::core::admission::{self, Enter, Permit};
use crate::core::queue::Claim;
use crate::error::{Error, Full, Result};
use crate::op::Op;
use crate::sync::{Mutation, mutated};

/// One of so many operations that nobody waits for yet does the driver's work. A step costs as much as a few enqueues, and so
/// does each stream with something new; with 256 both are a small part of the whole, and 256 enqueues are some 50 µs, less than a
/// nap of the driver thread. With 64 to 128 a launch of one of 10,000 tasks costs a fifth less, as what was enqueued is in the
/// cache still, and one of a burst more. Divides every ring's capacity or is divided by it, so that a full ring was driven.
const DRIVE_EVERY: u64 = 256;

/// Why operations were not accepted. Nothing has happened.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no room now.
    Full(Full),
    /// There never will be, or the stream or device cannot take them.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Failed(error)
    }
}

/// A place in the queue and room for one operation, which is accepted by being pushed. Dropped, both are given up.
pub(crate) struct Entry<'a> {
    engine: &'a Engine,
    stream: &'a StreamShared,
    permit: Permit<'a>,
    claim: Claim<'a, Operation<Op>>,
}

impl Entry<'_> {
    /// Accepts what `make` makes of its ticket; `make` does not panic.
    #[inline]
    pub(crate) fn push(self, make: impl FnOnce(u64) -> Operation<Op>) -> u64 {
        // Before the operation is written: an exchange or a fence after it would wait until all of it has reached the cache.
        self.stream.accepted(self.claim.ticket());
        let looks_soon = self.engine.doze.looks_soon();
        self.permit.spend();
        let ticket = self.claim.push(make);
        self.engine.drive_at_times(&(ticket..ticket + 1), looks_soon);
        ticket
    }
}

/// The future of [`Engine::wait_for_room`].
pub(crate) struct WaitForRoom<'a> {
    engine: &'a Engine,
    stream: &'a StreamShared,
    n: usize,
    enter: Enter<'a>,
    #[cfg(feature = "metrics")]
    begun: std::time::Instant,
}

impl<'a> Future for WaitForRoom<'a> {
    type Output = Result<Permit<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let permit = ready!(Pin::new(&mut self.enter).poll(cx));
        #[cfg(feature = "metrics")]
        self.engine.meter.waited_for_room(self.begun.elapsed());
        let permit = permit.map_err(|full| match full {
            admission::Full::Never { most } => too_many(self.n, most),
            admission::Full::Closed => self.engine.why_closed(),
            // The wait is for both levels; neither is an error of it.
            admission::Full::Stream | admission::Full::Global => Error::invalid("the wait for room was given up"),
        })?;
        self.engine.check_stream(self.stream)?;
        Poll::Ready(Ok(permit))
    }
}

impl Engine {
    /// A place for one operation.
    #[inline]
    pub(crate) fn entry<'a>(&'a self, stream: &'a StreamShared) -> Result<Entry<'a>, Refused> {
        self.check_stream(stream)?;
        match stream.gate.try_enter(1) {
            Ok(permit) => Ok(self.permitted_entry(stream, permit)),
            Err(full) => Err(self.no_room(full, 1)),
        }
    }

    /// As [`Engine::entry`], waiting for room. Cancel safe, as [`Engine::room`].
    pub(crate) async fn entry_when_room<'a>(&'a self, stream: &'a StreamShared) -> Result<Entry<'a>> {
        Ok(self.permitted_entry(stream, self.room(stream, 1).await?))
    }

    /// A place for one operation that was let in. The queue has a slot for everything that admission lets in, and a slot is free
    /// once its operation was popped, which is before its room is given back.
    #[inline]
    pub(crate) fn permitted_entry<'a>(&'a self, stream: &'a StreamShared, permit: Permit<'a>) -> Entry<'a> {
        Entry { engine: self, stream, permit, claim: self.queue.claim_admitted() }
    }

    /// Why nothing gets in any more.
    #[cold]
    fn why_closed(&self) -> Error {
        self.check_open().err().unwrap_or(Error::ShutDown)
    }

    #[cold]
    fn no_room(&self, full: admission::Full, n: usize) -> Refused {
        match full {
            admission::Full::Stream => Refused::Full(Full::Stream),
            admission::Full::Global => Refused::Full(Full::Device),
            admission::Full::Closed => Refused::Failed(self.why_closed()),
            admission::Full::Never { most } => Refused::Failed(too_many(n, most)),
        }
    }

    /// Accepts `n` operations with adjacent tickets, or none and says why. `make` is called with (ticket, index).
    pub(crate) fn enqueue(
        &self,
        stream: &StreamShared,
        n: usize,
        make: impl FnMut(u64, usize) -> Operation<Op>,
    ) -> Result<Range<u64>, Refused> {
        self.check_stream(stream)?;
        let count = u32::try_from(n).unwrap_or(u32::MAX);
        match stream.gate.try_enter(count) {
            Ok(permit) => self.enqueue_permitted(stream, permit, make),
            Err(full) => Err(self.no_room(full, n)),
        }
    }

    /// Waits until the stream has room for `n` more operations, and takes it. Cancel safe: room that is given to a
    /// dropped future goes to the next in line.
    pub(crate) async fn room<'a>(&'a self, stream: &'a StreamShared, n: usize) -> Result<Permit<'a>> {
        self.check_stream(stream)?;
        self.wait_for_room(stream, n).await
    }

    /// As [`Engine::room`], for futures written by hand, which have looked at the stream.
    pub(crate) fn wait_for_room<'a>(&'a self, stream: &'a StreamShared, n: usize) -> WaitForRoom<'a> {
        // Who waits for room waits for everything that takes it. What other shards have gathered goes by itself soon; to disturb
        // their drivers whenever one stream is full would cost more.
        if !mutated(Mutation::RoomFlushesNothing) {
            self.flush_shard();
        }
        WaitForRoom {
            engine: self,
            stream,
            n,
            enter: stream.gate.enter(u32::try_from(n).unwrap_or(u32::MAX)),
            #[cfg(feature = "metrics")]
            begun: std::time::Instant::now(),
        }
    }

    /// Accepts as many operations as the permit is for.
    pub(crate) fn enqueue_permitted(
        &self,
        stream: &StreamShared,
        permit: Permit<'_>,
        make: impl FnMut(u64, usize) -> Operation<Op>,
    ) -> Result<Range<u64>, Refused> {
        let n = permit.n() as usize;
        let tickets = self.queue.try_push_many(n, make);
        // The queue has a slot for everything that admission lets in, but a slot is freed after its operation is popped
        // and room only after it is complete, so this is never full; if it ever is, the permit gives the room back.
        let tickets = tickets.ok_or(Refused::Full(Full::Device))?;
        permit.spend();
        stream.accepted(tickets.end - 1);
        self.drive_at_times(&tickets, self.doze.looks_soon());
        Ok(tickets)
    }

    /// `looks_soon`: whether the driver thread does, asked after the tickets were claimed.
    #[inline]
    fn drive_at_times(&self, tickets: &Range<u64>, looks_soon: bool) {
        // Nobody waits yet. A thread that naps looks by itself; before that, one of many operations takes all along.
        let many = tickets.start / DRIVE_EVERY != tickets.end / DRIVE_EVERY;
        if many || !looks_soon {
            self.drive_or_help();
        }
    }

    #[inline]
    fn check_stream(&self, stream: &StreamShared) -> Result<()> {
        self.check_open()?;
        if !stream.timeline.is_suspect() {
            return Ok(());
        }
        match stream.timeline.failure() {
            None => Ok(()),
            Some(cause) => Err(cause.error.as_dependency()),
        }
    }
}

fn too_many(n: usize, most: u32) -> Error {
    Error::invalid(format!(
        "{n} operations in one entry, and the limits let {most} in; raise `stream_operations` and `device_operations`, \
         or split the list"
    ))
}
