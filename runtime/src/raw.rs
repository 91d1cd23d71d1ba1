//! Operations over raw device addresses, for bindings to other languages. **Not part of the stable API.**
//!
//! A binding resolves an address to a [`Range`], which keeps the memory alive, makes [`Prepared`] operations of ranges, which
//! checks them as the typed calls do, and enqueues them ([`enqueue`], [`enqueue_all`]); it gets sequence numbers back, and asks
//! a [`Timeline`] about them. Data on its way out to foreign memory is brought there by a [`Landing`].

use std::sync::Arc;
use std::time::Instant;

use dxg_scheduler::{Access, AccessList, CopyKind, Operation};

pub use self::batch::{Batch, enqueue_all};
pub use self::landing::{Landing, Landings};
pub use crate::callbacks::Callbacks;

use crate::args::Args;
use crate::buffer::Buffer;
use crate::completion::Completion;
use crate::device::{Device, DeviceTag, Retired};
use crate::driver::{Entry, Refused};
use crate::error::{Error, Result, TryError};
use crate::event::Event;
use crate::graph::{NodeId, order_address};
use crate::grid::Grid;
use crate::host_buffer::HostBuffer;
use crate::host_memory::HostMemory;
use crate::kernel::Kernel;
use crate::op::{ArgAccess, ArgBytes, ArgTag, Keep, Op};
use crate::request::{Ready, Request};
use crate::stream::{Stream, StreamCore, into_try_error};
use crate::sync::block_on;

mod batch;
mod landing;

/// A range of memory that the device reaches, kept alive.
#[derive(Clone)]
pub struct Range {
    address: u64,
    len: u64,
    host: bool,
    keep: Keep,
    tag: DeviceTag,
}

impl Range {
    /// `len` bytes of device memory at `address`.
    pub fn of_device(device: &Device, address: u64, len: u64) -> Result<Self> {
        let shared = device.shared();
        let (block, offset) = shared.find_block(address).ok_or_else(|| {
            Error::invalid(format!("{address:#x} is no address of memory of this device that is allocated now"))
        })?;
        if len > block.len() - offset.min(block.len()) {
            let (start, end) = (offset, offset.saturating_add(len));
            return Err(Error::OutOfRange { what: "bytes of the allocation", start, end, len: block.len() });
        }
        Ok(Range { address, len, host: false, keep: Keep::Memory(block), tag: shared.tag })
    }

    /// `len` bytes of a host buffer from `offset` on.
    pub fn of_host(buffer: &HostBuffer<u8>, offset: u64, len: u64) -> Result<Self> {
        let all = buffer.len() as u64;
        if offset > all || len > all - offset {
            let end = offset.saturating_add(len);
            return Err(Error::OutOfRange { what: "bytes of the host memory", start: offset, end, len: all });
        }
        Ok(Range { address: buffer.address() + offset, len, host: true, keep: buffer.keep(), tag: buffer.tag() })
    }
}

/// What a launch tells of the memory it touches.
#[derive(Clone, Copy, Debug)]
pub struct RawAccess {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub len: u64,
    /// Whether they are written; otherwise they are read.
    pub writes: bool,
    /// Where in the arguments the address stands; `u32::MAX` where it does not.
    pub arg_offset: u32,
}

/// A checked operation without its place in the order.
pub struct Prepared {
    ready: Ready,
    landing: Option<Arc<Landing>>,
}

impl Prepared {
    fn new(ready: impl Into<Ready>) -> Self {
        Prepared { ready: ready.into(), landing: None }
    }

    /// The landing of its data, if it brings any.
    pub fn landing(&self) -> Option<Arc<Landing>> {
        self.landing.clone()
    }

    /// The operation as node `index` of a graph: after the nodes `after`. `awaited`: others come after this one.
    pub fn ordered(mut self, index: u32, after: &[u32], awaited: bool) -> Self {
        let reads = after.iter().map(|node| Access::read(order_address(NodeId::new(*node)), 1));
        let own = awaited.then(|| Access::write(order_address(NodeId::new(index)), 1));
        self.ready.request = self.ready.request.with_order(reads.chain(own));
        self
    }
}

