//! The GPU of the software adapter: memory, addresses, fences, queues, an engine that executes, faults.
//!
//! The host side creates objects and enqueues work; [`Gpu::run`] executes what is due on the thread that calls it.
//! Events go back through [`GpuEvents`], never while a lock is held, so that they may call in again.

pub(crate) mod memory;

use std::{io, sync::Arc};

use smallvec::SmallVec;

pub(crate) use memory::{PageArena, Pages};

use super::kernel::KernelRegistry;

/// A device, by its host handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceKey(pub u32);

/// A process: what owns a GPU virtual address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProcessKey(pub u64);

/// A fence; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FenceKey(pub u64);

/// A queue; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueKey(pub u64);

/// What the GPU takes from the adapter's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GpuParameters {
    /// Cost of one DISPATCH, COPY or FILL packet; 0 switches modelled times off.
    pub launch_ns: u64,
    /// Blocks that run at the same time.
    pub block_slots: u32,
    /// Speed of a copy engine in bytes per µs (MB/s); 0: copies cost no modelled time.
    pub copy_bytes_per_us: u64,
    /// A launch that takes longer loses its device.
    pub tdr_ns: u64,
    /// Launches expected to take longer run on the worker pool.
    pub inline_limit_ns: u64,
    /// Video memory in bytes.
    pub video_memory_bytes: u64,
    /// Memory for fence pages in bytes.
    pub io_space_bytes: u64,
    /// Threads of the worker pool; 0: as many as the machine has cores.
    pub workers: usize,
}

impl Default for GpuParameters {
    /// No modelled costs.
    fn default() -> Self {
        Self {
            launch_ns: 0,
            block_slots: 1056,
            copy_bytes_per_us: 0,
            tdr_ns: 2_000_000_000,
            inline_limit_ns: 50_000,
            video_memory_bytes: 1 << 30,
            io_space_bytes: 64 << 20,
            workers: 0,
        }
    }
}

/// Where the GPU reports to. Called without any lock held, from whatever thread runs the GPU.
pub(crate) trait GpuEvents: Send + Sync {
    /// The CPU event with this guest number happened at engine time `at`.
    fn cpu_event(&self, event: u64, at: u64);
    /// A device was lost at engine time `at`; [`Gpu::device_fault`] says why.
    fn device_state_changed(&self, device: DeviceKey, at: u64);
    /// [`Gpu::run`] has to be called by `deadline` (sent when a worker thread finds that out, not from `run` itself).
    fn wake(&self, deadline: u64);
}

/// Why the GPU refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GpuError {
    /// A value or range that makes no sense, or is taken.
    #[error("the value or range is not valid here")]
    InvalidParameter,
    /// No such device, fence, queue or mapping.
    #[error("there is no such object")]
    InvalidHandle,
    /// Memory, or the address space, is used up.
    #[error("there is not enough memory")]
    NoMemory,
    /// The device is lost.
    #[error("the device is lost")]
    DeviceLost,
    /// Memory stays in use by a launch that does not end.
    #[error("a launch that does not end still uses the memory")]
    Busy,
}

impl GpuError {
    /// The NTSTATUS with which a host answers.
    pub(crate) fn ntstatus(self) -> u32 {
        match self {
            Self::InvalidParameter => 0xC000_000D,
            Self::InvalidHandle => 0xC000_0008,
            Self::NoMemory => 0xC000_0017,
            Self::DeviceLost => 0xC000_02B6,
            Self::Busy => 0x8000_0011,
        }
    }
}

/// What a queue feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Compute,
    Copy,
}

/// A new fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FenceRequest {
    /// Its first value.
    pub initial: u64,
    /// The device it belongs to, with which it goes to the maximum.
    pub device: DeviceKey,
    /// It keeps its value when the device is lost (the flag `no_signal_max_value_on_tdr`).
    pub keep_value_on_loss: bool,
}

/// Memory behind GPU virtual addresses.
#[derive(Clone, Debug)]
pub(crate) enum Backing {
    /// Pages of an arena, from a byte offset that is a multiple of 4096.
    Pages(Arc<Pages>, u64),
    /// Memory of the client. It must stay mapped until [`Gpu::free_va`] of its last mapping has returned.
    System { ptr: u64, len: u64, writable: bool },
}

