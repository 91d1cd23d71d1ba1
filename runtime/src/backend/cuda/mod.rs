//! The backend over libcuda: batches become merged launches, gather/scatter kernels and a fence value in pinned memory.
//!
//! ```text
//!             ┌ library, sys: libcuda, found at run time           ┌ plan: batch ─▶ calls and tables (pure); merge, poison
//! CudaBackend ┼ context, memory: what is shared with other users   ├ submit: the calls; queue, marks: stream, fence word, events
//!             ├ module, kernels: PTX and twins; our own kernels    └ sleep: threads that block for who sleeps
//!             └ execution: all of it together
//! ```
//!
//! | call | who may make it |
//! |---|---|
//! | `submit`, `wait_blocking` | the holder of the driver role |
//! | `arm`, `drain_event` | the attendant |
//! | everything else | any thread |

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dxg_scheduler::{Batch, QueueId, StreamId, Ticket};
use smallvec::SmallVec;

use self::execution::{Execution, FenceMode};
use self::sys::attribute;
use super::{
    ArmKind, Backend, BackendModule, Delivery, DeviceChunk, HostChunk, KernelFailure, ModuleImage, SubmissionCosts,
    SubmitError, Submitted, Traffic,
};
use crate::error::{Error, LostCause, Result};
use crate::info::{DeviceInfo, MAX_ARGUMENT_BYTES};
use crate::op::Op;

mod context;
mod execution;
mod foreign;
mod kernels;
mod library;
mod marks;
mod memory;
mod merge;
mod module;
#[cfg(feature = "bench")]
pub mod peer;
mod plan;
mod poison;
mod queue;
mod sleep;
mod submit;
mod sys;

pub(crate) use context::Place;
pub(crate) use execution::{CudaOptions, FenceChoice};
pub(crate) use foreign::{ForeignOrder, ForeignStep};

/// More streams gain nothing: the driver maps them on so many channels unless told otherwise, and launches of one kernel
/// merge best when they are few.
pub(crate) const QUEUES_MAX: u16 = 8;

/// Queues of a further shard: enough for a batch in flight on each of a few, and half the pinned memory.
const SHARD_QUEUES: u16 = 4;

/// From a call until the GPU starts on its work, in ns: about what an idle one takes.
const REACH: u64 = 5_000;

/// A device of the CUDA driver.
pub(crate) struct CudaBackend {
    info: DeviceInfo,
    execution: Execution,
    options: CudaOptions,
    closed: AtomicBool,
    submissions: AtomicU64,
}

/// GPUs of the CUDA driver; why there are none, if there are none.
pub(crate) fn count(library: Option<PathBuf>) -> Result<u32, Arc<str>> {
    let driver = library::driver(library)?;
    match u32::try_from(context::count(&driver)).unwrap_or(0) {
        0 => Err("the CUDA driver is there, but no NVIDIA GPU (see nvidia-smi)".into()),
        count => Ok(count),
    }
}

impl CudaBackend {
    pub fn open(options: &CudaOptions) -> Result<Self> {
        let execution = Execution::open(options)?;
        let context = &execution.context;
        let (major, minor) = context.capability();
        let number = |which| context.attribute(which);
        let three = |first: i32| [number(first), number(first + 1), number(first + 2)];
        let processors = number(attribute::MULTIPROCESSORS);
        let info = DeviceInfo {
            selector: context.selector(),
            name: context.name().into(),
            luid: 0,
            architecture: format!("sm_{major}{minor}").into(),
            can_launch: true,
            memory_bytes: context.memory_bytes(),
            buffer_alignment: 256,
            max_argument_bytes: MAX_ARGUMENT_BYTES,
            max_blocks: three(attribute::MAX_GRID_X),
            max_block_count: i32::MAX as u64,
            max_threads: three(attribute::MAX_BLOCK_X),
            max_threads_per_block: number(attribute::MAX_THREADS_PER_BLOCK),
            max_shared_bytes: number(attribute::MAX_SHARED_OPT_IN).max(number(attribute::MAX_SHARED_PER_BLOCK)),
            block_slots: processors * number(attribute::MAX_BLOCKS_PER_MULTIPROCESSOR),
            hardware_queues: execution.queue_count() as u16,
            async_messages: true,
            posted_wake_up: false,
        };
        tracing::debug!(
            device = &*info.name,
            library = %context.driver.path.display(),
            fence = match execution.fence_mode {
                FenceMode::WriteValue(_) => "stream memory write",
                FenceMode::Kernel => "kernel",
                FenceMode::Event => "event",
            },
            "a CUDA device is open"
        );
        Ok(Self::over(info, execution, options.clone()))
    }

