//! Streams.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use dxg_runtime::raw::{self, Prepared, Timeline};
use dxg_runtime::{Event, Priority, Stream};

use crate::context::{Context, StreamHandle, context, deadline, maybe_output, output, refuse_in_callback};
use crate::guard::{Failure, Outcome, guard};
use crate::handle::{self, opaque};
use crate::sized;
use crate::status::dxgrt_status::{self, *};
use crate::types::*;

opaque!(dxgrt_stream, StreamEntry, 0xC3, "stream");

/// A stream with what its fences are made of.
pub(crate) struct StreamEntry {
    pub(crate) context: Arc<Context>,
    pub(crate) stream: Stream,
    pub(crate) timeline: Timeline,
    /// The `timeline` of its fences.
    pub(crate) number: u64,
}

impl StreamEntry {
    fn new(context: &Arc<Context>, priority: Priority) -> Outcome<Arc<Self>> {
        let stream = context.device.stream_builder().priority(priority).build()?;
        let timeline = Timeline::of(&stream);
        let number = context.add_timeline(&stream)?;
        Ok(Arc::new(StreamEntry { context: Arc::clone(context), stream, timeline, number }))
    }

    /// The fence of a command.
    pub(crate) fn fence(&self, ticket: u64) -> dxgrt_fence {
        // Nothing accepted yet: nothing to wait for.
        if ticket == 0 { dxgrt_fence::default() } else { dxgrt_fence { timeline: self.number, value: ticket } }
    }

    /// Enqueues one command.
    pub(crate) fn enqueue(&self, prepared: Prepared) -> Outcome<dxgrt_fence> {
        Ok(self.fence(raw::enqueue(&self.stream, prepared, self.context.blocks)?))
    }

    /// Repeats what has no staging memory until it has, or says so.
    pub(crate) fn staged<R>(&self, mut attempt: impl FnMut() -> dxg_runtime::Result<Option<R>>) -> Outcome<R> {
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        if self.context.blocks {
            return Ok(raw::until_staged(&self.stream, attempt)?);
        }
        Err(Failure::new(DXGRT_FULL, "the staging memory for host data is in use; wait for a copy to complete"))
    }

    /// Lets everything accepted from now on come after all that `other` has accepted so far.
    pub(crate) fn wait_for(&self, other: &StreamEntry) -> Outcome {
        let mark = Event::without_time(&self.context.device)?;
        other.enqueue(raw::record(&other.stream, &mark)?)?;
        self.enqueue(raw::wait(&self.stream, &mark)?)?;
        Ok(())
    }
}

impl Drop for StreamEntry {
    fn drop(&mut self) {
        self.context.retire_timeline(self.number);
    }
}

/// The context's own stream, made at its first use.
pub(crate) fn default_stream(context: &Arc<Context>) -> Outcome<*mut dxgrt_stream> {
    let mut default = context.default_stream.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(StreamHandle(handle)) = *default {
        return Ok(handle);
    }
    // Under the lock: closing takes the stream away under it, and none is made after that.
    if context.is_closed() {
        return Err(dxg_runtime::Error::ShutDown.into());
    }
    let handle = handle::insert(StreamEntry::new(context, Priority::Normal)?)?;
    *default = Some(StreamHandle(handle));
    Ok(handle)
}

/// Makes a stream: commands that run one after another. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_create(
    ctx: *mut dxgrt_ctx,
    options: *const dxgrt_stream_options,
    out: *mut *mut dxgrt_stream,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        // SAFETY: needed to read the caller's memory; by the rules page it is what its size says.
        let options = if options.is_null() { sized::zeroed() } else { unsafe { sized::read(options) }? };
        let priority = match options.priority {
            DXGRT_PRIORITY_NORMAL => Priority::Normal,
            DXGRT_PRIORITY_HIGH => Priority::High,
            DXGRT_PRIORITY_LOW => Priority::Low,
            other => return Err(Failure::invalid(format!("priority {other} is none; use DXGRT_PRIORITY_*"))),
        };
        out.set(handle::insert(StreamEntry::new(&context, priority)?)?);
        Ok(())
    })
}

/// The context's own stream, the same at every call. It belongs to the context and is not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_default(ctx: *mut dxgrt_ctx, out: *mut *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        out.set(default_stream(&context(ctx)?.share())?);
        Ok(())
    })
}