/// Bits of `MapRequest::protection` (D3DGPUVIRTUALADDRESS_PROTECTION_TYPE).
pub(crate) mod protection {
    /// Writes are allowed.
    pub(crate) const WRITE: u64 = 1;
    /// Reads give zeros; nothing is behind the addresses. Accesses fault here.
    pub(crate) const ZERO: u64 = 4;
    /// Every access faults.
    pub(crate) const NO_ACCESS: u64 = 8;
}

/// A new mapping of GPU virtual addresses.
#[derive(Clone, Debug)]
pub(crate) struct MapRequest {
    /// The client's choice; `None`: the adapter chooses, and chooses the host address where it can.
    pub base: Option<u64>,
    /// Lowest address when the adapter chooses.
    pub min: u64,
    /// End of the addresses when the adapter chooses; 0: no limit.
    pub max: u64,
    /// The memory.
    pub backing: Backing,
    /// First page of the backing.
    pub offset_pages: u64,
    /// Pages of 4096 bytes.
    pub pages: u64,
    /// See [`protection`]. Without [`protection::WRITE`] the mapping is read-only.
    pub protection: u64,
}

/// One operation of [`Gpu::update_va`].
#[derive(Clone, Debug)]
pub(crate) enum UpdateVa {
    /// Maps reserved or mapped addresses anew.
    Map(MapRequest),
    /// Takes the memory away, the addresses stay reserved.
    Unmap { base: u64, bytes: u64 },
    /// Makes `dst` refer to what `src` refers to.
    Copy { src: u64, dst: u64, bytes: u64 },
}

/// Work for a queue.
#[derive(Clone, Debug)]
pub(crate) enum QueueItem {
    /// Runs a command buffer, then advances the queue's progress fence to `fence_value` (if the queue has one).
    Execute { command_buffer: u64, length: u32, fence_value: u64 },
    /// Holds the queue until all fences have reached their values.
    Wait { fences: SmallVec<[(FenceKey, u64); 4]> },
    /// Sets fences.
    Signal { fences: SmallVec<[(FenceKey, u64); 4]>, allow_rewind: bool },
    /// Sends a CPU event.
    CpuEvent { event: u64 },
}

/// Why a device was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultReason {
    /// The command buffer is malformed.
    BadPacket(&'static str),
    /// An address is not mapped, or not for this access.
    BadAddress,
    /// A launch took longer than the limit.
    Timeout,
    /// The adapter was removed or the device marked as failed.
    Removed,
    /// A kernel failed in a command buffer that has nowhere to record it.
    KernelFault,
}

/// The fault that lost a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub reason: FaultReason,
    /// The address at fault, 0 if none is.
    pub address: u64,
    /// Tag of the operation at fault, 0 if not known.
    pub op_tag: u64,
}

/// Memory in use, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUsage {
    pub video_used: u64,
    pub video_total: u64,
    pub io_used: u64,
    pub io_total: u64,
}

/// The GPU.
pub(crate) struct Gpu {}

impl Gpu {
    /// A GPU with its own memory; `clock` gives the engine time in ns.
    pub(crate) fn new(
        parameters: GpuParameters,
        kernels: KernelRegistry,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
        events: Arc<dyn GpuEvents>,
    ) -> io::Result<Self> {
        let _ = (parameters, kernels, clock, events);
        unimplemented!()
    }

    /// Memory for allocations.
    pub(crate) fn video_memory(&self) -> &PageArena {
        unimplemented!()
    }

    /// Memory for fence pages.
    pub(crate) fn io_space(&self) -> &PageArena {
        unimplemented!()
    }

    pub(crate) fn memory_usage(&self) -> MemoryUsage {
        unimplemented!()
    }

    /// A device, whose work addresses the memory of `process`.
    pub(crate) fn create_device(&self, key: DeviceKey, process: ProcessKey) {
        let _ = (key, process);
        unimplemented!()
    }

    /// Removes a device with its queues; work that has not begun is dropped. Its fences stay.
    pub(crate) fn destroy_device(&self, key: DeviceKey) {
        let _ = key;
        unimplemented!()
    }

    /// Loses a device on demand (adapter removal, MarkDeviceAsError).
    pub(crate) fn lose_device(&self, key: DeviceKey, reason: FaultReason, now: u64) {
        let _ = (key, reason, now);
        unimplemented!()
    }

