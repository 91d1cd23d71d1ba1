//! Streams: operations that run one after another.
//!
//! A stream's calls validate ([`Request`]), ask for room, and push into the device's queue; that is the whole hot path, and
//! it takes no lock and touches no heap. Every operation comes in two forms: `op(..)` is async and waits for room,
//! `try_op(..)` says [`TryError::Full`] and has done nothing.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

pub use dxg_scheduler::Priority;
use dxg_scheduler::{Operation, StreamId};

use crate::args::Args;
use crate::command::Command;
use crate::completion::Completion;
use crate::device::cannot_launch;
use crate::device::{DeviceShared, DeviceTag};
use crate::driver::{Engine, Refused, StreamShared, Waiting};
use crate::error::{Full, Result, TryError};
use crate::grid::Grid;
use crate::host_memory::HostMemory;
use crate::kernel::Kernel;
use crate::launching::Launching;
use crate::op::Op;
use crate::request::{After, CheckedLaunch, Ready, Request};

/// What completions hold of a stream: enough to ask and to drive.
pub(crate) struct StreamCore {
    pub(crate) engine: Arc<Engine>,
    pub(crate) shared: Arc<StreamShared>,
}

impl StreamCore {
    pub(crate) fn id(&self) -> StreamId {
        self.shared.id
    }

    /// The outcome of an operation, if there is one; lets it go out if it was held back.
    pub(crate) fn outcome(&self, ticket: u64) -> Option<Result<()>> {
        self.engine.outcome(&self.shared, ticket)
    }

    pub(crate) fn poll(&self, ticket: u64, waiting: &mut Waiting, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.engine.poll(&self.shared, ticket, waiting, cx)
    }

    /// Blocks until there is an outcome, or until `deadline`: `None` then.
    pub(crate) fn wait_until(&self, ticket: u64, deadline: Option<Instant>) -> Option<Result<()>> {
        self.engine.wait_until(&self.shared, ticket, deadline)
    }
}

/// A sequence of operations of one device. Clones are the same stream.
///
/// A stream behaves as if its operations ran one after another in the order of acceptance; operations of different streams
/// are ordered by [events](crate::Event) only. When an operation fails, those before it have taken place, and those behind
/// it report [`Error::DependencyFailed`](crate::Error::DependencyFailed) until [`Stream::reset`]: they are not run, except that
/// those that touch nothing of the failed one may have been run beside it. Dropping a stream with work in flight is fine: the
/// work completes.
#[derive(Clone)]
pub struct Stream {
    pub(crate) inner: Arc<StreamInner>,
}

pub(crate) struct StreamInner {
    pub(crate) core: Arc<StreamCore>,
    pub(crate) device: Arc<DeviceShared>,
    /// The device's, with a count for the pieces of this stream.
    pub(crate) host: Arc<HostMemory>,
    priority: Priority,
}

impl Drop for StreamInner {
    fn drop(&mut self) {
        self.core.engine.remove_stream(&self.core.shared);
    }
}

impl Stream {
    pub(crate) fn new(device: &Arc<DeviceShared>, priority: Priority, merges: bool) -> Result<Self> {
        if !device.info().can_launch {
            return Err(cannot_launch("streams cannot be made", device.tag));
        }
        let engine = device.shards.for_stream(&device.engine);
        let shared = engine.add_stream(priority, merges)?;
        let core = Arc::new(StreamCore { engine, shared });
        let (device, host) = (Arc::clone(device), device.host.another());
        Ok(Stream { inner: Arc::new(StreamInner { core, device, host, priority }) })
    }

    /// Its number, as errors name it.
    pub fn id(&self) -> u32 {
        self.inner.core.id().0
    }

    /// Its priority.
    pub fn priority(&self) -> Priority {
        self.inner.priority
    }

    /// Launches a kernel; waits for room if need be.
    ///
    /// The grid may be anything that [`Grid`] can be made of: `(blocks, threads)`, or a number of blocks of one thread. A grid
    /// with a zero in it runs nothing and completes in its place.
    ///
    /// Dropping this future before it is ready means that nothing was launched; after that, the launch takes place whatever
    /// happens to the [`Completion`].
    #[inline]
    pub fn launch<'a>(&'a self, kernel: &'a Kernel, grid: impl Into<Grid>, args: Args) -> Launching<'a> {
        Launching::new(self, kernel, grid.into(), args)
    }

