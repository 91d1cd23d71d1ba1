//! The kernel objects of an open device, and every call that the backend makes on them.
//!
//! ```text
//! adapter ─ device ┬ paging queue (fence)
//!                  ├ per hardware queue: context ─ queue (progress fence); a second context to wait with
//!                  └ per chunk of memory: allocation ─ GPU address
//! ```

use std::sync::Arc;
use std::time::Duration;

use dxg_io::boundary::Boundary;
use dxg_io::call::Dxg;
use dxg_io::error::Result as DxgResult;
use dxg_io::object::{
    Adapter, Allocation, Context, ContextOptions, Device, EventFd, FencePoint, GpuVaRange, HwQueue, MapRequest,
    PagingQueue, SystemMemory,
};
use dxg_io::software::allocation_private_data;
use dxg_io::sys;

use super::health;
use crate::backend::Traffic;
use crate::error::{Error, LostCause, Result};
use crate::selector::Selector;

/// UTF-16 units of an adapter's description.
const DESCRIPTION_UNITS: usize = 4096;
/// The request for it (`KMTQAITYPE_DRIVER_DESCRIPTION`).
const DESCRIPTION_TYPE: sys::kmtqueryadapterinfotype = 65;
/// Paging that takes longer has gone wrong.
const PAGING_LIMIT: Duration = Duration::from_secs(10);
/// Payload of a submission without driver data, routing prefix included.
const SUBMISSION_BYTES: u64 = 16 + 80;
/// Payload of a wait, routing prefix included, and of each fence in it.
const WAIT_BYTES: u64 = 16 + 40;
const FENCE_BYTES: u64 = 12;

/// An open adapter with one device and its paging queue.
pub(super) struct DeviceLink {
    name: String,
    memory_bytes: u64,
    paging: PagingQueue,
    device: Device,
}

/// One hardware queue, and the context on which others sleep until it gets somewhere.
pub(super) struct QueueLink {
    queue: HwQueue,
    waiter: Context,
    /// Values count from here: what was submitted before [`QueueLink::rebase`].
    base: u64,
}

