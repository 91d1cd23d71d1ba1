//! Typed calls: one method of [`Dxg`] per ioctl, grouped by object.
//!
//! A method packs its arguments into the C struct, makes the call and turns the four kinds of return value into a
//! [`Result`]. Slices stand for pointer-and-count pairs, so that a safe method cannot make the driver touch memory that
//! it should not. Limits of the driver are checked first where it would answer without a reason or misbehave; outputs
//! that success must set are checked after. Handles are plain numbers here: who owns them is the business of
//! [`object`](crate::object).
//!
//! The calls of the hot path (submissions, waits and signals by the GPU) allocate nothing.
//!
//! `Dxg` is shared freely: everything in it is either immutable or an atomic counter.

mod adapter;
mod address;
mod allocation;
mod context;
mod device;
mod residency;
mod share;
mod submit;
mod sync;
pub mod traffic;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use allocation::{AllocationRequest, AllocationSource, NewAllocation};
pub use residency::{Residency, Targets};
pub use share::ResourceInfo;
pub use submit::Submission;
pub use sync::Signal;

use crate::boundary::{Boundary, RawOutcome, Traffic};
use crate::error::{Error, Object, Result};
use crate::status::{Classified, NtStatus};
use crate::sys::{Argument, IoctlInfo, d3dkmthandle};

/// How a call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a pending call is complete only when its paging fence says so"]
pub enum Success {
    /// It is done.
    Done,
    /// It is accepted, and done when a paging fence reaches a value (`STATUS_PENDING`).
    Pending,
    /// It is done, and the host said something else beside.
    Other(NtStatus),
}

/// Kernel objects that one [`Dxg`] keeps alive at most. The guest driver crashes when a handle is freed while exactly
/// 1,024 are live; this stays clear of it, with room for handles that others in the process hold.
pub const MAX_LIVE_OBJECTS: u32 = 1_000;

/// The typed calls over one boundary. Clones share it; the last one dropped closes the boundary.
#[derive(Clone)]
pub struct Dxg {
    shared: Arc<Shared>,
}

struct Shared {
    boundary: Box<dyn Boundary>,
    opener: u32,
    live_objects: AtomicU32,
    failed_teardowns: AtomicU64,
    totals: Totals,
}

/// Sums of traffic. Each counter is exact; together they are not one snapshot.
#[derive(Default)]
struct Totals {
    calls: AtomicU64,
    posted: AtomicU32,
    round_trips: AtomicU32,
    payload_bytes: AtomicU64,
    ring_bytes: AtomicU64,
    doorbells: AtomicU32,
    full_ring_sleeps: AtomicU32,
}

impl Totals {
    fn add(&self, t: &Traffic) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if *t == Traffic::NONE {
            return;
        }
        self.posted.fetch_add(t.posted, Ordering::Relaxed);
        self.round_trips.fetch_add(t.round_trips, Ordering::Relaxed);
        self.payload_bytes.fetch_add(t.payload_bytes, Ordering::Relaxed);
        self.ring_bytes.fetch_add(t.ring_bytes, Ordering::Relaxed);
        if t.doorbells != 0 {
            self.doorbells.fetch_add(t.doorbells, Ordering::Relaxed);
        }
        if t.full_ring_sleeps != 0 {
            self.full_ring_sleeps.fetch_add(t.full_ring_sleeps, Ordering::Relaxed);
        }
    }
}

