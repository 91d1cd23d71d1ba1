//! The GPU of the software adapter: memory, addresses, fences, queues, an engine that executes, faults.
//!
//! The host side creates objects and enqueues work; [`Gpu::run`] executes what is due on the thread that calls it.
//! Events go back through [`GpuEvents`], never while a lock is held, so that they may call in again.

mod address_space;
mod drive;
mod engine;
mod execution;
mod fault;
mod fence;
mod launch;
pub(crate) mod memory;
mod pool;
mod ranges;
mod resolver;
mod slab;
mod state;
mod transfer;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use smallvec::SmallVec;

pub(crate) use fault::{Fault, FaultReason};
pub(crate) use memory::{PAGE_BYTES, PageArena, Pages};

use address_space::{AddressSpace, Released};
use fault::Watch;
use pool::Pool;
use state::State;

use super::descriptor::PrivateFd;
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
    /// A command buffer without this GPU's header completes at once instead of losing its device.
    pub complete_foreign_commands: bool,
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
            complete_foreign_commands: false,
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

/// Name of the memory behind a fence that other processes can open; by it a descriptor is recognised.
pub(crate) const SHARED_FENCE: &std::ffi::CStr = c"dxg-shared-fence";
/// Name of the memory behind a resource that other processes can open.
const SHARED_RESOURCE: &std::ffi::CStr = c"dxg-shared-resource";

/// Memory in use, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUsage {
    pub video_used: u64,
    pub video_total: u64,
    pub io_used: u64,
    pub io_total: u64,
}

/// Everything behind a [`Gpu`], shared with its worker threads.
struct Shared {
    parameters: GpuParameters,
    kernels: KernelRegistry,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    events: Arc<dyn GpuEvents>,
    video: PageArena,
    /// Bytes of video memory that are not in the arena, since other processes may map them.
    video_elsewhere: Arc<AtomicU64>,
    io_space: PageArena,
    state: Mutex<State>,
    watch: Mutex<Watch>,
    pool: Pool,
    /// A kernel that was never measured may run on the thread that drives the GPU. That is so without modelled costs,
    /// when that thread is the client's own; otherwise it is the host's, which a launch that hangs must not take along.
    inline_unknown: bool,
    /// See [`Gpu::verify_client_memory`].
    verify: AtomicBool,
}

/// The GPU. All methods may be called from any thread, also from [`GpuEvents`].
pub(crate) struct Gpu {
    shared: Arc<Shared>,
}

