//! A context: an open device and what its handles share.
//!
//! | state | who may touch it |
//! |---|---|
//! | `device`, `options` | any thread |
//! | `memory` (allocations by address) | any thread, behind a lock for readers and a writer |
//! | `landings` (copies on their way to foreign memory) | any thread; see [`Landings`] |
//! | `callbacks` | made at first use |
//! | `counters` | any thread, relaxed |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use dxg_runtime::raw::{Callbacks, Landings, Range, Timeline};
use dxg_runtime::{Device, Error, Stream};

use crate::guard::{Failure, Outcome};
use crate::handle::{self, opaque};
use crate::memory::Allocation;
use crate::types::{dxgrt_ctx, dxgrt_fence, dxgrt_mem, dxgrt_stream};

opaque!(dxgrt_ctx, Context, 0xC1, "context");

/// Kind of handles that stand for timelines: the `timeline` of a fence.
pub(crate) struct TimelineHandle;
opaque!(TimelineHandle, TimelineEntry, 0xC8, "fence");

/// What can be asked about a stream's commands, as long as there may be something to tell.
pub(crate) struct TimelineEntry {
    /// Number of the context.
    pub(crate) context: u64,
    pub(crate) timeline: Timeline,
    /// The stream, for records that others wait for; taken when it is gone and idle.
    pub(crate) stream: Mutex<Option<Stream>>,
}

/// An open device and what its handles share.
pub(crate) struct Context {
    /// Tells contexts apart, whatever becomes of their handles.
    pub(crate) number: u64,
    pub(crate) device: Device,
    /// Enqueuing waits for room.
    pub(crate) blocks: bool,
    closed: AtomicBool,
    /// How closing went, once it is over; locked by who closes.
    ended: Mutex<Option<bool>>,
    pub(crate) counters: Counters,
    pub(crate) default_stream: Mutex<Option<StreamHandle>>,
    callbacks: Mutex<Option<Arc<Callbacks>>>,
    memory: RwLock<BTreeMap<u64, Placed>>,
    /// Host allocations among them: without any, foreign pointers need no look-up.
    host_allocations: AtomicUsize,
    landings: Arc<Landings>,
    /// Streams that are gone, whose commands may still be asked for.
    gone: Mutex<Vec<u64>>,
}

/// A stream's handle, kept where a pointer may not be.
#[derive(Clone, Copy)]
pub(crate) struct StreamHandle(pub(crate) *mut dxgrt_stream);

// SAFETY: needed because of the pointer type; it is a number that nobody follows.
unsafe impl Send for StreamHandle {}

/// An allocation at its place.
struct Placed {
    handle: MemHandle,
    allocation: Arc<Allocation>,
}

#[derive(Clone, Copy)]
struct MemHandle(*mut dxgrt_mem);

// SAFETY: needed because of the pointer type; it is a number that nobody follows.
unsafe impl Send for MemHandle {}
// SAFETY: as above.
unsafe impl Sync for MemHandle {}

/// What a context counts beside the device's own figures.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) bytes_h2d: AtomicU64,
    pub(crate) bytes_d2h: AtomicU64,
    pub(crate) bytes_d2d: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) wait_ns: AtomicU64,
    pub(crate) allocations: AtomicU64,
    pub(crate) frees: AtomicU64,
    pub(crate) graph_launches: AtomicU64,
}