impl Dxg {
    /// Typed calls over `boundary`.
    pub fn new(boundary: impl Boundary + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                boundary: Box::new(boundary),
                opener: std::process::id(),
                live_objects: AtomicU32::new(0),
                failed_teardowns: AtomicU64::new(0),
                totals: Totals::default(),
            }),
        }
    }

    /// What stands behind the boundary: `"/dev/dxg"` or `"software"`.
    pub fn name(&self) -> &str {
        self.shared.boundary.name()
    }

    /// Traffic of all calls so far (as the boundary reports it: counted by the software adapter, derived from the
    /// driver's message sizes for the device node). Counters wrap round after 2³² messages.
    pub fn traffic(&self) -> Traffic {
        let t = &self.shared.totals;
        Traffic {
            posted: t.posted.load(Ordering::Relaxed),
            round_trips: t.round_trips.load(Ordering::Relaxed),
            payload_bytes: t.payload_bytes.load(Ordering::Relaxed),
            ring_bytes: t.ring_bytes.load(Ordering::Relaxed),
            doorbells: t.doorbells.load(Ordering::Relaxed),
            full_ring_sleeps: t.full_ring_sleeps.load(Ordering::Relaxed),
        }
    }

    /// Ioctls made so far.
    pub fn calls(&self) -> u64 {
        self.shared.totals.calls.load(Ordering::Relaxed)
    }

    /// Kernel objects alive that the owning objects made through this.
    pub fn live_objects(&self) -> u32 {
        self.shared.live_objects.load(Ordering::Relaxed)
    }

    /// Times that destroying an object failed in a destructor, where nobody could be told.
    pub fn failed_teardowns(&self) -> u64 {
        self.shared.failed_teardowns.load(Ordering::Relaxed)
    }

    /// Makes the call of `args`, whatever its pointers.
    ///
    /// # Safety
    /// Pointers in `args` obey the ioctl's contract: see [`Boundary::ioctl`].
    pub unsafe fn call<A: Argument>(&self, args: &mut A, object: Object) -> Result<Success> {
        // SAFETY: `args` is the argument struct of its own ioctl, borrowed exclusively, and plain data, so all its bytes
        // are initialised; the caller answers for the pointers in it.
        let outcome = unsafe { self.outcome(args) };
        self.judge(A::IOCTL, &outcome, object)
    }

    /// As [`call`](Self::call), without judging the outcome.
    ///
    /// # Safety
    /// As [`call`](Self::call).
    pub unsafe fn outcome<A: Argument>(&self, args: &mut A) -> RawOutcome {
        // SAFETY: as in `call`.
        let outcome = unsafe { self.shared.boundary.ioctl(A::IOCTL.request, (args as *mut A).cast()) };
        self.shared.totals.add(&outcome.traffic);
        outcome
    }

    /// A call that waits, made again when a signal ends it. (No other call returns `EINTR`: a round trip sleeps through
    /// every signal but a fatal one.)
    ///
    /// # Safety
    /// As [`call`](Self::call).
    unsafe fn call_restarting<A: Argument>(&self, args: &mut A, object: Object) -> Result<Success> {
        loop {
            // SAFETY: the caller's promise holds for every repetition: the arguments are not changed.
            let outcome = unsafe { self.outcome(args) };
            if outcome.ret == -1 && outcome.errno == libc::EINTR {
                continue;
            }
            return self.judge(A::IOCTL, &outcome, object);
        }
    }

    #[inline]
    fn judge(&self, ioctl: &'static IoctlInfo, outcome: &RawOutcome, object: Object) -> Result<Success> {
        match Classified::of(outcome) {
            Classified::Success => Ok(Success::Done),
            Classified::Informative(NtStatus::PENDING) => Ok(Success::Pending),
            Classified::Informative(status) => Ok(Success::Other(status)),
            failure => Err(self.failure(ioctl, failure, object)),
        }
    }

    #[cold]
    fn failure(&self, ioctl: &'static IoctlInfo, failure: Classified, object: Object) -> Error {
        let call = ioctl.name;
        let errno = match failure {
            Classified::RawStatus(status) | Classified::Informative(status) => {
                return Error::Failed { call, object, status, errno: None };
            }
            Classified::Errno(errno) => errno,
            Classified::Success => crate::status::Errno(0),
        };
        let caller = std::process::id();
        if errno.0 == libc::ENOTTY && caller != self.shared.opener {
            return Error::Forked { call, opener: self.shared.opener, caller };
        }
        if errno.0 == libc::ENOTTY && ioctl.optional {
            return Error::Unsupported { call };
        }
        Error::Failed { call, object, status: errno.to_status(), errno: Some(errno) }
    }

    /// Counts `wanted` more kernel objects, or says that there are too many.
    pub(crate) fn reserve_objects(&self, wanted: u32) -> Result<ObjectSlots> {
        let live = &self.shared.live_objects;
        live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            n.checked_add(wanted).filter(|sum| *sum <= MAX_LIVE_OBJECTS)
        })
        .map(|_| ObjectSlots { dxg: self.clone(), count: wanted })
        .map_err(|live| Error::TooManyObjects { live, wanted, limit: MAX_LIVE_OBJECTS })
    }

    /// Notes a failure that a destructor cannot return.
    pub(crate) fn note_failed_teardown(&self, error: &Error) {
        self.shared.failed_teardowns.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%error, "a kernel object could not be destroyed");
    }
}

impl core::fmt::Debug for Dxg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Dxg").field("name", &self.name()).field("live_objects", &self.live_objects()).finish()
    }
}

/// A share of the live-object count, given back when dropped.
#[derive(Debug)]
pub(crate) struct ObjectSlots {
    dxg: Dxg,
    count: u32,
}

impl Drop for ObjectSlots {
    fn drop(&mut self) {
        self.dxg.shared.live_objects.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// The address of a slice for the driver; null for an empty one, which is how it expects "none".
fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}

/// The address of a slice that the driver writes to.
fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_mut_ptr() as u64 }
}

/// The length of a slice as the driver's count, within its limits.
fn count(call: &'static IoctlInfo, what: &str, len: usize, least: usize, most: usize) -> Result<u32> {
    if len < least || len > most {
        return Err(Error::invalid(call.name, format!("{len} {what} given, {least} to {most} are possible")));
    }
    // Every limit of the driver is far below 2³².
    Ok(len as u32)
}

/// The length of a byte buffer, within what one message can carry.
fn data_size(call: &'static IoctlInfo, len: usize) -> Result<u32> {
    count(call, "bytes of driver data", len, 0, traffic::MAX_MESSAGE)
}

/// An output handle that success must have set.
fn given(call: &'static IoctlInfo, object: Object, output: &'static str, h: d3dkmthandle) -> Result<d3dkmthandle> {
    if h.is_null() { Err(Error::NoAnswer { call: call.name, object, output }) } else { Ok(h) }
}