impl Gpu {
    /// A GPU with its own memory; `clock` gives the engine time in ns.
    pub(crate) fn new(
        parameters: GpuParameters,
        kernels: KernelRegistry,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
        events: Arc<dyn GpuEvents>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            parameters,
            kernels,
            clock: Box::new(clock),
            events,
            video: PageArena::new(c"dxgrt-video", parameters.video_memory_bytes)?,
            video_elsewhere: Arc::default(),
            io_space: PageArena::new(c"dxgrt-io", parameters.io_space_bytes)?,
            state: Mutex::default(),
            watch: Mutex::default(),
            pool: Pool::new(parameters.workers),
            inline_unknown: parameters.launch_ns == 0 && parameters.copy_bytes_per_us == 0,
            verify: AtomicBool::new(false),
        });
        shared.lock().engine = Some(shared.new_engine());
        Ok(Self { shared })
    }

    /// From now on memory of clients is looked at before each command buffer that uses it: some may unmap it too early.
    pub(crate) fn verify_client_memory(&self) {
        self.shared.verify.store(true, Ordering::Relaxed);
    }

    /// Memory for allocations.
    #[cfg(test)]
    pub(crate) fn video_memory(&self) -> &PageArena {
        &self.shared.video
    }

    /// Memory for allocations of these many pages each, all or nothing. What is `shareable` can be mapped by other processes,
    /// unless there is no descriptor left to do that by.
    pub(crate) fn allocate_video(&self, pages: &[u64], shareable: bool) -> Option<Vec<Arc<Pages>>> {
        let total = pages.iter().try_fold(0u64, |sum, &pages| sum.checked_add(pages))?;
        let usage = self.memory_usage();
        let used = usage.video_used.checked_add(total.checked_mul(PAGE_BYTES)?)?;
        if used > usage.video_total {
            return None;
        }
        let counted = || Some(self.shared.video_elsewhere.clone());
        let own =
            if shareable && total > 0 { PageArena::shareable(SHARED_RESOURCE, total, counted()).ok() } else { None };
        let arena = own.as_ref().unwrap_or(&self.shared.video);
        pages.iter().map(|&pages| arena.allocate(pages)).collect()
    }

    /// Memory in use.
    pub(crate) fn memory_usage(&self) -> MemoryUsage {
        let (video, io) = (&self.shared.video, &self.shared.io_space);
        MemoryUsage {
            video_used: video.used_bytes() + self.shared.video_elsewhere.load(Ordering::Relaxed),
            video_total: video.total_bytes(),
            io_used: io.used_bytes(),
            io_total: io.total_bytes(),
        }
    }

    /// A device, whose work addresses the memory of `process`.
    pub(crate) fn create_device(&self, key: DeviceKey, process: ProcessKey) {
        self.shared.lock().create_device(key, process);
    }

    /// Removes a device with its queues; work that has not begun is dropped. Its fences stay.
    pub(crate) fn destroy_device(&self, key: DeviceKey) {
        self.shared.lock().destroy_device(key);
        self.shared.abandon_current(|execution| execution.device == key);
    }

    /// Loses a device on demand (adapter removal, MarkDeviceAsError). Call [`Gpu::run`] after.
    pub(crate) fn lose_device(&self, key: DeviceKey, reason: FaultReason, now: u64) {
        self.shared.lose(key, Fault { reason, address: 0, op_tag: 0 }, now);
    }

    /// Why a device was lost; `None` while it works.
    pub(crate) fn device_fault(&self, key: DeviceKey) -> Option<Fault> {
        self.shared.lock().device(key).and_then(|device| device.fault)
    }

    /// Maps memory; answers the first address.
    pub(crate) fn map_va(&self, process: ProcessKey, request: MapRequest) -> Result<u64, GpuError> {
        self.space(process).map(&request)
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
        self.space(process).reserve(base, min, max, bytes)
    }

    /// Frees mapped or reserved addresses. Waits until no launch uses client memory that was behind them; for one that
    /// does not end, no longer than twice the TDR limit ([`GpuError::Busy`]; the addresses are free all the same).
    pub(crate) fn free_va(&self, process: ProcessKey, base: u64, bytes: u64) -> Result<(), GpuError> {
        let released = self.space(process).free(base, bytes)?;
        self.wait_unused(released)
    }

    /// Changes mappings in order; stops at the first that is refused. Waits as [`Gpu::free_va`].
    pub(crate) fn update_va(&self, process: ProcessKey, operations: &[UpdateVa]) -> Result<(), GpuError> {
        let (released, result) = self.space(process).update(operations);
        result.and(self.wait_unused(released))
    }

    /// Frees all addresses of a process, with the wait of [`Gpu::free_va`]. Destroy its devices first.
    pub(crate) fn destroy_process(&self, process: ProcessKey) -> Result<(), GpuError> {
        let space = self.shared.lock().remove_space(process);
        space.map_or(Ok(()), |space| self.wait_unused(space.free_all()))
    }

    /// A fence in a page of its own in the IO space.
    pub(crate) fn create_fence(&self, request: FenceRequest) -> Result<FenceKey, GpuError> {
        let page = self.shared.io_space.allocate(1).ok_or(GpuError::NoMemory)?;
        Ok(self.shared.lock().fences.create(page, request))
    }

    /// A fence in a page with a file of its own, which another process can open.
    pub(crate) fn create_shareable_fence(&self, request: FenceRequest) -> Result<FenceKey, GpuError> {
        let arena = PageArena::shareable(SHARED_FENCE, 1, None).map_err(|_| GpuError::NoMemory)?;
        let page = arena.allocate(1).ok_or(GpuError::NoMemory)?;
        Ok(self.shared.lock().fences.create(page, request))
    }

    /// A fence that another process has made, by the file of its page.
    pub(crate) fn import_fence(&self, file: PrivateFd, device: DeviceKey) -> Result<FenceKey, GpuError> {
        let arena = PageArena::import(file).map_err(|_| GpuError::NoMemory)?;
        let page = arena.part(0, PAGE_BYTES).ok_or(GpuError::NoMemory)?;
        Ok(self.shared.lock().fences.import(page, device))
    }

    /// Whether a queue or a CPU wait names this fence still.
    pub(crate) fn is_waited_for(&self, key: FenceKey) -> bool {
        self.shared.lock().is_waited_for(key)
    }

    /// The page of this fence goes to others, who may write it.
    pub(crate) fn watch_fence(&self, key: FenceKey) {
        self.shared.lock().fences.watch(key);
    }

    /// The page of a fence; its host address is the fence's GPU address.
    pub(crate) fn fence_pages(&self, key: FenceKey) -> Option<Arc<Pages>> {
        self.shared.lock().fences.page(key).cloned()
    }

    /// The value of a fence; guests read it in its page.
    #[cfg(test)]
    pub(crate) fn fence_value(&self, key: FenceKey) -> Option<u64> {
        self.shared.lock().fences.value(key)
    }

    /// Removes a fence; queues and CPU waits that wait for it go on as if it had been reached. Call [`Gpu::run`] after.
    pub(crate) fn destroy_fence(&self, key: FenceKey, now: u64) {
        let mut state = self.shared.lock();
        state.destroy_fence(key, now);
        self.shared.deliver(state);
    }

    /// Sets a fence; a lower value without `allow_rewind` is [`GpuError::InvalidParameter`]. Call [`Gpu::run`] after.
    pub(crate) fn signal_from_cpu(
        &self,
        key: FenceKey,
        value: u64,
        allow_rewind: bool,
        now: u64,
    ) -> Result<(), GpuError> {
        let mut state = self.shared.lock();
        state.fences.value(key).ok_or(GpuError::InvalidHandle)?;
        let set = state.signal(key, value, allow_rewind, now);
        self.shared.deliver(state);
        if set { Ok(()) } else { Err(GpuError::InvalidParameter) }
    }

    /// Sends the CPU event `event`, once, when all (or any) of the fences have reached their values: perhaps at once.
    pub(crate) fn wait_from_cpu(
        &self,
        fences: &[(FenceKey, u64)],
        any: bool,
        event: u64,
        now: u64,
    ) -> Result<(), GpuError> {
        let mut state = self.shared.lock();
        if fences.iter().any(|(key, _)| state.fences.value(*key).is_none()) {
            return Err(GpuError::InvalidHandle);
        }
        state.wait_from_cpu(fences, any, event, now);
        self.shared.deliver(state);
        Ok(())
    }

    /// A queue: a hardware queue with its progress fence, or a context without.
    pub(crate) fn create_queue(
        &self,
        device: DeviceKey,
        progress: Option<FenceKey>,
        _engine: EngineKind,
    ) -> Result<QueueKey, GpuError> {
        self.shared.lock().create_queue(device, progress)
    }

    /// Removes a queue; work that has not begun is dropped.
    pub(crate) fn destroy_queue(&self, key: QueueKey) {
        self.shared.lock().destroy_queue(key);
        self.shared.abandon_current(|execution| execution.queue == key);
    }

    /// Adds work to a queue. Call [`Gpu::run`] after.
    pub(crate) fn enqueue(&self, queue: QueueKey, item: QueueItem, now: u64) -> Result<(), GpuError> {
        self.shared.lock().enqueue(queue, item, now)
    }

    /// Executes what is due, on this thread; answers when it has to be called again. While one thread is inside, others
    /// return at once with `None`: what they enqueued is executed by the one inside.
    pub(crate) fn run(&self, now: u64) -> Option<u64> {
        self.shared.run(now)
    }

    /// Stops the watchdog and drops all queued work. Worker threads end once the launches on them have.
    pub(crate) fn shutdown(&self) {
        self.shared.stop_watchdog();
        self.shared.abandon_current(|_| true);
        self.shared.lock().clear();
    }

    fn space(&self, process: ProcessKey) -> Arc<AddressSpace> {
        self.shared.lock().space(process)
    }

    fn wait_unused(&self, released: Released) -> Result<(), GpuError> {
        let limit = Duration::from_nanos(self.shared.parameters.tdr_ns.saturating_mul(2));
        if released.wait(limit) { Ok(()) } else { Err(GpuError::Busy) }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests;
