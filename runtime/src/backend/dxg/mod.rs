//! The backend over dxg-io: batches become command packets, one submission each.
//!
//! ```text
//!            ┌ link: typed objects of dxg-io (adapter, device, queues, contexts, allocations)
//! DxgBackend ┼ memory: chunks for the pools
//!            └ execution: queues ─ submit (lower, command ring) ─ complete (fences, sleeping) ─ control (failures)
//! ```
//!
//! On the software adapter everything works. On a real `/dev/dxg` node the vendor's command format is not public: the
//! device opens for information, and whatever would need commands is refused with a sentence that names the way out.
//!
//! | call | who may make it |
//! |---|---|
//! | `submit`, `prepare`, `wait_blocking` | the holder of the driver role |
//! | `deliver` | one thread at a time for each queue, in the order of `prepare` |
//! | `arm`, `drain_event` | the attendant |
//! | everything else | any thread |

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dxg_io::boundary::Boundary;
use dxg_io::object::EventFd;
use dxg_io::software::kernel::KernelRegistry;
use dxg_scheduler::{Batch, QueueId, StreamId, Ticket};

use self::execution::{Execution, Queue};
use self::link::DeviceLink;
use self::memory::MemorySource;
use super::{
    ArmKind, Backend, BackendModule, Delivery, DeviceChunk, HostChunk, KernelFailure, ModuleImage, SubmissionCosts,
    SubmitError, Submitted, Traffic,
};
use crate::error::{Error, LostCause, Result};
use crate::info::DeviceInfo;
use crate::op::Op;
use crate::selector::Selector;

mod complete;
mod control;
mod execution;
mod health;
mod link;
mod lower;
mod memory;
mod module;
mod probe;
#[cfg(test)]
mod probe_tests;
mod ring_memory;
mod submit;
#[cfg(test)]
mod test_batch;
#[cfg(test)]
mod test_rig;
#[cfg(test)]
mod tests;

/// The smallest command ring.
const LEAST_RING_BYTES: usize = 256 << 10;
/// The largest command ring.
const MOST_RING_BYTES: usize = 64 << 20;

/// How to open a device.
#[derive(Clone)]
pub(crate) struct OpenOptions {
    /// The selector the user gave, for information and errors.
    pub selector: Selector,
    /// Which adapter of the boundary.
    pub adapter: u32,
    /// Hardware queues.
    pub queues: u16,
    /// The largest batch the scheduler makes, in bytes of commands: the rings hold a few of them.
    pub batch_bytes: usize,
    /// The kernels of the software adapter; `None` on a real node.
    pub kernels: Option<KernelRegistry>,
    /// Blocks that the device runs at the same time; 0 where it is not known.
    pub block_slots: u32,
    /// A blocking wait without progress for this long loses the device.
    pub silence_time: Duration,
}

/// A device behind a D3DKMT boundary.
pub(crate) struct DxgBackend {
    info: DeviceInfo,
    /// `None` on a real node. Dropped before the device.
    execution: Option<Execution>,
    kernels: Option<KernelRegistry>,
    memory: Arc<MemorySource>,
    device: Arc<DeviceLink>,
    device_blocks: u32,
    /// To sleep on where nothing is ever submitted.
    silent: EventFd,
    closed: AtomicBool,
}

impl DxgBackend {
    /// Opens a device: adapter, device, paging queue, the first hardware queues, and the probes for sleeping and for what
    /// submissions cost.
    pub fn open(boundary: Arc<dyn Boundary>, options: &OpenOptions) -> Result<Self> {
        let device = Arc::new(DeviceLink::open(boundary, options.selector, options.adapter)?);
        let memory = Arc::new(MemorySource::new(device.clone()));
        let execution = match &options.kernels {
            Some(_) => {
                let ring = (2 * options.batch_bytes).clamp(LEAST_RING_BYTES, MOST_RING_BYTES).next_multiple_of(4096);
                let queues = options.queues.max(1);
                Some(Execution::new(device.clone(), memory.clone(), queues, ring, options.silence_time)?)
            }
            None => None,
        };
        let info = DeviceInfo {
            selector: options.selector,
            name: device.name().into(),
            luid: device.luid(),
            architecture: if execution.is_some() { std::env::consts::ARCH.into() } else { "unknown".into() },
            can_launch: execution.is_some(),
            memory_bytes: device.memory_bytes(),
            buffer_alignment: 256,
            max_argument_bytes: crate::info::MAX_ARGUMENT_BYTES,
            // As CUDA has them, so that a program that fits here fits there.
            max_blocks: [i32::MAX as u32, 65_535, 65_535],
            max_block_count: i32::MAX as u64,
            max_threads: [1024, 1024, 64],
            max_threads_per_block: 1024,
            max_shared_bytes: 48 << 10,
            block_slots: options.block_slots,
            hardware_queues: execution.as_ref().map_or(0, |execution| execution.queue_count() as u16),
            // Everything sent so far is a round trip on every host, but for the probe.
            async_messages: device.traffic().posted > 0,
            posted_wake_up: execution.as_ref().is_some_and(|e| e.sleeper.kind() == ArmKind::Posted),
        };
        let silent = EventFd::new().map_err(|error| Error::driver("eventfd", error))?;
        let closed = AtomicBool::new(false);
        let device_blocks = if options.block_slots == 0 { u32::MAX } else { options.block_slots };
        Ok(Self { info, device_blocks, execution, kernels: options.kernels.clone(), memory, device, silent, closed })
    }