/// What is told of the memory that a launch touches.
#[inline]
fn told(accesses: impl IntoIterator<Item = RawAccess>) -> AccessList {
    let access = |access: RawAccess| {
        let RawAccess { address: va, len, writes, arg_offset } = access;
        if arg_offset == u32::MAX {
            // For the order alone: the engine finds arguments by their place.
            return Access::new(va, len, writes);
        }
        let flags = if writes { ArgAccess::READ | ArgAccess::WRITE } else { ArgAccess::READ };
        ArgTag::pack(ArgAccess { arg_offset, flags, va, len })
    };
    accesses.into_iter().map(access).collect()
}

/// The arguments of a launch: packed bytes, and what is told of the memory they refer to.
#[inline]
fn packed(args: &[u8], accesses: impl IntoIterator<Item = RawAccess>) -> Args {
    let accesses = told(accesses);
    let (bytes, maybe_addresses) = (ArgBytes::from_slice(args), accesses.is_empty());
    Args { bytes, accesses, maybe_addresses, raw: true, ..Args::default() }
}

/// A launch with packed arguments. With accesses, they are all that the kernel makes; without, it runs after everything before
/// it in its stream.
///
/// # Safety
///
/// That of the kernel's module: its contract covers every launch, and the addresses in the arguments are part of it.
#[inline]
pub unsafe fn launch(
    stream: &Stream,
    kernel: &Kernel,
    grid: Grid,
    args: &[u8],
    accesses: impl IntoIterator<Item = RawAccess>,
) -> Result<Prepared> {
    let device = &stream.inner.device;
    Ok(Prepared::new(Request::launch(device.info(), device.tag, kernel, grid, packed(args, accesses))?))
}

/// As [`launch`] and [`enqueue`], without a stop between: the arguments move straight into the queue.
///
/// # Safety
///
/// That of [`launch`].
#[inline]
pub unsafe fn enqueue_launch(
    stream: &Stream,
    kernel: &Kernel,
    grid: Grid,
    args: &[u8],
    accesses: impl IntoIterator<Item = RawAccess>,
    wait: bool,
) -> Result<u64, TryError> {
    enqueue_packed(stream, kernel, grid, packed(args, accesses), wait)
}

fn enqueue_packed(stream: &Stream, kernel: &Kernel, grid: Grid, mut args: Args, wait: bool) -> Result<u64, TryError> {
    let Some(checked) = stream.check_launch(kernel, grid, &args)? else {
        return enqueue(stream, Prepared::new(Request::empty_launch(&mut args)), wait);
    };
    let core = &stream.inner.core;
    Ok(entry(core, wait)?.push(|ticket| checked.operation(kernel, &mut args, core.shared.id, ticket)))
}

/// A place for one operation. Where there is none: waits for it, or says so.
#[inline]
fn entry(core: &StreamCore, wait: bool) -> Result<Entry<'_>, TryError> {
    match core.engine.entry(&core.shared) {
        Err(Refused::Full(_)) if wait => Ok(block_on(core.engine.entry_when_room(&core.shared))?),
        other => other.map_err(into_try_error),
    }
}

/// A copy between two ranges of the same length, of which at most one is host memory.
pub fn copy(stream: &Stream, from: &Range, to: &Range) -> Result<Prepared> {
    stream.tag().check("source", from.tag)?;
    stream.tag().check("destination", to.tag)?;
    if from.len != to.len {
        let (source_len, destination_len) = (from.len, to.len);
        return Err(Error::LengthMismatch { unit: "bytes", source_len, destination_len });
    }
    if from.len > 0 && from.address < to.address + to.len && to.address < from.address + from.len {
        return Err(Error::invalid(format!(
            "source and destination of the copy overlap ({:#x} and {:#x}, {} bytes each); copy through a third buffer",
            from.address, to.address, from.len
        )));
    }
    let kind = match (from.host, to.host) {
        (true, false) => CopyKind::HostToDevice,
        (false, true) => CopyKind::DeviceToHost,
        _ => CopyKind::DeviceToDevice,
    };
    let keep = [from.keep.clone(), to.keep.clone()];
    Ok(Prepared::new(Request::copy(kind, from.address, to.address, from.len, keep)))
}

