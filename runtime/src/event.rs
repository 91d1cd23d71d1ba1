//! Events, with the meaning they have in CUDA.
//!
//! An event is recorded in a stream, any number of times; a wait refers to the latest record accepted before the wait. So a
//! wait points backwards always, and a program of records and waits cannot deadlock. An event that was never recorded is
//! complete: waiting for it waits for nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dxg_scheduler::EventId;

use crate::completion::Completion;
use crate::device::{Device, DeviceShared, DeviceTag};
use crate::driver::Engine;
use crate::error::{Error, Result, TryError};
use crate::host_memory::{TimeStamp, TimeStamps};
use crate::op::{Keep, KeepAlive};
use crate::request::{After, Ready, Request};
use crate::stream::{Stream, StreamCore};

/// A reusable mark in streams: other streams wait for it, the host asks for it, and two of them tell the time between.
/// Clones are the same event.
#[derive(Clone)]
pub struct Event {
    core: Arc<EventCore>,
}

struct EventCore {
    number: Arc<EventNumber>,
    tag: DeviceTag,
    /// `None`: the event keeps no time.
    times: Option<Arc<TimeStamps>>,
    latest: Mutex<Option<Recorded>>,
}

/// The scheduler's name of an event: free again when no operation uses it and its handles are gone.
struct EventNumber {
    id: EventId,
    /// Weak, because operations hold numbers: they must not keep alive the engine that holds them.
    engine: Weak<Engine>,
}

impl Drop for EventNumber {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.drop_event(self.id);
        }
    }
}

#[derive(Clone)]
struct Recorded {
    stream: Arc<StreamCore>,
    ticket: u64,
    time: Option<Arc<TimeStamp>>,
}

impl Event {
    /// An event that keeps the time of its record.
    pub fn new(device: &Device) -> Result<Self> {
        Event::make(device.shared(), true)
    }

    /// An event that only orders: it costs nothing on the device.
    pub fn without_time(device: &Device) -> Result<Self> {
        Event::make(device.shared(), false)
    }

    fn make(shared: &Arc<DeviceShared>, timed: bool) -> Result<Self> {
        let number = EventNumber { id: shared.engine.add_event()?, engine: Arc::downgrade(&shared.engine) };
        let core = EventCore {
            number: Arc::new(number),
            tag: shared.tag,
            times: timed.then(|| Arc::clone(&shared.times)),
            latest: Mutex::default(),
        };
        Ok(Event { core: Arc::new(core) })
    }

    /// The completion of the latest record, if there is one.
    pub fn completion(&self) -> Option<Completion> {
        let recorded = self.latest().clone()?;
        Some(Completion::new(recorded.stream, recorded.ticket))
    }

    /// Whether the latest record is complete; true if the event was never recorded.
    pub fn is_done(&self) -> bool {
        self.completion().is_none_or(|completion| completion.is_done())
    }

    /// Waits, on the host, for the latest record.
    pub async fn synchronize(&self) -> Result<()> {
        match self.completion() {
            Some(completion) => completion.await,
            None => Ok(()),
        }
    }

    /// The device's time between the latest records of two events, both complete.
    pub fn elapsed(&self, earlier: &Event) -> Result<Duration> {
        self.core.tag.check("event", earlier.core.tag)?;
        let (from, to) = (earlier.time("the earlier event")?, self.time("the later event")?);
        to.checked_sub(from).map(Duration::from_nanos).ok_or_else(|| {
            Error::invalid(format!("the event called earlier was recorded {} ns later; swap the two", from - to))
        })
    }

    fn time(&self, which: &str) -> Result<u64> {
        if self.core.times.is_none() {
            return Err(Error::unsupported(format!("{which} keeps no time; make it with `Event::new`")));
        }
        let Some(recorded) = self.latest().clone() else {
            return Err(Error::NotReady { what: format!("{which} was never recorded").into() });
        };
        match recorded.stream.outcome(recorded.ticket) {
            None => Err(Error::NotReady { what: format!("{which} is not complete; await it first").into() }),
            Some(Err(error)) => Err(error.as_dependency()),
            Some(Ok(())) => Ok(recorded.time.map_or(0, |time| time.nanoseconds())),
        }
    }

