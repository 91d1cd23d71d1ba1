//! Fences: asking, waiting, being told.
//!
//! Whoever learns that a fence is done finds its data: copies on their way to foreign memory are brought ([`Context::settle`])
//! before any of these calls says so.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use dxg_runtime::raw;

use crate::context::{Context, context, maybe_output, refuse_in_callback};
use crate::guard::{Failure, Outcome, guard};
use crate::status::dxgrt_status::{self, *};
use crate::status::status_of;
use crate::stream::{left_of, wait_for_ticket};
use crate::types::*;

/// Whether a fence is done: DXGRT_OK, DXGRT_NOT_READY, or the failure of its command. Never blocks; hands over what was held back,
/// so that asking again and again comes to an end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fence_poll(ctx: *mut dxgrt_ctx, fence: dxgrt_fence) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?;
        let outcome = match context.timeline(fence)? {
            Some(found) => found.timeline.outcome(fence.value),
            None => Some(Ok(())),
        };
        match outcome {
            Some(outcome) => {
                context.settle();
                Ok(outcome?)
            }
            None => Err(Failure::quiet(DXGRT_NOT_READY)),
        }
    })
}

/// The caller's fences.
///
/// # Safety
///
/// `fences` points to `n` of them, or is NULL, or `n` is 0.
unsafe fn fences(fences: *const dxgrt_fence, n: u32) -> Outcome<Vec<dxgrt_fence>> {
    if n > 0 && fences.is_null() {
        return Err(Failure::invalid(format!("{n} fences are said to be at NULL")));
    }
    // SAFETY: needed to read the caller's memory, of which there are `n` fences.
    Ok((0..n as usize).map(|index| unsafe { fences.add(index).read_unaligned() }).collect())
}

/// Waits until all of `n` fences are done, for `timeout_ns` at most (DXGRT_FOREVER: as long as it takes; 0: not at all).
/// Answers DXGRT_TIMEOUT, or the failure of the first that failed, in their order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fence_wait_all(
    ctx: *mut dxgrt_ctx,
    fences: *const dxgrt_fence,
    n: u32,
    timeout_ns: u64,
) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?.share();
        let begun = Instant::now();
        // SAFETY: needed to read the caller's memory; passed on.
        let fences = unsafe { self::fences(fences, n)? };
        // All are checked before any is waited for.
        let found = fences.iter().map(|fence| context.timeline(*fence)).collect::<Outcome<Vec<_>>>()?;
        let timelines: Vec<_> = found.iter().map(|found| found.as_ref().map(|found| found.timeline.clone())).collect();
        drop(found);
        let mut first = Ok(());
        for (fence, timeline) in fences.iter().zip(timelines) {
            let Some(timeline) = timeline else { continue };
            let outcome = wait_for_ticket(&context, &timeline, fence.value, left_of(begun, timeout_ns));
            if outcome.as_ref().is_err_and(|failure| failure.status == DXGRT_TIMEOUT) {
                return outcome;
            }
            first = first.and(outcome);
        }
        context.settle();
        first
    })
}

/// Waits until one of `n` fences is done, for `timeout_ns` at most; `index` (or NULL) gets which. Answers its status, or
/// DXGRT_TIMEOUT. (`index` is written when a fence is done, whether it failed or not.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fence_wait_any(
    ctx: *mut dxgrt_ctx,
    fences: *const dxgrt_fence,
    n: u32,
    timeout_ns: u64,
    index: *mut u32,
) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?.share();
        // SAFETY: needed to read the caller's memory; passed on.
        let fences = unsafe { self::fences(fences, n)? };
        if fences.is_empty() {
            return Err(Failure::invalid("none of no fences is ever done; pass at least one"));
        }
        let mut completions = Vec::with_capacity(fences.len());
        let mut done = None;
        for (at, fence) in fences.iter().enumerate() {
            match context.timeline(*fence)? {
                Some(found) => completions.push((at, found.timeline.completion(fence.value))),
                None => done = done.or(Some((at, Ok(())))),
            }
        }
        let (places, mut completions): (Vec<_>, Vec<_>) = completions.into_iter().unzip();
        let known = || completions.iter().position(|c| c.is_done()).map(|at| (places[at], completions[at].outcome()));
        let done = done.or_else(|| known().map(|(at, outcome)| (at, outcome.unwrap_or(Ok(())))));
        let done = match done {
            Some(done) => Some(done),
            None if timeout_ns == 0 => None,
            None => {
                refuse_in_callback(&context, "dxgrt_fence_wait_any")?;
                let any = context.waiting(timeout_ns, |deadline| raw::wait_any(&mut completions, deadline));
                any.map(|(at, outcome)| (places[at], outcome))
            }
        };
        context.settle();
        let Some((at, outcome)) = done else {
            return Err(Failure::quiet(DXGRT_TIMEOUT));
        };
        maybe_output(index, at as u32);
        Ok(outcome?)
    })
}