/// Adds to a figure.
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    // Relaxed: a figure for people, it orders nothing.
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Context {
    pub(crate) fn new(device: Device, blocks: bool) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Context {
            // Relaxed: only the number matters.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            device,
            blocks,
            closed: AtomicBool::new(false),
            ended: Mutex::default(),
            counters: Counters::default(),
            default_stream: Mutex::default(),
            callbacks: Mutex::default(),
            memory: RwLock::default(),
            host_allocations: AtomicUsize::new(0),
            landings: Arc::default(),
            gone: Mutex::default(),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The answer of a closed context; of calls that free something too, which they do all the same.
    pub(crate) fn check_open(&self) -> Outcome {
        if self.is_closed() { Err(Error::ShutDown.into()) } else { Ok(()) }
    }

    /// What calls back; made at its first use.
    pub(crate) fn callbacks(&self) -> Outcome<Arc<Callbacks>> {
        let mut callbacks = self.lock_callbacks();
        // Under the lock: closing looks for them under it, and none are made after that.
        if self.is_closed() {
            return Err(Error::ShutDown.into());
        }
        if let Some(callbacks) = &*callbacks {
            return Ok(Arc::clone(callbacks));
        }
        let started = Arc::new(Callbacks::start()?);
        *callbacks = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Whether this call comes from a callback of this context.
    pub(crate) fn is_calling_back(&self) -> bool {
        self.lock_callbacks().as_ref().is_some_and(|callbacks| callbacks.is_current_thread())
    }

    fn lock_callbacks(&self) -> MutexGuard<'_, Option<Arc<Callbacks>>> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- allocations ----

    pub(crate) fn place(&self, address: u64, handle: *mut dxgrt_mem, allocation: Arc<Allocation>) {
        self.host_allocations.fetch_add(usize::from(allocation.is_host()), Ordering::Release);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.insert(address, Placed { handle: MemHandle(handle), allocation });
    }

    pub(crate) fn displace(&self, address: u64) {
        let gone = self.memory.write().unwrap_or_else(PoisonError::into_inner).remove(&address);
        if gone.is_some_and(|placed| placed.allocation.is_host()) {
            self.host_allocations.fetch_sub(1, Ordering::Release);
        }
    }

    /// The allocation that a device address lies in, and its offset there.
    pub(crate) fn find_memory(&self, address: u64) -> Option<(*mut dxgrt_mem, Arc<Allocation>, u64)> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let (start, placed) = memory.range(..=address).next_back()?;
        let offset = address - start;
        // An allocation of no bytes is found by its own address only.
        (offset < placed.allocation.size.max(1)).then(|| (placed.handle.0, Arc::clone(&placed.allocation), offset))
    }

    /// The range that a command uses.
    pub(crate) fn range(&self, address: u64, len: u64) -> Outcome<Range> {
        if self.host_allocations.load(Ordering::Acquire) > 0
            && let Some((_, allocation, offset)) = self.find_memory(address)
            && let Some(host) = allocation.host()
        {
            return Ok(Range::of_host(host, offset, len)?);
        }
        Ok(Range::of_device(&self.device, address, len)?)
    }

    /// The host allocation that a pointer of the process lies in.
    pub(crate) fn host_range(&self, pointer: usize, len: u64) -> Outcome<Option<Range>> {
        if self.host_allocations.load(Ordering::Acquire) == 0 {
            return Ok(None);
        }
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        // Few programs have more than a handful.
        for placed in memory.values() {
            if let Some(host) = placed.allocation.host()
                && let Some(offset) = pointer.checked_sub(host.as_ptr().addr())
                && (offset as u64) < placed.allocation.size
            {
                return Ok(Some(Range::of_host(host, offset as u64, len)?));
            }
        }
        Ok(None)
    }

    // ---- landings ----

    /// Copies on their way to foreign memory.
    pub(crate) fn landings(&self) -> &Arc<Landings> {
        &self.landings
    }

    /// Brings the data of all copies that are complete: called whenever somebody is about to learn that something is done.
    pub(crate) fn settle(&self) {
        self.landings.settle();
    }

    // ---- fences ----

    /// The timeline of a fence; `None` where it is done and nothing is known of it any more.
    pub(crate) fn timeline(&self, fence: dxgrt_fence) -> Outcome<Option<handle::Found<TimelineHandle>>> {
        if fence == dxgrt_fence::default() {
            return Ok(None);
        }
        match handle::find_number::<TimelineHandle>(fence.timeline) {
            Some(found) if found.context != self.number => {
                Err(Failure::invalid("the fence belongs to another context; ask the one whose stream it came from"))
            }
            Some(found) if fence.value > found.timeline.last() => Err(Failure::invalid(format!(
                "the fence has value {}, and its stream has not come further than {}; use fences as the library filled them",
                fence.value,
                found.timeline.last()
            ))),
            Some(found) => Ok(Some(found)),
            None => match handle::judge::<TimelineHandle>(std::ptr::without_provenance(fence.timeline as usize)) {
                handle::Stale::Freed => Ok(None),
                _ => Err(Failure::invalid(format!(
                    "{:#x} is no timeline; use fences as the library filled them",
                    fence.timeline
                ))),
            },
        }
    }

    /// Puts the timeline of a new stream into fences.
    pub(crate) fn add_timeline(&self, stream: &Stream) -> Outcome<u64> {
        self.forget_settled();
        let (timeline, stream) = (Timeline::of(stream), Mutex::new(Some(stream.clone())));
        let entry = TimelineEntry { context: self.number, timeline, stream };
        Ok(handle::insert::<TimelineHandle>(Arc::new(entry))?.addr() as u64)
    }

    /// The stream is gone; its timeline goes when there is nothing to tell any more.
    pub(crate) fn retire_timeline(&self, timeline: u64) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(timeline);
        self.forget_settled();
    }

    fn forget_settled(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.retain(|timeline| {
            let Some(entry) = handle::find_number::<TimelineHandle>(*timeline) else {
                return false;
            };
            if entry.timeline.is_idle() {
                entry.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            let settled = entry.timeline.is_settled();
            if settled {
                // Already gone is as good.
                let _entry = handle::remove::<TimelineHandle>(std::ptr::without_provenance(*timeline as usize));
            }
            !settled
        });
    }

    // ---- waiting ----

    /// Waits by `wait`, which is given the deadline, and counts it.
    pub(crate) fn waiting<R>(&self, timeout_ns: u64, wait: impl FnOnce(Option<Instant>) -> R) -> R {
        let begun = Instant::now();
        let result = wait(deadline(begun, timeout_ns));
        count(&self.counters.waits, 1);
        count(&self.counters.wait_ns, begun.elapsed().as_nanos() as u64);
        result
    }

    // ---- the end ----

    /// Completes what was accepted, closes the device, and calls the callbacks that are left; whether the device has closed in
    /// time. Whoever closes at the same time waits for the same end.
    pub(crate) fn close(&self) -> bool {
        // Held to the end; callbacks are kept from coming here.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closed) = *ended {
            return closed;
        }
        self.closed.store(true, Ordering::Release);
        let closed = self.device.shutdown_blocking(CLOSE_PATIENCE);
        self.landings.abandon();
        // They stay where they are: who is called back now must still not wait.
        let callbacks = self.lock_callbacks().clone();
        if let Some(callbacks) = callbacks {
            callbacks.close();
        }
        let default = self.default_stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(StreamHandle(default)) = default {
            // It cannot be destroyed by others, so this is its end.
            let _entry = handle::remove_with_context(default);
        }
        *ended = Some(closed);
        closed
    }
}

