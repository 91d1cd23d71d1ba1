//! Sleeping until a fence reaches a value.
//!
//! ```text
//! arm:            waiter context of the queue:  GPU wait (fence, value) ─► signal that raises the eventfd     posted
//! arm, fallback:  CPU wait (fence, value) with the eventfd                                            one round trip
//! wait_blocking:  CPU wait with an eventfd of its own, then poll it                                   one round trip
//! ```
//!
//! Whether the host raises events from a context is probed once, when the device is opened, with a value that is reached.
//! No sleep here is longer than [`LONGEST_SLEEP`] without a look at the fence and the device: a lost event costs time, not
//! progress.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dxg_io::error::Error as DxgError;
use dxg_io::object::EventFd;

use super::execution::{Execution, Queue};
use super::health;
use super::link::{DeviceLink, QueueLink};
use crate::backend::ArmKind;
use crate::error::{Error, LostCause, Result};

/// The longest sleep without a look at fence and device.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// The probe gives up after this; a host that raises the event does so within a few round trips.
const PROBE_LIMIT: Duration = Duration::from_millis(250);
/// Fence reads between two looks at the clock.
const SPINS: u32 = 128;

/// The descriptors to sleep on.
pub(super) struct Sleeper {
    /// Raised by armed notifications.
    event: EventFd,
    kind: ArmKind,
    /// Raised by blocking waits; one at a time.
    blocking: Mutex<EventFd>,
}

impl Sleeper {
    /// Makes the descriptors and finds out how notifications can be armed.
    pub fn new(device: &DeviceLink, queue: Option<&QueueLink>) -> Result<Self> {
        let event = event_fd()?;
        let posted = match queue {
            // Where nothing is posted, wait and signal are two round trips, and the CPU wait is one.
            Some(queue) => probe(queue)? && device.traffic().posted > 0,
            None => false,
        };
        let kind = if posted { ArmKind::Posted } else { ArmKind::CpuWait };
        tracing::debug!(device = device.name(), ?kind, "how sleeping waiters are woken");
        Ok(Self { event, kind, blocking: Mutex::new(event_fd()?) })
    }

    /// How notifications are armed.
    pub fn kind(&self) -> ArmKind {
        self.kind
    }

    /// The descriptor that armed notifications raise.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Makes the descriptor silent; true if it was raised.
    pub fn drain(&self) -> bool {
        self.event.take().is_ok_and(|count| count != 0)
    }

    /// Raises the descriptor once the queue reaches `value`.
    pub fn arm(&self, device: &DeviceLink, queue: &QueueLink, value: u64) -> Result<ArmKind> {
        match self.kind {
            ArmKind::Posted => queue.arm_posted(value, &self.event),
            ArmKind::CpuWait => device.wait_from_cpu(queue.point(value), &self.event),
        }
        .map_err(|error| failed("arming a notification", error))?;
        Ok(self.kind)
    }
}

impl Execution {
    /// Blocks until the queue reaches `value`.
    pub fn wait_blocking(&self, queue: &Queue, value: u64, spin: bool) -> Result<()> {
        if spin { self.spin(queue, value) } else { self.sleep(queue, value) }
    }

    fn spin(&self, queue: &Queue, value: u64) -> Result<()> {
        let mut patience = Patience::new(queue, self.silence_time);
        let mut looked = Instant::now();
        loop {
            for _ in 0..SPINS {
                if queue.progress() >= value {
                    return self.really_reached(queue);
                }
                std::hint::spin_loop();
            }
            // Where there are fewer cores than threads that have something to do, the device's own may wait for this one.
            std::thread::yield_now();
            if looked.elapsed() >= LONGEST_SLEEP {
                self.check()?;
                patience.check(queue)?;
                looked = Instant::now();
            }
        }
    }

    fn sleep(&self, queue: &Queue, value: u64) -> Result<()> {
        let event = self.sleeper.blocking.lock().unwrap_or_else(PoisonError::into_inner);
        self.device
            .wait_from_cpu(queue.link.point(value), &event)
            .map_err(|error| failed("waiting for a fence", error))?;
        let mut patience = Patience::new(queue, self.silence_time);
        // An event of an earlier wait may still arrive, so an event is a reason to look at the fence, no more.
        while queue.progress() < value {
            if !poll(&event, LONGEST_SLEEP)? {
                self.check()?;
                patience.check(queue)?;
            }
        }
        self.really_reached(queue)
    }

    /// A fence above what was submitted says that the device is lost, not that work is done.
    fn really_reached(&self, queue: &Queue) -> Result<()> {
        if queue.is_possible(queue.progress()) { Ok(()) } else { self.check() }
    }

    fn check(&self) -> Result<()> {
        self.health().map_err(|cause| Error::DeviceLost { cause: cause.into() })
    }
}

/// How long a blocking wait goes on while nothing moves.
struct Patience {
    value: u64,
    since: Instant,
    limit: Duration,
}

impl Patience {
    fn new(queue: &Queue, limit: Duration) -> Self {
        Self { value: queue.progress(), since: Instant::now(), limit }
    }

    fn check(&mut self, queue: &Queue) -> Result<()> {
        let value = queue.progress();
        if value != self.value {
            *self = Self { value, since: Instant::now(), ..*self };
        } else if self.since.elapsed() >= self.limit {
            return Err(Error::DeviceLost { cause: LostCause::silent(self.limit).into() });
        }
        Ok(())
    }
}

/// A refused call: a lost device where it says so.
fn failed(doing: &'static str, error: DxgError) -> Error {
    match health::of_error(&error) {
        Some(cause) => Error::DeviceLost { cause: cause.into() },
        None => Error::driver(doing, error),
    }
}

/// Whether a posted wait and signal raise an eventfd: tried with a value that the queue's fence has already.
fn probe(queue: &QueueLink) -> Result<bool> {
    let event = event_fd()?;
    if let Err(error) = queue.arm_posted(queue.progress(), &event) {
        tracing::debug!(%error, "the host refuses events from a context");
        return Ok(false);
    }
    poll(&event, PROBE_LIMIT)
}

fn event_fd() -> Result<EventFd> {
    EventFd::new().map_err(|error| Error::driver("eventfd", error))
}

/// Waits until an event is raised, and makes it silent; false when the time is up.
fn poll(event: &EventFd, limit: Duration) -> Result<bool> {
    match event.wait(limit) {
        Ok(count) => Ok(count != 0),
        Err(error) => Err(Error::driver("poll", error)),
    }
}
