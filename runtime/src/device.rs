//! A device: where memory, streams, modules and events come from.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::buffer::{Buffer, BufferSlice, Memory};
use crate::driver::{Engine, Place, StreamShared, Waiting};
use crate::error::{Error, Result};
use crate::host_buffer::HostBuffer;
use crate::host_memory::{HostMemory, HostPiece, TimeStamps};
use crate::info::DeviceInfo;
use crate::leave::Leaving;
use crate::limits::{Limits, Policy, Settings};
use crate::memory::PoolBlock;
use crate::memory::pool::MemoryPool;
use crate::module::{Module, ModuleSource};
use crate::open::DeviceBuilder;
use crate::pod::Pod;
use crate::selector::Selector;
use crate::shards::Shards;
use crate::stats::{MemoryInfo, Stats};
use crate::stream::{Priority, Stream, StreamBuilder};

/// How long an allocation waits for memory that work in flight is about to give back.
const MEMORY_PATIENCE: Duration = Duration::from_secs(10);

/// Which open device an object belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceTag {
    pub(crate) id: u64,
    selector: Selector,
}

impl DeviceTag {
    pub(crate) fn new(selector: Selector) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the number matters, and it is unique whatever the order.
        DeviceTag { id: NEXT.fetch_add(1, Ordering::Relaxed), selector }
    }

    /// An error unless the object of tag `found` belongs to this device.
    #[inline]
    pub(crate) fn check(self, what: &'static str, found: DeviceTag) -> Result<()> {
        if self.id == found.id {
            return Ok(());
        }
        Err(self.wrong(what, found))
    }

    #[cold]
    fn wrong(self, what: &'static str, found: DeviceTag) -> Error {
        Error::WrongDevice { what, expected: self.to_string().into(), found: found.to_string().into() }
    }
}

impl fmt::Display for DeviceTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {} (`{}`)", self.id, self.selector)
    }
}

impl fmt::Debug for DeviceTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a device that serves information only answers to everything else.
pub(crate) fn cannot_launch(what: &str, tag: DeviceTag) -> Error {
    Error::unsupported(format!(
        "{what} on {tag}, because its vendor's command format is not public; open `cuda` to compute on this GPU \
         (libcuda submits through /dev/dxg itself), or `software`"
    ))
}

/// What all handles of a device share. Operations in flight hold none of it, so it ends with the last handle.
pub(crate) struct DeviceShared {
    pub(crate) tag: DeviceTag,
    /// The first of its shards, and what is about the whole device.
    pub(crate) engine: Arc<Engine>,
    pub(crate) shards: Shards,
    pub(crate) host: Arc<HostMemory>,
    pub(crate) times: Arc<TimeStamps>,
    pool: MemoryPool,
    peak_used: AtomicU64,
    /// The limits it was opened with.
    opened: Limits,
    /// Dropped memory whose address was handed out, until what may use it is done.
    retiring: Mutex<Vec<Retiring>>,
    /// What it writes when it ends, if the environment asks for something.
    leaving: Option<Leaving>,
}

struct Retiring {
    memory: Retired,
    /// What had been accepted when it was dropped, by stream.
    after: Vec<(Arc<StreamShared>, u64)>,
}

/// Memory on its way back, of either kind; given back by being dropped.
pub(crate) enum Retired {
    Device(Arc<PoolBlock>),
    Host(#[expect(dead_code, reason = "held for its drop")] Arc<HostPiece>),
}

impl Retired {
    /// Bytes of the device's pool.
    fn device_bytes(&self) -> u64 {
        match self {
            Retired::Device(block) => block.len(),
            Retired::Host(_) => 0,
        }
    }
}

impl Retiring {
    fn is_over(&self) -> bool {
        self.after.iter().all(|(stream, ticket)| stream.timeline.completed() >= *ticket)
    }
}

impl DeviceShared {
    /// The shard of a stream.
    pub(crate) fn engine_of(&self, stream: &StreamShared) -> &Arc<Engine> {
        self.shards.of(stream.shard).unwrap_or(&self.engine)
    }

    /// What all shards have counted.
    pub(crate) fn stats(&self) -> Stats {
        self.shards.iter().fold(Stats::default(), |sum, engine| sum.and(&engine.stats()))
    }

    pub(crate) fn info(&self) -> &DeviceInfo {
        self.engine.backend.info()
    }

    /// Takes memory whose address was handed out: free when everything accepted so far is done.
    pub(crate) fn retire(&self, memory: Retired) {
        self.retire_after(memory, self.engine.streams());
    }

