//! Everything needed to run batches: queues with their command rings, the shared control memory, the way to sleep.
//!
//! | part | who may touch it |
//! |---|---|
//! | `QueueState` | the holder of the driver role, under the queue's lock (never contended) |
//! | `submitted` | written by the role holder before a submission; read by anyone |
//! | fence pages | written by the device; read by anyone |

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::command_ring::CommandRing;
use super::complete::Sleeper;
use super::control::ControlMemory;
use super::link::{DeviceLink, QueueLink};
use super::memory::MemorySource;
use super::submit::Oversize;
use crate::error::{Error, LostCause, Result};

/// One hardware queue.
pub(super) struct Queue {
    pub link: QueueLink,
    /// The last value submitted: the fence says more only when the device is lost.
    pub submitted: AtomicU64,
    state: Mutex<QueueState>,
}

/// Command memory of a queue.
pub(super) struct QueueState {
    pub ring: CommandRing,
    pub oversize: Option<Oversize>,
}

/// The queues of a device and what they share.
///
/// Fields are dropped in order: queues before the memory they read, everything before the device.
pub(super) struct Execution {
    pub queues: Box<[Queue]>,
    pub sleeper: Sleeper,
    pub control: ControlMemory,
    pub memory: Arc<MemorySource>,
    pub device: Arc<DeviceLink>,
}

impl Queue {
    /// What the fence page says.
    pub fn progress(&self) -> u64 {
        self.link.progress()
    }

    /// How far the queue has really come: nothing while the fence shows an impossible value.
    pub fn completed(&self) -> u64 {
        let value = self.progress();
        if self.is_possible(value) { value } else { 0 }
    }

    /// Whether a value of the fence, loaded before, was submitted.
    pub fn is_possible(&self, value: u64) -> bool {
        // A value that was submitted was stored here before, and the fence was loaded with Acquire.
        value <= self.submitted.load(Ordering::Acquire)
    }

    /// The command memory.
    pub fn state(&self) -> MutexGuard<'_, QueueState> {
        // Every step on the state leaves it consistent: a poisoned lock is as good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution {
    /// Queues over command rings of `ring_bytes` each.
    pub fn new(
        device: Arc<DeviceLink>,
        memory: Arc<MemorySource>,
        links: Vec<QueueLink>,
        ring_bytes: usize,
    ) -> Result<Self> {
        let queues = u16::try_from(links.len()).map_err(|_| Error::invalid("more than 65,535 hardware queues"))?;
        let chunk = memory.allocate_host(ControlMemory::bytes(queues, ring_bytes))?;
        let control = ControlMemory::new(chunk, queues, ring_bytes)
            .ok_or_else(|| Error::invalid("the memory for command rings is not page-aligned"))?;
        let sleeper = Sleeper::new(&device, &links)?;
        let queues = links
            .into_iter()
            .map(|link| Queue {
                submitted: AtomicU64::new(link.progress()),
                link,
                state: Mutex::new(QueueState { ring: CommandRing::new(control.ring_bytes()), oversize: None }),
            })
            .collect();
        Ok(Self { queues, sleeper, control, memory, device })
    }

    /// Whether the device is alive, by its own word and by its fences.
    pub fn health(&self) -> Result<(), LostCause> {
        let impossible = self.queues.iter().position(|queue| !queue.is_possible(queue.progress()));
        let breadcrumb = || self.queues.iter().enumerate().find_map(|(index, queue)| self.unfinished(index, queue));
        self.device.health(impossible.is_some()).map_err(|mut cause| {
            // Where the device names no operation, the one that started last on the queue that stands still is it.
            if cause.operation.is_none() {
                cause.operation = breadcrumb();
            }
            cause
        })
    }

    /// The operation that started last on a queue that did not complete what was submitted.
    fn unfinished(&self, index: usize, queue: &Queue) -> Option<u64> {
        let submitted = queue.submitted.load(Ordering::Acquire);
        let value = queue.progress();
        let breadcrumb = self.control.breadcrumb(index);
        (breadcrumb != 0 && value != submitted).then_some(breadcrumb)
    }
}