    /// Why a device was lost; `None` while it works.
    pub(crate) fn device_fault(&self, key: DeviceKey) -> Option<Fault> {
        let _ = key;
        unimplemented!()
    }

    /// Maps memory; answers the first address.
    pub(crate) fn map_va(&self, process: ProcessKey, request: MapRequest) -> Result<u64, GpuError> {
        let _ = (process, request);
        unimplemented!()
    }

    /// Reserves addresses without memory.
    pub(crate) fn reserve_va(
        &self,
        process: ProcessKey,
        base: Option<u64>,
        min: u64,
        max: u64,
        bytes: u64,
    ) -> Result<u64, GpuError> {
        let _ = (process, base, min, max, bytes);
        unimplemented!()
    }

    /// Frees mapped or reserved addresses. Waits until no launch uses client memory that was behind them; for one that
    /// does not end, no longer than twice the TDR limit ([`GpuError::Busy`]; the addresses are free all the same).
    pub(crate) fn free_va(&self, process: ProcessKey, base: u64, bytes: u64) -> Result<(), GpuError> {
        let _ = (process, base, bytes);
        unimplemented!()
    }

    /// Changes mappings in order; stops at the first that is refused.
    pub(crate) fn update_va(&self, process: ProcessKey, operations: &[UpdateVa]) -> Result<(), GpuError> {
        let _ = (process, operations);
        unimplemented!()
    }

    /// Frees all addresses of a process, with the wait of [`Gpu::free_va`].
    pub(crate) fn destroy_process(&self, process: ProcessKey) -> Result<(), GpuError> {
        let _ = process;
        unimplemented!()
    }

    /// A fence in a page of its own in the IO space.
    pub(crate) fn create_fence(&self, request: FenceRequest) -> Result<FenceKey, GpuError> {
        let _ = request;
        unimplemented!()
    }

    /// The page of a fence; its host address is the fence's GPU address.
    pub(crate) fn fence_pages(&self, key: FenceKey) -> Option<Arc<Pages>> {
        let _ = key;
        unimplemented!()
    }

    pub(crate) fn fence_value(&self, key: FenceKey) -> Option<u64> {
        let _ = key;
        unimplemented!()
    }

    /// Removes a fence; queues and CPU waits that wait for it go on as if it had been reached. Call [`Gpu::run`] after.
    pub(crate) fn destroy_fence(&self, key: FenceKey, now: u64) {
        let _ = (key, now);
        unimplemented!()
    }

    /// Sets a fence; a lower value without `allow_rewind` is [`GpuError::InvalidParameter`]. Call [`Gpu::run`] after.
    pub(crate) fn signal_from_cpu(
        &self,
        key: FenceKey,
        value: u64,
        allow_rewind: bool,
        now: u64,
    ) -> Result<(), GpuError> {
        let _ = (key, value, allow_rewind, now);
        unimplemented!()
    }

    /// Sends the CPU event `event`, once, when all (or any) of the fences have reached their values: perhaps at once.
    pub(crate) fn wait_from_cpu(
        &self,
        fences: &[(FenceKey, u64)],
        any: bool,
        event: u64,
        now: u64,
    ) -> Result<(), GpuError> {
        let _ = (fences, any, event, now);
        unimplemented!()
    }

    /// A queue: a hardware queue with its progress fence, or a context without.
    pub(crate) fn create_queue(
        &self,
        device: DeviceKey,
        progress: Option<FenceKey>,
        engine: EngineKind,
    ) -> Result<QueueKey, GpuError> {
        let _ = (device, progress, engine);
        unimplemented!()
    }

    /// Removes a queue; work that has not begun is dropped.
    pub(crate) fn destroy_queue(&self, key: QueueKey) {
        let _ = key;
        unimplemented!()
    }

    /// Adds work to a queue. Call [`Gpu::run`] after.
    pub(crate) fn enqueue(&self, queue: QueueKey, item: QueueItem, now: u64) -> Result<(), GpuError> {
        let _ = (queue, item, now);
        unimplemented!()
    }

    /// Executes what is due, on this thread; answers when it has to be called again. While one thread is inside, others
    /// return at once with `None`: what they enqueued is executed by the one inside.
    pub(crate) fn run(&self, now: u64) -> Option<u64> {
        let _ = now;
        unimplemented!()
    }

    /// Stops the worker threads; queued work is dropped.
    pub(crate) fn shutdown(&self) {
        unimplemented!()
    }
}
