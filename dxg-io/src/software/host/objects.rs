//! What the host knows of each object.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::HostTable;
use crate::software::gpu::{DeviceKey, FenceKey, Pages, QueueKey};

/// One guest process.
#[derive(Default)]
pub struct HostProcess {
    /// Its objects.
    pub objects: HostTable<Object>,
    /// What is mapped into its GPU address space: first address → bytes and allocation (0: a reservation).
    pub mappings: BTreeMap<u64, (u64, u32)>,
}

/// A device.
pub struct HostDevice {
    /// Its number at the GPU.
    pub key: DeviceKey,
    /// The guest marked it as failed.
    pub marked: bool,
}

/// A context: an ordinary queue.
pub struct HostContext {
    /// Handle of its device.
    pub device: u32,
    /// The queue.
    pub queue: HostQueue,
    /// Scheduling priority.
    pub priority: i32,
    /// Scheduling priority within the process.
    pub in_process_priority: i32,
}

/// A queue of the GPU, with what a signal after several queues needs.
pub struct HostQueue {
    /// Its number at the GPU.
    pub key: QueueKey,
    /// A fence of our own that says how far this queue is, and its last value; made when it is first needed.
    pub join: Option<(FenceKey, u64)>,
}

/// A hardware queue.
pub struct HostHwQueue {
    /// Handle of its device.
    pub device: u32,
    /// Handle of its context.
    pub context: u32,
    /// The queue.
    pub queue: HostQueue,
    /// Handle of its progress fence.
    pub fence: u32,
}

/// A paging queue.
pub struct HostPagingQueue {
    /// Handle of its device.
    pub device: u32,
    /// Its fence.
    pub fence: FenceKey,
    /// Handle of its fence.
    pub fence_handle: u32,
    /// The last value given out.
    pub value: u64,
}

/// What is behind an allocation.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Video memory.
    Pages(Arc<Pages>),
    /// The guest's memory, whose pages a later message brings.
    Awaited,
    /// The guest's memory.
    System {
        /// Where it begins.
        address: u64,
        /// Bytes.
        length: u64,
        /// Whether the GPU may write it.
        writable: bool,
    },
}

/// An allocation.
pub struct HostAllocation {
    /// Handle of its device.
    pub device: u32,
    /// Handle of its resource, or 0.
    pub resource: u32,
    /// Bytes.
    pub size: u64,
    /// The memory.
    pub storage: Storage,
    /// How often it was made resident.
    pub residency: u32,
    /// Its eviction priority.
    pub priority: u32,
}

/// A monitored or legacy fence.
pub struct HostFence {
    /// Handle of its device, if it dies with it.
    pub device: Option<u32>,
    /// Its number at the GPU.
    pub key: FenceKey,
    /// The number other processes open it by.
    pub shared: Option<u32>,
    /// It belongs to a queue and cannot be destroyed alone.
    pub owned: bool,
}

/// Any object.
pub enum Object {
    /// A device.
    Device(HostDevice),
    /// A context.
    Context(HostContext),
    /// A hardware queue.
    HwQueue(HostHwQueue),
    /// A paging queue.
    PagingQueue(HostPagingQueue),
    /// An allocation.
    Allocation(HostAllocation),
    /// A resource: its device and allocations.
    Resource {
        /// Handle of its device.
        device: u32,
        /// Handles of its allocations.
        allocations: Vec<u32>,
    },
    /// A fence.
    Fence(HostFence),
    /// Raises a guest event.
    Notification(u64),
    /// A mutex or semaphore: signals and waits are taken, and do nothing.
    Legacy,
}

impl Object {
    /// The device with which the object dies.
    pub fn device(&self) -> Option<u32> {
        match self {
            Object::Context(HostContext { device, .. })
            | Object::HwQueue(HostHwQueue { device, .. })
            | Object::PagingQueue(HostPagingQueue { device, .. })
            | Object::Allocation(HostAllocation { device, .. })
            | Object::Resource { device, .. } => Some(*device),
            Object::Fence(fence) => fence.device,
            Object::Device(_) | Object::Notification(_) | Object::Legacy => None,
        }
    }
}

/// The allocations of a shared resource: sizes and memory. They live as long as whoever can open them.
pub type Parts = Vec<(u64, Storage)>;
