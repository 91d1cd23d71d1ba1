//! What the driver keeps of each object.

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Errno;
use super::handles::HandleTable;
use super::share::SealedResource;
use crate::software::bus::message::ProcessKey;
use crate::software::gpu::memory::GuestMapping;
use crate::sys;

/// One process that has the device node open.
pub struct Process {
    /// The host's number of it.
    pub key: ProcessKey,
    adapters: Mutex<HandleTable<()>>,
    objects: RwLock<HandleTable<Object>>,
}

/// A device.
pub struct Device {
    /// Its handle.
    pub handle: u32,
    /// The execution state last seen.
    pub execution_state: AtomicU32,
    /// The state counter when it was seen.
    pub state_counter: AtomicU64,
}

/// A context.
pub struct Context {
    /// Its device.
    pub device: Arc<Device>,
}

/// A hardware queue.
pub struct HwQueue {
    /// Its device.
    pub device: Arc<Device>,
    /// Handle of its context.
    pub context: u32,
    /// Handle of its progress fence.
    pub fence: u32,
    /// The progress fence, mapped for the client.
    #[allow(dead_code, reason = "held for its drop, which unmaps")]
    pub mapping: GuestMapping,
}

/// A paging queue.
pub struct PagingQueue {
    /// Its device.
    pub device: Arc<Device>,
    /// Handle of its fence.
    pub fence: u32,
    /// The fence, mapped for the client.
    #[allow(dead_code, reason = "held for its drop, which unmaps")]
    pub mapping: GuestMapping,
}

/// How an allocation is seen by the CPU.
pub enum CpuView {
    /// Not locked.
    None,
    /// The client's own memory.
    Existing(u64),
    /// Locked so many times.
    Locked(GuestMapping, u32),
}

/// An allocation.
pub struct Allocation {
    /// Its device.
    pub device: Arc<Device>,
    /// Its resource, if it has one.
    pub resource: Option<Arc<Resource>>,
    /// It was opened from another process's resource: the driver does not know its pages.
    pub opened: bool,
    /// Private data, kept for whoever opens the resource.
    pub private_data: Vec<u8>,
    view: Mutex<CpuView>,
}

/// A resource.
pub struct Resource {
    /// Its handle.
    pub handle: u32,
    /// Its device.
    pub device: Arc<Device>,
    /// It was created to be shared.
    pub shared: bool,
    /// Runtime data, kept for whoever opens it.
    pub runtime_data: Vec<u8>,
    /// Private data of the whole, kept for whoever opens it.
    pub private_data: Vec<u8>,
    state: Mutex<ResourceState>,
}

/// The changing part of a resource.
#[derive(Default)]
pub struct ResourceState {
    /// Handles of its allocations.
    pub allocations: Vec<u32>,
    /// It was shared: nothing more may be added.
    pub closed: bool,
    /// What others find when they open it.
    pub(super) sealed: Option<Arc<SealedResource>>,
}

/// A sync object.
pub struct Sync {
    /// The device it dies with; `None` for those that belong to the adapter.
    pub device: Option<Arc<Device>>,
    /// A fence whose value is in memory.
    pub monitored: bool,
    /// The number by which other processes open it, if it is shared.
    pub shared: Option<u32>,
    /// The guest event of a CPU notification.
    pub event: Option<u64>,
    /// An NT handle was made before: the host need not be asked again.
    pub exported: std::sync::atomic::AtomicBool,
    /// The fence page, mapped for the client.
    #[allow(dead_code, reason = "held for its drop, which unmaps")]
    pub mapping: Option<GuestMapping>,
}

/// Any object; cloning takes a reference.
#[derive(Clone)]
pub enum Object {
    /// A device.
    Device(Arc<Device>),
    /// A context.
    Context(Arc<Context>),
    /// A hardware queue.
    HwQueue(Arc<HwQueue>),
    /// A paging queue.
    PagingQueue(Arc<PagingQueue>),
    /// An allocation.
    Allocation(Arc<Allocation>),
    /// A resource.
    Resource(Arc<Resource>),
    /// A sync object.
    Sync(Arc<Sync>),
    /// The fence of a paging or hardware queue: a handle with no object behind it.
    QueueFence(Arc<Device>),
}

impl Object {
    /// The device the object dies with.
    pub fn device(&self) -> Option<&Arc<Device>> {
        match self {
            Object::Device(_) => None,
            Object::Context(context) => Some(&context.device),
            Object::HwQueue(queue) => Some(&queue.device),
            Object::PagingQueue(queue) => Some(&queue.device),
            Object::Allocation(allocation) => Some(&allocation.device),
            Object::Resource(resource) => Some(&resource.device),
            Object::Sync(sync) => sync.device.as_ref(),
            Object::QueueFence(device) => Some(device),
        }
    }
}

macro_rules! lookup {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $kind:ty) => {
        $(#[$doc])*
        pub fn $name(&self, handle: sys::d3dkmthandle) -> Result<Arc<$kind>, Errno> {
            match self.objects().get(handle.v) {
                Some(Object::$variant(object)) => Ok(object.clone()),
                _ => Err(Errno(libc::EINVAL)),
            }
        }
    };
}

impl Process {
    /// A process without objects.
    pub fn new(key: ProcessKey) -> Process {
        Process { key, adapters: Mutex::default(), objects: RwLock::default() }
    }

    /// Adapter handles.
    pub fn adapters(&self) -> MutexGuard<'_, HandleTable<()>> {
        self.adapters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All other handles.
    pub fn objects(&self) -> RwLockReadGuard<'_, HandleTable<Object>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All other handles, to change.
    pub fn objects_mut(&self) -> RwLockWriteGuard<'_, HandleTable<Object>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks an adapter handle.
    pub fn adapter(&self, handle: sys::d3dkmthandle) -> Result<(), Errno> {
        self.adapters().get(handle.v).copied().ok_or(Errno(libc::EINVAL))
    }

    lookup!(/// A device by its handle.
        device, Device, Device);
    lookup!(/// A context by its handle.
        context, Context, Context);
    lookup!(/// A hardware queue by its handle.
        hw_queue, HwQueue, HwQueue);
    lookup!(/// A paging queue by its handle.
        paging_queue, PagingQueue, PagingQueue);
    lookup!(/// An allocation by its handle.
        allocation, Allocation, Allocation);
    lookup!(/// A resource by its handle.
        resource, Resource, Resource);
    lookup!(/// A sync object by its handle; the fences of queues are none.
        sync, Sync, Sync);
}

impl Device {
    /// A device that works.
    pub fn new(handle: u32) -> Device {
        let active = sys::_D3DKMT_DEVICEEXECUTION_ACTIVE;
        Device { handle, execution_state: AtomicU32::new(active), state_counter: AtomicU64::new(0) }
    }
}

impl Allocation {
    /// An allocation as the CPU first sees it.
    pub fn new(device: Arc<Device>, resource: Option<Arc<Resource>>, view: CpuView) -> Allocation {
        Allocation { device, resource, opened: false, private_data: Vec::new(), view: Mutex::new(view) }
    }

    /// How the CPU sees it.
    pub fn view(&self) -> MutexGuard<'_, CpuView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource {
    /// An empty resource.
    pub fn new(handle: u32, device: Arc<Device>, shared: bool) -> Resource {
        let (runtime_data, private_data) = (Vec::new(), Vec::new());
        Resource { handle, device, shared, runtime_data, private_data, state: Mutex::default() }
    }

    /// The changing part.
    pub fn state(&self) -> MutexGuard<'_, ResourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