    fn execution(&self) -> Result<&Execution> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::ShutDown);
        }
        self.execution.as_ref().ok_or_else(no_commands)
    }

    /// A queue that something was submitted to.
    fn queue(&self, queue: QueueId) -> Result<&Queue> {
        let (execution, index) = (self.execution()?, usize::from(queue.0));
        execution.queue(index).ok_or_else(|| execution.no_queue(index))
    }
}

/// Writes the command buffer of a batch, for nobody to run: its length, or nothing where it does not fit.
#[cfg(feature = "bench")]
pub(crate) fn encode(batch: &Batch<Op>, buffer: &mut [u8]) -> Option<usize> {
    lower::lower(batch, buffer, dxg_io::software::packet::Header::default(), 0).ok()
}

/// What a real node answers to everything that needs commands.
fn no_commands() -> Error {
    Error::unsupported(
        "/dev/dxg takes commands only in the GPU vendor's own format, which is not public: launch and copy on `cuda` \
         (libcuda submits through /dev/dxg itself), or on `software`",
    )
}

impl Drop for DxgBackend {
    fn drop(&mut self) {
        // Whoever holds memory of the device holds the backend, so nothing outlives this but what a lost device kept.
        self.device.begin_teardown();
    }
}

impl Backend for DxgBackend {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn queues(&self) -> u16 {
        // A device without queues still has a scheduler, whose batches are refused one by one.
        self.info.hardware_queues.max(1)
    }

    fn costs(&self) -> SubmissionCosts {
        let measured = self.execution.as_ref().map_or_else(SubmissionCosts::default, |execution| execution.costs);
        SubmissionCosts { device_blocks: self.device_blocks, ..measured }
    }

    fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError> {
        self.execution().map_err(SubmitError::Failed)?.submit(batch)
    }

    fn prepare(&self, batch: &Batch<Op>) -> Result<Delivery, SubmitError> {
        self.execution().map_err(SubmitError::Failed)?.prepare(batch)
    }

    fn deliver(&self, delivery: &mut Delivery) -> Result<Submitted, SubmitError> {
        self.execution().map_err(SubmitError::Failed)?.deliver(delivery)
    }

    fn progress(&self, queue: QueueId) -> u64 {
        let queue = self.execution.as_ref().and_then(|execution| execution.queue(usize::from(queue.0)));
        queue.map_or(0, Queue::progress)
    }

    fn arm(&self, queue: QueueId, value: u64) -> Result<ArmKind> {
        let queue = self.queue(queue)?;
        self.execution()?.sleeper.arm(&self.device, &queue.link, value)
    }

    fn event_fd(&self) -> BorrowedFd<'_> {
        match &self.execution {
            Some(execution) => execution.sleeper.fd(),
            None => self.silent.as_fd(),
        }
    }

    fn drain_event(&self) -> bool {
        self.execution.as_ref().is_some_and(|execution| execution.sleeper.drain())
    }

    fn wait_blocking(&self, queue: QueueId, value: u64, spin: bool) -> Result<()> {
        self.execution()?.wait_blocking(self.queue(queue)?, value, spin)
    }

    fn health(&self) -> Result<(), LostCause> {
        match &self.execution {
            Some(execution) => execution.health(),
            None => self.device.health(false),
        }
    }

    fn take_failure(&self, queue: QueueId) -> Option<KernelFailure> {
        let execution = self.execution.as_ref()?;
        let index = usize::from(queue.0);
        if index < execution.queue_count() { execution.control.take_failure(index) } else { None }
    }

    fn stream_poisoned(&self, stream: StreamId) -> Option<Ticket> {
        self.execution.as_ref()?.control.poisoned(stream)
    }

    fn clear_poison(&self, stream: StreamId) {
        if let Some(execution) = &self.execution {
            execution.control.clear_poison(stream);
        }
    }

    fn allocate_device(&self, bytes: u64) -> Result<DeviceChunk> {
        self.execution()?;
        self.memory.allocate_device(bytes)
    }

    fn allocate_host(&self, bytes: usize) -> Result<HostChunk> {
        self.execution()?;
        self.memory.allocate_host(bytes)
    }

    fn load(&self, images: &[ModuleImage]) -> Result<BackendModule> {
        match (self.execution(), &self.kernels) {
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(no_commands()),
            (Ok(_), Some(kernels)) => module::load(kernels, images),
        }
    }

    fn traffic(&self) -> Traffic {
        self.device.traffic()
    }

    #[cfg(test)]
    fn memory_usage(&self) -> super::BackendMemory {
        self.memory.usage()
    }

    fn close(&self) {
        // The objects go with the backend: memory that outlives it (a buffer of the user) still needs its device.
        self.closed.store(true, Ordering::Release);
    }
}