/// A copy of `data`, taken now; `None` where there is no staging memory for it now.
pub fn copy_in(stream: &Stream, to: &Range, data: &[u8]) -> Result<Option<Prepared>> {
    stream.tag().check("destination", to.tag)?;
    if data.is_empty() {
        return Ok(Some(marker()));
    }
    let Some(mut piece) = host(stream).allocate(data.len())? else {
        return Ok(None);
    };
    piece.write(data);
    let (address, keep) = (piece.address(), [piece.into_keep(), to.keep.clone()]);
    Ok(Some(Prepared::new(Request::copy(CopyKind::HostToDevice, address, to.address, data.len() as u64, keep))))
}

/// A copy out to foreign memory; `None` where there is no staging memory for it now. The data is there when
/// [`Landings::settle`] has returned after its completion, at the latest when the copy retires; `landings` are those that it may have
/// to come after.
///
/// # Safety
///
/// The `from.len` bytes at `to` may be written, by any thread, until [`Landing::finish`] has returned (`settle` and `abandon` call it)
/// or the copy is dropped without having been enqueued.
pub unsafe fn copy_out(
    stream: &Stream,
    from: &Range,
    to: *mut u8,
    landings: &Arc<Landings>,
) -> Result<Option<Prepared>> {
    stream.tag().check("source", from.tag)?;
    let len = usize::try_from(from.len).map_err(|_| Error::invalid("the copy is larger than any host memory"))?;
    if len == 0 {
        return Ok(Some(marker()));
    }
    let Some(piece) = host(stream).allocate(len)? else {
        return Ok(None);
    };
    let address = piece.address();
    let (landing, guard) = landings.add(piece, to);
    let guard = Keep::Shared(Arc::new(guard));
    let request = Request::copy(CopyKind::DeviceToHost, from.address, address, from.len, [from.keep.clone(), guard]);
    Ok(Some(Prepared { ready: request.into(), landing: Some(landing) }))
}

/// A fill with a pattern of 1, 2, 4 or 8 bytes.
pub fn fill(stream: &Stream, to: &Range, pattern: &[u8]) -> Result<Prepared> {
    stream.tag().check("destination", to.tag)?;
    Ok(Prepared::new(Request::fill_range(to.address, to.len, to.keep.clone(), pattern)?))
}

/// The record of an event.
pub fn record(stream: &Stream, event: &Event) -> Result<Prepared> {
    Ok(Prepared::new(event.ready_record(stream.tag())?))
}

/// A wait for the latest record of an event.
pub fn wait(stream: &Stream, event: &Event) -> Result<Prepared> {
    Ok(Prepared::new(event.ready_wait(stream.tag())?))
}

/// Nothing but a place in the order.
pub fn marker() -> Prepared {
    Prepared::new(Request::marker())
}

/// A place that nothing passes: what is behind it runs after what is before it, whatever they tell.
pub fn barrier() -> Prepared {
    Prepared::new(Request::barrier())
}

fn host(stream: &Stream) -> &Arc<HostMemory> {
    &stream.inner.host
}

/// Repeats `attempt` whenever staging memory has come back, until it gives something.
pub fn until_staged<R>(stream: &Stream, attempt: impl FnMut() -> Result<Option<R>>) -> Result<R> {
    // What is gathered may hold the memory that is waited for.
    let engine = &stream.inner.core.engine;
    engine.flush_everything();
    block_on(engine.until_memory(attempt))
}

/// Enqueues `n` operations, and gives the sequence number of the first. Where there is no room: waits for it, or says so.
#[inline]
fn push(
    core: &Arc<StreamCore>,
    n: usize,
    wait: bool,
    mut make: impl FnMut(u64, usize) -> Operation<Op>,
) -> Result<u64, TryError> {
    let StreamCore { engine, shared } = &**core;
    let mut tickets = engine.enqueue(shared, n, &mut make);
    while wait && matches!(tickets, Err(Refused::Full(_))) {
        let permit = block_on(engine.room(shared, n))?;
        tickets = engine.enqueue_permitted(shared, permit, &mut make);
    }
    Ok(tickets.map_err(into_try_error)?.start)
}