/// Frees the handle; what was enqueued still completes, and its fences stay valid. Never blocks. Any thread, also after the
/// context was closed (DXGRT_SHUTDOWN: the handle is freed all the same).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_destroy(stream: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let context = Arc::clone(&handle::find(stream)?.context);
        let default = *context.default_stream.lock().unwrap_or_else(PoisonError::into_inner);
        if default.is_some_and(|StreamHandle(default)| default == stream) {
            return Err(Failure::invalid("this stream belongs to its context and ends with it; do not destroy it"));
        }
        let entry = handle::remove(stream)?;
        if !context.is_closed() {
            // Nobody may wait for it any more, so nobody would ask for what it has gathered.
            entry.stream.flush();
        }
        drop(entry);
        context.check_open()
    })
}

/// Makes a failed stream usable again; waits until nothing of it is in flight. A lost device cannot be reset. Fences of what has
/// failed keep their answer; what asks for everything enqueued so far asks for what came since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_reset(stream: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?.share();
        refuse_in_callback(&entry.context, "dxgrt_stream_reset")?;
        entry.context.settle();
        entry.context.waiting(u64::MAX, |_| entry.stream.reset())?;
        Ok(())
    })
}

/// Hands over what the stream has gathered, without waiting for it. `out` (or NULL) gets the fence of everything enqueued so far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_flush(stream: *mut dxgrt_stream, out: *mut dxgrt_fence) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        entry.context.check_open()?;
        let fence = entry.fence(entry.timeline.latest());
        entry.stream.flush();
        maybe_output(out, fence);
        Ok(())
    })
}

/// The fence of everything enqueued so far. Hands nothing over and waits for nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_fence(stream: *mut dxgrt_stream, out: *mut dxgrt_fence) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let entry = handle::find(stream)?;
        entry.context.check_open()?;
        out.set(entry.fence(entry.timeline.latest()));
        Ok(())
    })
}

/// Lets everything enqueued from now on wait, on the device, for the fence, which belongs to the same context. (It waits for all
/// that the fence's stream has accepted so far.) A fence that has failed is refused with DXGRT_DEPENDENCY_FAILED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_wait(stream: *mut dxgrt_stream, fence: dxgrt_fence) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        entry.context.check_open()?;
        let Some(found) = entry.context.timeline(fence)? else {
            return Ok(());
        };
        if fence.timeline == entry.number {
            // A stream is in order by itself.
            return Ok(());
        }
        match found.timeline.peek(fence.value) {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => {
                let lost = error.is_device_lost();
                let status = if lost { DXGRT_DEVICE_LOST } else { DXGRT_DEPENDENCY_FAILED };
                return Err(Failure::new(status, format!("the fence has failed: {error}")));
            }
            None => {}
        }
        let mark = Event::without_time(&entry.context.device)?;
        let other = found.stream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A stream that is gone has none when it is idle, and then the fence is done.
        let Some(other) = other else { return Ok(()) };
        raw::enqueue(&other, raw::record(&other, &mark)?, entry.context.blocks)?;
        entry.enqueue(raw::wait(&entry.stream, &mark)?)?;
        Ok(())
    })
}

/// Waits until everything enqueued so far is done, for `timeout_ns` at most (DXGRT_FOREVER: as long as it takes). Answers
/// DXGRT_TIMEOUT where it is not, and else the status of the last command.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_sync(stream: *mut dxgrt_stream, timeout_ns: u64) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?.share();
        entry.context.check_open()?;
        wait_for_ticket(&entry.context, &entry.timeline, entry.timeline.latest(), timeout_ns)
    })
}

/// Waits for one command; data on its way to the host is there when this returns.
pub(crate) fn wait_for_ticket(context: &Context, timeline: &Timeline, ticket: u64, timeout_ns: u64) -> Outcome {
    let outcome = match timeline.outcome(ticket) {
        Some(outcome) => Some(outcome),
        None if timeout_ns == 0 => None,
        None => {
            refuse_in_callback(context, "this call")?;
            context.waiting(timeout_ns, |deadline| timeline.wait_until(ticket, deadline))
        }
    };
    context.settle();
    match outcome {
        Some(outcome) => Ok(outcome?),
        None => Err(Failure::quiet(DXGRT_TIMEOUT)),
    }
}

/// What is left of a time.
pub(crate) fn left_of(begun: Instant, timeout_ns: u64) -> u64 {
    match deadline(begun, timeout_ns) {
        None => u64::MAX,
        Some(deadline) => deadline.saturating_duration_since(Instant::now()).as_nanos() as u64,
    }
}