    /// Launches a kernel if there is room.
    pub fn try_launch(&self, kernel: &Kernel, grid: impl Into<Grid>, mut args: Args) -> Result<Completion, TryError> {
        match self.check_launch(kernel, grid.into(), &args)? {
            Some(checked) => {
                self.try_accept_with(|stream, ticket| checked.operation(kernel, &mut args, stream, ticket))
            }
            None => self.try_accept(Request::empty_launch(&mut args)),
        }
    }

    #[inline]
    pub(crate) fn check_launch(&self, kernel: &Kernel, grid: Grid, args: &Args) -> Result<Option<CheckedLaunch>> {
        let device = &self.inner.device;
        CheckedLaunch::new(device.info(), device.tag, kernel, grid, args)
    }

    /// Enqueues many operations as one entry: all of them, in this order, with nothing of this stream between them, or none.
    ///
    /// All are checked before any is accepted. They go out in one batch unless a cap splits it. The completion is that of
    /// the last one; an empty list completes with what was accepted before it.
    pub async fn submit(&self, commands: &[Command]) -> Result<Completion> {
        let ready = self.inner.core.engine.until_memory(|| self.ready(commands)).await?;
        self.accept_all(ready).await
    }

    /// As [`Stream::submit`], if there is room.
    pub fn try_submit(&self, commands: &[Command]) -> Result<Completion, TryError> {
        match self.ready(commands)? {
            Some(ready) => self.try_accept_all(ready),
            None => Err(TryError::Full { bound: Full::Staging, returned: () }),
        }
    }

    fn ready(&self, commands: &[Command]) -> Result<Option<Vec<Ready>>> {
        if commands.is_empty() {
            return Ok(Some(vec![Request::marker().into()]));
        }
        commands.iter().map(|command| command.ready(&self.inner.device)).collect()
    }

    /// Hands over what was accepted so far, without waiting for it.
    pub fn flush(&self) {
        self.inner.core.engine.flush(&self.inner.core.shared);
    }

    /// Makes a failed stream usable again. What was accepted before keeps its outcome; [`Stream::last`] and
    /// [`Stream::synchronize`] have forgotten it.
    ///
    /// Waits, on this thread, until nothing of the stream is in flight. A lost device cannot be reset.
    pub fn reset(&self) -> Result<()> {
        self.inner.core.engine.reset(&self.inner.core.shared)
    }

    /// The completion of everything accepted so far; flushes nothing and waits for nothing. After a [reset](Stream::reset): of
    /// everything since, so that failures before it are not told again.
    pub fn last(&self) -> Completion {
        Completion::new(Arc::clone(&self.inner.core), self.inner.core.shared.latest())
    }

    /// The completion of the operation with this sequence number, for those who keep numbers only.
    ///
    /// A number that was not an operation of this stream stands for the last one of the stream before it.
    pub fn completion_of(&self, ticket: u64) -> Completion {
        let ticket = ticket.min(self.inner.core.shared.last_ticket());
        Completion::new(Arc::clone(&self.inner.core), ticket)
    }

    /// Waits for everything accepted so far.
    pub async fn synchronize(&self) -> Result<()> {
        self.last().await
    }

    /// Whether two handles are the same stream.
    pub fn is_same(&self, other: &Stream) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The device's tag, for checks.
    pub(crate) fn tag(&self) -> DeviceTag {
        self.inner.device.tag
    }

    /// Enqueues one operation, or says that there is no room.
    pub(crate) fn try_accept(&self, ready: impl Into<Ready>) -> Result<Completion, TryError> {
        let mut ready = ready.into();
        ready.place(&self.inner.core);
        let Ready { request, after } = ready;
        let done = self.try_accept_with(|stream, ticket| request.into_operation(stream, ticket))?;
        after.accepted(&self.inner.core, done.ticket());
        Ok(done)
    }

    /// Enqueues one operation, waiting for room.
    pub(crate) async fn accept(&self, ready: impl Into<Ready>) -> Result<Completion> {
        let mut ready = ready.into();
        ready.place(&self.inner.core);
        let Ready { request, after } = ready;
        let done = self.accept_with(|stream, ticket| request.into_operation(stream, ticket)).await?;
        after.accepted(&self.inner.core, done.ticket());
        Ok(done)
    }