/// How long closing waits for work in flight; far longer than the driver's timeout lets any work run.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);

/// When a wait that begins now ends; `None`: never.
pub(crate) fn deadline(begun: Instant, timeout_ns: u64) -> Option<Instant> {
    match timeout_ns {
        u64::MAX => None,
        ns => begun.checked_add(Duration::from_nanos(ns)),
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        for timeline in self.gone.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _entry = handle::remove::<TimelineHandle>(std::ptr::without_provenance(timeline as usize));
        }
    }
}

/// The context of a handle; a closed one answers that it is closed.
pub(crate) fn context(ctx: *const dxgrt_ctx) -> Outcome<handle::Found<dxgrt_ctx>> {
    let found = handle::find(ctx).map_err(|failure| match handle::judge(ctx) {
        handle::Stale::Freed => Error::ShutDown.into(),
        _ => failure,
    })?;
    // It keeps its handle until it is closed to the end.
    found.check_open()?;
    Ok(found)
}

/// Refuses to wait where waiting would be for oneself.
pub(crate) fn refuse_in_callback(context: &Context, call: &str) -> Outcome {
    if context.is_calling_back() {
        return Err(Failure::invalid(format!(
            "{call} waits, and callbacks must not; call it from another thread, or ask with dxgrt_fence_poll"
        )));
    }
    Ok(())
}

/// Writes an output of the caller, which is not NULL.
pub(crate) fn output<T>(at: *mut T, name: &str) -> Outcome<Output<T>> {
    if at.is_null() {
        return Err(Failure::invalid(format!("`{name}` is NULL; pass where the result goes to")));
    }
    Ok(Output(at))
}

/// Where a result goes to, once there is one.
pub(crate) struct Output<T>(*mut T);

impl<T> Output<T> {
    /// Writes the result.
    pub(crate) fn set(self, value: T) {
        // SAFETY: needed to write the caller's memory; it is not NULL, and by the rules page points to room for the result.
        unsafe { self.0.write_unaligned(value) };
    }
}

/// Writes an output that the caller may not want.
pub(crate) fn maybe_output<T>(at: *mut T, value: T) {
    if !at.is_null() {
        Output(at).set(value);
    }
}