    fn over(info: DeviceInfo, execution: Execution, options: CudaOptions) -> Self {
        CudaBackend { info, execution, options, closed: AtomicBool::new(false), submissions: AtomicU64::new(0) }
    }

    /// The context's handle.
    pub fn context_handle(&self) -> usize {
        self.execution.context.handle()
    }

    /// An operation that exchanges order with foreign streams and events.
    pub fn foreign_step(&self, order: ForeignOrder) -> Result<ForeignStep> {
        ForeignStep::new(&self.open_execution()?.context, order)
    }

    /// An error unless the bytes are memory of this device.
    pub fn check_foreign_memory(&self, address: u64, len: u64) -> Result<()> {
        foreign::check_memory(&self.open_execution()?.context, address, len)
    }

    fn open_execution(&self) -> Result<&Execution> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::ShutDown);
        }
        Ok(&self.execution)
    }
}

impl Backend for CudaBackend {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn queues(&self) -> u16 {
        self.info.hardware_queues
    }

    fn costs(&self) -> SubmissionCosts {
        // What a submission costs is the caller's own time, which the scheduler measures by itself.
        let device_blocks = self.info.block_slots.max(1);
        SubmissionCosts { device_blocks, reach: REACH, ..SubmissionCosts::default() }
    }

    fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError> {
        let execution = self.open_execution().map_err(SubmitError::Failed)?;
        self.submissions.fetch_add(1, Ordering::Relaxed);
        execution.submit(batch)
    }

    fn prepare(&self, batch: &Batch<Op>) -> Result<Delivery, SubmitError> {
        // Messages are "posted" here: nobody asks for two steps. If somebody does, the first does everything.
        self.submit(batch)?;
        Ok(Delivery { queue: batch.queue, fence: batch.fence, address: 0, length: 0, waits: SmallVec::new() })
    }

    fn deliver(&self, _delivery: &mut Delivery) -> Result<Submitted, SubmitError> {
        Ok(Submitted::default())
    }

    fn progress(&self, queue: QueueId) -> u64 {
        self.execution.queue(queue).map_or(0, |queue| self.execution.progress(queue))
    }

    fn arm(&self, queue: QueueId, value: u64) -> Result<ArmKind> {
        self.open_execution()?.arm(queue, value).map(|()| ArmKind::CpuWait)
    }

    fn event_fd(&self) -> BorrowedFd<'_> {
        self.execution.sleeper.fd()
    }

    fn call_when_notified(&self, drive: Box<dyn Fn() + Send + Sync>) {
        self.execution.sleeper.call(drive);
    }

    fn drain_event(&self) -> bool {
        self.execution.sleeper.drain()
    }

    fn wait_blocking(&self, queue: QueueId, value: u64, spin: bool) -> Result<()> {
        self.execution.wait_blocking(queue, value, spin)
    }

    fn health(&self) -> Result<(), LostCause> {
        self.execution.health()
    }

    fn take_failure(&self, _queue: QueueId) -> Option<KernelFailure> {
        self.execution.poison.take_failure()
    }

    fn stream_poisoned(&self, stream: StreamId) -> Option<Ticket> {
        self.execution.poison.of(stream)
    }

    fn clear_poison(&self, stream: StreamId) {
        self.execution.poison.clear(stream);
    }

    fn allocate_device(&self, bytes: u64) -> Result<DeviceChunk> {
        self.open_execution()?.memory.allocate_device(bytes)
    }

    fn allocate_host(&self, bytes: usize) -> Result<HostChunk> {
        self.open_execution()?.memory.allocate_host(bytes)
    }

    fn load(&self, images: &[ModuleImage]) -> Result<BackendModule> {
        module::load(&self.open_execution()?.context, self.info.max_shared_bytes, images)
    }

    fn cuda(&self) -> Option<&CudaBackend> {
        Some(self)
    }

    fn another(&self) -> Option<Result<Arc<dyn Backend>>> {
        let another = || {
            let options = CudaOptions { queues: self.options.queues.min(SHARD_QUEUES), ..self.options.clone() };
            let execution = self.open_execution()?.another(&options)?;
            let info = DeviceInfo { hardware_queues: execution.queue_count() as u16, ..self.info.clone() };
            Ok(Arc::new(CudaBackend::over(info, execution, options)) as Arc<dyn Backend>)
        };
        Some(another())
    }

    fn traffic(&self) -> Traffic {
        Traffic { posted: self.submissions.load(Ordering::Relaxed), ..Traffic::default() }
    }

    #[cfg(test)]
    fn memory_usage(&self) -> super::BackendMemory {
        self.execution.memory.usage()
    }

    fn close(&self) {
        // The objects go with the backend: memory that outlives it (a buffer of the user) still needs its context.
        self.closed.store(true, Ordering::Release);
    }
}
