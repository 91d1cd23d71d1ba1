//! What the driver needs of a device: submit batches, read fences, sleep on one descriptor, and memory.
//!
//! ```text
//! driver ── submit(&Batch<Op>) ──► backend ──► packets, posted messages ──► device
//!    ▲                                                                        │
//!    └── progress(queue): one load of a fence page ◄──────────────────────────┘
//! ```
//!
//! | call | who may make it |
//! |---|---|
//! | `submit`, `prepare`, `wait_blocking` | the holder of the driver role, one at a time |
//! | `deliver` | one thread at a time for each queue, in the order of `prepare` |
//! | `arm`, `drain_event` | the attendant: the driver thread, or its task |
//! | everything else | any thread |

use std::any::Any;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;

use dxg_io::software::kernel::{RustKernel, Signature};
use dxg_scheduler::{Batch, Nanos, QueueId, StreamId, Ticket};

use smallvec::SmallVec;

use crate::args::Wanted;
use crate::error::{Error, LostCause, Result};
use crate::info::DeviceInfo;
use crate::kernel::MergeSupport;
use crate::op::Op;

pub(crate) mod cuda;
pub(crate) mod dxg;
mod ring;

/// Streams of one device, at most: each has a place where its failure is recorded, and ids are below this.
pub(crate) const STREAMS_MAX: u32 = 1 << 16;

/// A device that executes batches.
pub(crate) trait Backend: Send + Sync {
    /// What the device is.
    fn info(&self) -> &DeviceInfo;

    /// Hardware queues, numbered from 0.
    fn queues(&self) -> u16;

    /// What submissions cost here, as measured when the device was opened.
    fn costs(&self) -> SubmissionCosts;

    /// Lowers a batch and hands it to the device, after its waits on other queues. Role holder only.
    ///
    /// `Busy`, `Throttled` and `Lost` leave nothing behind; nothing of the batch was handed over.
    fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError>;

    /// Lowers a batch, for a thread that may spend a round trip on handing it over. The queue's fence may reach its values
    /// from [`Backend::deliver`] on, which must follow. Role holder only.
    ///
    /// Errors as those of [`Backend::submit`]; `Busy` is about command memory only.
    fn prepare(&self, batch: &Batch<Op>) -> Result<Delivery, SubmitError>;

    /// Hands over what was prepared. `Throttled`: call again with the same delivery; nothing is sent
    /// twice. The order across queues is free, a queue may wait for a value that is delivered to another one later.
    fn deliver(&self, delivery: &mut Delivery) -> Result<Submitted, SubmitError>;

    /// What a queue's fence says: one Acquire load. A value above the last submitted one is never success: the host
    /// writes the maximum when the device is lost, and [`Backend::health`] then says why.
    fn progress(&self, queue: QueueId) -> u64;

    /// Makes [`Backend::event_fd`] readable once `queue` reaches `value`. Attendant only. One-shot.
    fn arm(&self, queue: QueueId, value: u64) -> Result<ArmKind>;

    /// The descriptor to sleep on: an eventfd.
    fn event_fd(&self) -> BorrowedFd<'_>;

    /// Whom to call, beside raising the descriptor, when a notification comes on a thread of the backend's own: it may drive at once,
    /// where the attendant has to wake first.
    fn call_when_notified(&self, _drive: Box<dyn Fn() + Send + Sync>) {}

    /// Makes the descriptor silent again; true if it was readable.
    fn drain_event(&self) -> bool;

    /// Blocks until `queue` reaches `value`: one CPU wait with an eventfd, or spinning on the fence page.
    fn wait_blocking(&self, queue: QueueId, value: u64, spin: bool) -> Result<()>;

    /// Whether the device is alive. Costs no message as long as it is.
    fn health(&self) -> Result<(), LostCause>;

    /// The next failed operation not yet reported, of any queue that shares `queue`'s status block.
    fn take_failure(&self, queue: QueueId) -> Option<KernelFailure>;