/// What a callback is given.
struct User(*mut c_void);

// SAFETY: needed because of the foreign pointer; by the rules page the callback may be called with it from any thread.
unsafe impl Send for User {}

impl User {
    fn call(self, callback: unsafe extern "C" fn(*mut c_void, dxgrt_status), status: dxgrt_status) {
        // SAFETY: needed because the function is foreign; it was given for this, with the pointer that goes with it.
        unsafe { callback(self.0, status) }
    }
}

/// Has `callback` called once when the fence is done: with its status, also if it failed, and with DXGRT_SHUTDOWN if the context
/// is closed without it. It is called on a thread of the library that holds no lock; it may call anything that does not wait.
/// Where this answers a failure, it is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fence_on_done(
    ctx: *mut dxgrt_ctx,
    fence: dxgrt_fence,
    callback: dxgrt_fence_callback,
    user: *mut c_void,
) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?.share();
        let callback = callback.ok_or_else(|| Failure::invalid("the callback is NULL"))?;
        let user = User(user);
        on_done(&context, fence, move |status| user.call(callback, status))
    })
}

/// Calls `tell` once, on the callback thread, when the fence is done.
fn on_done(context: &Arc<Context>, fence: dxgrt_fence, tell: impl FnOnce(dxgrt_status) + Send + 'static) -> Outcome {
    let completion = match context.timeline(fence)? {
        Some(found) => found.timeline.completion(fence.value),
        // Done: told by way of a completion that is done, so that it is always the same thread that tells.
        None => done_already(context)?,
    };
    // The thread is the context's: it must not keep the context from its end.
    let weak = Arc::downgrade(context);
    context.callbacks()?.on_done(completion, move |outcome| {
        if let Some(context) = weak.upgrade() {
            context.settle();
        }
        tell(outcome.map_or_else(|error| status_of(&error), |()| DXGRT_OK));
    });
    Ok(())
}

/// A completion without anything to wait for.
fn done_already(context: &Arc<Context>) -> Outcome<dxg_runtime::Completion> {
    let stream = crate::handle::find(crate::stream::default_stream(context)?)?;
    Ok(stream.timeline.completion(0))
}

/// Adds 1 to the eventfd when the fence is done, failed or not; ask `dxgrt_fence_poll` then. The descriptor is duplicated during
/// the call: the caller's may be closed at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fence_eventfd(ctx: *mut dxgrt_ctx, fence: dxgrt_fence, eventfd: i32) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?.share();
        let eventfd = duplicate(eventfd)?;
        on_done(&context, fence, move |_| add_one(&eventfd))
    })
}

/// A descriptor of its own for an eventfd.
fn duplicate(fd: RawFd) -> Outcome<OwnedFd> {
    // SAFETY: needed because fcntl is a foreign function; it takes plain numbers here.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Failure::invalid(format!("descriptor {fd} cannot be duplicated: {error}; pass an open eventfd")));
    }
    // SAFETY: needed to own the number; it is a fresh descriptor that nobody else knows.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    // Anything else would take bytes that its reader does not expect, and might block the thread that writes them.
    if let Ok(what) = std::fs::read_link(format!("/proc/self/fd/{}", copy.as_raw_fd()))
        && !what.to_string_lossy().contains("[eventfd]")
    {
        return Err(Failure::invalid(format!("descriptor {fd} is no eventfd but {}", what.display())));
    }
    Ok(copy)
}

fn add_one(eventfd: &OwnedFd) {
    // A full counter is readable already; writing to it might block.
    let mut ready = libc::pollfd { fd: eventfd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: needed because poll is a foreign function; it reads and writes the one entry.
    if unsafe { libc::poll(&mut ready, 1, 0) } != 1 {
        return;
    }
    let one = 1u64.to_ne_bytes();
    // SAFETY: needed because write is a foreign function; it reads the eight bytes of `one`.
    let _written = unsafe { libc::write(eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

const _: () = assert!(size_of::<dxgrt_fence>() == 16);
