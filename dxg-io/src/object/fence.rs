//! Fences: monitored fences, the view of a fence's value in memory, and CPU-notification objects.

use core::fmt;
use core::ptr::NonNull;
use std::any::Any;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::device::Device;
use super::event::{EventFd, SyncFile};
use crate::call::ObjectSlots;
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// The value that the host writes when a device is lost.
pub(super) const LOST: u64 = u64::MAX;

/// The value of a fence, as the GPU writes it into a page of this process. Reading it costs neither a system call nor a
/// message. The view keeps the fence's owner alive, and with it the page.
#[derive(Clone)]
pub struct FenceView {
    value: Page,
    _owner: Arc<dyn Any + Send + Sync>,
}

/// Where a fence's value is. The page stays mapped as long as the object that owns this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page(NonNull<AtomicU64>);

// SAFETY: the pointer leads to an atomic in shared memory, which every thread may load.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// The page at an address that the driver returned.
    pub(super) fn at(address: u64, call: &'static IoctlInfo, object: Object) -> Result<Self> {
        NonNull::new(address as usize as *mut AtomicU64).filter(|p| p.is_aligned()).map(Self).ok_or(Error::NoAnswer {
            call: call.name,
            object,
            output: "address of the fence's value",
        })
    }

    /// The value now. Everything that the GPU wrote before it advanced the fence is visible after this.
    pub(super) fn load(self) -> u64 {
        // SAFETY: the driver mapped the page when it created the fence and unmaps it when it destroys it, which only the
        // owner of this does, when dropped. The value is 8-aligned, and is only accessed atomically.
        unsafe { self.0.as_ref() }.load(Ordering::Acquire)
    }
}

impl FenceView {
    pub(super) fn new(value: Page, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { value, _owner: owner }
    }

    /// The value now: one load. What the GPU wrote before it is visible after. [`u64::MAX`] means that the device is
    /// lost, never success.
    pub fn value(&self) -> u64 {
        self.value.load()
    }
}

impl fmt::Debug for FenceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FenceView").field("value", &self.value()).finish()
    }
}

/// How to create a monitored fence.
#[derive(Clone, Copy, Debug, Default)]
pub struct FenceOptions {
    /// Its first value.
    pub initial: u64,
    /// Other processes may open it, and its sync files carry it.
    pub shared: bool,
    /// Keeps its value when the device is lost, instead of going to the maximum.
    pub keep_value_when_lost: bool,
}

/// A fence whose value is in memory.
#[derive(Clone, Debug)]
pub struct MonitoredFence {
    inner: Arc<FenceInner>,
}

#[derive(Debug)]
struct FenceInner {
    device: Device,
    handle: d3dkmthandle,
    page: Page,
    gpu_address: u64,
    slots: Option<ObjectSlots>,
}

impl Drop for FenceInner {
    fn drop(&mut self) {
        let handle = self.handle;
        self.device.release(self.slots.take(), |dxg| {
            // SAFETY: who reads the page holds this.
            unsafe { dxg.destroy_synchronization_object(handle) }
        });
    }
}