    /// The operation that poisoned a stream, if one did.
    fn stream_poisoned(&self, stream: StreamId) -> Option<Ticket>;

    /// Makes a poisoned stream usable again. Only when nothing of it is in flight.
    fn clear_poison(&self, stream: StreamId);

    /// Device memory, mapped and resident.
    fn allocate_device(&self, bytes: u64) -> Result<DeviceChunk>;

    /// Host memory that the device can reach.
    fn allocate_host(&self, bytes: usize) -> Result<HostChunk>;

    /// Loads the best image of a module for this device.
    fn load(&self, images: &[ModuleImage]) -> Result<BackendModule>;

    /// The device, if it is one of CUDA: for what others do not have.
    fn cuda(&self) -> Option<&cuda::CudaBackend> {
        None
    }

    /// The same device once more, with hardware queues, fences and poison of its own, for another shard; memory, modules and loss
    /// are those of the device. `None`: it has but one.
    fn another(&self) -> Option<Result<Arc<dyn Backend>>> {
        None
    }

    /// Messages so far.
    fn traffic(&self) -> Traffic;

    /// Memory in use.
    #[cfg(test)]
    fn memory_usage(&self) -> BackendMemory;

    /// Releases the device's objects. Later calls fail; fences stay readable.
    fn close(&self);
}

/// What submissions cost on a device. Times are measured when it is opened; 0 stands for "not measured, or nothing".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubmissionCosts {
    /// How long the host is busy with one submission: those that come faster only queue up there. 0 too where the host
    /// keeps up with whatever is submitted.
    pub interval: Nanos,
    /// From the call that submits to an idle device until the device can start, the host's time included.
    pub reach: Nanos,
    /// How long a submission keeps its queue from the next one: the whole round trip where messages are not posted.
    pub queue_interval: Nanos,
    /// Blocks that the device runs at one time; the largest number where it is not known.
    pub device_blocks: u32,
}

impl Default for SubmissionCosts {
    fn default() -> Self {
        SubmissionCosts { interval: 0, reach: 0, queue_interval: 0, device_blocks: u32::MAX }
    }
}

/// What a submission cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Submitted {
    /// Bytes the submission took of the bus ring.
    pub ring_bytes: u32,
}

/// A batch whose commands are written, and the calls that are left to be made.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Its hardware queue.
    pub queue: QueueId,
    /// The value that the queue's fence reaches with it.
    pub fence: u64,
    /// Where the device finds the commands.
    pub address: u64,
    /// Their length in bytes.
    pub length: u32,
    /// Values of other queues to wait for first.
    pub waits: SmallVec<[(QueueId, u64); 8]>,
}

/// Why a batch was not submitted.
#[derive(Clone, Debug)]
pub(crate) enum SubmitError {
    /// The command ring of the queue is full: try again after progress. Nothing was written.
    Busy,
    /// The message ring to the host, which all programs of the machine share, stayed full for as long as the driver waits:
    /// try again. Nothing was written.
    Throttled,
    /// The device is lost.
    Lost(LostCause),
    /// This batch can never be submitted, or the driver refused it.
    Failed(Error),
}

/// How a wake-up was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArmKind {
    /// By posted messages only.
    Posted,
    /// By one CPU wait: a round trip.
    CpuWait,
}

/// An operation that failed without losing the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelFailure {
    /// The operation.
    pub ticket: Ticket,
    /// Its stream.
    pub stream: StreamId,
    /// What the device said.
    pub message: String,
}

/// Device memory. Freed when dropped.
pub(crate) struct DeviceChunk {
    /// Its first address.
    pub address: u64,
    /// Its size.
    pub len: u64,
    /// What frees it.
    #[expect(dead_code, reason = "held for its drop")]
    pub owner: Box<dyn Any + Send + Sync>,
}

