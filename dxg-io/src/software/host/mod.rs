//! The host: objects by the handles it assigns, and what each message does to them and to the GPU.
//!
//! One message at a time, under the host role's lock. A message names objects by handle; the host checks every one,
//! also those in arrays, before it changes anything, and refuses with INVALID_PARAMETER what it does not know. (The
//! guest driver checks only one handle of each call.)

mod address;
mod identity;
mod info;
mod memory;
mod objects;
mod sync;
pub mod table;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use self::identity::Identity;
use self::objects::{HostDevice, HostProcess, Object};
pub use self::objects::{Parts, Storage};
use super::bus::dispatcher::{Dispatcher, Due};
use super::bus::message::{ProcessKey, Reply, Request, Work};
use super::gpu::{self, DeviceKey, FenceKey, Gpu, GpuError, Pages};
use super::params::{Parameters, nanos};
use crate::status::NtStatus;

/// Memory for the guest to map: pages of the GPU's arenas.
pub type Mappable = Arc<Pages>;

/// See the module.
pub struct Host {
    gpu: Arc<Gpu>,
    dispatcher: Arc<Dispatcher>,
    processes: HashMap<ProcessKey, HostProcess>,
    last_process: ProcessKey,
    last_device: u32,
    /// Fences by the number that they are shared by.
    shared: HashMap<u32, FenceKey>,
    last_shared: u32,
    /// How many handles refer to a fence.
    fence_handles: HashMap<FenceKey, u32>,
    /// Fences of other processes.
    foreign: Vec<FenceKey>,
    identity: Identity,
    paging_pending: bool,
    paging_ns: u64,
    /// A scratch list, kept for its capacity: signals and waits allocate nothing in the long run.
    fences: smallvec::SmallVec<[(FenceKey, u64); 4]>,
}

fn refused(error: GpuError) -> NtStatus {
    match error {
        // A lost device refuses work like a bad handle does: the recorded host answers so.
        GpuError::DeviceLost => NtStatus::INVALID_PARAMETER,
        other => NtStatus(other.ntstatus() as i32),
    }
}

fn answer(result: Result<Reply, NtStatus>) -> Reply {
    result.unwrap_or_else(Reply::status)
}

fn gpu_process(process: ProcessKey) -> gpu::ProcessKey {
    gpu::ProcessKey(u64::from(process))
}

impl Host {
    /// A host without processes.
    pub fn new(parameters: &Parameters, gpu: Arc<Gpu>, dispatcher: Arc<Dispatcher>) -> Host {
        Host {
            gpu,
            dispatcher,
            processes: HashMap::new(),
            last_process: 0,
            last_device: 0,
            shared: HashMap::new(),
            last_shared: 0,
            fence_handles: HashMap::new(),
            foreign: Vec::new(),
            identity: Identity::new(parameters),
            paging_pending: parameters.paging_pending,
            paging_ns: nanos(parameters.paging_us),
            fences: smallvec::SmallVec::new(),
        }
    }

    /// Objects of all processes.
    pub fn objects(&self) -> usize {
        self.processes.values().map(|process| process.objects.handles_where(|_| true).len()).sum()
    }

    fn process(&mut self, key: ProcessKey) -> Result<&mut HostProcess, NtStatus> {
        self.processes.get_mut(&key).ok_or(NtStatus::INVALID_PARAMETER)
    }

    /// Handles posted work; `at` is when.
    pub fn work(&mut self, process: ProcessKey, work: Work, at: u64) -> NtStatus {
        match self.do_work(process, work, at) {
            Ok(()) => NtStatus::SUCCESS,
            Err(status) => status,
        }
    }

