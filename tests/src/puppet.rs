//! A host that misbehaves: a boundary over another one that swallows posted submissions, moves fences as it likes, and
//! raises events that nobody asked for.
//!
//! It sees what a real host sees: the queues that are made, with the pages of their fences, and the eventfds to be raised.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dxg_io::boundary::{Boundary, RawOutcome};
use dxg_io::sys;

/// The boundary; [`Strings`] move it.
pub struct Puppet {
    inner: Arc<dyn Boundary>,
    strings: Arc<Strings>,
}

/// What the host does wrong.
#[derive(Default)]
pub struct Strings {
    /// So many of the next submissions are accepted and never reach the device.
    swallow: AtomicU64,
    swallowed: AtomicU64,
    /// Submissions seen.
    submissions: AtomicU64,
    /// Every event is raised when it is asked for, and again when the next one is.
    early: AtomicBool,
    raised: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Addresses of the progress fences.
    fences: Vec<u64>,
    events: Vec<OwnedFd>,
}

impl Strings {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swallows the next `count` submissions.
    pub fn swallow(&self, count: u64) {
        self.swallow.store(count, Ordering::SeqCst);
    }

    /// Submissions swallowed so far.
    pub fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::SeqCst)
    }

    /// Submissions seen so far.
    pub fn submissions(&self) -> u64 {
        self.submissions.load(Ordering::SeqCst)
    }

    /// Raises every event early and more than once, or stops that.
    pub fn raise_early(&self, on: bool) {
        self.early.store(on, Ordering::SeqCst);
    }

    /// Events raised that were not due.
    pub fn raised(&self) -> u64 {
        self.raised.load(Ordering::SeqCst)
    }

    /// Raises every event seen so far.
    pub fn raise_all(&self) {
        for event in &self.seen().events {
            self.raise(event);
        }
    }

    fn raise(&self, event: &OwnedFd) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: needed to write to a descriptor; it is ours, and the buffer has the 8 bytes given.
        let _full_is_raised = unsafe { libc::write(event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        self.raised.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes what every progress fence shows, by what it shows now.
    ///
    /// # Safety
    /// The device is open: its fences are mapped.
    pub unsafe fn move_fences(&self, change: impl Fn(u64) -> u64) {
        for address in &self.seen().fences {
            // SAFETY: the caller promises that the fence, and so its page, exists. Everybody accesses it atomically.
            let fence = unsafe { AtomicU64::from_ptr(*address as *mut u64) };
            fence.store(change(fence.load(Ordering::Acquire)), Ordering::Release);
        }
    }

    /// An eventfd to be raised, by its number.
    fn meet(&self, number: u64) {
        let Some(number) = i32::try_from(number).ok().filter(|number| *number > 0) else { return };
        // SAFETY: needed to keep a descriptor of our own; any number is allowed, and a wrong one is an error.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            return;
        }
        // SAFETY: just made by fcntl, and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(copy) };
        let mut seen = self.seen();
        for event in seen.events.iter().chain([&event]) {
            self.raise(event);
        }
        seen.events.push(event);
        // The last few are as good as all.
        let surplus = seen.events.len().saturating_sub(4);
        seen.events.drain(..surplus);
    }
}

impl Puppet {
    /// A host that behaves until its strings are pulled.
    pub fn new(inner: Arc<dyn Boundary>, strings: Arc<Strings>) -> Puppet {
        Puppet { inner, strings }
    }
}

impl Boundary for Puppet {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let strings = &self.strings;
        match request {
            sys::LX_DXSUBMITCOMMANDTOHWQUEUE => {
                strings.submissions.fetch_add(1, Ordering::SeqCst);
                let one_less = |left: u64| left.checked_sub(1);
                if strings.swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                    strings.swallowed.fetch_add(1, Ordering::SeqCst);
                    return RawOutcome::success();
                }
            }
            sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 if strings.early.load(Ordering::SeqCst) => {
                // SAFETY: the caller promises the argument struct of this request.
                let args = unsafe { &*arg.cast::<sys::d3dkmt_signalsynchronizationobjectfromgpu2>() };
                if args.flags.enqueue_cpu_event() {
                    strings.meet(args.u.cpu_event_handle());
                }
            }
            sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU if strings.early.load(Ordering::SeqCst) => {
                // SAFETY: as above.
                strings.meet(unsafe { &*arg.cast::<sys::d3dkmt_waitforsynchronizationobjectfromcpu>() }.async_event);
            }
            _ => {}
        }
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        if request == sys::LX_DXCREATEHWQUEUE && outcome.ret >= 0 {
            // SAFETY: as above; the inner call has filled it.
            let made = unsafe { &*arg.cast::<sys::d3dkmt_createhwqueue>() };
            strings.seen().fences.push(made.queue_progress_fence_cpu_va);
        }
        outcome
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// Does something at the n-th call that goes over a boundary, before the call is made.
pub struct AtCall {
    inner: Arc<dyn Boundary>,
    left: AtomicU64,
    action: Box<dyn Fn() + Send + Sync>,
}

impl AtCall {
    /// `nth` is counted from 1.
    pub fn new(inner: Arc<dyn Boundary>, nth: u64, action: impl Fn() + Send + Sync + 'static) -> AtCall {
        AtCall { inner, left: AtomicU64::new(nth), action: Box::new(action) }
    }
}

impl Boundary for AtCall {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let one_less = |left: u64| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1) {
            (self.action)();
        }
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        unsafe { self.inner.ioctl(request, arg) }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