    fn latest(&self) -> MutexGuard<'_, Option<Recorded>> {
        self.core.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record was accepted.
    fn recorded(&self, stream: &Arc<StreamCore>, ticket: u64, time: Option<Arc<TimeStamp>>) {
        let next = Recorded { stream: Arc::clone(stream), ticket, time };
        let previous = {
            let mut latest = self.latest();
            // Tickets of two shards say nothing of an order.
            let later = |known: &Recorded| known.stream.shared.shard == stream.shared.shard && known.ticket > ticket;
            if latest.as_ref().is_some_and(later) {
                return;
            }
            latest.replace(next)
        };
        // May end a stream, which takes other locks.
        drop(previous);
    }

    pub(crate) fn ready_record(&self, tag: DeviceTag) -> Result<Ready> {
        tag.check("event", self.core.tag)?;
        let time = self.core.times.as_ref().map(TimeStamps::take).transpose()?;
        let mut keep = KeepAlive::new();
        keep.push(Keep::Shared(Arc::clone(&self.core.number) as _));
        let address = time.as_ref().map_or(0, |time| time.address());
        if let Some(time) = &time {
            keep.push(Keep::Shared(Arc::clone(time) as _));
        }
        let request = Request::record(self.core.number.id, address, keep);
        Ok(Ready { request, after: After::Recorded(Record { event: self.clone(), time }) })
    }

    pub(crate) fn ready_wait(&self, tag: DeviceTag) -> Result<Ready> {
        tag.check("event", self.core.tag)?;
        let mut keep = KeepAlive::new();
        keep.push(Keep::Shared(Arc::clone(&self.core.number) as _));
        Ok(Ready { request: Request::wait(self.core.number.id, keep), after: After::Waits(self.clone()) })
    }

    /// Where the latest record is, for a wait in this stream.
    pub(crate) fn elsewhere(&self, stream: &StreamCore) -> Elsewhere {
        let latest = self.latest();
        let Some(recorded) = latest.as_ref() else { return Elsewhere::Nothing };
        let (source, ticket) = (&recorded.stream, recorded.ticket);
        if source.shared.shard == stream.shared.shard {
            return Elsewhere::Nothing;
        }
        match source.shared.timeline.outcome(ticket) {
            Some(Ok(())) => Elsewhere::Done,
            _ => Elsewhere::Recorded(Arc::clone(source), ticket),
        }
    }
}

/// What a wait finds in other shards than its own.
pub(crate) enum Elsewhere {
    /// Nothing: the latest record is in its shard, or there is none.
    Nothing,
    /// A record that is complete.
    Done,
    /// A record under way, or failed.
    Recorded(Arc<StreamCore>, u64),
}

/// A record that is being enqueued.
pub(crate) struct Record {
    event: Event,
    time: Option<Arc<TimeStamp>>,
}

impl Record {
    pub(crate) fn accepted(self, stream: &Arc<StreamCore>, ticket: u64) {
        self.event.recorded(stream, ticket, self.time);
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({} of {})", self.core.number.id.0, self.core.tag)
    }
}

impl Stream {
    /// Records an event: it is complete when everything accepted before is; waits for room if need be.
    pub async fn record(&self, event: &Event) -> Result<Completion> {
        self.accept(event.ready_record(self.tag())?).await
    }

    /// As [`Stream::record`], if there is room.
    pub fn try_record(&self, event: &Event) -> Result<Completion, TryError> {
        self.try_accept(event.ready_record(self.tag())?)
    }

    /// Makes everything accepted from now on wait, on the device, for the latest record of the event; waits for room if need be.
    /// From one [shard](crate::Limits::shards) to another the host lets it go on.
    ///
    /// An event that was never recorded is no wait.
    pub async fn wait(&self, event: &Event) -> Result<Completion> {
        self.accept(event.ready_wait(self.tag())?).await
    }

    /// As [`Stream::wait`], if there is room.
    pub fn try_wait(&self, event: &Event) -> Result<Completion, TryError> {
        self.try_accept(event.ready_wait(self.tag())?)
    }

    /// Makes everything accepted from now on wait, on the device, for all that `other` has accepted so far.
    pub async fn wait_for_stream(&self, other: &Stream) -> Result<Completion> {
        self.tag().check("stream", other.tag())?;
        let mark = Event::make(&self.inner.device, false)?;
        // Nobody asks for the record by itself: the wait refers to it.
        drop(other.record(&mark).await?);
        self.wait(&mark).await
    }
}
