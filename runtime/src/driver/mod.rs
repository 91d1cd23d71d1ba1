//! The engine of a device, or of one of its shards: accepted operations go in, completions come out.
//!
//! The driver is a role, not a thread. A task that enqueues or waits takes it inline when it is free; the driver
//! thread takes it when work is in flight and nobody else does. The role's state ([`state`]) is all that submits.
//!
//! | part | who may touch it |
//! |---|---|
//! | `queue`, `controls`, `counters`, `doze`, `wake` | any task |
//! | `overflow` (requests that found `controls` full) | any task, behind a lock; emptied by the holder of the driver role |
//! | `role` (scheduler, batch, queues) | the holder of the driver role |
//! | `common` (what the device's shards share) | see [`common`] |
//! | `submitters` (threads, where submissions are round trips) | the holder of the driver role; see [`submitters`] |
//! | `settings` | read by any task, replaced as a whole by `set_settings` |
//! | `promised` (somebody is about to drive) | any task; see [`waiting`] |
//! | `retiring` (complete operations to let go of) | the holder of the driver role leaves them, tasks that find it held take some; see [`Shelf`] |
//! | `patience` (how long who waits looks at fences) | any task; see [`patience`] |
//! | `timeline` (a recording, if one runs) | the holder of the driver role, behind a lock; see [`observe`] |
//! | `refusal` | written once (lost) or at shutdown; read before every acceptance |

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use dxg_scheduler::{EventId, Nanos, Operation, Priority, StreamId, Ticket};

use crate::backend::Backend;
use crate::core::admission;
use crate::core::doze::{Doze, Need};
use crate::core::queue::EnqueueQueue;
use crate::core::role::DriverRole;
use crate::core::room::Room;
use crate::core::shelf::Shelf;
use crate::error::{Error, Result};
use crate::limits::{Policy, Settings};
use crate::op::Op;
use crate::stats::Stats;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use crate::sync::{CachePadded, Mutation, mutated};

mod accept;
mod attend;
mod common;
mod counters;
mod hand_over;
mod hold;
mod intake;
#[cfg(all(test, dxg_loom))]
mod loom_device;
#[cfg(all(test, dxg_loom))]
mod loom_end;
#[cfg(all(test, dxg_loom))]
mod loom_events;
#[cfg(all(test, dxg_loom))]
mod loom_sleep;
mod loss;
#[cfg(feature = "metrics")]
mod meter;
mod observe;
mod overflow;
mod patience;
mod registry;
mod report;
mod settings;
mod silence;
mod spread;
mod state;
mod stream;
mod submitters;
mod tally;
#[cfg(feature = "tokio")]
mod task;
mod thread;
mod waiting;
mod wake;

pub(crate) use accept::{Entry, Refused, WaitForRoom};
pub(crate) use hold::Hold;
pub(crate) use stream::{Cause, StreamShared};
pub(crate) use tally::{KernelTally, Tally};
pub(crate) use waiting::Waiting;

use common::Common;
use counters::Counters;
use overflow::Overflow;
use patience::Patience;
use state::State;
use submitters::Submitters;
use wake::WakeFd;

/// Requests that may wait for the driver. Room for one per waiting task of a large server; when it is full, the driver
/// is asked to hand everything over, which serves every request.
const CONTROLS: usize = 4096;

/// How often a reset looks whether its stream is idle.
const RESET_LOOK: Duration = Duration::from_micros(50);

/// A request to the driver that is not an operation.
#[derive(Clone, Copy, Debug)]
enum Control {
    Waiter {
        stream: StreamId,
        ticket: Ticket,
    },
    Flush {
        stream: StreamId,
    },
    Drain,
    /// What a hold has waited for is over.
    Release {
        stream: StreamId,
        ticket: Ticket,
    },
    StreamDropped {
        stream: StreamId,
    },
    EventDropped {
        event: EventId,
    },
    Configure,
}

