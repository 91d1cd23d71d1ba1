//! Counts what goes over a boundary, by ioctl.
//!
//! Counters are relaxed atomics, one set per ioctl number: any thread adds, any thread reads; each counter is exact, a
//! reading of several is not one moment.

use core::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::boundary::{Boundary, RawOutcome, Traffic};
use crate::sys::IoctlInfo;

/// Ioctl numbers have seven bits here; the driver's end at 0x49.
pub(super) const NUMBERS: usize = 128;

/// One call, as the callback sees it.
#[derive(Clone, Copy, Debug)]
pub struct TracedCall {
    /// Which ioctl; `None` for a request that is not the driver's.
    pub ioctl: Option<&'static IoctlInfo>,
    /// The request code.
    pub request: u32,
    /// What came back.
    pub outcome: RawOutcome,
    /// How long it took.
    pub took: Duration,
}

type Callback = Box<dyn Fn(&TracedCall) + Send + Sync>;

/// A boundary that counts.
pub struct Tracer<B> {
    inner: B,
    counts: Arc<Counts>,
    callback: Option<Callback>,
}

/// The counters of a [`Tracer`].
#[derive(Debug)]
pub struct Counts {
    slots: Box<[Slot]>,
    unknown: Slot,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Slot {
    calls: AtomicU64,
    failures: AtomicU64,
    nanos: AtomicU64,
    posted: AtomicU64,
    round_trips: AtomicU64,
    payload_bytes: AtomicU64,
    ring_bytes: AtomicU64,
    doorbells: AtomicU64,
    full_ring_sleeps: AtomicU64,
}

/// What was counted for one ioctl, or for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// The ioctl's C name; empty for sums.
    pub name: &'static str,
    /// Calls made.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Time spent in them, all threads added.
    pub nanos: u64,
    /// Messages posted.
    pub posted: u64,
    /// Round trips.
    pub round_trips: u64,
    /// Payload bytes sent.
    pub payload_bytes: u64,
    /// Ring bytes used.
    pub ring_bytes: u64,
    /// Interrupts of the host.
    pub doorbells: u64,
    /// Sleeps because the ring was full.
    pub full_ring_sleeps: u64,
}

impl Slot {
    pub(super) fn add(&self, outcome: &RawOutcome, took: Duration) {
        let add = |counter: &AtomicU64, n: u64| {
            if n != 0 {
                counter.fetch_add(n, Ordering::Relaxed);
            }
        };
        let Traffic { posted, round_trips, payload_bytes, ring_bytes, doorbells, full_ring_sleeps } = outcome.traffic;
        add(&self.calls, 1);
        add(&self.failures, u64::from(outcome.ret < 0));
        add(&self.nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        add(&self.posted, posted.into());
        add(&self.round_trips, round_trips.into());
        add(&self.payload_bytes, payload_bytes);
        add(&self.ring_bytes, ring_bytes);
        add(&self.doorbells, doorbells.into());
        add(&self.full_ring_sleeps, full_ring_sleeps.into());
    }

    pub(super) fn read(&self, name: &'static str) -> CallStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CallStats {
            name,
            calls: get(&self.calls),
            failures: get(&self.failures),
            nanos: get(&self.nanos),
            posted: get(&self.posted),
            round_trips: get(&self.round_trips),
            payload_bytes: get(&self.payload_bytes),
            ring_bytes: get(&self.ring_bytes),
            doorbells: get(&self.doorbells),
            full_ring_sleeps: get(&self.full_ring_sleeps),
        }
    }
}

impl CallStats {
    /// Adds the numbers of another.
    pub(super) fn add(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.failures += other.failures;
        self.nanos += other.nanos;
        self.posted += other.posted;
        self.round_trips += other.round_trips;
        self.payload_bytes += other.payload_bytes;
        self.ring_bytes += other.ring_bytes;
        self.doorbells += other.doorbells;
        self.full_ring_sleeps += other.full_ring_sleeps;
        self
    }
}

impl Counts {
    fn new() -> Self {
        Self { slots: (0..NUMBERS).map(|_| Slot::default()).collect(), unknown: Slot::default() }
    }

    fn slot(&self, ioctl: Option<&IoctlInfo>) -> &Slot {
        ioctl.and_then(|i| self.slots.get(usize::from(i.nr))).unwrap_or(&self.unknown)
    }

    /// What was counted for one request; requests that are not the driver's are counted together.
    pub fn of(&self, request: u32) -> CallStats {
        let ioctl = IoctlInfo::of(request);
        self.slot(ioctl).read(ioctl.map_or("", |i| i.name))
    }

    /// What was counted, for each ioctl that was called at all.
    pub fn by_call(&self) -> Vec<CallStats> {
        let known = crate::sys::IOCTLS.iter().chain(&crate::sys::OPTIONAL_IOCTLS);
        known.map(|i| self.slot(Some(i)).read(i.name)).filter(|s| s.calls != 0).collect()
    }

    /// The sum over all calls.
    pub fn total(&self) -> CallStats {
        self.slots.iter().chain([&self.unknown]).map(|s| s.read("")).fold(CallStats::default(), CallStats::add)
    }
}

impl<B> Tracer<B> {
    /// Counts the calls that go to `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner, counts: Arc::new(Counts::new()), callback: None }
    }

    /// Also calls `callback` after each call, on the thread that made it.
    pub fn with_callback(mut self, callback: impl Fn(&TracedCall) + Send + Sync + 'static) -> Self {
        self.callback = Some(Box::new(callback));
        self
    }

    /// The counters.
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }
}

impl<B: Boundary> Boundary for Tracer<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let began = Instant::now();
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        let took = began.elapsed();
        let ioctl = IoctlInfo::of(request);
        self.counts.slot(ioctl).add(&outcome, took);
        if let Some(callback) = &self.callback {
            callback(&TracedCall { ioctl, request, outcome, took });
        }
        outcome
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