/// Host memory that the device reaches. Freed when dropped.
pub(crate) struct HostChunk {
    /// Where the process sees it.
    pub ptr: NonNull<u8>,
    /// Its size.
    pub len: usize,
    /// Where the device sees it.
    pub device_address: u64,
    /// What frees it.
    #[expect(dead_code, reason = "held for its drop")]
    pub owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: needed because of the pointer. A chunk is memory, not a view of it: it may be sent and shared;
// who reads and writes which bytes is up to those who hold pieces of it.
unsafe impl Send for HostChunk {}
// SAFETY: as above.
unsafe impl Sync for HostChunk {}

/// One image of a module.
#[derive(Clone)]
pub(crate) enum ModuleImage {
    /// Rust functions, for the software adapter.
    Rust(Vec<RustKernel>),
    /// A native object for the software adapter. Whoever made it promised that it is trusted code.
    Native(bytes::Bytes),
    /// PTX text, for CUDA; `merge`: its launches may be merged. As for native objects, it is trusted.
    Ptx { text: Arc<str>, merge: bool },
    /// Machine code of a CUDA device. As for native objects, it is trusted.
    Cubin(bytes::Bytes),
}

/// A loaded module.
pub(crate) struct BackendModule {
    /// Its kernels. A native object does not list its kernels: see [`BackendModule::kernel`].
    pub kernels: Vec<Arc<LoadedKernel>>,
    /// Looks a kernel up that is not listed.
    pub find: Option<Box<FindKernel>>,
}

/// Finds a kernel by name in an image that does not list its kernels.
pub(crate) type FindKernel = dyn Fn(&str) -> Result<Arc<LoadedKernel>> + Send + Sync;

/// A kernel that can be launched.
#[derive(Clone)]
pub(crate) struct LoadedKernel {
    /// The device's number for it; never reused.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters, where the image tells them.
    pub signature: Option<Arc<Signature>>,
    /// What fits each of them.
    pub wanted: Arc<[Wanted]>,
    /// What its launches may ask for, beside the limits of the device.
    pub limits: KernelLimits,
    /// Whether launches of it are merged.
    pub merge: MergeSupport,
    /// What the backend needs of it; keeps the image loaded.
    pub owner: Arc<dyn Any + Send + Sync>,
}

/// What launches of one kernel may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelLimits {
    /// Threads of a block.
    pub max_threads: u32,
    /// Dynamic shared memory of a block.
    pub max_shared_bytes: u32,
    /// Bytes of arguments that it takes, where the image tells.
    pub args_size: Option<u32>,
}

impl Default for KernelLimits {
    fn default() -> Self {
        KernelLimits { max_threads: u32::MAX, max_shared_bytes: u32::MAX, args_size: None }
    }
}

impl LoadedKernel {
    /// A kernel that the device knows by this number, and what keeps it loaded.
    pub fn new(
        id: u64,
        name: Arc<str>,
        signature: Option<Arc<Signature>>,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Arc<Self> {
        let parameters = signature.iter().flat_map(|signature| signature.parameters());
        let wanted = parameters.map(Wanted::by).collect();
        let (limits, merge) = (KernelLimits::default(), MergeSupport::Merged);
        Arc::new(LoadedKernel { id, name, signature, wanted, limits, merge, owner })
    }
}

/// Messages on the bus since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Messages whose answer nobody waited for.
    pub posted: u64,
    /// Messages whose answer was waited for.
    pub round_trips: u64,
    /// Bytes of payload.
    pub payload_bytes: u64,
    /// Bytes of ring used.
    pub ring_bytes: u64,
    /// Messages that rang the host's doorbell.
    pub doorbells: u64,
    /// Sleeps because the ring was full.
    pub full_ring_sleeps: u64,
}

/// Memory a backend holds.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackendMemory {
    /// Device memory in chunks.
    pub device_bytes: u64,
    /// Device-visible host memory.
    pub host_bytes: u64,
}