    /// Handles a request; `at` is when.
    pub fn request(&mut self, key: ProcessKey, request: Request, at: u64) -> Reply {
        use Request as R;
        answer(match request {
            R::CreateProcess => {
                self.last_process += 1;
                self.processes.insert(self.last_process, HostProcess::default());
                Ok(Reply::handle(self.last_process))
            }
            R::DestroyProcess => self.destroy_process(key, at),
            R::CreateDevice => self.create_device(key),
            R::DestroyDevice { device } => self.destroy_device(key, device, at),
            R::FlushDevice { device } => self.device(key, device).map(|_| Reply::default()),
            R::DeviceState { device, kind } => self.device_state(key, device, kind),
            R::MarkDeviceAsError { device } => self.mark_device(key, device, at),
            R::CreateContext { device, node } => self.create_context(key, device, node),
            R::DestroyContext { context } => self.destroy_context(key, context, at),
            R::SetContextPriority { context, in_process, priority } => {
                self.set_context_priority(key, context, in_process, priority)
            }
            R::GetContextPriority { context, in_process } => self.context_priority(key, context, in_process),
            R::CreateHwQueue { context } => self.create_hw_queue(key, context),
            R::DestroyHwQueue { queue } => self.destroy_hw_queue(key, queue, at),
            R::CreatePagingQueue { device } => self.create_paging_queue(key, device),
            R::DestroyPagingQueue { queue } => self.destroy_paging_queue(key, queue, at),
            R::StandardAllocationData { size } => Ok(Reply { value: size, ..Reply::default() }),
            R::CreateAllocations { device, resource, create_resource, shared, allocations } => {
                self.create_allocations(key, device, resource, create_resource, shared, allocations)
            }
            R::DestroyAllocations { device, resource, allocations } => {
                self.destroy_allocations(key, device, resource, &allocations)
            }
            R::SetExistingMemory { allocation, address, length, writable } => {
                self.set_existing_memory(key, allocation, address, length, writable)
            }
            R::OpenResource { parts, device } => self.open_resource(key, &parts, device),
            R::Lock { allocation } => self.lock(key, allocation),
            R::Unlock { allocation } => self.allocation(key, allocation).map(|_| Reply::default()),
            R::MakeResident { paging_queue, allocations } => self.make_resident(key, paging_queue, &allocations, at),
            R::Evict { device, allocations } => self.evict(key, device, &allocations),
            R::OfferOrReclaim { paging_queue, allocations } => {
                self.offer_or_reclaim(key, paging_queue, &allocations, at)
            }
            R::UpdateAllocationProperty { paging_queue, allocation } => {
                self.update_property(key, paging_queue, allocation, at)
            }
            R::QueryResidency { allocations } => self.residency(key, &allocations),
            R::SetAllocationPriority { allocations } => self.set_allocation_priority(key, &allocations),
            R::GetAllocationPriority { allocations } => self.allocation_priority(key, &allocations),
            R::MapVa { paging_queue, base, minimum, maximum, allocation, offset_pages, pages, protection } => {
                let range = address::Placement { base, minimum, maximum };
                let part = address::Part { allocation, offset_pages, pages, protection };
                self.map_va(key, paging_queue, range, part, at)
            }
            R::ReserveVa { base, minimum, maximum, size } => {
                self.reserve_va(key, address::Placement { base, minimum, maximum }, size)
            }
            R::FreeVa { base, size } => self.free_va(key, base, size),
            R::UpdateVa { device, updates } => self.update_va(key, device, &updates),
            R::CreateSync { device, kind, initial, shared, no_max_on_tdr } => {
                self.create_sync(key, device, kind, initial, shared, no_max_on_tdr)
            }
            R::DestroySync { object } => self.destroy_sync(key, object, at),
            R::ShareNt { object } => self.share(key, object),
            R::OpenSync { device, shared, file } => self.open_sync(key, device, shared, file, at),
            R::ShareWithHost { object } => self.share_with_host(key, object),
            R::WaitCpu { objects, any, event } => self.wait_cpu(key, &objects, any, event, at),
            R::Work(work) => self.do_work(key, work, at).map(|()| Reply::default()),
            R::AdapterInfo { kind, data } => self.identity.answer(kind, data, self.gpu.memory_usage().video_total),
            R::VideoMemory { local } => Ok(self.video_memory(local)),
            R::ClockCalibration => Ok(Reply { value: 1_000_000_000, other: at, ..Reply::default() }),
            R::Nothing => Ok(Reply::default()),
        })
    }

    fn destroy_process(&mut self, key: ProcessKey, at: u64) -> Result<Reply, NtStatus> {
        let devices = self.process(key)?.objects.handles_where(|object| matches!(object, Object::Device(_)));
        for device in devices {
            self.destroy_device(key, device, at)?;
        }
        let fences = self.process(key)?.objects.handles_where(|object| matches!(object, Object::Fence(_)));
        for fence in fences {
            self.destroy_sync(key, fence, at)?;
        }
        self.processes.remove(&key);
        // A launch that does not end keeps its memory; the process is gone all the same.
        let _ = self.gpu.destroy_process(gpu_process(key));
        self.release_foreign(at);
        Ok(Reply::default())
    }

    fn create_device(&mut self, key: ProcessKey) -> Result<Reply, NtStatus> {
        self.last_device += 1;
        let device = HostDevice { key: DeviceKey(self.last_device), marked: false };
        self.gpu.create_device(device.key, gpu_process(key));
        Ok(Reply::handle(self.process(key)?.objects.insert(Object::Device(device))))
    }

    fn device(&mut self, key: ProcessKey, device: u32) -> Result<&mut HostDevice, NtStatus> {
        match self.process(key)?.objects.get_mut(device) {
            Some(Object::Device(device)) => Ok(device),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    fn destroy_device(&mut self, key: ProcessKey, device: u32, at: u64) -> Result<Reply, NtStatus> {
        let device_key = self.device(key, device)?.key;
        self.gpu.destroy_device(device_key);
        let process = self.process(key)?;
        for handle in process.objects.handles_where(|object| object.device() == Some(device)) {
            match self.process(key)?.objects.get(handle) {
                Some(Object::Allocation(_)) => self.drop_allocation(key, handle),
                Some(Object::Fence(fence)) => {
                    let fence = fence.key;
                    self.process(key)?.objects.remove(handle);
                    self.release_fence(fence, at);
                }
                _ => drop(self.process(key)?.objects.remove(handle)),
            }
        }
        self.process(key)?.objects.remove(device);
        Ok(Reply::default())
    }

    fn mark_device(&mut self, key: ProcessKey, device: u32, at: u64) -> Result<Reply, NtStatus> {
        let device = self.device(key, device)?;
        device.marked = true;
        let device = device.key;
        self.gpu.lose_device(device, gpu::FaultReason::Removed, at);
        Ok(Reply::default())
    }

    /// An operation that the paging queue completes: now, or when its fence comes to the value in the answer.
    fn paging(&mut self, key: ProcessKey, paging_queue: u32, at: u64) -> Result<Reply, NtStatus> {
        let (pending, delay) = (self.paging_pending, self.paging_ns);
        let Some(Object::PagingQueue(queue)) = self.process(key)?.objects.get_mut(paging_queue) else {
            return Err(NtStatus::INVALID_PARAMETER);
        };
        if !pending {
            return Ok(Reply { value: queue.value, ..Reply::default() });
        }
        queue.value += 1;
        let (fence, value) = (queue.fence, queue.value);
        if delay == 0 {
            self.gpu.signal_from_cpu(fence, value, false, at).map_err(refused)?;
        } else {
            self.dispatcher.schedule(at + delay, Due::PagingFence(fence, value));
        }
        Ok(Reply { status: NtStatus::PENDING, value, ..Reply::default() })
    }
}