    /// Enqueues the operation that `make` makes of stream and ticket, or says that there is no room.
    #[inline]
    pub(crate) fn try_accept_with(
        &self,
        make: impl FnOnce(StreamId, u64) -> Operation<Op>,
    ) -> Result<Completion, TryError> {
        let core = &self.inner.core;
        let entry = core.engine.entry(&core.shared).map_err(into_try_error)?;
        let ticket = entry.push(|ticket| make(core.id(), ticket));
        Ok(Completion::new(Arc::clone(core), ticket))
    }

    /// As [`Stream::try_accept_with`], waiting for room.
    #[inline]
    pub(crate) async fn accept_with(&self, make: impl FnOnce(StreamId, u64) -> Operation<Op>) -> Result<Completion> {
        let StreamCore { engine, shared } = &*self.inner.core;
        let entry = match engine.entry(shared) {
            Ok(entry) => entry,
            Err(Refused::Failed(error)) => return Err(error),
            Err(Refused::Full(_)) => engine.entry_when_room(shared).await?,
        };
        let ticket = entry.push(|ticket| make(shared.id, ticket));
        Ok(Completion::new(Arc::clone(&self.inner.core), ticket))
    }

    /// Enqueues all side by side, or says that there is no room. The completion is that of the last.
    pub(crate) fn try_accept_all(&self, ready: Vec<Ready>) -> Result<Completion, TryError> {
        let (mut requests, afters) = self.split(ready);
        let core = &self.inner.core;
        let tickets = core.engine.enqueue(&core.shared, requests.len(), make_all(core.id(), &mut requests));
        Ok(self.accepted_all(afters, tickets.map_err(into_try_error)?.start))
    }

    /// Enqueues all side by side, waiting for room. The completion is that of the last.
    pub(crate) async fn accept_all(&self, ready: Vec<Ready>) -> Result<Completion> {
        let (mut requests, afters) = self.split(ready);
        let StreamCore { engine, shared } = &*self.inner.core;
        let mut tickets = engine.enqueue(shared, requests.len(), make_all(shared.id, &mut requests));
        loop {
            match tickets {
                Ok(tickets) => return Ok(self.accepted_all(afters, tickets.start)),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Full(_)) => {}
            }
            let permit = engine.room(shared, requests.len()).await?;
            tickets = engine.enqueue_permitted(shared, permit, make_all(shared.id, &mut requests));
        }
    }

    fn split(&self, ready: Vec<Ready>) -> (Vec<Option<Request>>, Vec<After>) {
        let placed = ready.into_iter().map(|mut ready| {
            ready.place(&self.inner.core);
            (Some(ready.request), ready.after)
        });
        placed.unzip()
    }

    fn accepted_all(&self, afters: Vec<After>, first: u64) -> Completion {
        let last = first + afters.len() as u64 - 1;
        for (ticket, after) in (first..).zip(afters) {
            after.accepted(&self.inner.core, ticket);
        }
        Completion::new(Arc::clone(&self.inner.core), last)
    }
}

/// Gives requests their places in the order. The queue makes each operation of an entry once, and none of one it refuses.
fn make_all(stream: StreamId, requests: &mut [Option<Request>]) -> impl FnMut(u64, usize) -> Operation<Op> {
    move |ticket, index| requests[index].take().unwrap_or_else(Request::marker).into_operation(stream, ticket)
}

pub(crate) fn into_try_error(refused: Refused) -> TryError {
    match refused {
        Refused::Full(bound) => TryError::Full { bound, returned: () },
        Refused::Failed(error) => TryError::Failed(error),
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({} of {})", self.id(), self.tag())
    }
}

/// Settings of a new stream; made by [`Device::stream_builder`](crate::Device::stream_builder).
#[derive(Debug)]
pub struct StreamBuilder<'a> {
    device: &'a crate::device::Device,
    priority: Priority,
    merges: bool,
}

impl<'a> StreamBuilder<'a> {
    pub(crate) fn new(device: &'a crate::device::Device) -> Self {
        StreamBuilder { device, priority: Priority::Normal, merges: true }
    }

    /// How much the stream is in a hurry compared with others.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Whether its launches may be merged with others of their kernels, which they are without this: see
    /// [`Kernel::unmerged`] for what must not be.
    pub fn merging(mut self, merges: bool) -> Self {
        self.merges = merges;
        self
    }

    /// Makes the stream.
    pub fn build(self) -> Result<Stream> {
        Stream::new(self.device.shared(), self.priority, self.merges)
    }
}