/// Where the engine is attended to when no task drives it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    /// On a thread of its own.
    #[default]
    Thread,
    /// As a task of a tokio runtime, through its reactor.
    #[cfg(feature = "tokio")]
    Tokio(tokio::runtime::Handle),
}

/// The life of an engine.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open = 0,
    /// Nothing is accepted any more; what was accepted is still completed.
    Closing = 1,
    /// The thread is gone and the backend is closed.
    Closed = 2,
}

/// The engine of a device, or of one of its shards.
pub(crate) struct Engine {
    pub(crate) backend: Arc<dyn Backend>,
    common: Arc<Common>,
    /// Its number among the shards.
    pub(crate) shard: usize,
    /// Streams with handles.
    streams: AtomicUsize,
    queue: EnqueueQueue<Operation<Op>>,
    controls: EnqueueQueue<Control>,
    overflow: Overflow,
    role: DriverRole<State>,
    settings: ArcSwap<Settings>,
    refusal: ArcSwapOption<Error>,
    /// Whether there is a refusal: a plain load on the path of every operation.
    refusing: AtomicBool,
    flush_all: AtomicBool,
    promised: CachePadded<AtomicBool>,
    patience: Patience,
    phase: AtomicU8,
    closed: Closed,
    doze: Doze,
    wake: WakeFd,
    retiring: Shelf<Operation<Op>>,
    submitters: Submitters,
    /// On lines of their own: they are written all the time, and most of what is beside them is read with every operation.
    pub(crate) counters: CachePadded<Counters>,
    pub(crate) timeline: observe::TimelineSlot,
    #[cfg(feature = "metrics")]
    meter: meter::Meter,
    /// Round trips that opening the device took.
    pub(crate) opening: u64,
}

/// Told when the engine has closed.
type Closed = crate::core::completion::Timeline<Cause>;

impl Engine {
    /// Starts the engine over an open backend, with its attendant.
    pub(crate) fn start(backend: Arc<dyn Backend>, settings: Settings, attendant: Place) -> Result<Arc<Self>> {
        let common = Common::new(&settings);
        Self::start_shard(backend, settings, attendant, common, 0)
    }

    /// Starts a shard beside this one, over a backend with hardware queues of its own.
    pub(crate) fn start_beside(&self, backend: Arc<dyn Backend>, attendant: Place, shard: usize) -> Result<Arc<Self>> {
        let engine = Self::start_shard(backend, self.settings(), attendant, Arc::clone(&self.common), shard)?;
        engine.timeline.begin_beside(&self.timeline);
        Ok(engine)
    }

    fn start_shard(
        backend: Arc<dyn Backend>,
        settings: Settings,
        attendant: Place,
        common: Arc<Common>,
        shard: usize,
    ) -> Result<Arc<Self>> {
        let engine = Arc::new(Self::new(backend, settings, common, shard)?);
        engine.submitters.report_to(&engine);
        engine.common.enter(&engine);
        // Weak: the backend is the engine's.
        let weak = Arc::downgrade(&engine);
        let drive = move || {
            if let Some(engine) = weak.upgrade() {
                engine.drive();
            }
        };
        engine.backend.call_when_notified(Box::new(drive));
        match attendant {
            Place::Thread => thread::spawn(engine.clone())?,
            #[cfg(feature = "tokio")]
            Place::Tokio(handle) => task::spawn(engine.clone(), &handle)?,
        }
        Ok(engine)
    }