impl DeviceLink {
    /// Opens the adapter of that number, and a device on it; errors name the selector.
    pub fn open(boundary: Arc<dyn Boundary>, selector: Selector, adapter: u32) -> Result<Self> {
        let dxg = Dxg::new(boundary);
        let number = adapter as usize;
        let adapters = Adapter::enumerate(&dxg).map_err(|error| Error::driver("listing the adapters", error))?.len();
        if number >= adapters {
            let reason = match adapters {
                0 => "no adapter is there; is the GPU driver of the host installed?".into(),
                1 => "there is one adapter, number 0".into(),
                more => format!("there are {more} adapters, numbered from 0").into(),
            };
            return Err(Error::NoDevice { selector: selector.to_string().into(), reason });
        }
        let adapter = Adapter::open_nth(&dxg, number).map_err(|error| Error::driver("opening the adapter", error))?;
        let name = description(&adapter).unwrap_or_else(|| format!("{} adapter", dxg.name()));
        let local = adapter.video_memory(sys::_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL);
        let device = Device::create(&adapter).map_err(|error| Error::driver("creating a device", error))?;
        let paging = device.create_paging_queue().map_err(|error| Error::driver("creating a paging queue", error))?;
        Ok(Self { name, memory_bytes: local.map_or(0, |info| info.budget), paging, device })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The adapter's LUID.
    pub fn luid(&self) -> u64 {
        let luid = self.device.adapter().luid();
        u64::from(luid.b) << 32 | u64::from(luid.a)
    }

    /// Device memory that the process may use; 0 where the host does not say.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Device memory that the process may still take; 0 where the host does not say. A round trip.
    pub fn memory_left(&self) -> u64 {
        let local = self.device.adapter().video_memory(sys::_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL);
        local.map_or(0, |info| info.budget.saturating_sub(info.current_usage))
    }

    /// Messages so far.
    pub fn traffic(&self) -> Traffic {
        let traffic = self.dxg().traffic();
        Traffic {
            posted: u64::from(traffic.posted),
            round_trips: u64::from(traffic.round_trips),
            payload_bytes: traffic.payload_bytes,
            ring_bytes: traffic.ring_bytes,
            doorbells: u64::from(traffic.doorbells),
            full_ring_sleeps: u64::from(traffic.full_ring_sleeps),
        }
    }

    /// The calls it was opened through.
    pub fn dxg(&self) -> &Dxg {
        self.device.dxg()
    }

    /// Whether the device is alive; see [`health::check`].
    pub fn health(&self, fence_lost: bool) -> Result<(), LostCause> {
        health::check(&self.device, fence_lost)
    }

    /// Makes a hardware queue, with a context of its own and one to wait with: three round trips.
    pub fn queue(&self) -> Result<QueueLink> {
        self.new_queue().map_err(|error| Error::driver("creating a hardware queue", error))
    }

    fn new_queue(&self) -> DxgResult<QueueLink> {
        let waiter = self.device.create_context(ContextOptions::default())?;
        let context = self.device.create_context(ContextOptions { hw_queues: true, ..ContextOptions::default() })?;
        Ok(QueueLink { queue: context.create_hw_queue(&mut [])?, waiter, base: 0 })
    }

    /// Raises the eventfd once the fence reaches the value: one round trip.
    pub fn wait_from_cpu(&self, point: FencePoint, event: &EventFd) -> DxgResult<()> {
        self.device.wait_from_cpu(&[point], false, Some(event))
    }

    /// New device memory with an address.
    pub fn allocate(&self, bytes: u64) -> DxgResult<GpuVaRange> {
        let allocation = self.device.allocate_private(bytes, &mut allocation_private_data(bytes))?;
        self.map(&allocation)
    }

    /// Gives memory of this process an address on the device.
    pub fn import(&self, memory: Arc<SystemMemory>) -> DxgResult<GpuVaRange> {
        let mut size = allocation_private_data(memory.len() as u64);
        let allocation = self.device.allocate_existing(memory, &mut size)?;
        self.map(&allocation)
    }

    /// Maps a new allocation, makes it resident and waits until both are done.
    fn map(&self, allocation: &Allocation) -> DxgResult<GpuVaRange> {
        let (range, mapped) = self.paging.map_gpu_va(allocation, MapRequest::default())?;
        let resident = self.paging.make_resident(&[allocation])?;
        mapped.wait(PAGING_LIMIT)?;
        resident.wait(PAGING_LIMIT)?;
        Ok(range)
    }

    /// The device will be dropped with everything on it: its objects then leave their end to it, in few calls.
    pub fn begin_teardown(&self) {
        self.device.begin_teardown();
    }
}

impl QueueLink {
    /// What the progress fence says: one Acquire load. The maximum, which a lost device shows, stays above every value.
    pub fn progress(&self) -> u64 {
        self.queue.progress_value().saturating_sub(self.base)
    }

    /// A value of the progress fence, for others to wait for.
    pub fn point(&self, value: u64) -> FencePoint {
        (self.queue.progress_handle(), self.base + value)
    }

    /// What the fence shows at value 0.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Values begin again with 1, after `submitted` submissions with the values up to it.
    pub fn rebase(&mut self, submitted: u64) {
        self.base += submitted;
    }

    /// Lets the queue wait for fences (32 at most): posted. Returns the bytes of ring it took.
    pub fn wait(&self, points: &[FencePoint]) -> DxgResult<u32> {
        self.queue.wait(points)?;
        Ok(ring_bytes(WAIT_BYTES + FENCE_BYTES * points.len() as u64))
    }

    /// Submits a command buffer: posted. Returns the bytes of ring it took.
    pub fn submit(&self, command_buffer: u64, length: u32, fence: u64) -> DxgResult<u32> {
        self.queue.submit(command_buffer, length, self.base + fence, &[])?;
        Ok(ring_bytes(SUBMISSION_BYTES))
    }

    /// Raises the eventfd once the queue reaches the value: two posted messages on the waiter context.
    pub fn arm_posted(&self, value: u64, event: &EventFd) -> DxgResult<()> {
        self.waiter.wait(&[self.point(value)])?;
        self.waiter.signal_with_event(event)
    }
}

fn ring_bytes(payload: u64) -> u32 {
    // A message is far below 4 GiB.
    dxg_io::boundary::Traffic::ring_cost(payload) as u32
}

/// The adapter's own description.
fn description(adapter: &Adapter) -> Option<String> {
    let mut data = vec![0; 2 * DESCRIPTION_UNITS];
    adapter.query(DESCRIPTION_TYPE, &mut data).ok()?;
    let units: Vec<u16> =
        data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).take_while(|unit| *unit != 0).collect();
    let text = String::from_utf16_lossy(&units);
    (!text.trim().is_empty()).then_some(text)
}
