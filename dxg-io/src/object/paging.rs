//! Paging queues: making memory resident and mapped, and knowing when it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::FencePoint;
use super::address::{GpuVaRange, MapRequest};
use super::allocation::Allocation;
use super::device::{Device, LOOK_AGAIN};
use super::event::EventFd;
use super::fence::{FenceView, LOST, Page};
use crate::call::{ObjectSlots, Success};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// A paging queue with its fence.
#[derive(Clone, Debug)]
pub struct PagingQueue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: Device,
    handle: d3dkmthandle,
    fence: d3dkmthandle,
    page: Page,
    slots: Option<ObjectSlots>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let handle = self.handle;
        self.device.release(self.slots.take(), |dxg| {
            // SAFETY: views of the fence hold this, so none is left.
            unsafe { dxg.destroy_paging_queue(handle) }
        });
    }
}

impl Device {
    /// Creates a paging queue.
    pub fn create_paging_queue(&self) -> Result<PagingQueue> {
        let dxg = self.dxg();
        // The queue and its fence.
        let slots = dxg.reserve_objects(2)?;
        let made = dxg.create_paging_queue(self.handle(), _D3DDDI_PAGINGQUEUE_PRIORITY_NORMAL, 0)?;
        let object = Object::new(ObjectKind::PagingQueue, made.paging_queue);
        let page = Page::at(made.fence_cpu_virtual_address, d3dkmt_createpagingqueue::IOCTL, object);
        let page = page.inspect_err(|_| {
            // SAFETY: no page came with the queue, so nobody reads one.
            let destroyed = unsafe { dxg.destroy_paging_queue(made.paging_queue) };
            destroyed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
        })?;
        let inner = Inner {
            device: self.clone(),
            handle: made.paging_queue,
            fence: made.sync_object,
            page,
            slots: Some(slots),
        };
        Ok(PagingQueue { inner: Arc::new(inner) })
    }
}

impl PagingQueue {
    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The device it is on.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// The fence, for waits of others: memory can be used once it reaches the value of a [`Pending`].
    pub fn fence_handle(&self) -> d3dkmthandle {
        self.inner.fence
    }

    /// The fence's value; the view keeps the queue alive.
    pub fn fence(&self) -> FenceView {
        FenceView::new(self.inner.page, self.inner.clone())
    }

    /// Makes allocations of this device resident.
    pub fn make_resident(&self, allocations: &[&Allocation]) -> Result<Pending> {
        let device = self.device();
        if allocations.iter().any(|a| !a.device().same_as(device)) {
            let call = d3dddi_makeresident::IOCTL.name;
            return Err(Error::invalid(call, "an allocation is of another device than the paging queue"));
        }
        let handles: Vec<d3dkmthandle> = allocations.iter().map(|a| a.handle()).collect();
        let residency = device.dxg().make_resident(self.handle(), &handles, Default::default())?;
        Ok(self.pending(residency.success, residency.fence_value))
    }

    /// Maps (part of) an allocation into the GPU's address space.
    pub fn map_gpu_va(&self, allocation: &Allocation, request: MapRequest) -> Result<(GpuVaRange, Pending)> {
        if !allocation.device().same_as(self.device()) {
            let call = d3dddi_mapgpuvirtualaddress::IOCTL.name;
            return Err(Error::invalid(call, "the allocation is of another device than the paging queue"));
        }
        let (args, size) = request.arguments(self.handle(), allocation)?;
        let (address, residency) = self.device().dxg().map_gpu_virtual_address(&args)?;
        let range = GpuVaRange::mapped(allocation, address, size);
        Ok((range, self.pending(residency.success, residency.fence_value)))
    }

    fn pending(&self, success: Success, value: u64) -> Pending {
        let value = if success == Success::Pending { value } else { 0 };
        Pending { queue: self.clone(), value }
    }
}

/// Work of a paging queue that may still go on.
#[derive(Clone, Debug)]
#[must_use = "the memory can be used only once this is ready"]
pub struct Pending {
    queue: PagingQueue,
    /// 0 when it was done at once.
    value: u64,
}

impl Pending {
    /// The value of the paging queue's fence from which on the memory can be used; 0 if at once.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// What a GPU wait must name to wait for it; `None` if there is nothing to wait for.
    pub fn point(&self) -> Option<FencePoint> {
        (!self.is_ready()).then(|| (self.queue.fence_handle(), self.value))
    }

    /// Whether it is done: one load.
    pub fn is_ready(&self) -> bool {
        let now = self.queue.inner.page.load();
        now >= self.value && (now != LOST || self.value == 0)
    }

    /// Sleeps until it is done, at most `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        const WHAT: &str = "making memory resident";
        if self.is_ready() {
            return Ok(());
        }
        let began = Instant::now();
        let device = self.queue.device();
        let event = EventFd::new()?;
        device.wait_from_cpu(&[(self.queue.fence_handle(), self.value)], false, Some(&event))?;
        loop {
            if self.is_ready() {
                return Ok(());
            }
            if self.queue.inner.page.load() == LOST || !device.execution_state()?.is_active() {
                return Err(Error::DeviceLost { what: WHAT });
            }
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Error::TimedOut { what: WHAT, millis: timeout.as_millis() as u64 });
            }
            event.wait(left.min(LOOK_AGAIN))?;
        }
    }
}