/// Enqueues one operation, and gives its sequence number. Where there is no room: waits for it, or says so.
pub fn enqueue(stream: &Stream, prepared: Prepared, wait: bool) -> Result<u64, TryError> {
    let core = &stream.inner.core;
    let Prepared { mut ready, landing } = prepared;
    ready.place(core);
    let Ready { request, after } = ready;
    let ticket = entry(core, wait)?.push(|ticket| {
        if let Some(landing) = &landing {
            landing.accepted(Timeline(Arc::clone(core)), ticket);
        }
        request.into_operation(core.shared.id, ticket)
    });
    after.accepted(core, ticket);
    Ok(ticket)
}

/// What can be asked about the operations of a stream, also when the stream is gone.
#[derive(Clone)]
pub struct Timeline(Arc<StreamCore>);

impl Timeline {
    /// The timeline of a stream.
    pub fn of(stream: &Stream) -> Self {
        Timeline(Arc::clone(&stream.inner.core))
    }

    /// The highest sequence number accepted; 0 before the first.
    pub fn last(&self) -> u64 {
        self.0.shared.last_ticket()
    }

    /// What stands for everything accepted so far: the highest sequence number, or 0, which is done, where nothing was accepted
    /// since the latest reset.
    pub fn latest(&self) -> u64 {
        self.0.shared.latest()
    }

    /// The outcome, if it is known. Does nothing but look.
    pub fn peek(&self, ticket: u64) -> Option<Result<()>> {
        self.0.shared.timeline.outcome(ticket).map(|outcome| outcome.map_err(|cause| cause.seen_by(ticket)))
    }

    /// As [`Completion::outcome`].
    pub fn outcome(&self, ticket: u64) -> Option<Result<()>> {
        self.0.outcome(ticket)
    }

    /// Waits for the outcome, until `deadline` at the latest.
    pub fn wait_until(&self, ticket: u64, deadline: Option<Instant>) -> Option<Result<()>> {
        self.0.wait_until(ticket, deadline)
    }

    /// The completion of an operation.
    pub fn completion(&self, ticket: u64) -> Completion {
        Completion::new(Arc::clone(&self.0), ticket)
    }

    /// Whether everything accepted is complete.
    pub fn is_idle(&self) -> bool {
        self.0.shared.is_idle()
    }

    /// Whether everything accepted went well and is complete: nothing is left to be told.
    pub fn is_settled(&self) -> bool {
        let timeline = &self.0.shared.timeline;
        timeline.never_failed() && self.0.shared.is_idle()
    }
}

/// Waits until one of the completions has an outcome, or until `deadline`; says which.
pub fn wait_any(completions: &mut [Completion], deadline: Option<Instant>) -> Option<(usize, Result<()>)> {
    let any = std::future::poll_fn(|cx| {
        for (index, completion) in completions.iter_mut().enumerate() {
            if let std::task::Poll::Ready(outcome) = Future::poll(std::pin::Pin::new(completion), cx) {
                return std::task::Poll::Ready((index, outcome));
            }
        }
        std::task::Poll::Pending
    });
    match deadline {
        Some(deadline) => crate::sync::block_on_until(any, deadline),
        None => Some(block_on(any)),
    }
}

/// Frees a buffer when what these streams have accepted so far is done; its address must not be used by others any more.
pub fn free_after(buffer: Buffer<u8>, streams: &[&Stream]) {
    let after = streams.iter().map(|stream| Arc::clone(&stream.inner.core.shared));
    let (device, block) = buffer.into_unexposed();
    device.retire_after(Retired::Device(block), after);
}

/// As [`free_after`], for host memory, whose address launches may have used without naming it; no streams: after all of them.
pub fn free_host_after(device: &Device, host: HostBuffer<u8>, streams: &[&Stream]) {
    let memory = Retired::Host(host.piece());
    drop(host);
    if streams.is_empty() {
        return device.shared().retire(memory);
    }
    device.shared().retire_after(memory, streams.iter().map(|stream| Arc::clone(&stream.inner.core.shared)));
}

/// Every stream of a device that has accepted anything (since its latest reset), and the last it has.
pub fn accepted(device: &Device) -> Vec<(Timeline, u64)> {
    let engine = &device.shared().engine;
    let streams = engine.streams().into_iter();
    let timelines = streams.map(|shared| {
        let engine = Arc::clone(device.shared().engine_of(&shared));
        Timeline(Arc::new(StreamCore { engine, shared }))
    });
    timelines.map(|timeline| (timeline.clone(), timeline.latest())).filter(|(_, last)| *last > 0).collect()
}