impl Device {
    /// Creates a monitored fence.
    pub fn create_fence(&self, options: FenceOptions) -> Result<MonitoredFence> {
        let slots = self.dxg().reserve_objects(1)?;
        let mut info = d3dddi_synchronizationobjectinfo2 { r#type: _D3DDDI_MONITORED_FENCE, ..Default::default() };
        info.flags.set_shared(options.shared);
        info.flags.set_nt_security_sharing(options.shared);
        info.flags.set_no_signal_max_value_on_tdr(options.keep_value_when_lost);
        info.u.set_monitored_fence(d3dddi_synchronizationobjectinfo2_monitored_fence {
            initial_fence_value: options.initial,
            ..Default::default()
        });
        let made = self.dxg().create_synchronization_object(self.handle(), &info)?;
        let fence = made.info.u.monitored_fence();
        let call = d3dkmt_createsynchronizationobject2::IOCTL;
        self.own_fence(slots, made.sync_object, fence.fence_cpu_virtual_address, fence.fence_gpu_virtual_address, call)
    }

    /// Opens a fence that another process shared.
    pub fn open_fence(&self, file: BorrowedFd<'_>) -> Result<MonitoredFence> {
        let slots = self.dxg().reserve_objects(1)?;
        let mut flags = d3dddi_synchronizationobject_flags::default();
        flags.set_shared(true);
        flags.set_nt_security_sharing(true);
        let opened = self.dxg().open_sync_object_from_nt_handle2(file, self.handle(), flags)?;
        let fence = opened.u.monitored_fence();
        let call = d3dkmt_opensyncobjectfromnthandle2::IOCTL;
        self.own_fence(slots, opened.sync_object, fence.fence_value_cpu_va, fence.fence_value_gpu_va, call)
    }

    fn own_fence(
        &self,
        slots: ObjectSlots,
        handle: d3dkmthandle,
        address: u64,
        gpu_address: u64,
        call: &'static IoctlInfo,
    ) -> Result<MonitoredFence> {
        let page = Page::at(address, call, Object::new(ObjectKind::SyncObject, handle)).inspect_err(|_| {
            // SAFETY: no page came with the object, so nobody reads one.
            let destroyed = unsafe { self.dxg().destroy_synchronization_object(handle) };
            destroyed.unwrap_or_else(|error| self.dxg().note_failed_teardown(&error));
        })?;
        let inner = FenceInner { device: self.clone(), handle, page, gpu_address, slots: Some(slots) };
        Ok(MonitoredFence { inner: Arc::new(inner) })
    }
}

impl MonitoredFence {
    /// The handle, for waits and signals.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The device it is on.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// The value now: see [`FenceView::value`].
    pub fn value(&self) -> u64 {
        self.inner.page.load()
    }

    /// A view of the value that keeps the fence alive.
    pub fn view(&self) -> FenceView {
        FenceView::new(self.inner.page, self.inner.clone())
    }

    /// Where the GPU sees the value.
    pub fn gpu_address(&self) -> u64 {
        self.inner.gpu_address
    }

    /// Sets the value from the CPU. Posted: visible once the host handled it.
    pub fn signal(&self, value: u64) -> Result<()> {
        self.inner.device.signal_from_cpu(&[(self.handle(), value)])
    }

    /// A descriptor that becomes readable when the fence reaches `value`.
    pub fn sync_file(&self, value: u64) -> Result<SyncFile> {
        let device = &self.inner.device;
        device.dxg().create_sync_file(device.handle(), self.handle(), value).map(SyncFile::new)
    }

    /// A descriptor through which another process can open the fence. It must have been created shared.
    pub fn share(&self) -> Result<OwnedFd> {
        const ALL_ACCESS: u32 = 0x1000_0000;
        self.inner.device.dxg().share_object(self.handle(), ALL_ACCESS)
    }
}

/// An object that counts an eventfd up each time it is signalled.
#[derive(Clone, Debug)]
pub struct CpuNotification {
    inner: Arc<NotificationInner>,
}

#[derive(Debug)]
struct NotificationInner {
    device: Device,
    handle: d3dkmthandle,
    event: Arc<EventFd>,
    _slots: ObjectSlots,
}

impl Drop for NotificationInner {
    fn drop(&mut self) {
        let dxg = self.device.dxg();
        // Destroyed even when the device goes: the object belongs to the adapter and would outlive it.
        // SAFETY: the object has no page.
        let destroyed = unsafe { dxg.destroy_synchronization_object(self.handle) };
        destroyed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
    }
}

impl Device {
    /// Creates a CPU-notification object for an event.
    pub fn create_cpu_notification(&self, event: Arc<EventFd>) -> Result<CpuNotification> {
        let slots = self.dxg().reserve_objects(1)?;
        let mut info = d3dddi_synchronizationobjectinfo2 { r#type: _D3DDDI_CPU_NOTIFICATION, ..Default::default() };
        // The answer carries the driver's id of the event in this field; the descriptor's number stays ours.
        let event_number = event.as_fd().as_raw_fd() as u64;
        info.u.set_cpu_notification(d3dddi_synchronizationobjectinfo2_cpu_notification { event: event_number });
        let made = self.dxg().create_synchronization_object(self.handle(), &info)?;
        let inner = NotificationInner { device: self.clone(), handle: made.sync_object, event, _slots: slots };
        Ok(CpuNotification { inner: Arc::new(inner) })
    }
}

impl CpuNotification {
    /// The handle, for signals.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The event that it counts up.
    pub fn event(&self) -> &EventFd {
        &self.inner.event
    }
}