    /// As [`DeviceShared::retire`], for memory that only these streams use.
    pub(crate) fn retire_after(&self, memory: Retired, streams: impl IntoIterator<Item = Arc<StreamShared>>) {
        let unfinished = |stream: Arc<StreamShared>| {
            let last = stream.last_ticket();
            (stream.timeline.completed() < last).then_some((stream, last))
        };
        let after: Vec<_> = streams.into_iter().filter_map(unfinished).collect();
        if after.is_empty() {
            // Freed here, outside of the lock.
            drop(memory);
        } else {
            self.retiring().push(Retiring { memory, after });
        }
        self.sweep();
    }

    /// Frees what has retired.
    fn sweep(&self) {
        // A lost device touches nothing any more.
        let lost = self.engine.check_open().is_err_and(|error| error.is_device_lost());
        let over: Vec<Retiring> = {
            let mut retiring = self.retiring();
            retiring.extract_if(.., |entry| lost || entry.is_over()).collect()
        };
        drop(over);
    }

    fn retiring(&self) -> MutexGuard<'_, Vec<Retiring>> {
        // The lock guards a plain list: a poisoned one is as good.
        self.retiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live memory that an address lies in, and the address's offset in it.
    pub(crate) fn find_block(&self, address: u64) -> Option<(Arc<PoolBlock>, u64)> {
        self.pool.find(address)
    }

    /// Memory of somebody else as a block.
    pub(crate) fn adopt(&self, address: u64, len: u64, owner: Box<dyn Any + Send + Sync>) -> Result<Arc<PoolBlock>> {
        self.sweep();
        self.pool.adopt(address, len, owner).ok_or_else(|| {
            Error::invalid(format!("{len} bytes at {address:#x} are a buffer of this device already, or overlap one"))
        })
    }

    fn allocate(&self, bytes: u64) -> Result<Arc<PoolBlock>> {
        let block = self.patiently(|| self.pool.allocate(bytes))?;
        self.peak_used.fetch_max(self.pool.usage().used_bytes, Ordering::Relaxed);
        Ok(block)
    }

    /// Repeats what has found too little memory as long as work in flight may give some back.
    fn patiently<R>(&self, attempt: impl Fn() -> Result<R>) -> Result<R> {
        self.engine.check_open()?;
        self.sweep();
        let started = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            let short = match attempt() {
                Ok(found) => return Ok(found),
                Err(short @ Error::OutOfMemory { .. }) => short,
                Err(other) => return Err(other),
            };
            // Work in flight holds memory that was dropped: it comes back as the work completes.
            let busy = self.engine.streams().iter().any(|stream| !stream.is_idle());
            let waiting = busy || !self.retiring().is_empty();
            if !waiting || started.elapsed() > MEMORY_PATIENCE {
                return Err(short);
            }
            self.engine.flush_everything();
            self.engine.check_open()?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
            self.sweep();
        }
    }
}

impl Drop for DeviceShared {
    fn drop(&mut self) {
        if let Some(leaving) = self.leaving.take() {
            leaving.leave(self);
        }
        // Nothing is waited for: the engine completes what was accepted, and ends by itself.
        self.shards.close();
    }
}

/// An open device. Clones are handles on the same device.
///
/// The device stays open as long as a handle, a stream, or a buffer of it lives. When the last one goes, accepted work is
/// still completed, without anybody waiting for it.
///
/// # Watching it
///
/// [`Device::stats`] counts, [`Device::report`] says in words what limits the program, and [`Device::record_timeline`] draws it.
/// Through `tracing` come errors and warnings, and these spans and events. In steady state there are batches and fences, nothing for a
/// single operation. A batch is handed over by whoever holds the driver role: where that is a task that waits, `submit` stands inside
/// of the task's own spans.
///
/// | target | level | what | fields |
/// |---|---|---|---|
/// | `dxgrt::device` | `DEBUG` | span `open` | `selector`, `policy` |
/// | `dxgrt::device` | `DEBUG` | span `load` | `selector`, `images` |
/// | `dxgrt::batch` | `TRACE` | span `submit` | `id`, `queue`, `operations` |
/// | `dxgrt::batch` | `TRACE` | event `batch submitted` | `id`, `queue`, `operations`, `waves`, `groups`, `bytes`, `ring_bytes`, `fence`, `reason` |
/// | `dxgrt::progress` | `TRACE` | event `fence moved` | `queue`, `value` |
///
/// With the feature `metrics` the same goes to the `metrics` facade, with the label `device`; install a recorder before the device
/// is opened:
///
/// | metric | kind | what |
/// |---|---|---|
/// | `dxgrt_operations_total` | counter | operations taken in |
/// | `dxgrt_waits_total` | counter | times somebody came to wait |
/// | `dxgrt_batches_total` | counter | submissions, by the label `reason` |
/// | `dxgrt_batch_operations` | histogram | operations of a batch |
/// | `dxgrt_batch_seconds` | histogram | from the submission of a batch until its fence was seen |
/// | `dxgrt_submit_seconds` | histogram | what a submission cost the caller |
/// | `dxgrt_backpressure_seconds` | histogram | how long a call waited for room |
/// | `dxgrt_operations_in_flight`, `dxgrt_batches_in_flight` | gauge | submitted and not yet complete |
/// | `dxgrt_ring_bytes_total` | counter | bytes of submissions in the VM's ring |
/// | `dxgrt_failures_total` | counter | operations that failed |
#[derive(Clone)]
pub struct Device {
    shared: Arc<DeviceShared>,
}

