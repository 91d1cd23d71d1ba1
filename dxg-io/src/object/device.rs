//! Devices, and what happens to everything on one when it goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::adapter::Adapter;
use super::event::EventFd;
use super::memory::SystemMemory;
use super::{FencePoint, split};
use crate::call::{Dxg, ObjectSlots};
use crate::error::{Error, Result};
use crate::sys::*;

/// No sleep is longer than this without a look at the state of the device.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecutionState {
    /// It works.
    Active,
    /// It was reset.
    Reset,
    /// It did not answer in time.
    Hung,
    /// It was stopped.
    Stopped,
    /// It ran out of memory.
    OutOfMemory,
    /// A command was wrong.
    Fault,
    /// A command used an address that is not mapped.
    PageFault,
    /// A value that this library does not know.
    Unknown(u32),
}

impl ExecutionState {
    fn of(value: d3dkmt_deviceexecution_state) -> Self {
        match value {
            _D3DKMT_DEVICEEXECUTION_ACTIVE => Self::Active,
            _D3DKMT_DEVICEEXECUTION_RESET => Self::Reset,
            _D3DKMT_DEVICEEXECUTION_HUNG => Self::Hung,
            _D3DKMT_DEVICEEXECUTION_STOPPED => Self::Stopped,
            _D3DKMT_DEVICEEXECUTION_ERROR_OUTOFMEMORY => Self::OutOfMemory,
            _D3DKMT_DEVICEEXECUTION_ERROR_DMAFAULT => Self::Fault,
            _D3DKMT_DEVICEEXECUTION_ERROR_DMAPAGEFAULT => Self::PageFault,
            other => Self::Unknown(other),
        }
    }

    /// Whether work still runs.
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}

/// A device. Destroyed when the last clone, and the last object made on it, is dropped.
#[derive(Clone, Debug)]
pub struct Device {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    adapter: Adapter,
    handle: d3dkmthandle,
    /// Set once by `begin_teardown`: from then on children leave their destruction to the device's.
    going: AtomicBool,
    left: Mutex<Left>,
    /// Given back after the device is destroyed.
    _slots: ObjectSlots,
}

/// What children left to the destruction of the device.
#[derive(Debug, Default)]
struct Left {
    allocations: Vec<d3dkmthandle>,
    memory: Vec<Arc<SystemMemory>>,
    slots: Vec<ObjectSlots>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let dxg = self.adapter.dxg();
        let left = core::mem::take(self.left.get_mut().unwrap_or_else(PoisonError::into_inner));
        // Allocations first, and in few calls: the driver would destroy them one round trip at a time, and would let go
        // of system memory before the host knows.
        for some in left.allocations.chunks(D3DKMT_CREATEALLOCATION_MAX as usize) {
            // SAFETY: every object on the device holds this, so nothing is left that could use a mapping.
            let destroyed = unsafe { dxg.destroy_allocations(self.handle, some, Default::default()) };
            destroyed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
        }
        // SAFETY: as above.
        let destroyed = unsafe { dxg.destroy_device(self.handle) };
        destroyed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
        drop(left.memory);
    }
}

impl Device {
    /// Creates a device on an adapter.
    pub fn create(adapter: &Adapter) -> Result<Self> {
        let slots = adapter.dxg().reserve_objects(1)?;
        let handle = adapter.dxg().create_device(adapter.handle(), Default::default())?;
        let inner = Inner {
            adapter: adapter.clone(),
            handle,
            going: AtomicBool::new(false),
            left: Mutex::default(),
            _slots: slots,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The adapter it is on.
    pub fn adapter(&self) -> &Adapter {
        &self.inner.adapter
    }

    /// The calls it was made through.
    pub fn dxg(&self) -> &Dxg {
        self.inner.adapter.dxg()
    }

    /// How the device is. Costs no message while nothing changed.
    pub fn execution_state(&self) -> Result<ExecutionState> {
        let state = self.dxg().get_device_state(self.handle(), _D3DKMT_DEVICESTATE_EXECUTION)?;
        Ok(ExecutionState::of(state.u.execution_state()))
    }

    /// What the last page fault was about.
    pub fn page_fault_state(&self) -> Result<d3dkmt_devicepagefault_state> {
        let state = self.dxg().get_device_state(self.handle(), _D3DKMT_DEVICESTATE_PAGE_FAULT)?;
        Ok(state.u.page_fault_state())
    }

    /// Asks the host to count `event` up once all fences (or `any` of them) have reached their values; returns at once.
    /// Without an event, sleeps on one of its own until then, with an eye on the device: if that is lost, this says so.
    pub fn wait_from_cpu(&self, points: &[FencePoint], any: bool, event: Option<&EventFd>) -> Result<()> {
        use std::os::fd::AsFd;
        let (fences, values) = split(points);
        if let Some(event) = event {
            return self.dxg().wait_from_cpu(self.handle(), &fences, &values, any, event.as_fd()).map(drop);
        }
        let event = EventFd::new()?;
        let _ = self.dxg().wait_from_cpu(self.handle(), &fences, &values, any, event.as_fd())?;
        loop {
            if event.wait(LOOK_AGAIN)? > 0 {
                return Ok(());
            }
            if !self.execution_state()?.is_active() {
                return Err(Error::DeviceLost { what: "a wait for fences" });
            }
        }
    }

    /// Sets fences from the CPU. Posted: a value is visible once the host handled it.
    pub fn signal_from_cpu(&self, points: &[FencePoint]) -> Result<()> {
        let (fences, values) = split(points);
        self.dxg().signal_from_cpu(self.handle(), &fences, &values, Default::default()).map(drop)
    }

    /// Says that the device and everything on it will be dropped soon. From now on, objects that are dropped leave their
    /// destruction to that of the device, which needs one call for all allocations and one for all the rest.
    pub fn begin_teardown(&self) {
        self.inner.going.store(true, Ordering::Release);
    }

    fn is_going(&self) -> bool {
        self.inner.going.load(Ordering::Acquire)
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Left> {
        self.inner.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Destroys an object of which the device's destruction takes care too: now, or with the device.
    pub(super) fn release(&self, slots: Option<ObjectSlots>, destroy: impl FnOnce(&Dxg) -> Result<()>) {
        if self.is_going() {
            self.left().slots.extend(slots);
            return;
        }
        destroy(self.dxg()).unwrap_or_else(|error| self.dxg().note_failed_teardown(&error));
    }

    /// Destroys an allocation: now, or with others in one call before the device.
    pub(super) fn release_allocation(
        &self,
        slots: Option<ObjectSlots>,
        handle: d3dkmthandle,
        memory: Option<Arc<SystemMemory>>,
    ) {
        if self.is_going() {
            let mut left = self.left();
            left.allocations.push(handle);
            left.slots.extend(slots);
            left.memory.extend(memory);
            return;
        }
        // SAFETY: called from the destructor of the only owner; who uses its mapping holds it.
        let destroyed = unsafe { self.dxg().destroy_allocations(self.handle(), &[handle], Default::default()) };
        destroyed.unwrap_or_else(|error| self.dxg().note_failed_teardown(&error));
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}