    fn new(backend: Arc<dyn Backend>, settings: Settings, common: Arc<Common>, shard: usize) -> Result<Self> {
        let bound = settings.limits.device_operations;
        // Room for everything that admission lets in, so that a push after it cannot fail.
        let (queue, operations) = EnqueueQueue::new(bound.high as usize);
        let (controls, requests) = EnqueueQueue::new(CONTROLS);
        let config = settings::scheduler_config(&settings, backend.queues(), &backend.costs());
        let state = State::new(config, backend.queues(), operations, requests);
        Ok(Engine {
            common,
            shard,
            streams: AtomicUsize::new(0),
            queue,
            controls,
            overflow: Overflow::new(),
            role: DriverRole::new(state),
            settings: ArcSwap::from_pointee(settings),
            refusal: ArcSwapOption::empty(),
            refusing: AtomicBool::new(false),
            flush_all: AtomicBool::new(false),
            promised: CachePadded(AtomicBool::new(false)),
            patience: Patience::new(),
            phase: AtomicU8::new(Phase::Open as u8),
            closed: Closed::new(),
            doze: Doze::new(),
            retiring: Shelf::new(),
            wake: WakeFd::new().map_err(|error| Error::driver("eventfd", error))?,
            counters: CachePadded(Counters::default()),
            timeline: observe::TimelineSlot::default(),
            #[cfg(feature = "metrics")]
            meter: meter::Meter::new(backend.info()),
            opening: backend.traffic().round_trips,
            submitters: Submitters::new(&*backend),
            backend,
        })
    }

    /// The device's shards, this one first.
    pub(crate) fn shards(self: &Arc<Self>) -> impl Iterator<Item = Arc<Engine>> {
        std::iter::once(Arc::clone(self)).chain(self.common.others(self.shard))
    }

    /// Nanoseconds since the engine started: the scheduler's clock.
    pub(crate) fn now(&self) -> Nanos {
        self.common.clock.nanoseconds()
    }

    // ---- streams and events ----

    /// A new stream.
    pub(crate) fn add_stream(&self, priority: Priority, merges: bool) -> Result<Arc<StreamShared>> {
        self.check_open()?;
        let bound = self.settings.load().limits.stream_operations;
        let gate = self.common.admission.gate(admission::Bound { high: bound.high, low: bound.low });
        let make = |id| StreamShared::new(id, self.shard, priority, merges, gate);
        self.common.registry.add_stream(make).inspect(|stream| {
            // Relaxed: for an even spread.
            self.streams.fetch_add(1, Ordering::Relaxed);
            // An id may have been used before, and its last user may have failed.
            self.backend.clear_poison(stream.id);
        })
    }