impl Device {
    /// Opens the device of a selector: `software[:n]`, `dxg[:n]` or `cuda[:n]`.
    pub fn open(selector: &str) -> Result<Device> {
        Device::builder().selector(selector).open()
    }

    /// Opens the device that `DXGRT_DEVICE` names; where it is not set, `cuda` if it is usable, else `software`.
    pub fn open_default() -> Result<Device> {
        Device::builder().open()
    }

    /// Opens a device with settings of its own.
    pub fn builder() -> DeviceBuilder {
        DeviceBuilder::default()
    }

    /// The devices there are, usable or not ([`DeviceInfo::can_launch`]).
    pub fn enumerate() -> Vec<DeviceInfo> {
        crate::open::enumerate()
    }

    /// `full`: streams of each shard before another is opened, where that is not as usual.
    pub(crate) fn over(
        backend: Arc<dyn Backend>,
        settings: Settings,
        attendant: Place,
        full: Option<usize>,
    ) -> Result<Device> {
        let tag = DeviceTag::new(backend.info().selector);
        let engine = Engine::start(Arc::clone(&backend), settings, attendant.clone())?;
        let host =
            match HostMemory::new(Arc::clone(&backend), settings.limits.staging_bytes, Arc::clone(engine.memory())) {
                Ok(host) => host,
                Err(error) => {
                    // Nobody else ends the thread that has just begun.
                    engine.close();
                    return Err(error);
                }
            };
        let leaving = match Leaving::from_environment(&engine, tag) {
            Ok(leaving) => leaving,
            Err(error) => {
                engine.close();
                return Err(error);
            }
        };
        let shared = DeviceShared {
            tag,
            leaving,
            shards: Shards::new(&engine, &settings, full, attendant),
            engine,
            times: TimeStamps::new(Arc::clone(&host)),
            host,
            pool: MemoryPool::new(backend, settings.limits.memory_chunk_bytes),
            peak_used: AtomicU64::new(0),
            opened: settings.limits,
            retiring: Mutex::default(),
        };
        Ok(Device { shared: Arc::new(shared) })
    }

    pub(crate) fn shared(&self) -> &Arc<DeviceShared> {
        &self.shared
    }

    /// What the device is and can do.
    pub fn info(&self) -> &DeviceInfo {
        self.shared.info()
    }

    /// Device memory for `len` elements, not initialised to anything in particular. None at all is allowed: the buffer has an
    /// address, and operations on it do nothing.
    ///
    /// When memory is short, this waits for work in flight that is about to give some back.
    pub fn alloc<T: Pod>(&self, len: usize) -> Result<Buffer<T>> {
        let bytes = byte_len::<T>(len, "device memory")?;
        let block = self.shared.allocate(bytes as u64)?;
        Ok(Buffer::new(Memory::new(Arc::clone(&self.shared), block), len))
    }

    /// Host memory for `len` elements, all zero, that the device reaches without a staging copy.
    pub fn host_buffer<T: Pod>(&self, len: usize) -> Result<HostBuffer<T>> {
        let bytes = byte_len::<T>(len, "host memory")?;
        let piece = self.shared.patiently(|| self.shared.host.allocate_kept(bytes))?;
        Ok(HostBuffer::new(piece, len, self.shared.tag))
    }

    /// The live buffer that a device address lies in, and the address's offset in it, in bytes.
    pub fn find(&self, address: u64) -> Option<(BufferSlice<u8>, u64)> {
        let (block, offset) = self.shared.pool.find(address)?;
        let len = usize::try_from(block.len()).ok()?;
        let buffer = Buffer::new(Memory::new(Arc::clone(&self.shared), block), len);
        // Whoever looks memory up by address may use the address.
        let slice = buffer.as_slice().clone();
        slice.expose();
        Some((slice, offset))
    }

