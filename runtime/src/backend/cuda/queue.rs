//! A hardware queue: a CUDA stream, its fence word, its events, and the memory of its tables.
//!
//! ```text
//! submit ─▶ plan (tables into the ring) ─▶ waits for other queues ─▶ calls ─▶ fence value
//! progress ◀── fence word in pinned memory, one load       (or, where that is not to be trusted, events)
//! ```
//!
//! | part | who may touch it |
//! |---|---|
//! | `QueueState` | the holder of the driver role, under the queue's lock (never contended) |
//! | `submitted` | written by the role holder before a submission; read by anyone |
//! | the fence word | written by the device; read by anyone |
//! | `marks` | any thread, under their lock |

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::Context;
use super::library::Refusal;
use super::marks::Marks;
use super::memory::MemorySource;
use super::plan::Plan;
use super::submit::Oversize;
use super::sys;
use crate::backend::ring::CommandRing;
use crate::backend::{DeviceChunk, HostChunk};
use crate::error::Result;

/// A line of the fence page for each queue.
pub(super) const FENCE_STRIDE: usize = 64;

/// One queue. Dropped before its context.
pub(super) struct Queue {
    pub stream: sys::Stream,
    /// Where the device writes fence values.
    pub fence_address: u64,
    fence: NonNull<AtomicU64>,
    /// The last value submitted: nothing above it is true.
    pub submitted: AtomicU64,
    /// The largest value that an event has shown.
    by_event: AtomicU64,
    marks: Mutex<Marks>,
    state: Mutex<QueueState>,
    context: Arc<Context>,
    /// Held for its drop.
    _fences: Arc<HostChunk>,
}

/// What the role holder works with.
pub(super) struct QueueState {
    pub ring: CommandRing,
    pub host: HostChunk,
    pub device: DeviceChunk,
    pub plan: Plan,
    pub oversize: Option<Oversize>,
}

// SAFETY: needed because of the stream and the pointer. Streams may be used from any thread inside their context, and the
// fence word is atomic; the chunk that holds it lives as long as the queue.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// Makes a queue. `fences` has a line for number `index`. Called inside the context.
    pub fn new(
        context: &Arc<Context>,
        memory: &MemorySource,
        fences: &Arc<HostChunk>,
        index: usize,
        table_bytes: usize,
        priority: i32,
    ) -> Result<Self> {
        let host = memory.allocate_host(table_bytes)?;
        let device = memory.allocate_device(table_bytes as u64)?;
        let mut stream = ptr::null_mut();
        // SAFETY: needed to call the driver; it writes one handle.
        let found = unsafe { (context.driver.api.stream_create)(&mut stream, sys::STREAM_NON_BLOCKING, priority) };
        context.check(found).map_err(|refusal| refusal.of("cuStreamCreateWithPriority"))?;
        let offset = index * FENCE_STRIDE;
        debug_assert!(offset + FENCE_STRIDE <= fences.len);
        // SAFETY: needed to find the queue's word in the page; the chunk has a line for this index, all zero.
        let fence = unsafe { fences.ptr.add(offset) }.cast();
        Ok(Queue {
            stream,
            fence_address: fences.device_address + offset as u64,
            fence,
            submitted: AtomicU64::new(0),
            by_event: AtomicU64::new(0),
            marks: Mutex::default(),
            state: Mutex::new(QueueState {
                ring: CommandRing::new(table_bytes),
                host,
                device,
                plan: Plan::default(),
                oversize: None,
            }),
            context: context.clone(),
            _fences: fences.clone(),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, QueueState> {
        // Plan and ring are made anew or consistent after every step: a poisoned lock is as good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the fence word says. Acquire pairs with the device's release: what was done before is seen after.
    pub fn word(&self) -> u64 {
        // SAFETY: needed because the word is known by its address; the chunk lives as long as the queue, is aligned to a
        // line, and everybody accesses the word atomically (the device writes its 8 bytes at once).
        unsafe { self.fence.as_ref() }.load(Ordering::Acquire)
    }

    /// How far the queue has come, by memory.
    pub fn completed(&self) -> u64 {
        let reached = self.word().max(self.by_event.load(Ordering::Acquire));
        if reached <= self.submitted.load(Ordering::Acquire) { reached } else { 0 }
    }

    /// An event that is complete once the queue has reached `value`; `None`: it has, or was not submitted. Called inside the
    /// context.
    pub fn event_for(&self, value: u64) -> Result<Option<sys::Event>, Refusal> {
        if self.completed() >= value {
            return Ok(None);
        }
        self.marks().event_for(&self.context, self.stream, value)
    }

    /// How far it has come by its events; asks the driver. Called inside the context.
    pub fn look_at_events(&self) -> Result<u64, Refusal> {
        let mut marks = self.marks();
        // Behind everything that is in the stream as a whole: the next look finds it complete some time.
        let last = marks.noted();
        if last > self.completed() {
            let _recorded = marks.event_for(&self.context, self.stream, last)?;
        }
        let reached = marks.completed(&self.context)?;
        drop(marks);
        Ok(self.by_event.fetch_max(reached, Ordering::AcqRel).max(reached))
    }

    /// Whether everything submitted is complete, as far as memory tells.
    pub fn is_idle(&self) -> bool {
        self.completed() >= self.submitted.load(Ordering::Acquire)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let Ok(_entered) = self.context.enter() else { return };
        // A lost context has taken everything with it.
        if self.context.lost().is_some() {
            return;
        }
        // SAFETY: needed to call the driver; the stream is alive. Whatever is left in it still uses tables and fence word,
        // which are freed after this.
        let _done = unsafe { (self.context.driver.api.stream_synchronize)(self.stream) };
        self.marks().clear(&self.context);
        // SAFETY: needed to call the driver; nothing uses the stream any more.
        let _destroyed = unsafe { (self.context.driver.api.stream_destroy)(self.stream) };
    }
}