    /// The last handle of a stream is gone. What it accepted still completes.
    pub(crate) fn remove_stream(&self, stream: &StreamShared) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        self.request(Control::StreamDropped { stream: stream.id });
    }

    /// How many streams have handles.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// A new event id, for all shards.
    pub(crate) fn add_event(&self) -> Result<EventId> {
        self.check_open()?;
        self.common.registry.add_event()
    }

    /// Nothing uses the event any more. Its id is used again once the driver has forgotten it: forgetting it later could
    /// hit the id's next user.
    pub(crate) fn drop_event(&self, event: EventId) {
        self.request(Control::EventDropped { event });
    }

    /// This shard has forgotten the event: now the next does, and behind the last its id is free.
    fn release_event(&self, event: EventId) {
        match self.common.next(self.shard) {
            Some(next) => next.request(Control::EventDropped { event }),
            None => self.common.registry.release_event(event),
        }
    }

    /// Makes a failed stream usable again, when nothing of it is in flight any more; blocks until then.
    pub(crate) fn reset(&self, stream: &StreamShared) -> Result<()> {
        loop {
            self.check_open()?;
            if !stream.is_idle() {
                // The timeline answers for failed operations before they are through, so it cannot be waited for.
                self.flush(stream);
                std::thread::sleep(RESET_LOOK);
                continue;
            }
            self.backend.clear_poison(stream.id);
            stream.reset(self.queue.next_ticket());
            return Ok(());
        }
    }

    fn stream(&self, id: StreamId) -> Option<Arc<StreamShared>> {
        self.common.registry.stream(id)
    }

    fn release_stream(&self, id: StreamId) {
        self.common.registry.release_stream(id);
    }

    fn for_each_stream(&self, mut f: impl FnMut(&StreamShared)) {
        for stream in self.common.registry.streams().iter().filter(|stream| stream.shard == self.shard) {
            f(stream);
        }
    }

    // ---- settings, end ----

    pub(crate) fn settings(&self) -> Settings {
        **self.settings.load()
    }

    /// Replaces policy and limits; takes effect for what is batched from now on.
    pub(crate) fn set_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        let device = settings.limits.device_operations;
        self.common.admission.set_bound(admission::Bound { high: device.high, low: device.low });
        let stream = settings.limits.stream_operations;
        self.for_each_stream(|shared| shared.gate.set_bound(admission::Bound { high: stream.high, low: stream.low }));
        self.request(Control::Configure);
        self.drive();
    }

    fn scheduler_config(&self) -> dxg_scheduler::Config {
        settings::scheduler_config(&self.settings.load(), self.backend.queues(), &self.backend.costs())
    }

    /// Whether operations go one by one; `Some(true)`: waiting by spinning.
    fn one_by_one(&self) -> Option<bool> {
        match self.settings.load().policy {
            Policy::OneByOne => Some(false),
            Policy::OneByOneSpin => Some(true),
            _ => None,
        }
    }

    /// What is counted so far, messages included.
    pub(crate) fn stats(&self) -> Stats {
        let traffic = self.backend.traffic();
        Stats {
            operations: self.queue.next_ticket() - 1,
            posted_messages: traffic.posted,
            round_trips: traffic.round_trips,
            payload_bytes: traffic.payload_bytes,
            ring_bytes: traffic.ring_bytes,
            doorbells: traffic.doorbells,
            full_ring_sleeps: traffic.full_ring_sleeps,
            ..self.counters.snapshot()
        }
    }

    /// Why nothing is accepted any more, if so.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        // Acquire pairs with the Release store in `set_refusal`.
        if !self.refusing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.why_refused()
    }

    #[cold]
    fn why_refused(&self) -> Result<()> {
        match self.refusal.load().as_deref() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// The first refusal stays: a lost device that is shut down is still a lost device.
    fn set_refusal(&self, error: Error) {
        let error = Some(Arc::new(error));
        self.refusal.rcu(|now| now.clone().or_else(|| error.clone()));
        self.refusing.store(true, Ordering::Release);
        // Memory that is waited for may never come back.
        if !mutated(Mutation::RefusalWakesNobody) {
            self.common.memory.announce();
        }
    }

    /// Who waits for host memory.
    pub(crate) fn memory(&self) -> &Arc<Room> {
        &self.common.memory
    }

    /// Repeats `attempt` whenever host memory has come back, until it gives something or nothing is accepted any more.
    pub(crate) async fn until_memory<R>(&self, mut attempt: impl FnMut() -> Result<Option<R>>) -> Result<R> {
        let attempt = || match attempt()? {
            None => self.check_open().map(|()| None),
            found => Ok(found),
        };
        self.common.memory.until(attempt).await
    }

    /// Accepts nothing more. The thread completes what was accepted, closes the backend and ends.
    pub(crate) fn close(&self) {
        self.set_refusal(Error::ShutDown);
        let open = Phase::Open as u8;
        // AcqRel pairs with the thread's Acquire load in `phase`: it sees what was accepted before.
        let closing = Phase::Closing as u8;
        let _closed_once = self.phase.compare_exchange(open, closing, Ordering::AcqRel, Ordering::Acquire);
        // Who is in by now is waited for, and nobody else gets in.
        self.common.admission.close();
        self.request(Control::Drain);
        self.drive();
        if self.doze.must_wake(Need::Uncovered) {
            self.wake_thread();
        }
    }

    /// Completes when the engine has closed.
    pub(crate) async fn closed(&self) {
        // Nothing fails on this timeline.
        let _done = self.closed.wait_async(1, |_| {}).await;
    }

    /// As [`Engine::closed`], on a thread, no longer than `limit`; whether it has closed.
    pub(crate) fn wait_closed(&self, limit: Duration) -> bool {
        self.closed.wait_until(1, Instant::now() + limit, |_| {}).is_some()
    }

    fn is_closing(&self) -> bool {
        self.phase.load(Ordering::Acquire) != Phase::Open as u8
    }
}
