//! What belongs to the program's own CUDA code: its streams, its events, its memory.
//!
//! Order is exchanged by events, on the device: an operation of a dxgrt stream waits for an event, or records one, at its place
//! in the stream. The calls are made when the batch is submitted, by whoever submits.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::context::Context;
use super::library::Refusal;
use super::sys::{self, pointer_attribute, status};
use crate::error::{Error, Result};

/// An operation that touches foreign objects.
pub(crate) struct ForeignStep {
    kind: Kind,
    context: Arc<Context>,
    made: AtomicBool,
}

enum Kind {
    /// Waits for an event of ours, recorded in a foreign stream when this was made.
    AfterStream(sys::Event),
    /// Waits for a foreign event as it is when the call is made.
    AfterEvent(sys::Event),
    /// Records a foreign event.
    Record(sys::Event),
    /// Records an event of ours, for which the foreign stream then waits.
    BeforeStream { event: sys::Event, stream: sys::Stream },
}

// SAFETY: needed because of the handles. Events and streams may be used from any thread inside their context.
unsafe impl Send for ForeignStep {}
// SAFETY: as above.
unsafe impl Sync for ForeignStep {}

/// What an operation waits for, or who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignOrder {
    /// After everything in this stream so far.
    AfterStream(usize),
    /// After this event.
    AfterEvent(usize),
    /// Records this event.
    Record(usize),
    /// Everything put into this stream from now on comes after.
    BeforeStream(usize),
}

impl ForeignStep {
    pub(super) fn new(context: &Arc<Context>, order: ForeignOrder) -> Result<Self> {
        let _entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
        let kind = match order {
            ForeignOrder::AfterStream(stream) => {
                let event = new_event(context)?;
                // SAFETY: needed to call the driver; the caller of the public function vouches for the stream.
                let found = unsafe { (context.driver.api.event_record)(event, stream as sys::Stream) };
                if let Err(refusal) = context.check(found) {
                    destroy(context, event);
                    return Err(refusal.of("cuEventRecord"));
                }
                Kind::AfterStream(event)
            }
            ForeignOrder::AfterEvent(event) => Kind::AfterEvent(event as sys::Event),
            ForeignOrder::Record(event) => Kind::Record(event as sys::Event),
            ForeignOrder::BeforeStream(stream) => {
                Kind::BeforeStream { event: new_event(context)?, stream: stream as sys::Stream }
            }
        };
        Ok(ForeignStep { kind, context: context.clone(), made: AtomicBool::new(false) })
    }

    /// Whether the calls were made.
    pub(crate) fn is_made(&self) -> bool {
        self.made.load(Ordering::Acquire)
    }

    /// Makes the calls, at this place of a queue's stream. Inside the context.
    pub(super) fn make(&self, queue: sys::Stream) -> sys::Status {
        let api = &self.context.driver.api;
        // SAFETY: needed to call the driver; our events live as long as this, and whoever brought the foreign handles has
        // promised that they live until the call was made.
        let found = unsafe {
            match self.kind {
                Kind::AfterStream(event) | Kind::AfterEvent(event) => (api.stream_wait_event)(queue, event, 0),
                Kind::Record(event) => (api.event_record)(event, queue),
                Kind::BeforeStream { event, stream } => match (api.event_record)(event, queue) {
                    status::SUCCESS => (api.stream_wait_event)(stream, event, 0),
                    refused => refused,
                },
            }
        };
        self.made.store(true, Ordering::Release);
        found
    }
}

impl Drop for ForeignStep {
    fn drop(&mut self) {
        if let Kind::AfterStream(event) | Kind::BeforeStream { event, .. } = self.kind
            && let Ok(_entered) = self.context.enter()
        {
            // The driver keeps what is still waited for.
            destroy(&self.context, event);
        }
    }
}

fn new_event(context: &Context) -> Result<sys::Event> {
    let mut event = ptr::null_mut();
    // SAFETY: needed to call the driver; it writes one handle.
    let found = unsafe { (context.driver.api.event_create)(&mut event, sys::EVENT_FLAGS) };
    context.check(found).map_err(|refusal: Refusal| refusal.of("cuEventCreate"))?;
    Ok(event)
}

fn destroy(context: &Context, event: sys::Event) {
    // SAFETY: needed to call the driver; the event is ours, and not used after this.
    let _destroyed = unsafe { (context.driver.api.event_destroy)(event) };
}

/// An error unless `len` bytes at `address` are memory of this device.
pub(super) fn check_memory(context: &Context, address: u64, len: u64) -> Result<()> {
    let _entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
    let ask = |attribute: i32, out: *mut std::ffi::c_void| {
        // SAFETY: needed to call the driver; `out` is a word of the attribute's size, see below.
        unsafe { (context.driver.api.pointer_attribute)(out, attribute, address) }
    };
    let (mut kind, mut ordinal, mut start, mut size) = (0u32, -1i32, 0u64, 0usize);
    let found = ask(pointer_attribute::MEMORY_TYPE, (&raw mut kind).cast());
    if found != status::SUCCESS || kind != MEMORY_OF_A_DEVICE {
        return Err(Error::invalid(format!(
            "{address:#x} is no address of device memory of CUDA; pass what cuMemAlloc, cudaMalloc or a framework gave"
        )));
    }
    if ask(pointer_attribute::DEVICE_ORDINAL, (&raw mut ordinal).cast()) == status::SUCCESS && ordinal != context.device
    {
        return Err(Error::invalid(format!(
            "{address:#x} is memory of GPU {ordinal}, and the device is GPU {}; open `cuda:{ordinal}`",
            context.device
        )));
    }
    let known = ask(pointer_attribute::RANGE_START, (&raw mut start).cast()) == status::SUCCESS
        && ask(pointer_attribute::RANGE_SIZE, (&raw mut size).cast()) == status::SUCCESS;
    // Memory of a pool may not tell its range.
    if known && size > 0 && address - start.min(address) + len > size as u64 {
        return Err(Error::OutOfRange {
            what: "bytes of the allocation",
            start: address - start.min(address),
            end: address - start.min(address) + len,
            len: size as u64,
        });
    }
    Ok(())
}

/// CU_MEMORYTYPE_DEVICE.
const MEMORY_OF_A_DEVICE: u32 = 2;
