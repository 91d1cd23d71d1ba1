//! Events: reusable marks in streams, with the device's time if wanted.

use std::sync::{Arc, Mutex, PoisonError};

use dxg_runtime::{Event, raw};

use crate::context::{Context, context, output};
use crate::guard::{Failure, guard};
use crate::handle::{self, opaque};
use crate::status::dxgrt_status;
use crate::types::*;

opaque!(dxgrt_event, EventEntry, 0xC7, "event");

/// An event with the fence of its latest record.
pub(crate) struct EventEntry {
    context: Arc<Context>,
    event: Event,
    latest: Mutex<dxgrt_fence>,
}

/// Makes an event. `flags` are DXGRT_EVENT_*.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_event_create(
    ctx: *mut dxgrt_ctx,
    flags: u32,
    out: *mut *mut dxgrt_event,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        let event = match flags {
            0 => Event::without_time(&context.device)?,
            DXGRT_EVENT_TIMING => Event::new(&context.device)?,
            other => return Err(Failure::invalid(format!("{other:#x} has bits that are no DXGRT_EVENT_* flag"))),
        };
        out.set(handle::insert(Arc::new(EventEntry { context, event, latest: Mutex::default() }))?);
        Ok(())
    })
}

/// Records the event in a stream: it is done when everything enqueued before is. It may be recorded again; the latest record
/// counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_event_record(event: *mut dxgrt_event, stream: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let (entry, stream) = (handle::find(event)?, handle::find(stream)?);
        let fence = stream.enqueue(raw::record(&stream.stream, &entry.event)?)?;
        let mut latest = entry.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two threads that record at once, the later record counts; numbers are those of the whole device.
        if latest.value < fence.value {
            *latest = fence;
        }
        Ok(())
    })
}

/// The fence of the latest record; a fence that is done where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_event_fence(event: *mut dxgrt_event, out: *mut dxgrt_fence) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let entry = handle::find(event)?;
        entry.context.check_open()?;
        out.set(*entry.latest.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    })
}

/// The device's time from the latest record of `from` to that of `to`, in ns; DXGRT_NOT_READY while one of them is not done, or
/// was never recorded. Both keep time (DXGRT_EVENT_TIMING).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_event_elapsed_ns(
    from: *mut dxgrt_event,
    to: *mut dxgrt_event,
    ns: *mut u64,
) -> dxgrt_status {
    guard(|| {
        let out = output(ns, "ns")?;
        let (from, to) = (handle::find(from)?, handle::find(to)?);
        to.context.check_open()?;
        let elapsed = to.event.elapsed(&from.event)?;
        to.context.settle();
        out.set(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        Ok(())
    })
}

/// Frees an event; what waits for it still does. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN:
/// freed all the same).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_event_destroy(event: *mut dxgrt_event) -> dxgrt_status {
    guard(|| {
        let entry = handle::remove(event)?;
        entry.context.check_open()
    })
}