    /// Loads a module: the image that this device can run.
    pub fn load(&self, source: &ModuleSource) -> Result<Module> {
        self.shared.engine.check_open()?;
        let images = source.images()?;
        let selector = tracing::field::display(self.info().selector);
        let _span = tracing::debug_span!(target: "dxgrt::device", "load", selector, images = images.len()).entered();
        if !self.info().can_launch {
            return Err(cannot_launch("modules cannot be loaded", self.shared.tag));
        }
        Ok(Module::new(self.shared.engine.backend.load(images)?, self.shared.tag))
    }

    /// A stream of normal priority.
    pub fn stream(&self) -> Result<Stream> {
        Stream::new(&self.shared, Priority::Normal, true)
    }

    /// A stream with settings of its own.
    pub fn stream_builder(&self) -> StreamBuilder<'_> {
        StreamBuilder::new(self)
    }

    /// Waits for everything accepted so far, on all streams. Reports the first failure it finds, and waits for the others
    /// nevertheless.
    pub async fn synchronize(&self) -> Result<()> {
        let mut first = Ok(());
        for (stream, last) in self.accepted() {
            let engine = self.shared.engine_of(&stream);
            let mut waiting = Waiting::default();
            first = first.and(poll_fn(|cx| engine.poll_at_once(&stream, last, &mut waiting, cx)).await);
        }
        first
    }

    /// As [`Device::synchronize`], blocking the thread.
    pub fn synchronize_blocking(&self) -> Result<()> {
        let mut first = Ok(());
        for (stream, last) in self.accepted() {
            first = first.and(self.shared.engine_of(&stream).wait_until(&stream, last, None).unwrap_or(Ok(())));
        }
        first
    }

    fn accepted(&self) -> impl Iterator<Item = (Arc<StreamShared>, u64)> {
        let streams = self.shared.engine.streams().into_iter();
        streams.map(|stream| (Arc::clone(&stream), stream.latest())).filter(|(_, last)| *last > 0)
    }

    /// Hands over everything accepted so far, on all streams, without waiting for it.
    pub fn flush(&self) {
        self.shared.engine.flush_everything();
    }

    /// What the device has done so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// What memory it holds.
    pub fn memory_info(&self) -> MemoryInfo {
        self.shared.sweep();
        let pool = self.shared.pool.usage();
        let retiring = self.shared.retiring().iter().map(|entry| entry.memory.device_bytes()).sum();
        let (staging_total, staging_used) = self.shared.host.staging_usage();
        let host = self.shared.host.cache_usage();
        MemoryInfo {
            total: self.info().memory_bytes,
            reserved: pool.reserved_bytes,
            used: pool.used_bytes,
            retiring,
            peak_used: self.shared.peak_used.load(Ordering::Relaxed),
            buffers: pool.blocks,
            staging_total,
            staging_used,
            large_copies: host.transfer_bytes as u64,
            host_buffers: host.user_bytes as u64,
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.shared.engine.settings().limits
    }

    /// Replaces the limits; what is batched from now on follows them.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        let now = self.shared.engine.settings();
        self.shared.opened.check_change(&limits)?;
        self.shared.shards.set_settings(Settings { limits, ..now });
        Ok(())
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.shared.engine.settings().policy
    }

    /// Replaces the policy; what is batched from now on follows it.
    pub fn set_policy(&self, policy: Policy) -> Result<()> {
        policy.check()?;
        let now = self.shared.engine.settings();
        self.shared.shards.set_settings(Settings { policy, ..now });
        Ok(())
    }

    /// Ends the device: accepts nothing more, completes what was accepted, and closes it. Later calls on it, and on whatever
    /// belongs to it, fail with [`Error::ShutDown`]; completions keep their outcomes. Calling it again does nothing more.
    pub async fn shutdown(&self) {
        self.shared.shards.close();
        for engine in self.shared.shards.iter() {
            engine.closed().await;
        }
    }

    /// As [`Device::shutdown`], blocking the thread, but no longer than `limit`; whether the device has closed.
    pub fn shutdown_blocking(&self, limit: Duration) -> bool {
        self.shared.shards.close();
        let begun = Instant::now();
        self.shared.shards.iter().all(|engine| engine.wait_closed(limit.saturating_sub(begun.elapsed())))
    }

    /// Whether two handles are the same open device.
    pub fn is_same(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.shared.tag, f)
    }
}

/// Bytes of `len` elements, or that no memory holds them.
pub(crate) fn byte_len<T>(len: usize, what: &'static str) -> Result<usize> {
    // No object is longer than isize::MAX bytes, on the host or through it.
    len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or(Error::OutOfMemory {
        what,
        requested: u64::MAX,
        available: 0,
    })
}
