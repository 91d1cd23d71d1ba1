//! Everything needed to run batches: queues with their command rings, the shared control memory, the way to sleep.
//!
//! All queues are made at opening: each takes half a dozen round trips, which nobody should meet in the middle of work.
//!
//! | part | who may touch it |
//! |---|---|
//! | `QueueState` | the holder of the driver role, under the queue's lock (never contended) |
//! | `submitted` | written by the role holder before a submission; read by anyone |
//! | fence pages | written by the device; read by anyone |

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::complete::Sleeper;
use super::control::ControlMemory;
use super::link::{DeviceLink, QueueLink};
use super::memory::MemorySource;
use super::probe;
use super::ring_memory::RingMemory;
use super::submit::Oversize;
use crate::backend::SubmissionCosts;
use crate::backend::ring::CommandRing;
use crate::error::{Error, LostCause, Result};

/// Queues that the probe uses: two, so that its submissions do not wait for one another.
const PROBED: usize = 2;

/// One hardware queue.
///
/// Fields are dropped in order: the queue before the memory it reads.
pub(super) struct Queue {
    pub link: QueueLink,
    /// The last value submitted: the fence says more only when the device is lost.
    pub submitted: AtomicU64,
    state: Mutex<QueueState>,
    pub ring_memory: RingMemory,
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
    queues: Box<[Queue]>,
    pub sleeper: Sleeper,
    pub control: ControlMemory,
    /// A blocking wait without progress for this long loses the device.
    pub silence_time: Duration,
    /// What submissions cost, as measured at opening.
    pub costs: SubmissionCosts,
    pub memory: Arc<MemorySource>,
    pub device: Arc<DeviceLink>,
}

impl Queue {
    fn new(device: &DeviceLink, memory: &MemorySource, ring_bytes: usize) -> Result<Self> {
        Ok(Self {
            link: device.queue()?,
            submitted: AtomicU64::new(0),
            state: Mutex::new(QueueState { ring: CommandRing::new(ring_bytes), oversize: None }),
            ring_memory: RingMemory::new(memory, ring_bytes)?,
        })
    }

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
    /// Makes `count` queues with command rings of `ring_bytes` each (a multiple of 4,096).
    pub fn new(
        device: Arc<DeviceLink>,
        memory: Arc<MemorySource>,
        count: u16,
        ring_bytes: usize,
        silence_time: Duration,
    ) -> Result<Self> {
        let chunk = memory.allocate_host(ControlMemory::bytes(count))?;
        let control = ControlMemory::new(chunk, count)
            .ok_or_else(|| Error::invalid("the memory for the states of queues is not page-aligned"))?;
        let mut queues = (0..count).map(|_| Queue::new(&device, &memory, ring_bytes)).collect::<Result<Box<[_]>>>()?;
        let sleeper = Sleeper::new(&device, queues.first().map(|queue| &queue.link))?;
        let probed = queues.len().min(PROBED);
        let costs = probe::measure(&device, &mut queues[..probed]);
        Ok(Self { queues, sleeper, control, silence_time, costs, memory, device })
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// A queue, if there is one of this number.
    pub fn queue(&self, index: usize) -> Option<&Queue> {
        self.queues.get(index)
    }

    /// The error about a queue that there is not.
    pub fn no_queue(&self, index: usize) -> Error {
        Error::invalid(format!("there is no hardware queue {index}, the device has {}", self.queues.len()))
    }

    /// Bytes of one command ring.
    #[cfg(test)]
    pub fn ring_bytes(&self) -> usize {
        self.queues.first().map_or(0, |queue| queue.state().ring.capacity())
    }

    /// Whether the device is alive, by its own word and by its fences.
    pub fn health(&self) -> Result<(), LostCause> {
        let impossible = self.queues.iter().any(|queue| !queue.is_possible(queue.progress()));
        let breadcrumb = || self.queues.iter().enumerate().find_map(|(index, queue)| self.unfinished(index, queue));
        self.device.health(impossible).map_err(|mut cause| {
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
